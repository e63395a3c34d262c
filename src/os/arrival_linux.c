/* SO_TIMESTAMPNS: recvmsg() brings the note of the last packet of what it returns. */
#include <sys/socket.h>
#include <time.h>

#include "os/arrival.h"

enum {
    TRIES = 4,
    WIDTH_NS = 500, /* three readings take 100 or less where clocks are quick */
    WIDTH_MOST_NS = 10 * 1000,
    STEP_NS = 100 * 1000, /* the two run alike; so much apart is one that was set anew */
    DOUBT_NS = 1000 * 1000 * 1000, /* by then what was noted before has been read */
};

static int64_t to_ns(const struct timespec *t)
{
    return (int64_t)t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

/* Between two readings of one clock lies that of the other; where this thread lost its
 * processor in between, again. */
void ifm_arrival_clock_read(ifm_arrival_clock *self)
{
    int64_t width = INT64_MAX, ahead = 0, before = ifm_time_now().ns;
    for (int i = 0; i < TRIES && width > WIDTH_NS; i++) {
        struct timespec calendar;
        clock_gettime(CLOCK_REALTIME, &calendar);
        const int64_t after = ifm_time_now().ns;
        if (after - before < width) {
            width = after - before;
            ahead = to_ns(&calendar) - before - width / 2;
        }
        before = after;
    }
    const int64_t moved = ahead - self->ahead_ns;
    const bool good = width <= WIDTH_MOST_NS; /* else what was known stays */
    if (self->known && good && (moved < -STEP_NS || moved > STEP_NS))
        self->doubted_ns = before + DOUBT_NS;
    if (good)
        self->ahead_ns = ahead;
    self->known = self->known || good;
    self->steady = self->known && before >= self->doubted_ns;
}

bool ifm_arrival_watch(int fd)
{
    const int on = 1;
    int family = 0;
    socklen_t size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0 || family == AF_UNIX)
        return false;
    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0;
}

/* recvmsg() with room for the note. */
static ssize_t receive(int fd, void *bytes, size_t n, int flags,
                       const ifm_arrival_clock *clock, int64_t *at_ns)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct timespec))];
    } note;
    struct iovec into = {.iov_base = bytes, .iov_len = n};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = &note,
                             .msg_controllen = sizeof note};
    *at_ns = 0;
    const ssize_t got = recvmsg(fd, &message, flags | MSG_DONTWAIT);
    const struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (c != NULL && clock->steady && c->cmsg_level == SOL_SOCKET &&
        c->cmsg_type == SCM_TIMESTAMPNS) {
        const struct timespec *t = (const struct timespec *)(const void *)CMSG_DATA(c);
        *at_ns = to_ns(t) - clock->ahead_ns;
    }
    return got;
}

ssize_t ifm_arrival_recv(int fd, void *bytes, size_t n, const ifm_arrival_clock *clock,
                         int64_t *at_ns)
{
    return receive(fd, bytes, n, 0, clock, at_ns);
}

/* With MSG_TRUNC nothing is copied. */
int64_t ifm_arrival_peek(int fd, size_t n, const ifm_arrival_clock *clock)
{
    int64_t at_ns;
    receive(fd, NULL, n, MSG_PEEK | MSG_TRUNC, clock, &at_ns);
    return at_ns;
}
