#include "hub/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#include "base/buffer.h"
#include "base/error.h"
#include "hub/cache.h"
#include "hub/origin.h"
#include "inferometer/inferometer.h"

enum {
    MAX_REDIRECTS = 10,
    MAX_TRIES = 5, /* without a byte of progress */
    FIRST_DELAY_MS = 500,
    MAX_RETRY_AFTER_S = 300,
    CONNECT_TIMEOUT_S = 15,
    STALL_S = 30, /* by default; $HF_HUB_DOWNLOAD_TIMEOUT */
};

struct ifm_http {
    CURL *curl;
    ifm_http_options options;
    ifm_origin home; /* the endpoint's: may see the token */
    char *authorization;
    bool reached; /* some server answered before */
    /* of the request that runs */
    const ifm_http_request *request;
    ifm_http_reply *reply;
    bool linked_etag, linked_size;
    ifm_status sink_status;
    ifm_error *err;
    char curl_says[CURL_ERROR_SIZE];
};

/* ---- callbacks -------------------------------------------------------------------- */

static bool header_is(const char *line, size_t n, const char *name, const char **value,
                      size_t *n_value)
{
    size_t n_name = strlen(name);
    if (n <= n_name || strncasecmp(line, name, n_name) != 0 || line[n_name] != ':')
        return false;
    size_t begin = n_name + 1;
    while (begin < n && strchr(" \t", line[begin]) != NULL)
        begin++;
    while (n > begin && strchr(" \t\r\n", line[n - 1]) != NULL)
        n--;
    *value = line + begin;
    *n_value = n - begin;
    return true;
}

/* W/"abc" is abc. What does not fit is as good as none. */
static void keep(char *into, size_t size, const char *value, size_t n)
{
    if (n > 2 && strncmp(value, "W/", 2) == 0)
        value += 2, n -= 2;
    if (n >= 2 && value[0] == '"' && value[n - 1] == '"')
        value++, n -= 2;
    if (n >= size)
        n = 0;
    memcpy(into, value, n);
    into[n] = '\0';
}

static int64_t number(const char *value, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9' || sum > (INT64_MAX - 9) / 10)
            return -1;
        sum = sum * 10 + (value[i] - '0');
    }
    return n > 0 ? sum : -1;
}

static size_t on_header(char *line, size_t one, size_t n, void *user)
{
    ifm_http *self = user;
    ifm_http_reply *reply = self->reply;
    const char *v;
    size_t m;
    (void)one;
    if (header_is(line, n, "x-linked-etag", &v, &m)) {
        keep(reply->etag, sizeof reply->etag, v, m);
        self->linked_etag = true;
    } else if (header_is(line, n, "etag", &v, &m) && !self->linked_etag) {
        keep(reply->etag, sizeof reply->etag, v, m);
    } else if (header_is(line, n, "x-linked-size", &v, &m)) {
        reply->size = number(v, m);
        self->linked_size = true;
    } else if (header_is(line, n, "content-length", &v, &m) && !self->linked_size) {
        reply->size = number(v, m);
    } else if (header_is(line, n, "x-error-code", &v, &m)) {
        keep(reply->error_code, sizeof reply->error_code, v, m);
    } else if (header_is(line, n, "content-range", &v, &m) && m > 6) {
        const char *dash = memchr(v, '-', m); /* "bytes 100-199/200" */
        if (dash != NULL)
            reply->range_begin = number(v + 6, (size_t)(dash - v) - 6);
    }
    return n;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *user)
{
    ifm_http *self = user;
    (void)one;
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &self->reply->code);
    if ((self->reply->code != 200 && self->reply->code != 206) ||
        self->request->sink == NULL)
        return n; /* what an error page says is for browsers */
    self->sink_status =
        self->request->sink(self->request->user, self->reply, bytes, n, self->err);
    self->reply->body_bytes += n;
    return self->sink_status == IFM_OK ? n : 0;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const ifm_http *self = user;
    (void)a, (void)b, (void)c, (void)d;
    return ifm_hub_stopped(self->options.watch);
}

/* ---- one response ----------------------------------------------------------------- */

static long stall_seconds(void)
{
    const char *text = ifm_hub_variable("HF_HUB_DOWNLOAD_TIMEOUT");
    long n = text != NULL ? strtol(text, NULL, 10) : 0;
    return n > 0 ? n : STALL_S;
}

static void prepare(ifm_http *self)
{
    CURL *curl = self->curl;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "inferometer/" IFM_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, self->curl_says);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stall_seconds());
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, self);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, self);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L * 1024);
    /* Where people say that their certificates are; curl's own program reads these too. */
    const char *bundle = ifm_hub_variable("CURL_CA_BUNDLE");
    if (bundle == NULL)
        bundle = ifm_hub_variable("SSL_CERT_FILE");
    if (bundle != NULL)
        curl_easy_setopt(curl, CURLOPT_CAINFO, bundle);
}

static ifm_status fail_connection(const ifm_http *self, CURLcode code, const char *what,
                                  const char *host, ifm_error *err)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: cannot find the host %s: is there a network, is HF_ENDPOINT "
                        "right?",
                        what, host);
    case CURLE_COULDNT_CONNECT:
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: cannot connect to %s: is there a network, does it need a "
                        "proxy (https_proxy)?",
                        what, host);
    case CURLE_OPERATION_TIMEDOUT:
        return ifm_fail(err, IFM_ERR_IO, "%s: %s sent nothing for %ld s", what, host,
                        stall_seconds());
    case CURLE_PEER_FAILED_VERIFICATION:
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: the certificate of %s is not to be trusted (%s); "
                        "SSL_CERT_FILE can name those of your network",
                        what, host, self->curl_says);
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return ifm_fail(err, IFM_ERR_IO, "%s: the connection to %s was lost", what, host);
    default:
        return ifm_fail(err, IFM_ERR_IO, "%s: %s: %s", what, host,
                        self->curl_says[0] != '\0' ? self->curl_says
                                                   : curl_easy_strerror(code));
    }
}

static bool is_transient(const ifm_http *self, CURLcode code)
{
    switch (code) {
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return true;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return self->reached;
    default:
        return false;
    }
}

/* Hashes and ranges are of the bytes as they are. NULL without memory. */
static struct curl_slist *make_headers(const ifm_http *self, bool trusted)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (list == NULL || !trusted || self->authorization == NULL)
        return list;
    struct curl_slist *longer = curl_slist_append(list, self->authorization);
    if (longer == NULL)
        curl_slist_free_all(list);
    return longer;
}

/* One response of one server, to `url`. */
static ifm_status perform(ifm_http *self, const char *url, bool trusted, bool *again,
                          ifm_error *err)
{
    CURL *curl = self->curl;
    char range[32];
    const ifm_http_request *request = self->request;
    struct curl_slist *headers = make_headers(self, trusted);
    if (headers == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", request->what);
    curl_easy_reset(curl);
    prepare(self);
    self->curl_says[0] = '\0';
    self->sink_status = IFM_OK;
    self->err = err;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (request->head)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (request->from != NULL && *request->from > 0) {
        snprintf(range, sizeof range, "%lld-", (long long)*request->from);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &self->reply->code);
    curl_slist_free_all(headers);
    self->reached = self->reached || self->reply->code != 0;
    if (self->sink_status != IFM_OK)
        return self->sink_status;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ifm_fail(err, IFM_ERR_CANCELLED, "%s: interrupted", request->what);
    if (code == CURLE_OK)
        return IFM_OK;
    *again = is_transient(self, code);
    return fail_connection(self, code, request->what, self->reply->host, err);
}

/* ---- redirects -------------------------------------------------------------------- */

static void begin_reply(ifm_http *self)
{
    *self->reply = (ifm_http_reply){.size = -1, .range_begin = -1, .retry_after_s = -1};
    self->linked_etag = self->linked_size = false;
}

static bool is_redirect(long code)
{
    return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

/* Goes one redirect further: *url is replaced. Not followed is one to another host when only
 * the headers are wanted: what the hub itself said is what counts. */
static ifm_status follow(ifm_http *self, char **url, bool *trusted, bool *further,
                         ifm_error *err)
{
    char *to = NULL;
    ifm_origin from, origin;
    const char *what = self->request->what;
    *further = false;
    curl_easy_getinfo(self->curl, CURLINFO_REDIRECT_URL, &to);
    if (to == NULL)
        return ifm_fail(err, IFM_ERR_IO, "%s: %s redirects to nowhere", what,
                        self->reply->host);
    ifm_status st = ifm_origin_of(to, &origin, err);
    if (st == IFM_OK)
        st = ifm_origin_of(*url, &from, err);
    if (st != IFM_OK) {
        ifm_fail_within(err, st, "%s: the redirect by %s", what, self->reply->host);
        if (err != NULL)
            err->status = IFM_ERR_IO; /* it is not the person who wrote that */
        return IFM_ERR_IO;
    }
    bool same = ifm_origin_equal(&origin, &from);
    if (self->request->head && !same) {
        if (!self->linked_size)
            self->reply->size = -1; /* it was that of the redirect's own text */
        return IFM_OK;
    }
    if (from.tls && !origin.tls)
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: %s redirects from https to http (%s), which is not followed",
                        what, from.host, origin.host);
    *trusted = *trusted && ifm_origin_equal(&origin, &self->home);
    char *copy = strdup(to);
    if (copy == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", what);
    free(*url);
    *url = copy;
    *further = true;
    return IFM_OK;
}

/* One try: the request, and the redirects that it leads to. */
static ifm_status try_once(ifm_http *self, bool *again, ifm_error *err)
{
    char *url = strdup(self->request->url);
    ifm_origin origin;
    bool trusted = true, further = true;
    *again = false;
    begin_reply(self);
    ifm_status st =
        url != NULL ? IFM_OK : ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory");
    for (int hops = 0; st == IFM_OK && further; hops++) {
        st = ifm_origin_of(url, &origin, err);
        if (st != IFM_OK)
            break;
        snprintf(self->reply->host, sizeof self->reply->host, "%s", origin.host);
        trusted = trusted && ifm_origin_equal(&origin, &self->home);
        if (!self->linked_size)
            self->reply->size = -1;
        self->reply->range_begin = -1;
        st = perform(self, url, trusted, again, err);
        further = st == IFM_OK && is_redirect(self->reply->code);
        if (further && hops == MAX_REDIRECTS)
            st = ifm_fail(err, IFM_ERR_IO,
                          "%s: more than %d redirects, the last by %s: in a circle?",
                          self->request->what, MAX_REDIRECTS, self->reply->host);
        else if (further)
            st = follow(self, &url, &trusted, &further, err);
    }
    free(url);
    return st;
}

/* ---- patience --------------------------------------------------------------------- */

static bool asks_for_patience(long code)
{
    return code == 408 || code == 429 || code == 500 || code == 502 || code == 503 ||
           code == 504;
}

static void say_again(const ifm_http *self, const ifm_error *why, int64_t delay_ms)
{
    char line[640];
    if (self->options.watch->note == NULL)
        return;
    snprintf(line, sizeof line, "%s; trying again in %.1f s", why->message,
             (double)delay_ms / 1000);
    self->options.watch->note(self->options.watch->user, line);
}

static ifm_status nap(const ifm_http *self, int64_t ms, ifm_error *err)
{
    enum { STEP_MS = 50 };
    ifm_time end = {ifm_time_now().ns + ms * 1000000};
    while (ifm_time_between(ifm_time_now(), end) > 0) {
        if (ifm_hub_stopped(self->options.watch))
            return ifm_fail(err, IFM_ERR_CANCELLED, "%s: interrupted",
                            self->request->what);
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
    }
    return IFM_OK;
}

ifm_status ifm_http_do(ifm_http *self, const ifm_http_request *request,
                       ifm_http_reply *reply, ifm_error *err)
{
    ifm_error why = {0};
    self->request = request;
    self->reply = reply;
    for (int tries = 1;; tries++) {
        bool again = false;
        int64_t before = request->from != NULL ? *request->from : 0;
        ifm_status st = try_once(self, &again, &why);
        if (st == IFM_OK && asks_for_patience(reply->code)) {
            curl_off_t after = 0;
            curl_easy_getinfo(self->curl, CURLINFO_RETRY_AFTER, &after);
            reply->retry_after_s = after > 0 ? (int64_t)after : -1;
            ifm_http_expect(self, request, reply, &why);
            again = after <= MAX_RETRY_AFTER_S;
        }
        if (request->from != NULL && *request->from > before)
            tries = 1;
        if (!again || tries >= MAX_TRIES) {
            if (st != IFM_OK && err != NULL)
                *err = why;
            return st;
        }
        int64_t delay_ms = (int64_t)FIRST_DELAY_MS << (tries - 1);
        if (reply->retry_after_s > 0)
            delay_ms = reply->retry_after_s * 1000;
        say_again(self, &why, delay_ms);
        st = nap(self, delay_ms, err);
        if (st != IFM_OK)
            return st;
    }
}

/* ---- what a code means ------------------------------------------------------------ */

static ifm_status fail_refused(const ifm_http *self, const char *what,
                               const ifm_http_reply *reply, ifm_error *err)
{
    const char *host = reply->host;
    if (strcmp(reply->error_code, "GatedRepo") == 0 || reply->code == 403)
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: is gated or private (%ld): accept its conditions on %s, and "
                        "%s",
                        what, reply->code, host,
                        self->options.token == NULL ? "set HF_TOKEN to a token of yours"
                                                    : "see whether HF_TOKEN may read it");
    if (self->options.token != NULL)
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: %s does not accept the token of HF_TOKEN (or HF_HOME/token) "
                        "for this (%ld)",
                        what, host, reply->code);
    return ifm_fail(err, IFM_ERR_IO,
                    "%s: %s wants to know who asks (%ld): no such model, or a private or "
                    "gated one: check the name, or set HF_TOKEN",
                    what, host, reply->code);
}

static ifm_status fail_not_there(const char *what, const ifm_http_reply *reply,
                                 ifm_error *err)
{
    if (strcmp(reply->error_code, "RevisionNotFound") == 0)
        return ifm_fail(err, IFM_ERR_NOT_FOUND, "%s: has no such revision on %s (404)",
                        what, reply->host);
    return ifm_fail(err, IFM_ERR_NOT_FOUND, "%s: there is no such thing on %s (404)",
                    what, reply->host);
}

ifm_status ifm_http_expect(const ifm_http *self, const ifm_http_request *request,
                           const ifm_http_reply *reply, ifm_error *err)
{
    const char *what = request->what;
    long code = reply->code;
    if (code == 200 || code == 206 || (request->head && is_redirect(code)))
        return IFM_OK;
    if (code == 401 || code == 403)
        return fail_refused(self, what, reply, err);
    if (code == 404 || code == 410)
        return fail_not_there(what, reply, err);
    if (code == 429 && reply->retry_after_s > 0)
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: %s has had too many requests (429) and asks to wait %lld s",
                        what, reply->host, (long long)reply->retry_after_s);
    if (code == 429)
        return ifm_fail(err, IFM_ERR_IO,
                        "%s: %s has had too many requests (429): wait some minutes%s",
                        what, reply->host,
                        self->options.token == NULL
                            ? ", or set HF_TOKEN: those who are known may ask more"
                            : "");
    if (code >= 500)
        return ifm_fail(err, IFM_ERR_IO, "%s: %s is out of order (%ld): try later", what,
                        reply->host, code);
    return ifm_fail(err, IFM_ERR_IO, "%s: %s answered %ld, expected 200", what,
                    reply->host, code);
}

/* ---- life ------------------------------------------------------------------------- */

ifm_status ifm_http_new(const ifm_http_options *options, ifm_http **out, ifm_error *err)
{
    *out = NULL;
    ifm_origin home;
    ifm_status st = ifm_origin_of(options->endpoint, &home, err);
    if (st != IFM_OK)
        return ifm_fail_within(err, st, "HF_ENDPOINT");
    ifm_http *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "http: no memory");
    self->options = *options;
    self->home = home;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    self->curl = curl_easy_init();
    if (options->token != NULL)
        self->authorization = ifm_hub_format("Authorization: Bearer %s", options->token);
    if (self->curl == NULL || (options->token != NULL && self->authorization == NULL)) {
        ifm_http_free(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "http: no memory");
    }
    *out = self;
    return IFM_OK;
}

void ifm_http_free(ifm_http *self)
{
    if (self == NULL)
        return;
    curl_easy_cleanup(self->curl);
    free(self->authorization);
    free(self);
    curl_global_cleanup();
}

char *ifm_http_escape(ifm_http *self, const char *path)
{
    ifm_buffer text = {0};
    for (const char *part = path;;) {
        size_t n = strcspn(part, "/");
        char *escaped = n > 0 ? curl_easy_escape(self->curl, part, (int)n) : NULL;
        if (n > 0 && escaped == NULL)
            text.failed = true;
        ifm_buffer_puts(&text, escaped != NULL ? escaped : "");
        curl_free(escaped);
        if (part[n] == '\0')
            break;
        ifm_buffer_puts(&text, "/");
        part += n + 1;
    }
    char *taken = ifm_buffer_take(&text);
    ifm_buffer_deinit(&text);
    return taken;
}
