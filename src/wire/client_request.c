/*
 * One exchange: an easy handle that is set up once and then asked again and again, with
 * another body and another X-Request-Id; and the callbacks by which libcurl tells what comes
 * of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inferometer/inferometer.h"
#include "wire/client_parts.h"

enum { CONNECT_TIMEOUT_MS = 10000 };

/* ---- what comes -------------------------------------------------------------------- */

/* Nothing is stamped before what was stamped already: of two ways in which libcurl comes to
 * read a socket one has the poller's word, the other only the time. */
static int64_t hear(ifm_exchange *self)
{
    const int64_t stamp = ifm_exchange_stamp(self);
    if (stamp > self->heard_ns)
        self->heard_ns = stamp;
    return self->heard_ns - self->due_ns;
}

static void take(ifm_exchange *self, const char *bytes, size_t n)
{
    if (self->retrying || self->settled || self->complete_ns != 0)
        return;
    const int64_t t_ns = self->heard_ns - self->due_ns;
    const bool more = ifm_answer_take(self->answer, bytes, n, t_ns);
    if (ifm_answer_complete(self->answer)) {
        self->complete_ns = self->heard_ns;
        ifm_timers_arm(self);
    } else if (!more) {
        self->settled = true;
    }
}

void ifm_exchange_flush(ifm_exchange *self)
{
    if (self->read.failed)
        self->settled = true;
    else if (self->read.length > 0)
        take(self, self->read.data, self->read.length);
    ifm_buffer_clear(&self->read);
    if (self->client->reader == self)
        self->client->reader = NULL;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *user)
{
    ifm_exchange *self = user;
    ifm_client *client = self->client;
    (void)one;
    if (client->reader != NULL && client->reader != self)
        ifm_exchange_flush(client->reader);
    if (self->settled)
        return n + 1; /* libcurl: an error, which ends the transfer */
    (void)hear(self);
    ifm_buffer_append(&self->read, bytes, n);
    client->reader = self;
    return n;
}

/* The head of a response is whole. */
static void on_head(ifm_exchange *self)
{
    long status = 0;
    char *type = NULL;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || self->head_seen) /* "100 Continue", or trailers */
        return;
    self->head_seen = true;
    const int64_t t_ns = hear(self);
    self->record.wire->headers_ns = t_ns;
    self->record.wire->status = (int32_t)status;
    self->retrying = ifm_retry_wanted(self, status);
    if (self->retrying)
        return;
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_TYPE, &type);
    ifm_answer_head(self->answer, (int32_t)status, type, t_ns);
}

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    ifm_exchange *self = user;
    (void)one;
    (void)hear(self);
    if (n <= 2 && (n == 0 || line[0] == '\r' || line[0] == '\n'))
        on_head(self);
    else
        ifm_retry_read(self, line, n);
    return n;
}

/* ---- what goes --------------------------------------------------------------------- */

/* libcurl tells this right after the system took the bytes: nothing else in it does. Costs
 * the formatting of some twenty lines a request that nobody reads, about 5 µs. */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t n, void *user)
{
    ifm_exchange *self = user;
    (void)easy, (void)bytes, (void)n;
    if (type != CURLINFO_HEADER_OUT && type != CURLINFO_DATA_OUT)
        return 0;
    self->sent_ns = ifm_time_now().ns;
    ifm_timers_arm(self);
    return 0;
}

/* The name is known and a connection begins. A second one, once something was sent, is
 * libcurl's own: the server had closed the open one just then. */
static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *to)
{
    ifm_exchange *self = user;
    (void)purpose;
    if (self->joins) {
        self->stopped = true;
        return CURL_SOCKET_BAD;
    }
    if (self->sent_ns != 0) {
        self->resends++;
        self->sent_ns = self->connect_ns = self->dns_ns = 0;
    }
    if (self->dns_ns == 0)
        self->dns_ns = ifm_time_now().ns;
    const int fd = socket(to->family, to->socktype, to->protocol);
    self->socket_errno = fd < 0 ? errno : 0;
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC); /* SOCK_CLOEXEC is not everywhere */
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* ---- settings ---------------------------------------------------------------------- */

static bool is_loopback(const char *shown)
{
    const char *host = strstr(shown, "://");
    host = host != NULL ? host + 3 : shown;
    const size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    return (n == 9 && strncasecmp(host, "localhost", n) == 0) ||
           (n == 5 && strncmp(host, "[::1]", n) == 0) || strncmp(host, "127.", 4) == 0;
}

static void prepare_network(const ifm_client *client, CURL *easy)
{
    const ifm_client_options *o = &client->options;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_SHARE, client->share);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     o->connect_timeout_ns > 0 ? (long)(o->connect_timeout_ns / 1000000)
                                               : (long)CONNECT_TIMEOUT_MS);
    if (client->url.socket != NULL)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->url.socket);
    if (o->proxy != NULL)
        curl_easy_setopt(easy, CURLOPT_PROXY, o->proxy);
    else if (client->url.socket != NULL || is_loopback(client->url.shown))
        curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* no proxy can see this machine */
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (o->new_connection)
        curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
}

static void prepare_tls(const ifm_client *client, CURL *easy)
{
    const ifm_client_options *o = &client->options;
    const char *bundle = o->cacert;
    if (bundle == NULL)
        bundle = getenv("CURL_CA_BUNDLE");
    if (bundle == NULL || *bundle == '\0')
        bundle = getenv("SSL_CERT_FILE");
    if (bundle != NULL && *bundle != '\0')
        curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
    if (o->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void prepare_http(const ifm_client *client, CURL *easy)
{
    const bool http2 = client->options.http2;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     !http2            ? (long)CURL_HTTP_VERSION_1_1
                     : client->url.tls ? (long)CURL_HTTP_VERSION_2TLS
                                       : (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    /* Rather wait for the first connection than open one for each stream of a burst. */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)IFM_RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "inferometer/" IFM_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
}

void ifm_client_prepare(const ifm_client *client, CURL *easy)
{
    prepare_network(client, easy);
    prepare_tls(client, easy);
    prepare_http(client, easy);
}

/* ---- headers ----------------------------------------------------------------------- */

static bool is_given(const ifm_client_options *o, const char *header)
{
    const size_t n = strcspn(header, ":");
    for (size_t i = 0; i < o->n_headers; i++)
        if (strncasecmp(o->headers[i], header, n + 1) == 0)
            return true;
    return false;
}

static bool add(struct curl_slist **list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*list, header);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

/* RFC 7617. Made here and not by libcurl, for what a server repeats of it is to be hidden. */
static void add_basic(ifm_buffer *line, const ifm_client_url *url)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ifm_buffer plain = {0};
    ifm_buffer_printf(&plain, "%s:%s", url->user,
                      url->password != NULL ? url->password : "");
    ifm_buffer_puts(line, "Authorization: Basic ");
    for (size_t i = 0; i < plain.length; i += 3) {
        const size_t n = plain.length - i < 3 ? plain.length - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)plain.data[i + k] : 0u);
        char four[4] = {'=', '=', '=', '='};
        for (size_t k = 0; k <= n; k++)
            four[k] = digits[bits >> (18 - 6 * k) & 63];
        ifm_buffer_append(line, four, 4);
    }
    ifm_buffer_deinit(&plain);
}

/* What the person gives counts before ours; a password in the URL before a key of the
 * environment, which was not meant for this server alone. */
bool ifm_client_make_headers(ifm_client *self)
{
    const ifm_client_options *o = &self->options;
    const char *const ours[] = {
        "Content-Type: application/json",
        o->stream ? "Accept: text/event-stream" : "Accept: application/json",
        "Expect:", /* no waiting for "100 Continue" before a long prompt */
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (!is_given(o, ours[i]))
            ok = ok && add(&self->headers, ours[i]);
    for (size_t i = 0; i < o->n_headers; i++)
        ok = ok && add(&self->headers, o->headers[i]);
    if (is_given(o, "Authorization:") || (self->url.user == NULL && o->api_key == NULL))
        return ok;
    ifm_buffer line = {0};
    if (self->url.user != NULL)
        add_basic(&line, &self->url);
    else
        ifm_buffer_printf(&line, "Authorization: Bearer %s", o->api_key);
    self->authorization = ifm_buffer_take(&line);
    ifm_buffer_deinit(&line);
    return ok && self->authorization != NULL && add(&self->headers, self->authorization);
}

/* ---- exchanges --------------------------------------------------------------------- */

static void set_callbacks(ifm_exchange *self)
{
    CURL *easy = self->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, self);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, self->says);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, self);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, self);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, self);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
}

ifm_exchange *ifm_exchange_new(ifm_client *client, ifm_shard *shard)
{
    ifm_exchange *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->client = client;
    self->shard = shard;
    self->easy = curl_easy_init();
    if (self->easy == NULL) {
        free(self);
        return NULL;
    }
    ifm_client_prepare(client, self->easy);
    set_callbacks(self);
    self->id_header = (struct curl_slist){self->id_text, client->headers};
    curl_easy_setopt(self->easy, CURLOPT_URL, client->url.endpoint);
    curl_easy_setopt(self->easy, CURLOPT_HTTPHEADER, &self->id_header);
    self->record = ifm_record_empty();
    return self;
}

void ifm_exchange_free(ifm_exchange *self)
{
    if (self == NULL)
        return;
    curl_easy_cleanup(self->easy);
    ifm_answer_free(self->answer);
    ifm_record_deinit(&self->record);
    ifm_buffer_deinit(&self->read);
    free(self->body);
    free(self);
}

void ifm_exchange_reset(ifm_exchange *self)
{
    self->head_seen = self->retrying = self->settled = false;
    self->dns_ns = self->connect_ns = self->sent_ns = self->heard_ns = 0;
    self->complete_ns = 0;
    self->stopped = false;
    self->retry_after_ns = -1;
    self->socket_errno = 0;
    self->fd = -1;
    self->says[0] = '\0';
    self->record.wire->status = 0;
    self->record.wire->headers_ns = -1;
}

bool ifm_exchange_begin(ifm_exchange *self)
{
    ifm_exchange_reset(self);
    self->attempts++;
    ifm_http2_choose(self);
    curl_easy_setopt(self->easy, CURLOPT_FRESH_CONNECT,
                     self->renewed || self->client->options.new_connection ? 1L : 0L);
    curl_easy_setopt(self->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)self->n_body);
    curl_easy_setopt(self->easy, CURLOPT_POSTFIELDS, self->body);
    self->begun_ns = ifm_time_now().ns;
    self->state = IFM_EXCHANGE_UNDER_WAY;
    return curl_multi_add_handle(self->shard->multi, self->easy) == CURLM_OK;
}
