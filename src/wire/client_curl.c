/*
 * The carrier libcurl: easy handles that are set up once and then asked again and again, in
 * multi handles of 64 (shards), whose sockets our own poller watches.
 *
 * What libcurl tells of one read in several calls (a chunk each) is put together again: the
 * answer gets the bytes of one read as one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inferometer/inferometer.h"
#include "wire/client_parts.h"

enum {
    SHARD_EXCHANGES = 64,
    RECEIVE_BYTES = 4096, /* of each exchange under way: four or more events */
};

/* ---- what comes -------------------------------------------------------------------- */

/* When what is being told came: at the poller's word, or now. */
static int64_t stamp_of(const ifm_exchange *self)
{
    const ifm_client *client = self->client;
    if (client->serving >= 0 && (client->options.http2 || self->fd == client->serving))
        return client->stamp_ns;
    return ifm_time_now().ns;
}

void ifm_curl_flush(ifm_exchange *self)
{
    if (self->read.failed)
        self->settled = true;
    else if (self->read.length > 0)
        ifm_exchange_take(self, self->read.data, self->read.length);
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
        ifm_curl_flush(client->reader);
    if (self->settled)
        return n + 1; /* libcurl: an error, which ends the transfer */
    ifm_exchange_hear(self, stamp_of(self));
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
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_TYPE, &type);
    ifm_exchange_head(self, (int32_t)status, type);
}

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    ifm_exchange *self = user;
    (void)one;
    ifm_exchange_hear(self, stamp_of(self));
    if (n <= 2 && (n == 0 || line[0] == '\r' || line[0] == '\n'))
        on_head(self);
    else
        ifm_retry_read(self, line, n);
    return n;
}

/* ---- what goes --------------------------------------------------------------------- */

/* The connection is there, and the request is written next. */
static int on_ready(void *user, char *to, char *from, int to_port, int from_port)
{
    ifm_exchange *self = user;
    (void)to, (void)from, (void)to_port, (void)from_port;
    self->client->before_ns = ifm_time_now().ns;
    return CURL_PREREQFUNC_OK;
}

/* libcurl tells this right after the system took the bytes: nothing else in it does. By then
 * the server may have had them for a while, if this thread lost its processor; so what counts
 * is the time before. Costs the formatting of some twenty lines a request that nobody reads,
 * about 5 µs. */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t n, void *user)
{
    ifm_exchange *self = user;
    (void)easy, (void)bytes, (void)n;
    if (type != CURLINFO_HEADER_OUT && type != CURLINFO_DATA_OUT)
        return 0;
    self->sent_ns = self->client->before_ns;
    if (type == CURLINFO_DATA_OUT) /* a head and the body's beginning are one write */
        self->client->before_ns = ifm_time_now().ns;
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
    self->opened = true;
    if (self->dns_ns == 0)
        self->dns_ns = ifm_time_now().ns;
    const int fd = socket(to->family, to->socktype, to->protocol);
    self->socket_errno = fd < 0 ? errno : 0;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    fcntl(fd, F_SETFD, FD_CLOEXEC); /* SOCK_CLOEXEC is not everywhere */
    (void)ifm_arrival_watch(fd);
    return fd;
}

/* ---- settings ---------------------------------------------------------------------- */

bool ifm_client_is_loopback(const char *shown)
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
                     (long)((o->connect_timeout_ns > 0 ? o->connect_timeout_ns
                                                       : IFM_CONNECT_TIMEOUT_NS) /
                            1000000));
    if (client->url.socket != NULL)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->url.socket);
    if (o->proxy != NULL)
        curl_easy_setopt(easy, CURLOPT_PROXY, o->proxy);
    else if (client->url.socket != NULL || ifm_client_is_loopback(client->url.shown))
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
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, IFM_CLIENT_NAME);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
}

void ifm_client_prepare(const ifm_client *client, CURL *easy)
{
    prepare_network(client, easy);
    prepare_tls(client, easy);
    prepare_http(client, easy);
}

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
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_ready);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, self);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, self);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
}

/* ---- sockets and timers ------------------------------------------------------------ */

/* libcurl wants to know of a socket, or no more. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *unused)
{
    ifm_shard *shard = user;
    ifm_client *self = shard->client;
    char *owner = NULL;
    (void)unused;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    ifm_exchange *e = (ifm_exchange *)(void *)owner;
    const bool over = what == CURL_POLL_REMOVE;
    const unsigned want = (what & CURL_POLL_IN ? (unsigned)IFM_POLL_READ : 0) |
                          (what & CURL_POLL_OUT ? (unsigned)IFM_POLL_WRITE : 0);
    if (!ifm_client_watch(self, fd, over ? 0 : want))
        self->unwatched = e;
    if ((size_t)fd >= self->n_slots)
        return 0;
    ifm_slot *slot = &self->slots[fd];
    slot->shard = over ? NULL : shard;
    slot->exchange = over ? NULL : e;
    if (!over && e != NULL)
        e->fd = fd;
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *user)
{
    ifm_shard *shard = user;
    (void)multi;
    shard->timer_ns =
        ms < 0 ? INT64_MAX : ifm_time_now().ns + (int64_t)ms * INT64_C(1000000);
    return 0;
}

/* Another shard when the last one is full. */
static ifm_shard *shard_for(ifm_client *self, size_t n_carried)
{
    const size_t at = self->options.http2 ? 0 : n_carried / SHARD_EXCHANGES;
    if (at < self->n_shards)
        return self->shards[at];
    ifm_shard **shards = realloc(self->shards, (at + 1) * sizeof *shards);
    if (shards == NULL)
        return NULL;
    self->shards = shards;
    ifm_shard *shard = calloc(1, sizeof *shard);
    if (shard == NULL || (shard->multi = curl_multi_init()) == NULL) {
        free(shard);
        return NULL;
    }
    shard->client = self;
    shard->timer_ns = INT64_MAX;
    const bool http2 = self->options.http2;
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(shard->multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(shard->multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(shard->multi, CURLMOPT_PIPELINING,
                      http2 ? (long)CURLPIPE_MULTIPLEX : (long)CURLPIPE_NOTHING);
    curl_multi_setopt(shard->multi, CURLMOPT_MAXCONNECTS, (long)SHARD_EXCHANGES);
    self->shards[self->n_shards++] = shard;
    return shard;
}

/* ---- attempts ---------------------------------------------------------------------- */

/* The easy handle, once and for all of the exchange's requests. */
static bool set_up(ifm_exchange *self)
{
    ifm_client *client = self->client;
    ifm_shard *shard = shard_for(client, client->n_carried);
    if (shard == NULL || (self->easy = curl_easy_init()) == NULL)
        return false;
    client->n_carried++;
    self->shard = shard;
    ifm_client_prepare(client, self->easy);
    set_callbacks(self);
    self->id_header = (struct curl_slist){self->id_text, client->headers};
    curl_easy_setopt(self->easy, CURLOPT_URL, client->url.endpoint);
    curl_easy_setopt(self->easy, CURLOPT_HTTPHEADER, &self->id_header);
    return true;
}

bool ifm_curl_begin(ifm_exchange *self)
{
    ifm_client *client = self->client;
    if (self->easy == NULL && !set_up(self))
        return false;
    ifm_http2_choose(self);
    curl_easy_setopt(self->easy, CURLOPT_FRESH_CONNECT,
                     self->renewed || client->options.new_connection ? 1L : 0L);
    curl_easy_setopt(self->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)self->n_body);
    curl_easy_setopt(self->easy, CURLOPT_POSTFIELDS, self->body);
    if (curl_multi_add_handle(self->shard->multi, self->easy) != CURLM_OK)
        return false;
    /* Now, and not with the next serve: of many that begin at once the first is sent while
     * the others are still being prepared. */
    const int serving = client->serving;
    int running;
    client->serving = -1;
    curl_multi_socket_action(self->shard->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    if (client->reader != NULL)
        ifm_curl_flush(client->reader);
    client->serving = serving;
    client->stirred = true;
    return true;
}

void ifm_curl_let_go(ifm_exchange *self)
{
    curl_multi_remove_handle(self->shard->multi, self->easy);
}

void ifm_curl_free(ifm_exchange *self)
{
    curl_easy_cleanup(self->easy);
}

void ifm_curl_free_shards(ifm_client *self)
{
    for (size_t i = 0; i < self->n_shards; i++) {
        curl_multi_cleanup(self->shards[i]->multi);
        free(self->shards[i]);
    }
    free(self->shards);
}

/* ---- what is known of it ----------------------------------------------------------- */

static int32_t version_of(long curl_version)
{
    switch (curl_version) {
    case CURL_HTTP_VERSION_1_0:
        return 10;
    case CURL_HTTP_VERSION_1_1:
        return 11;
    case CURL_HTTP_VERSION_2_0:
        return 20;
    case CURL_HTTP_VERSION_3:
        return 30;
    default:
        return 0;
    }
}

/* libcurl counts microseconds from the attempt's beginning; 0: never. */
static int64_t curl_time(const ifm_exchange *self, CURLINFO what)
{
    curl_off_t us = 0;
    curl_easy_getinfo(self->easy, what, &us);
    return us > 0 ? self->begun_ns + (int64_t)us * 1000 : 0;
}

static bool has_opened(const ifm_exchange *self)
{
    long connects = 0;
    curl_easy_getinfo(self->easy, CURLINFO_NUM_CONNECTS, &connects);
    return self->opened || connects != 0;
}

void ifm_curl_note(ifm_exchange *self)
{
    long version = 0;
    char *to = NULL;
    curl_easy_getinfo(self->easy, CURLINFO_HTTP_VERSION, &version);
    self->http_version = version_of(version);
    self->opened = has_opened(self);
    self->tls_ns = curl_time(self, CURLINFO_APPCONNECT_TIME_T);
    if (self->connect_ns == 0) /* at once, as to a unix socket */
        self->connect_ns = curl_time(self, CURLINFO_CONNECT_TIME_T);
    if (curl_easy_getinfo(self->easy, CURLINFO_REDIRECT_URL, &to) == CURLE_OK &&
        to != NULL) {
        free(self->redirect);
        self->redirect = strdup(to);
    }
}

/* ---- ends -------------------------------------------------------------------------- */

/* The transfer came to its end, one way or another. */
static void conclude(ifm_exchange *e, CURLcode code)
{
    char text[CURL_ERROR_SIZE + 256] = "";
    const int64_t now = stamp_of(e);
    if (e->client->reader == e)
        ifm_curl_flush(e);
    e->opened = has_opened(e);
    const bool broke = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
                       code == CURLE_GOT_NOTHING || code == CURLE_HTTP2;
    const bool stale = broke && !e->retrying && ifm_exchange_is_stale(e);
    const bool turn = !stale && !e->retrying && ifm_http2_turn(e, code);
    const ifm_transfer transfer = {e->client,       e->easy,         e->says,
                                   e->socket_errno, e->sent_ns != 0, e->head_seen};
    const ifm_outcome outcome = ifm_transfer_outcome(&transfer, code, text, sizeof text);
    e->resends += stale;
    if (stale || turn)
        e->renewed = stale;
    ifm_exchange_conclude(e, outcome, text, stale || turn, now);
}

static void read_news(ifm_shard *shard)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(shard->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *owner = NULL;
        const CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        conclude((ifm_exchange *)(void *)owner, code);
    }
}

void ifm_curl_settle(ifm_client *self)
{
    if (!self->stirred)
        return;
    self->stirred = false;
    for (size_t i = 0; i < self->n_shards; i++)
        read_news(self->shards[i]);
}

/* ---- libcurl is told --------------------------------------------------------------- */

/* `fd` is ready for `mask`, or (CURL_SOCKET_TIMEOUT) time has passed. */
static void act(ifm_shard *shard, curl_socket_t fd, int mask)
{
    ifm_client *self = shard->client;
    int running;
    self->serving = fd == CURL_SOCKET_TIMEOUT ? -1 : fd;
    curl_multi_socket_action(shard->multi, fd, mask, &running);
    ifm_exchange *reader = self->reader, *unwatched = self->unwatched;
    if (reader != NULL)
        ifm_curl_flush(reader);
    self->unwatched = NULL;
    if (unwatched != NULL && unwatched->state == IFM_EXCHANGE_UNDER_WAY)
        ifm_exchange_end(unwatched, IFM_OUTCOME_INTERNAL,
                         "cannot wait for another socket: the system's limit is reached",
                         ifm_time_now().ns);
    else if (reader != NULL && reader->settled && reader->state == IFM_EXCHANGE_UNDER_WAY)
        ifm_exchange_end(reader, IFM_OUTCOME_OK, NULL, reader->heard_ns);
    read_news(shard);
    self->serving = -1;
}

/* TCP's handshake is over when the socket can be written for the first time. */
static void note_connected(ifm_exchange *e, int fd, unsigned ready, int64_t stamp_ns)
{
    if (e != NULL && e->fd == fd && e->dns_ns != 0 && e->connect_ns == 0 &&
        (ready & IFM_POLL_WRITE) && !(ready & IFM_POLL_HANGUP))
        e->connect_ns = stamp_ns;
}

void ifm_curl_ready(ifm_client *self, int fd, unsigned ready, int64_t stamp_ns)
{
    const ifm_slot *slot = &self->slots[fd];
    note_connected(slot->exchange, fd, ready, stamp_ns);
    int64_t came_ns = 0;
    if ((ready & IFM_POLL_READ) &&
        !(ready & IFM_POLL_HANGUP)) /* looking takes an error */
        came_ns = ifm_arrival_peek(fd, RECEIVE_BYTES, &self->arrivals);
    if (ready & IFM_POLL_WRITE)
        self->before_ns = ifm_time_now().ns;
    self->stamp_ns = came_ns != 0 ? came_ns : stamp_ns;
    act(slot->shard, fd,
        (ready & IFM_POLL_READ ? CURL_CSELECT_IN : 0) |
            (ready & IFM_POLL_WRITE ? CURL_CSELECT_OUT : 0) |
            (ready & IFM_POLL_HANGUP ? CURL_CSELECT_ERR | CURL_CSELECT_IN : 0));
}

void ifm_curl_act_timers(ifm_client *self, int64_t now_ns)
{
    for (size_t i = 0; i < self->n_shards; i++)
        if (self->shards[i]->timer_ns <= now_ns) {
            self->shards[i]->timer_ns = INT64_MAX;
            act(self->shards[i], CURL_SOCKET_TIMEOUT, 0);
        }
}

int64_t ifm_curl_next_timer(const ifm_client *self)
{
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < self->n_shards; i++)
        if (self->shards[i]->timer_ns < at)
            at = self->shards[i]->timer_ns;
    return at;
}
