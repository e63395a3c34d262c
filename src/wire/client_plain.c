/*
 * The carrier of our own: HTTP/1.1 over TCP or a unix socket, one request at a time on a
 * connection, which is kept for the next one.
 *
 *     connect ──► send head and body ──► recv, http1 ──► answer ──► idle, or closed
 *
 * It exists for what it costs and for what it knows. An event costs one system call here and
 * no timer; and the system says when the bytes came (os/arrival.h), so that nothing that this
 * thread does meanwhile is in a server's time. Where anything more is wanted of HTTP (TLS,
 * HTTP/2, a proxy, a header that changes the framing) libcurl carries.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wire/client_plain.h"
#include "wire/http1.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* where it is missing, the program ignores SIGPIPE */
#endif

enum {
    /* An address that has not answered by then may be a hole; RFC 8305 begins with the next
     * one after as much. */
    PATIENCE_NS = 250 * 1000 * 1000,
    REST_NS = 500 * 1000,
    LONGEST_REST_NS = 16 * 1000 * 1000,
};

struct ifm_plain {
    ifm_client *client;
    ifm_exchange *exchange;     /* NULL: idle */
    ifm_plain *next, *previous; /* of the idle ones */
    int fd;
    size_t first, tried, address; /* address = first + tried, of those that there are */
    int code;                     /* why those did not take it */
    int64_t begun_ns;             /* the handshake with this one */
    int64_t rest_ns;              /* until a full queue of a unix socket is tried again */
    bool late;            /* one was given up for being slow: all get a second turn */
    bool open;            /* the handshake is over */
    bool used_up;         /* more came than the answer */
    size_t sent, to_send; /* bytes of head and body */
    ifm_http1 http;
};

/* ---- connections ------------------------------------------------------------------- */

static void unlink_idle(ifm_plain *self)
{
    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        self->client->plain->idle = self->next;
    if (self->next != NULL)
        self->next->previous = self->previous;
    self->next = self->previous = NULL;
}

static void link_idle(ifm_plain *self)
{
    ifm_plain_server *server = self->client->plain;
    self->previous = NULL;
    self->next = server->idle;
    if (self->next != NULL)
        self->next->previous = self;
    server->idle = self;
}

static void close_socket(ifm_plain *self)
{
    if (self->fd < 0)
        return;
    ifm_client_watch(self->client, self->fd, 0);
    if ((size_t)self->fd < self->client->n_slots)
        self->client->slots[self->fd].plain = NULL;
    close(self->fd);
    self->fd = -1;
}

static void drop(ifm_plain *self)
{
    close_socket(self);
    ifm_http1_deinit(&self->http);
    free(self);
}

static bool watch(ifm_plain *self, unsigned want)
{
    if (!ifm_client_watch(self->client, self->fd, want))
        return false;
    self->client->slots[self->fd].plain = self;
    return true;
}

/* What people are told in the end: that nobody listens, if that is so anywhere. */
static void note_failure(ifm_plain *self, int code)
{
    if (self->code == 0 || code == ECONNREFUSED)
        self->code = code;
}

static void give_up_address(ifm_plain *self, int code)
{
    close_socket(self);
    note_failure(self, code);
    self->tried++;
}

/* Returns 0, or errno. */
static int try_address(ifm_plain *self, const ifm_plain_address *a)
{
    const int on = 1;
    self->fd = socket(a->to.ss_family, SOCK_STREAM, 0);
    if (self->fd < 0)
        return errno;
    fcntl(self->fd, F_SETFD, FD_CLOEXEC);
    fcntl(self->fd, F_SETFL, O_NONBLOCK);
    if (a->to.ss_family != AF_UNIX)
        setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)ifm_arrival_watch(self->fd);
    if (connect(self->fd, (const struct sockaddr *)&a->to, a->size) == 0 ||
        errno == EINPROGRESS)
        return 0;
    const int code = errno;
    close(self->fd);
    self->fd = -1;
    return code;
}

/* A socket on its way to the next address that takes one. Returns 0, EAGAIN (the server's
 * queue is full, as unix sockets say it: to be tried again soon), or errno. */
static int connect_next(ifm_plain *self)
{
    ifm_plain_server *server = self->client->plain;
    self->begun_ns = ifm_time_now().ns;
    for (; self->tried < (self->late ? 2 : 1) * server->n_addresses; self->tried++) {
        self->address = (self->first + self->tried) % server->n_addresses;
        const int code = try_address(self, &server->addresses[self->address]);
        if (code == EAGAIN)
            self->rest_ns = self->rest_ns < LONGEST_REST_NS ? 2 * self->rest_ns + REST_NS
                                                            : self->rest_ns;
        if (code == 0 || code == EAGAIN)
            return code;
        note_failure(self, code);
    }
    return self->code;
}

/* ---- ends -------------------------------------------------------------------------- */

static void conclude(ifm_plain *self, ifm_outcome outcome, const char *text, bool broke,
                     int64_t now_ns)
{
    ifm_exchange *e = self->exchange;
    const bool again = broke && !e->retrying && ifm_exchange_is_stale(e);
    e->resends += again;
    e->renewed = e->renewed || again;
    ifm_exchange_conclude(e, outcome, text, again, now_ns);
}

/* The connection broke, or (code 0) the server closed it. */
static void lose(ifm_plain *self, int code, int64_t now_ns)
{
    const ifm_exchange *e = self->exchange;
    char text[128];
    const ifm_outcome outcome =
        ifm_broken_outcome(code == 0, e->sent_ns != 0, e->head_seen, text, sizeof text);
    conclude(self, outcome, text, true, now_ns);
}

/* Without a connection: at once (the exchange is doomed), or later. */
static void fail_to_connect(ifm_plain *self, int code, bool at_once)
{
    char text[CURL_ERROR_SIZE];
    const ifm_outcome outcome =
        ifm_unreachable_outcome(self->client, code, "", text, sizeof text);
    if (at_once)
        ifm_exchange_doom(self->exchange, outcome, text);
    else
        ifm_exchange_conclude(self->exchange, outcome, text, false, ifm_time_now().ns);
}

/* The poller's refusal. */
static void fail_to_watch(ifm_plain *self)
{
    ifm_exchange_end(self->exchange, IFM_OUTCOME_INTERNAL,
                     "cannot wait for another socket: the system's limit is reached",
                     ifm_time_now().ns);
}

/* ---- sending ----------------------------------------------------------------------- */

/* The request's head, made anew for each write: nearly all need but one. */
static const ifm_buffer *make_head(ifm_plain *self)
{
    const ifm_exchange *e = self->exchange;
    ifm_plain_server *server = self->client->plain;
    ifm_buffer *own = &server->own;
    ifm_buffer_clear(own);
    ifm_buffer_append(own, server->head.data, server->head.length);
    ifm_buffer_printf(own, "%s\r\nContent-Length: %zu\r\n\r\n", e->id_text, e->n_body);
    self->to_send = own->length + e->n_body;
    return own;
}

static ssize_t send_rest(ifm_plain *self, const ifm_buffer *head)
{
    const ifm_exchange *e = self->exchange;
    const size_t in_head = self->sent < head->length ? head->length - self->sent : 0;
    const size_t in_body = self->sent > head->length ? self->sent - head->length : 0;
    struct iovec parts[2] = {
        {.iov_base = head->data + (head->length - in_head), .iov_len = in_head},
        {.iov_base = e->body + in_body, .iov_len = e->n_body - in_body},
    };
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(self->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Writes what the system takes. sent_ns is the time before the last write: by the time after
 * it the server may have had the request for a while, if this thread lost its processor.
 * Returns 0, EAGAIN (more is to be written), or the errno that ends it. */
static int push(ifm_plain *self)
{
    ifm_exchange *e = self->exchange;
    const ifm_buffer *head = make_head(self);
    if (head->failed)
        return ENOMEM;
    while (self->sent < self->to_send) {
        const int64_t before_ns = ifm_time_now().ns;
        const ssize_t n = send_rest(self, head);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK ||
                      (!self->open && (errno == ENOTCONN || errno == EINPROGRESS))))
            break;
        if (n < 0)
            return errno;
        if (!self->open &&
            e->opened) /* over the loopback the handshake is over at once */
            e->connect_ns = before_ns;
        self->open = true;
        self->sent += (size_t)n;
        e->wrote_ns = before_ns;
        if (self->sent == self->to_send)
            e->sent_ns = before_ns;
    }
    if (self->open)
        self->client->plain->best = self->address;
    ifm_timers_arm(e);
    return self->sent < self->to_send ? EAGAIN : 0;
}

/* Writes, and has the poller tell what is next. */
static int push_and_watch(ifm_plain *self)
{
    const int code = push(self);
    if (code != 0 && code != EAGAIN)
        return code;
    const unsigned more = code == EAGAIN ? (unsigned)IFM_POLL_WRITE : 0u;
    return watch(self, (unsigned)IFM_POLL_READ | more) ? 0 : ENOSPC;
}

/* ---- beginning --------------------------------------------------------------------- */

/* Connects to one address after the other until one lets itself be written to, or wants to be
 * waited for. Returns 0, or as connect_next and push_and_watch. */
static int connect_and_push(ifm_plain *self)
{
    int code;
    while ((code = connect_next(self)) == 0) {
        code = push_and_watch(self);
        if (code == 0 || self->open || code == ENOSPC || code == ENOMEM)
            return code;
        give_up_address(self, code);
    }
    return code;
}

/* The same, later. */
static void connect_on(ifm_plain *self)
{
    ifm_exchange *e = self->exchange;
    const int code = connect_and_push(self);
    e->fd = self->fd;
    if (code == 0 || code == EAGAIN)
        ifm_timers_arm(e);
    else if (code == ENOSPC)
        fail_to_watch(self);
    else
        fail_to_connect(self, code, false);
}

/* The latest that is still open; NULL: none is. What the server closed meanwhile has an end
 * to read, though the poller may not have said so yet. */
static ifm_plain *take_idle(ifm_plain_server *server)
{
    ifm_plain *self;
    while ((self = server->idle) != NULL) {
        char byte;
        unlink_idle(self);
        if (recv(self->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
            (errno == EAGAIN || errno == EWOULDBLOCK))
            return self;
        drop(self);
    }
    return NULL;
}

static ifm_plain *new_connection(ifm_exchange *e)
{
    ifm_plain *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->client = e->client;
    self->first = e->client->plain->best;
    self->fd = -1;
    e->opened = true;
    e->dns_ns = ifm_time_now().ns; /* the name was looked up before the load began */
    return self;
}

void ifm_plain_begin(ifm_exchange *e)
{
    ifm_plain_server *server = e->client->plain;
    ifm_plain *self = NULL;
    if (!e->renewed && !e->client->options.new_connection)
        self = take_idle(server);
    if (self == NULL && (self = new_connection(e)) == NULL) {
        ifm_exchange_doom(e, IFM_OUTCOME_INTERNAL, "no memory");
        return;
    }
    self->exchange = e;
    self->sent = 0;
    self->used_up = false;
    e->plain = self;
    ifm_http1_begin(&self->http);
    const int code = e->opened ? connect_and_push(self) : push_and_watch(self);
    e->fd = self->fd;
    if (code == 0 || code == EAGAIN)
        return;
    if (!e->opened) { /* it breaks as it is written to: the loop finds it so */
        e->sent_ns = ifm_time_now().ns;
        if (watch(self, IFM_POLL_READ))
            return;
    }
    if (code == ENOMEM || code == ENOSPC)
        ifm_exchange_doom(e, IFM_OUTCOME_INTERNAL,
                          code == ENOMEM
                              ? "no memory"
                              : "cannot wait for another socket: the system's limit is "
                                "reached");
    else
        fail_to_connect(self, code, true);
    e->plain = NULL;
    drop(self);
}

void ifm_plain_close_idle(ifm_plain_server *server)
{
    while (server->idle != NULL) {
        ifm_plain *self = server->idle;
        unlink_idle(self);
        drop(self);
    }
}

void ifm_plain_let_go(ifm_exchange *e)
{
    ifm_plain *self = e->plain;
    e->plain = NULL;
    self->exchange = NULL;
    const bool good = self->http.state == IFM_HTTP1_END && self->http.keep_alive &&
                      !self->used_up && self->sent == self->to_send &&
                      !e->client->options.new_connection;
    if (good && watch(self, IFM_POLL_READ))
        link_idle(self);
    else
        drop(self);
}

bool ifm_plain_is_connecting(const ifm_exchange *e)
{
    return e->plain != NULL && !e->plain->open;
}

int64_t ifm_plain_patience(const ifm_exchange *e)
{
    const ifm_plain *self = e->plain;
    if (self->fd < 0)
        return self->begun_ns + self->rest_ns;
    return self->tried + 1 < e->client->plain->n_addresses ? self->begun_ns + PATIENCE_NS
                                                           : INT64_MAX;
}

void ifm_plain_connect_on(ifm_exchange *e)
{
    ifm_plain *self = e->plain;
    if (self->fd >= 0) {
        self->late = true;
        give_up_address(self, ETIMEDOUT);
    }
    connect_on(self);
}

/* ---- receiving --------------------------------------------------------------------- */

static void on_field(void *user, const char *line, size_t n)
{
    ifm_plain *self = user;
    ifm_retry_read(self->exchange, line, n);
}

static void on_head(void *user)
{
    ifm_plain *self = user;
    ifm_exchange *e = self->exchange;
    e->http_version = 10 + self->http.minor;
    if (self->http.location.data != NULL) {
        free(e->redirect);
        e->redirect =
            ifm_client_url_resolve(self->client->url.endpoint, self->http.location.data);
    }
    ifm_exchange_head(e, self->http.status, self->http.type.data);
}

/* What follows from the bytes that were read, or from their end. */
static void judge(ifm_plain *self, int64_t stamp_ns)
{
    ifm_exchange *e = self->exchange;
    if (self->http.state == IFM_HTTP1_BROKEN)
        conclude(self, IFM_OUTCOME_PROTOCOL, self->http.why, false, stamp_ns);
    else if (self->http.state == IFM_HTTP1_END)
        conclude(self, IFM_OUTCOME_OK, NULL, false, stamp_ns);
    else if (e->settled)
        ifm_exchange_end(e, IFM_OUTCOME_OK, NULL, e->heard_ns);
}

static void receive(ifm_plain *self, int64_t stamp_ns)
{
    const ifm_http1_hooks hooks = {on_field, on_head, self};
    ifm_client *client = self->client;
    char *bytes = client->plain->bytes;
    int64_t came_ns;
    size_t n_body = 0;
    const ssize_t n = ifm_arrival_recv(self->fd, bytes, IFM_PLAIN_RECEIVE_BYTES,
                                       &client->arrivals, &came_ns);
    const int code = errno;
    if (n > 0)
        client->noted = came_ns != 0;
    if (came_ns >= self->exchange->begun_ns) /* else the calendar's clock was set anew */
        stamp_ns = came_ns;
    if (n < 0) {
        if (code != EAGAIN && code != EWOULDBLOCK && code != EINTR)
            lose(self, code, stamp_ns);
        return;
    }
    if (n == 0) {
        ifm_http1_close(&self->http);
        if (self->http.state == IFM_HTTP1_HEAD || self->http.state == IFM_HTTP1_BODY)
            lose(self, 0, stamp_ns);
        else
            judge(self, stamp_ns);
        return;
    }
    ifm_exchange_hear(self->exchange, stamp_ns);
    const size_t used = ifm_http1_take(&self->http, &hooks, bytes, (size_t)n, &n_body);
    self->used_up = used < (size_t)n;
    if (n_body > 0)
        ifm_exchange_take(self->exchange, bytes, n_body);
    judge(self, stamp_ns);
}

/* Whether the handshake is over. If it failed, the next address has its turn. */
static bool has_opened(ifm_plain *self, unsigned ready, int64_t stamp_ns)
{
    ifm_exchange *e = self->exchange;
    int code = 0;
    socklen_t size = sizeof code;
    if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
        code = errno;
    if (code == 0) {
        self->open = (ready & (IFM_POLL_READ | IFM_POLL_WRITE)) != 0;
        if (self->open)
            e->connect_ns = stamp_ns;
        return self->open;
    }
    give_up_address(self, code);
    connect_on(self);
    return false;
}

void ifm_plain_ready(ifm_plain *self, unsigned ready, int64_t stamp_ns)
{
    const ifm_exchange *e = self->exchange;
    if (e == NULL) { /* a server has nothing to say unasked, but that it closes */
        unlink_idle(self);
        drop(self);
        return;
    }
    if (!self->open && !has_opened(self, ready, stamp_ns))
        return;
    if ((ready & IFM_POLL_WRITE) != 0 && self->sent < self->to_send) {
        const int code = push_and_watch(self);
        if (code == ENOSPC) {
            fail_to_watch(self);
            return;
        }
        if (code != 0)
            ready |= IFM_POLL_READ; /* it may have said why it takes no more */
    }
    if ((ready & (IFM_POLL_READ | IFM_POLL_HANGUP)) != 0)
        receive(self, stamp_ns);
}
