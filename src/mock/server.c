/*
 * The server: listening, and the loop.
 *
 * The loop sleeps until a little before the next timer, and spends the rest looking at its
 * sockets again and again, so that a token leaves within microseconds of its time. Such
 * looking is a share of the time slept: with thousands of streams there is always a token due
 * soon, and naps in which several become due are what keeps a core free for whoever measures.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "mock/inside.h"

enum {
    BACKLOG = 4096,
    EVENTS = 256,
    STEPS_AT_ONCE = 64, /* then sockets have their turn: a request's stamp must be true */
    SPIN_NS = 25000,    /* a precise sleep is late by 10 to 20 µs */
    NAP_NS = 50000,     /* with the wake-up, within the 100 µs that are promised */
    SPIN_SHARE = 8,     /* at most one part in so many of the time is spent looking */
};

ifm_mock_options ifm_mock_defaults(void)
{
    return (ifm_mock_options){.host = "127.0.0.1",
                              .ttft_ns = 100000000,
                              .itl_ns = 20000000,
                              .read_timeout_ns = 60000000000};
}

static bool refuses(const ifm_mock_options *options)
{
    for (size_t i = 0; i < options->faults.n; i++) {
        if (options->faults.list[i].kind == IFM_MOCK_FAULT_REFUSE)
            return true;
    }
    return false;
}

static bool name_fits(const char *name)
{
    size_t n = 0;
    for (; name[n] != '\0'; n++) {
        const unsigned char c = (unsigned char)name[n];
        if (c < ' ' || c == 0x7f || c == '"' || c == '\\')
            return false;
    }
    return n > 0 && n <= IFM_MOCK_MODEL_LIMIT;
}

/* A socket file that nobody listens on any more is in the way after a crash. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat about;
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return;
    if (stat(address->sun_path, &about) == 0 && S_ISSOCK(about.st_mode) &&
        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static int make_socket(int family)
{
    const int fd = socket(family, SOCK_STREAM, 0);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return fd;
}

static ifm_status bind_unix(ifm_mock *self, ifm_error *err)
{
    const char *path = self->options.unix_path;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--unix: a path of 1 to %zu bytes is expected",
                        sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    snprintf(self->address, sizeof self->address, "unix:%s", path);
    remove_stale(&address);
    self->listen_fd = make_socket(AF_UNIX);
    if (self->listen_fd < 0)
        return ifm_fail_errno(err, errno, "cannot make a socket");
    if (bind(self->listen_fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        if (errno == EADDRINUSE)
            return ifm_fail(err, IFM_ERR_IO,
                            "%s: in use: another server listens there, or a file is in "
                            "the way",
                            path);
        return ifm_fail_errno(err, errno, "%s: cannot listen", path);
    }
    self->unlinks = true;
    return IFM_OK;
}

#ifdef TCP_CONGESTION
/* What BBR and others hold back to pace it leaves later than it was sent. Connections take
 * after the socket that they come from. */
static void leave_at_once(int fd)
{
    static const char unpaced[] = "reno"; /* that every Linux has */
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, unpaced, sizeof unpaced - 1);
}
#else
static void leave_at_once(int fd)
{
    (void)fd;
}
#endif

/* The port that the system chose, and the address as a URL. */
static void learn_address(ifm_mock *self)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char port[16] = "0";
    if (getsockname(self->listen_fd, (struct sockaddr *)&address, &size) == 0)
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV);
    self->port = (int)strtol(port, NULL, 10);
    const bool v6 = strchr(self->options.host, ':') != NULL;
    snprintf(self->address, sizeof self->address, "http://%s%.100s%s:%d", v6 ? "[" : "",
             self->options.host, v6 ? "]" : "", self->port);
}

static ifm_status bind_tcp(ifm_mock *self, ifm_error *err)
{
    const ifm_mock_options *options = &self->options;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char port[16];
    snprintf(port, sizeof port, "%d", options->port);
    const int code = getaddrinfo(options->host, port, &hints, &found);
    if (code != 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--host %s: %s", options->host,
                        gai_strerror(code));
    ifm_status st = IFM_OK;
    const int on = 1;
    self->listen_fd = make_socket(found->ai_family);
    if (self->listen_fd < 0) {
        st = ifm_fail_errno(err, errno, "cannot make a socket");
    } else {
        leave_at_once(self->listen_fd);
        (void)ifm_arrival_watch(self->listen_fd);
        setsockopt(self->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(self->listen_fd, found->ai_addr, found->ai_addrlen) != 0) {
            if (errno == EADDRINUSE)
                st = ifm_fail(err, IFM_ERR_IO,
                              "port %d is in use: choose another one, or 0 for any that "
                              "is free",
                              options->port);
            else
                st = ifm_fail_errno(err, errno, "cannot listen on %s, port %d",
                                    options->host, options->port);
        } else {
            learn_address(self);
        }
    }
    freeaddrinfo(found);
    return st;
}

static ifm_status start(ifm_mock *self, ifm_error *err)
{
    const ifm_mock_options *options = &self->options;
    if (options->model != NULL && !name_fits(options->model))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--model: a name of 1 to %d bytes without quotes and control "
                        "characters is expected",
                        IFM_MOCK_MODEL_LIMIT);
    ifm_status st = ifm_poller_init(&self->poller, err);
    if (st == IFM_OK)
        st = options->unix_path != NULL ? bind_unix(self, err) : bind_tcp(self, err);
    if (st == IFM_OK && options->log_path != NULL)
        st = ifm_mock_log_open(options->log_path, &self->log, err);
    if (st != IFM_OK || refuses(options))
        return st; /* bound, so that nobody else is there, but deaf */
    if (listen(self->listen_fd, BACKLOG) != 0)
        return ifm_fail_errno(err, errno, "%s: cannot listen", self->address);
    return ifm_poller_add(&self->poller, self->listen_fd, IFM_POLL_READ, &self->listen_fd,
                          err);
}

ifm_status ifm_mock_new(const ifm_mock_options *options, ifm_mock **out, ifm_error *err)
{
    ifm_mock *self = calloc(1, sizeof *self);
    char *scratch = malloc(IFM_MOCK_READ_BYTES);
    if (self == NULL || scratch == NULL) {
        free(self);
        free(scratch);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a server");
    }
    self->options = *options;
    self->scratch = scratch;
    self->listen_fd = -1;
    self->poller.fd = self->poller.wake_fd = self->poller.timer_fd = -1;
    const ifm_status st = start(self, err);
    if (st != IFM_OK) {
        ifm_mock_free(self);
        return st;
    }
    *out = self;
    return IFM_OK;
}

int ifm_mock_port(const ifm_mock *self)
{
    return self->port;
}

const char *ifm_mock_address(const ifm_mock *self)
{
    return self->address;
}

/* A send leaves the clock's reading behind, which says enough while more is due. */
static bool is_due(ifm_mock *self)
{
    const int64_t due_ns = ifm_mock_timers_next_ns(&self->timers);
    if (due_ns > self->now_ns && due_ns != INT64_MAX)
        self->now_ns = ifm_time_now().ns;
    return due_ns <= self->now_ns;
}

/* Plays what is due, up to some steps. */
static void play_due(ifm_mock *self)
{
    for (int i = 0; i < STEPS_AT_ONCE && !self->totals.died; i++) {
        if (!is_due(self))
            return;
        ifm_mock_conn *c = (ifm_mock_conn *)(void *)ifm_mock_timers_pop(&self->timers);
        if (c->state == IFM_MOCK_PLAYING)
            ifm_mock_stream_step(self, c);
        else
            ifm_mock_conn_timeout(self, c);
        ifm_mock_serve_queue(self);
    }
}

static void serve_events(ifm_mock *self, const ifm_poll_event *events, size_t n)
{
    if (n == 0)
        return;
    const int64_t stamp = self->now_ns = ifm_time_now().ns;
    ifm_arrival_clock_read(&self->arrivals);
    for (size_t i = 0; i < n && !self->totals.died; i++) {
        if (events[i].user == &self->listen_fd)
            ifm_mock_conn_accept(self);
        else if (events[i].user == self)
            self->stopping = true;
        else if (events[i].user != NULL)
            ifm_mock_conn_ready(self, events[i].user, events[i].what, stamp);
        ifm_mock_serve_queue(self);
        play_due(self);
    }
}

/* When to stop sleeping for the timer that is due next. */
typedef struct wake_plan {
    int64_t due_ns, look_from_ns;
} wake_plan;

/* Far ahead: until a little before, the closer the less, to bound what is spent looking. Soon:
 * a while all the same, so that what is due within it needs one wake-up. */
static int64_t wake_for(int64_t due_ns, int64_t now_ns)
{
    const int64_t ahead_ns = due_ns - now_ns, share_ns = ahead_ns / SPIN_SHARE;
    if (ahead_ns < NAP_NS)
        return ahead_ns > 0 ? now_ns + NAP_NS : due_ns;
    return due_ns - (share_ns < SPIN_NS ? share_ns : SPIN_NS);
}

/* Until when to sleep; the past: look at the sockets only. */
static ifm_time sleep_until(ifm_mock *self, wake_plan *plan)
{
    const int64_t due_ns = ifm_mock_timers_next_ns(&self->timers);
    if (due_ns == INT64_MAX)
        return IFM_POLL_FOREVER;
    if (plan->due_ns != due_ns) {
        plan->due_ns = due_ns;
        plan->look_from_ns = wake_for(due_ns, self->now_ns);
    } else {
        self->now_ns = ifm_time_now().ns;
    }
    return (ifm_time){self->now_ns < plan->look_from_ns ? plan->look_from_ns : 0};
}

static void loop(ifm_mock *self)
{
    ifm_poll_event events[EVENTS];
    wake_plan plan = {0, 0};
    while (!self->stopping && !self->totals.died) {
        play_due(self);
        ifm_mock_conn_reap(self);
        if (self->totals.died)
            break;
        const ifm_time until = sleep_until(self, &plan);
        serve_events(self, events, ifm_poller_wait(&self->poller, until, events, EVENTS));
    }
}

static void end_all(ifm_mock *self)
{
    while (self->conns != NULL) {
        ifm_mock_conn *c = self->conns;
        if (c->state != IFM_MOCK_STALLED)
            ifm_mock_serve_end(self, c, IFM_MOCK_END_STOPPED);
        ifm_mock_conn_kill(self, c, false);
    }
    ifm_mock_conn_reap(self);
}

ifm_status ifm_mock_run(ifm_mock *self, int stop_fd, ifm_error *err)
{
    ifm_status st = ifm_poller_add(&self->poller, stop_fd, IFM_POLL_READ, self, err);
    if (st != IFM_OK)
        return st;
    ifm_poller_sharpen();
    loop(self);
    end_all(self);
    ifm_poller_remove(&self->poller, stop_fd);
    st = ifm_mock_log_close(self->log, err);
    self->log = NULL;
    return st;
}

ifm_mock_totals ifm_mock_totals_of(const ifm_mock *self)
{
    ifm_mock_totals totals = self->totals;
    totals.late_p50_ns = ifm_mock_late_quantile_ns(&self->late, 0.5);
    totals.late_p99_ns = ifm_mock_late_quantile_ns(&self->late, 0.99);
    totals.late_max_ns = self->late.n > 0 ? self->late.max_ns : -1;
    return totals;
}

void ifm_mock_free(ifm_mock *self)
{
    if (self == NULL)
        return;
    end_all(self);
    ifm_mock_log_close(self->log, NULL);
    if (self->listen_fd >= 0)
        close(self->listen_fd);
    if (self->unlinks)
        unlink(self->options.unix_path);
    ifm_poller_deinit(&self->poller);
    ifm_mock_timers_deinit(&self->timers);
    ifm_buffer_deinit(&self->json);
    ifm_buffer_deinit(&self->out);
    free(self->scratch);
    free(self);
}
