/* kqueue. Reading and writing are two filters of a descriptor; both are always in the set,
 * enabled or not, so that a change is one call. */
#include <errno.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/poller.h"

enum { NS_PER_S = 1000000000 };

ifm_status ifm_poller_init(ifm_poller *self, ifm_error *err)
{
    self->wake_fd = self->timer_fd = -1;
    self->fd = kqueue();
    struct kevent wake;
    EV_SET(&wake, 0, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
    if (self->fd >= 0 && kevent(self->fd, &wake, 1, NULL, 0, NULL) == 0)
        return IFM_OK;
    ifm_status st =
        ifm_fail_errno(err, errno, "cannot make a set of descriptors to wait for");
    ifm_poller_deinit(self);
    return st;
}

void ifm_poller_deinit(ifm_poller *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
}

static ifm_status set(ifm_poller *self, int fd, unsigned what, void *user, ifm_error *err)
{
    struct kevent changes[2];
    EV_SET(&changes[0], (uintptr_t)fd, EVFILT_READ,
           EV_ADD | ((what & IFM_POLL_READ) != 0 ? EV_ENABLE : EV_DISABLE), 0, 0, user);
    EV_SET(&changes[1], (uintptr_t)fd, EVFILT_WRITE,
           EV_ADD | ((what & IFM_POLL_WRITE) != 0 ? EV_ENABLE : EV_DISABLE), 0, 0, user);
    /* The read end of a pipe has no writing: a refusal of the second is no harm then. */
    if (kevent(self->fd, &changes[0], 1, NULL, 0, NULL) != 0 &&
        (what & IFM_POLL_READ) != 0)
        return ifm_fail_errno(err, errno, "cannot watch descriptor %d", fd);
    if (kevent(self->fd, &changes[1], 1, NULL, 0, NULL) != 0 &&
        (what & IFM_POLL_WRITE) != 0)
        return ifm_fail_errno(err, errno, "cannot watch descriptor %d", fd);
    return IFM_OK;
}

ifm_status ifm_poller_add(ifm_poller *self, int fd, unsigned what, void *user,
                          ifm_error *err)
{
    return set(self, fd, what, user, err);
}

ifm_status ifm_poller_modify(ifm_poller *self, int fd, unsigned what, void *user,
                             ifm_error *err)
{
    return set(self, fd, what, user, err);
}

void ifm_poller_remove(ifm_poller *self, int fd)
{
    static const int16_t filters[] = {EVFILT_READ, EVFILT_WRITE};
    for (size_t i = 0; i < 2; i++) {
        struct kevent change;
        EV_SET(&change, (uintptr_t)fd, filters[i], EV_DELETE, 0, 0, NULL);
        kevent(self->fd, &change, 1, NULL, 0, NULL);
    }
}

static ifm_poll_event told(const struct kevent *event)
{
    if (event->filter == EVFILT_USER)
        return (ifm_poll_event){NULL, IFM_POLL_WAKE};
    unsigned what = event->filter == EVFILT_READ ? IFM_POLL_READ : IFM_POLL_WRITE;
    /* The end of what can be read is no hang-up: the other direction may go on. */
    if ((event->flags & EV_ERROR) != 0 ||
        ((event->flags & EV_EOF) != 0 &&
         (event->filter == EVFILT_WRITE || event->fflags != 0)))
        what |= IFM_POLL_HANGUP;
    return (ifm_poll_event){event->udata, what};
}

size_t ifm_poller_wait(ifm_poller *self, ifm_time until, ifm_poll_event *events,
                       size_t cap)
{
    struct kevent *batch = (struct kevent *)(void *)self->batch;
    const size_t most = sizeof self->batch / sizeof *batch;
    struct timespec left = {0, 0};
    if (until.ns != INT64_MAX) {
        const int64_t ns = ifm_time_between(ifm_time_now(), until);
        left.tv_sec = (time_t)(ns > 0 ? ns / NS_PER_S : 0);
        left.tv_nsec = (long)(ns > 0 ? ns % NS_PER_S : 0);
    }
    const int found = kevent(self->fd, NULL, 0, batch, (int)(cap < most ? cap : most),
                             until.ns == INT64_MAX ? NULL : &left);
    for (int i = 0; i < found; i++)
        events[i] = told(&batch[i]);
    return found > 0 ? (size_t)found : 0;
}

void ifm_poller_wake(ifm_poller *self)
{
    const int code = errno;
    struct kevent wake;
    EV_SET(&wake, 0, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    kevent(self->fd, &wake, 1, NULL, 0, NULL);
    errno = code;
}

void ifm_poller_sharpen(void)
{
}
