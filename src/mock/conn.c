/* Connections: accepting, reading, sending, and the ways in which they end. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mock/inside.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* where it is missing, the program ignores SIGPIPE */
#endif

enum {
    ACCEPT_AT_ONCE = 64, /* then streams have their turn */
    SPLIT_MOST = 7,      /* bytes of one write of the shape SPLIT */
};

static const int64_t linger_ns = 2000000000;
static const int64_t stuck_ns = 60000000000; /* without a byte taken, with all sent */

void ifm_mock_conn_idle(ifm_mock *self, ifm_mock_conn *c)
{
    if (self->options.keep_alive_ns > 0)
        ifm_mock_timers_set(&self->timers, &c->timer,
                            ifm_time_now().ns + self->options.keep_alive_ns);
}

static void add_conn(ifm_mock *self, int fd)
{
    ifm_mock_conn *c = calloc(1, sizeof *c);
    if (c == NULL || !ifm_mock_timers_reserve(&self->timers, self->n_conns + 1) ||
        ifm_poller_add(&self->poller, fd, IFM_POLL_READ, c, NULL) != IFM_OK) {
        free(c);
        close(fd);
        return;
    }
    c->fd = fd;
    c->watched = IFM_POLL_READ;
    c->next = self->conns;
    if (c->next != NULL)
        c->next->prev = c;
    self->conns = c;
    self->n_conns++;
    ifm_mock_conn_idle(self, c);
}

/* Without descriptors the listening socket stays ready, and would keep the loop awake. */
static void pause_listening(ifm_mock *self, bool pause)
{
    if (self->listening_paused == pause || (pause && self->n_conns == 0))
        return;
    self->listening_paused = pause;
    ifm_poller_modify(&self->poller, self->listen_fd, pause ? 0 : IFM_POLL_READ,
                      &self->listen_fd, NULL);
}

void ifm_mock_conn_accept(ifm_mock *self)
{
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        const int fd = accept(self->listen_fd, NULL, NULL);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                pause_listening(self, true);
            return;
        }
        const int on = 1;
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        if (self->options.unix_path == NULL)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        add_conn(self, fd);
    }
}

void ifm_mock_conn_watch(ifm_mock *self, ifm_mock_conn *c)
{
    const bool busy = c->state == IFM_MOCK_WAITING || c->state == IFM_MOCK_PLAYING ||
                      c->state == IFM_MOCK_STALLED;
    const unsigned what = (busy && c->pipelined ? 0u : IFM_POLL_READ) |
                          (ifm_mock_conn_pending(c) > 0 ? IFM_POLL_WRITE : 0u);
    if (what == c->watched || c->state == IFM_MOCK_DEAD)
        return;
    if (ifm_poller_modify(&self->poller, c->fd, what, c, NULL) == IFM_OK)
        c->watched = what;
    else
        ifm_mock_conn_kill(self, c, true);
}

void ifm_mock_conn_kill(ifm_mock *self, ifm_mock_conn *c, bool reset)
{
    if (c->state == IFM_MOCK_DEAD)
        return;
    ifm_mock_serve_end(
        self, c, c->state == IFM_MOCK_STALLED ? IFM_MOCK_END_FAULT : IFM_MOCK_END_GONE);
    c->state = IFM_MOCK_DEAD;
    ifm_mock_timers_cancel(&self->timers, &c->timer);
    ifm_poller_remove(&self->poller, c->fd);
    if (reset) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(c->fd);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        self->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->next = self->dead;
    self->dead = c;
    self->n_conns--;
    pause_listening(self, false);
}

void ifm_mock_conn_reap(ifm_mock *self)
{
    while (self->dead != NULL) {
        ifm_mock_conn *c = self->dead;
        self->dead = c->next;
        ifm_mock_request_deinit(&c->request);
        ifm_buffer_deinit(&c->out);
        free(c);
    }
}

/* One call; what is not taken stays with us. False: the connection is dead. */
static bool send_once(ifm_mock *self, ifm_mock_conn *c, const char *bytes, size_t n)
{
    ssize_t taken = 0;
    if (ifm_mock_conn_pending(c) == 0) {
        taken = send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            ifm_mock_conn_kill(self, c, false);
            return false;
        }
        if (taken < 0)
            taken = 0;
    }
    if ((size_t)taken == n)
        return true;
    if (c->entry != NULL)
        c->entry->slow_reader = true;
    ifm_buffer_append(&c->out, bytes + taken, n - (size_t)taken);
    if (c->out.failed) {
        ifm_mock_conn_kill(self, c, true);
        return false;
    }
    ifm_mock_conn_watch(self, c);
    return c->state != IFM_MOCK_DEAD;
}

/* Pieces of 1 to 7 bytes, drawn from the answer's own random numbers. */
static bool send_split(ifm_mock *self, ifm_mock_conn *c, const char *bytes, size_t n,
                       int64_t *sent_ns)
{
    while (n > 0) {
        size_t piece = 1 + (size_t)ifm_random_below(&c->play.random, SPLIT_MOST);
        if (piece > n)
            piece = n;
        *sent_ns = ifm_time_now().ns;
        if (!send_once(self, c, bytes, piece))
            return false;
        bytes += piece;
        n -= piece;
    }
    return true;
}

bool ifm_mock_conn_send(ifm_mock *self, ifm_mock_conn *c, const char *bytes, size_t n,
                        int64_t *sent_ns)
{
    int64_t unused;
    if (sent_ns == NULL)
        sent_ns = &unused;
    if (c->state == IFM_MOCK_PLAYING &&
        ifm_mock_has(&self->options.shapes, IFM_MOCK_SPLIT))
        return send_split(self, c, bytes, n, sent_ns);
    *sent_ns = self->now_ns = ifm_time_now().ns;
    return send_once(self, c, bytes, n);
}

/* How long a connection whose answer is over may stay. */
static void set_linger(ifm_mock *self, ifm_mock_conn *c)
{
    const int64_t most_ns = ifm_mock_conn_pending(c) > 0 ? stuck_ns : linger_ns;
    if (c->shut && !c->stays)
        ifm_mock_timers_set(&self->timers, &c->timer, ifm_time_now().ns + most_ns);
}

/* The socket can take more. */
static void drain(ifm_mock *self, ifm_mock_conn *c)
{
    const size_t pending = ifm_mock_conn_pending(c);
    const ssize_t taken =
        send(c->fd, c->out.data + c->out_at, pending, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            ifm_mock_conn_kill(self, c, false);
        return;
    }
    c->out_at += (size_t)taken;
    if (ifm_mock_conn_pending(c) == 0) {
        ifm_buffer_deinit(&c->out); /* rare, and may be large */
        c->out_at = 0;
        if (c->shut)
            shutdown(c->fd, SHUT_WR);
    }
    set_linger(self, c);
    ifm_mock_conn_watch(self, c);
    if (c->state == IFM_MOCK_PLAYING && c->play.blocked &&
        ifm_mock_conn_pending(c) < IFM_MOCK_PENDING_LIMIT) {
        c->play.blocked = false;
        ifm_mock_stream_step(self, c);
    }
}

void ifm_mock_conn_linger(ifm_mock *self, ifm_mock_conn *c, bool for_ever)
{
    c->state = IFM_MOCK_LINGERING;
    c->shut = true;
    c->stays = for_ever;
    if (ifm_mock_conn_pending(c) == 0)
        shutdown(c->fd, SHUT_WR);
    ifm_mock_timers_cancel(&self->timers, &c->timer);
    set_linger(self, c);
    ifm_mock_conn_watch(self, c);
}

void ifm_mock_conn_timeout(ifm_mock *self, ifm_mock_conn *c)
{
    if (c->state == IFM_MOCK_READING && c->request.begun) {
        c->keep_alive = false;
        ifm_mock_serve_refuse(self, c, 408, "", "the request took too long to come");
    } else {
        ifm_mock_conn_kill(self, c, false);
    }
}

/* Bytes of a request. */
static void take(ifm_mock *self, ifm_mock_conn *c, const char *bytes, size_t n,
                 int64_t stamp)
{
    ifm_mock_request *request = &c->request;
    if (!request->begun) {
        c->received_ns = stamp;
        ifm_mock_timers_cancel(&self->timers, &c->timer);
        if (self->options.read_timeout_ns > 0)
            ifm_mock_timers_set(&self->timers, &c->timer,
                                stamp + self->options.read_timeout_ns);
    }
    const size_t used = ifm_mock_request_feed(request, bytes, n);
    c->body_ns = stamp;
    if (ifm_mock_request_ended(request)) {
        ifm_mock_timers_cancel(&self->timers, &c->timer);
        c->pipelined = used < n;
        c->continued = false;
        ifm_mock_serve(self, c);
    } else if (request->expects_continue && !c->continued && request->minor == 1 &&
               (request->reading == IFM_MOCK_BODY ||
                request->reading == IFM_MOCK_CHUNK_SIZE)) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        c->continued = true;
        ifm_mock_conn_send(self, c, go_on, sizeof go_on - 1, NULL);
    }
}

static void receive(ifm_mock *self, ifm_mock_conn *c, int64_t stamp)
{
    int64_t at_ns;
    const ssize_t n = ifm_arrival_recv(c->fd, self->scratch, IFM_MOCK_READ_BYTES,
                                       &self->arrivals, &at_ns);
    if (at_ns != 0)
        stamp = at_ns; /* it may have waited while others were served */
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            ifm_mock_conn_kill(self, c, false);
    } else if (n == 0) {
        /* Who closes its direction while an answer is under way has gone: so servers see
         * it, and so they stop what nobody waits for. */
        ifm_mock_conn_kill(self, c, false);
    } else if (c->state == IFM_MOCK_READING) {
        take(self, c, self->scratch, (size_t)n, stamp);
    } else if (c->state != IFM_MOCK_LINGERING) {
        c->pipelined = true;
        ifm_mock_conn_watch(self, c);
    }
}

void ifm_mock_conn_ready(ifm_mock *self, ifm_mock_conn *c, unsigned what, int64_t stamp)
{
    if (c->state != IFM_MOCK_DEAD && (what & IFM_POLL_WRITE) != 0 &&
        ifm_mock_conn_pending(c) > 0)
        drain(self, c);
    if (c->state != IFM_MOCK_DEAD && (what & IFM_POLL_READ) != 0)
        receive(self, c, stamp);
    else if (c->state != IFM_MOCK_DEAD && (what & IFM_POLL_HANGUP) != 0)
        ifm_mock_conn_kill(self, c, false);
}
