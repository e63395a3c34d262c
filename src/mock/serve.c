/* A request from its last byte to its end: what it is answered with, by whom it has to wait
 * for, and what the log says of it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "mock/ask.h"
#include "mock/inside.h"

static const struct {
    int status;
    const char *phrase, *type; /* type as vLLM words it */
} statuses[] = {
    {200, "OK", ""},
    {400, "Bad Request", "BadRequestError"},
    {401, "Unauthorized", "AuthenticationError"},
    {404, "Not Found", "NotFoundError"},
    {405, "Method Not Allowed", "MethodNotAllowedError"},
    {408, "Request Timeout", "RequestTimeoutError"},
    {413, "Content Too Large", "BadRequestError"},
    {414, "URI Too Long", "BadRequestError"},
    {429, "Too Many Requests", "RateLimitError"},
    {431, "Request Header Fields Too Large", "BadRequestError"},
    {500, "Internal Server Error", "InternalServerError"},
    {501, "Not Implemented", "NotImplementedError"},
    {503, "Service Unavailable", "ServiceUnavailableError"},
    {505, "HTTP Version Not Supported", "BadRequestError"},
};

static size_t row_of(int status)
{
    const size_t n = sizeof statuses / sizeof *statuses;
    size_t i = 0;
    while (i < n - 1 && statuses[i].status != status)
        i++;
    return i;
}

void ifm_mock_serve_head(const ifm_mock_conn *c, int status, const char *headers,
                         const char *type, int64_t length, ifm_buffer *out)
{
    ifm_buffer_printf(out,
                      "HTTP/1.1 %d %s\r\nServer: inferometer-mock\r\n"
                      "Content-Type: %s\r\n%s",
                      status, statuses[row_of(status)].phrase, type, headers);
    if (length >= 0)
        ifm_buffer_printf(out, "Content-Length: %lld\r\n", (long long)length);
    else if (c->request.minor == 1)
        ifm_buffer_puts(out, "Transfer-Encoding: chunked\r\n");
    if (c->request.request_id[0] != '\0')
        ifm_buffer_printf(out, "X-Request-Id: %s\r\n", c->request.request_id);
    if (!c->keep_alive)
        ifm_buffer_puts(out, "Connection: close\r\n");
    else if (c->request.minor == 0)
        ifm_buffer_puts(out, "Connection: keep-alive\r\n");
    ifm_buffer_puts(out, "\r\n");
}

void ifm_mock_serve_reply(ifm_mock *self, ifm_mock_conn *c, int status,
                          const char *headers, const char *type, const char *body,
                          size_t n)
{
    ifm_buffer out = {0};
    ifm_mock_serve_head(c, status, headers, type, (int64_t)n, &out);
    if (strcmp(c->request.method, "HEAD") != 0)
        ifm_buffer_append(&out, body, n);
    if (c->entry != NULL)
        c->entry->status = status;
    const bool sent =
        !out.failed && ifm_mock_conn_send(self, c, out.data, out.length, NULL);
    if (out.failed)
        ifm_mock_conn_kill(self, c, true);
    ifm_buffer_deinit(&out);
    if (!sent)
        return;
    const bool asked_for = c->entry != NULL && c->entry->fault != IFM_MOCK_FAULT_NONE;
    ifm_mock_serve_end(self, c, asked_for ? IFM_MOCK_END_FAULT : IFM_MOCK_END_REFUSED);
    ifm_mock_serve_answered(self, c);
}

void ifm_mock_serve_refuse(ifm_mock *self, ifm_mock_conn *c, int status,
                           const char *headers, const char *message)
{
    json_t *error =
        json_pack("{s:{s:s, s:s, s:n, s:i}}", "error", "message", message, "type",
                  statuses[row_of(status)].type, "param", "code", status);
    char *text = json_dumps(error, JSON_COMPACT);
    json_decref(error);
    ifm_mock_serve_reply(self, c, status, headers, "application/json",
                         text != NULL ? text : "{}", text != NULL ? strlen(text) : 2);
    free(text);
}

void ifm_mock_serve_end(ifm_mock *self, ifm_mock_conn *c, ifm_mock_end end)
{
    ifm_mock_entry *entry = c->entry;
    if (c->has_slot)
        self->active--;
    c->has_slot = false;
    if (c->state == IFM_MOCK_WAITING) {
        ifm_mock_conn *before = c->queue_prev, *behind = c->queue_next;
        *(before != NULL ? &before->queue_next : &self->queue_first) = behind;
        *(behind != NULL ? &behind->queue_prev : &self->queue_last) = before;
        c->queue_prev = c->queue_next = NULL;
    }
    if (entry == NULL)
        return;
    c->entry = NULL;
    entry->end = end;
    self->totals.requests++;
    self->totals.slow_readers += entry->slow_reader;
    if (self->log != NULL)
        ifm_mock_log_put(self->log, entry);
    else
        free(entry);
}

void ifm_mock_serve_answered(ifm_mock *self, ifm_mock_conn *c)
{
    ifm_mock_timers_cancel(&self->timers, &c->timer);
    if (!c->keep_alive) {
        ifm_mock_conn_linger(self, c, false);
        return;
    }
    c->state = IFM_MOCK_READING;
    const bool pipelined = c->pipelined;
    c->pipelined = false;
    ifm_mock_request_reset(&c->request);
    if (pipelined) {
        c->request.minor = 1;
        c->keep_alive = false;
        ifm_mock_serve_refuse(self, c, 400, "",
                              "requests are not pipelined here: send the next one when "
                              "the answer has ended");
        return;
    }
    ifm_mock_conn_idle(self, c);
    ifm_mock_conn_watch(self, c);
}

void ifm_mock_serve_strike(ifm_mock *self, ifm_mock_conn *c, ifm_mock_fault_kind kind)
{
    ifm_mock_timers_cancel(&self->timers, &c->timer);
    if (kind == IFM_MOCK_FAULT_STALL) {
        c->state = IFM_MOCK_STALLED;
        return;
    }
    ifm_mock_serve_end(self, c, IFM_MOCK_END_FAULT);
    if (kind == IFM_MOCK_FAULT_DIE)
        self->totals.died = true;
    else if (kind == IFM_MOCK_FAULT_HALF_CLOSE)
        ifm_mock_conn_linger(self, c, true);
    else
        ifm_mock_conn_kill(self, c, kind == IFM_MOCK_FAULT_RESET);
}

static void retry_header(const ifm_mock_fault *fault, ifm_buffer *headers)
{
    if (fault->retry_after_s >= 0)
        ifm_buffer_printf(headers, "Retry-After: %lld\r\n",
                          (long long)fault->retry_after_s);
}

/* Faults that need no service. False: there is none. */
static bool strike_at_once(ifm_mock *self, ifm_mock_conn *c)
{
    static const char page[] =
        "<!doctype html>\n<html><head><title>Welcome</title></head>\n"
        "<body><h1>This is no event stream</h1></body></html>\n";
    const ifm_mock_fault *fault = &c->play.fault;
    ifm_buffer headers = {0};
    bool struck = true;
    switch (fault->kind) {
    case IFM_MOCK_FAULT_HTTP_429:
        retry_header(fault, &headers);
        ifm_mock_serve_refuse(self, c, 429, ifm_buffer_text(&headers),
                              "too many requests: this fault was asked for");
        break;
    case IFM_MOCK_FAULT_HTTP_500:
        ifm_mock_serve_refuse(self, c, 500, "", "this fault was asked for");
        break;
    case IFM_MOCK_FAULT_HTTP_503:
        retry_header(fault, &headers);
        ifm_mock_serve_refuse(self, c, 503, ifm_buffer_text(&headers),
                              "overloaded: this fault was asked for");
        break;
    case IFM_MOCK_FAULT_HTML:
        ifm_mock_serve_reply(self, c, 200, "", "text/html; charset=utf-8", page,
                             sizeof page - 1);
        break;
    case IFM_MOCK_FAULT_RESET:
    case IFM_MOCK_FAULT_CLOSE:
    case IFM_MOCK_FAULT_HALF_CLOSE:
    case IFM_MOCK_FAULT_STALL:
    case IFM_MOCK_FAULT_DIE:
        struck = fault->at < 0;
        if (struck)
            ifm_mock_serve_strike(self, c, fault->kind);
        break;
    default:
        struck = false;
    }
    ifm_buffer_deinit(&headers);
    return struck;
}

static const char *model_of(const ifm_mock *self)
{
    return self->options.model != NULL ? self->options.model : "mock";
}

static int64_t tokens_of(const ifm_mock *self, const ifm_mock_ask *ask)
{
    const int64_t otherwise = 16; /* what OpenAI's completions have always had */
    if (self->options.tokens > 0)
        return self->options.tokens;
    return ask->most_tokens > 0 ? ask->most_tokens : otherwise;
}

/* Sets c->voice and c->play by what was asked for. */
static void prepare(ifm_mock *self, ifm_mock_conn *c, const ifm_mock_ask *ask, bool chat)
{
    const bool none = c->play.fault.kind == IFM_MOCK_FAULT_NO_TOKENS;
    c->play.n = none ? 0 : tokens_of(self, ask);
    c->play.next = 0;
    c->play.between = c->play.blocked = false;
    c->voice = (ifm_mock_voice){
        .shapes = &self->options.shapes,
        .model = model_of(self),
        .number = self->requests - 1,
        .created_s = (int64_t)time(NULL),
        .chat = chat,
        .stream = ask->stream,
        .usage = ask->usage,
        .continuous_usage = ask->continuous_usage,
        .prompt_tokens = ask->prompt_tokens,
        .tokens = c->play.n,
        .finish_reason =
            ask->most_tokens >= 0 && c->play.n >= ask->most_tokens ? "length" : "stop",
    };
}

/* Room in the log for each event; a fault may divide one. */
static bool make_entry(ifm_mock *self, ifm_mock_conn *c, const ifm_mock_ask *ask)
{
    const int64_t multi =
        ifm_mock_number(&self->options.shapes, IFM_MOCK_SHAPE_INDEX_MULTI, 1);
    int64_t events = self->log == NULL ? 0 : 1;
    if (self->log != NULL && ask->stream)
        events += tokens_of(self, ask) / multi + 1;
    ifm_mock_entry *entry = ifm_mock_entry_new((size_t)events);
    if (entry == NULL)
        return false;
    strcpy(entry->request_id, c->request.request_id);
    entry->number = self->requests++;
    entry->stream = ask->stream;
    entry->received_ns = c->received_ns;
    entry->body_ns = c->body_ns;
    entry->prompt_tokens = ask->prompt_tokens;
    c->entry = entry;
    return true;
}

static void begin(ifm_mock *self, ifm_mock_conn *c, int64_t begin_ns)
{
    c->has_slot = true;
    self->active++;
    ifm_mock_stream_begin(self, c, begin_ns);
}

static bool has_room(const ifm_mock *self)
{
    return self->options.concurrency <= 0 || self->active < self->options.concurrency;
}

void ifm_mock_serve_queue(ifm_mock *self)
{
    while (self->queue_first != NULL && has_room(self)) {
        ifm_mock_conn *c = self->queue_first;
        self->queue_first = c->queue_next;
        *(c->queue_next != NULL ? &c->queue_next->queue_prev : &self->queue_last) = NULL;
        c->queue_prev = c->queue_next = NULL;
        begin(self, c, ifm_time_now().ns);
    }
}

static void serve_completion(ifm_mock *self, ifm_mock_conn *c, bool chat)
{
    ifm_mock_ask ask;
    ifm_error err = {0};
    const ifm_status st = ifm_mock_ask_read(&ask, ifm_buffer_text(&c->request.body),
                                            c->request.body.length, chat, &err);
    ifm_buffer_deinit(&c->request.body); /* thousands of streams would keep theirs */
    if (!make_entry(self, c, &ask)) {
        ifm_mock_conn_kill(self, c, true);
        return;
    }
    c->entry->chat = chat;
    if (st != IFM_OK) {
        ifm_mock_serve_refuse(self, c, 400, "", err.message);
        return;
    }
    if (self->options.model != NULL && strcmp(ask.model, self->options.model) != 0) {
        ifm_fail(&err, IFM_ERR_NOT_FOUND, "the model \"%.100s\" does not exist: it is %s",
                 ask.model, self->options.model);
        ifm_mock_serve_refuse(self, c, 404, "", err.message);
        return;
    }
    c->play.fault =
        ifm_mock_fault_of(&self->options.faults, self->options.seed, c->entry->number);
    c->entry->fault = c->play.fault.kind;
    if (strike_at_once(self, c))
        return;
    prepare(self, c, &ask, chat);
    if (self->queue_first == NULL && has_room(self)) {
        begin(self, c, c->body_ns);
        return;
    }
    c->state = IFM_MOCK_WAITING;
    c->queue_prev = self->queue_last;
    *(c->queue_prev != NULL ? &c->queue_prev->queue_next : &self->queue_first) = c;
    self->queue_last = c;
    ifm_mock_conn_watch(self, c); /* pipelined bytes are not read meanwhile */
}

static bool may(const ifm_mock *self, const ifm_mock_conn *c)
{
    static const char bearer[] = "Bearer ";
    const char *key = self->options.api_key, *said = c->request.authorization;
    return key == NULL || (strncmp(said, bearer, sizeof bearer - 1) == 0 &&
                           strcmp(said + sizeof bearer - 1, key) == 0);
}

static void serve_models(ifm_mock *self, ifm_mock_conn *c)
{
    ifm_buffer body = {0};
    ifm_buffer_printf(
        &body,
        "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\","
        "\"created\":%lld,\"owned_by\":\"inferometer\"}]}",
        model_of(self), (long long)time(NULL));
    ifm_mock_serve_reply(self, c, 200, "", "application/json", ifm_buffer_text(&body),
                         body.length);
    ifm_buffer_deinit(&body);
}

static const struct route {
    const char *path, *method;
} routes[] = {
    {"/v1/completions", "POST"},
    {"/v1/chat/completions", "POST"},
    {"/v1/models", "GET"},
    {"/health", "GET"},
};

enum { COMPLETIONS, CHAT, MODELS, HEALTH, N_ROUTES };

void ifm_mock_serve(ifm_mock *self, ifm_mock_conn *c)
{
    const ifm_mock_request *request = &c->request;
    c->keep_alive = request->keep_alive;
    if (request->reading == IFM_MOCK_BAD) {
        ifm_mock_serve_refuse(self, c, request->status, "", request->complaint);
        return;
    }
    size_t i = 0;
    while (i < N_ROUTES && strcmp(routes[i].path, request->path) != 0)
        i++;
    if (i == N_ROUTES)
        ifm_mock_serve_refuse(self, c, 404, "",
                              "no such path: there are /v1/completions, "
                              "/v1/chat/completions, /v1/models and /health");
    else if (strcmp(routes[i].method, request->method) != 0)
        ifm_mock_serve_refuse(self, c, 405,
                              i <= CHAT ? "Allow: POST\r\n" : "Allow: GET\r\n",
                              "this path is not for that method");
    else if (i == HEALTH)
        ifm_mock_serve_reply(self, c, 200, "", "application/json", "{}", 2);
    else if (!may(self, c))
        ifm_mock_serve_refuse(self, c, 401, "WWW-Authenticate: Bearer\r\n",
                              "the API key is missing or wrong");
    else if (i == MODELS)
        serve_models(self, c);
    else
        serve_completion(self, c, i == CHAT);
}
