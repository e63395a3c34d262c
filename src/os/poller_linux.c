/* epoll. The timeout in nanoseconds is epoll_pwait2 (Linux 5.11); before, a timer in the set
 * does the same for two more system calls. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/poller.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* the same on every processor */
#endif

enum { NS_PER_S = 1000000000 };

static uint32_t epoll_mask(unsigned what)
{
    return ((what & IFM_POLL_READ) != 0 ? EPOLLIN : 0u) |
           ((what & IFM_POLL_WRITE) != 0 ? EPOLLOUT : 0u);
}

static ifm_status control(ifm_poller *self, int operation, int fd, unsigned what,
                          void *user, ifm_error *err)
{
    struct epoll_event event = {.events = epoll_mask(what), .data.ptr = user};
    if (epoll_ctl(self->fd, operation, fd, &event) == 0)
        return IFM_OK;
    if (errno == EPERM)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "a regular file is always ready and cannot be waited for");
    return ifm_fail_errno(err, errno, "cannot watch descriptor %d", fd);
}

/* A poller's own descriptors are marked by their addresses: no caller's pointer is one. */
ifm_status ifm_poller_init(ifm_poller *self, ifm_error *err)
{
    self->timer_fd = -1;
    self->fd = epoll_create1(EPOLL_CLOEXEC);
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->fd < 0 || self->wake_fd < 0) {
        ifm_status st =
            ifm_fail_errno(err, errno, "cannot make a set of descriptors to wait for");
        ifm_poller_deinit(self);
        return st;
    }
    ifm_status st =
        control(self, EPOLL_CTL_ADD, self->wake_fd, IFM_POLL_READ, &self->wake_fd, err);
    if (st != IFM_OK)
        ifm_poller_deinit(self);
    return st;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void ifm_poller_deinit(ifm_poller *self)
{
    close_one(&self->timer_fd);
    close_one(&self->wake_fd);
    close_one(&self->fd);
}

ifm_status ifm_poller_add(ifm_poller *self, int fd, unsigned what, void *user,
                          ifm_error *err)
{
    return control(self, EPOLL_CTL_ADD, fd, what, user, err);
}

ifm_status ifm_poller_modify(ifm_poller *self, int fd, unsigned what, void *user,
                             ifm_error *err)
{
    return control(self, EPOLL_CTL_MOD, fd, what, user, err);
}

void ifm_poller_remove(ifm_poller *self, int fd)
{
    struct epoll_event unused = {0}; /* kernels before 2.6.9 want one */
    epoll_ctl(self->fd, EPOLL_CTL_DEL, fd, &unused);
}

/* The timer's way, for a kernel or a sandbox without epoll_pwait2. */
static int wait_with_timer(ifm_poller *self, ifm_time until, int n)
{
    struct epoll_event *batch = (struct epoll_event *)(void *)self->batch;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(until.ns / NS_PER_S),
                                         .tv_nsec = (long)(until.ns % NS_PER_S)}};
    if (self->timer_fd < 0) {
        self->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (self->timer_fd >= 0 &&
            control(self, EPOLL_CTL_ADD, self->timer_fd, IFM_POLL_READ, &self->timer_fd,
                    NULL) != IFM_OK)
            close_one(&self->timer_fd);
    }
    if (self->timer_fd < 0 ||
        timerfd_settime(self->timer_fd, TFD_TIMER_ABSTIME, &at, NULL) != 0)
        return epoll_wait(self->fd, batch, n, 1); /* coarse, yet it ends */
    return epoll_wait(self->fd, batch, n, -1);
}

static int wait_for(ifm_poller *self, ifm_time until, int n)
{
    struct epoll_event *batch = (struct epoll_event *)(void *)self->batch;
    if (until.ns == INT64_MAX)
        return epoll_wait(self->fd, batch, n, -1);
    const int64_t left = ifm_time_between(ifm_time_now(), until);
    if (left <= 0)
        return epoll_wait(self->fd, batch, n, 0);
    if (self->timer_fd < 0) {
        struct timespec most = {.tv_sec = (time_t)(left / NS_PER_S),
                                .tv_nsec = (long)(left % NS_PER_S)};
        long found = syscall(SYS_epoll_pwait2, self->fd, batch, n, &most, NULL,
                             (size_t)(_NSIG / 8));
        if (found >= 0 || errno == EINTR)
            return (int)found;
    }
    return wait_with_timer(self, until, n);
}

static unsigned told(uint32_t events)
{
    return ((events & EPOLLIN) != 0 ? IFM_POLL_READ : 0u) |
           ((events & EPOLLOUT) != 0 ? IFM_POLL_WRITE : 0u) |
           ((events & (EPOLLERR | EPOLLHUP)) != 0 ? IFM_POLL_HANGUP : 0u);
}

size_t ifm_poller_wait(ifm_poller *self, ifm_time until, ifm_poll_event *events,
                       size_t cap)
{
    const struct epoll_event *batch = (struct epoll_event *)(void *)self->batch;
    const size_t most = sizeof self->batch / sizeof *batch;
    const int found = wait_for(self, until, (int)(cap < most ? cap : most));
    size_t n = 0;
    uint64_t count;
    for (int i = 0; i < found; i++) {
        void *user = batch[i].data.ptr;
        if (user == &self->timer_fd) {
            if (read(self->timer_fd, &count, sizeof count) < 0)
                continue; /* set anew since: nothing to take */
        } else if (user == &self->wake_fd) {
            if (read(self->wake_fd, &count, sizeof count) > 0)
                events[n++] = (ifm_poll_event){NULL, IFM_POLL_WAKE};
        } else {
            events[n++] = (ifm_poll_event){user, told(batch[i].events)};
        }
    }
    return n;
}

void ifm_poller_wake(ifm_poller *self)
{
    const int code = errno;
    const uint64_t one = 1;
    if (write(self->wake_fd, &one, sizeof one) < 0)
        errno = code; /* the counter is full: it is awake anyway */
    errno = code;
}

void ifm_poller_sharpen(void)
{
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
}
