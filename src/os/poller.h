/*
 * Waiting for many descriptors at once, and for a moment: level-triggered, with wake-ups far
 * below a millisecond. epoll on Linux, kqueue on macOS.
 *
 *     wait(until, events) ─► [{user, READ}, {user, WRITE | HANGUP}, {NULL, WAKE}]
 *
 * One thread waits; any thread may wake it.
 */
#ifndef IFM_OS_POLLER_H
#define IFM_OS_POLLER_H

#include "inferometer/base.h"

enum {
    IFM_POLL_READ = 1, /* can be read, which includes a connection that wants accepting */
    IFM_POLL_WRITE = 2,  /* can be written */
    IFM_POLL_HANGUP = 4, /* error, or the other side is gone for both directions; comes
                            unasked. What it had sent may still be there to read */
    IFM_POLL_WAKE = 8,   /* somebody called ifm_poller_wake; user is NULL */
};

typedef struct ifm_poll_event {
    void *user;
    unsigned what; /* of IFM_POLL_…, several at once */
} ifm_poll_event;

typedef struct ifm_poller {
    int fd;                        /* the system's set */
    int wake_fd, timer_fd;         /* -1: not there */
    _Alignas(16) char batch[8192]; /* what the system's call fills */
} ifm_poller;

/* `until` of a wait that no time ends. */
#define IFM_POLL_FOREVER ((ifm_time){INT64_MAX})

/* Errors: IO (no more descriptors). Descriptors are closed by exec. */
ifm_status ifm_poller_init(ifm_poller *self, ifm_error *err);
/* Legal on one that init failed for. */
void ifm_poller_deinit(ifm_poller *self);

/* Watches fd for `what` (READ, WRITE, both, or 0 for hang-ups alone). `user` comes back with
 * its events. An fd is added once. Errors: IO, NO_MEMORY, ARGUMENT (a regular file, which is
 * always ready). */
ifm_status ifm_poller_add(ifm_poller *self, int fd, unsigned what, void *user,
                          ifm_error *err);
/* Changes both. Errors: IO, NO_MEMORY. */
ifm_status ifm_poller_modify(ifm_poller *self, int fd, unsigned what, void *user,
                             ifm_error *err);
/* Before fd is closed. Events of it that a wait returned already stay in the caller's array.
 * An fd that is not watched is ignored. */
void ifm_poller_remove(ifm_poller *self, int fd);

/* Sleeps until something is ready, or until `until` (in the past: only looks); fills at most
 * cap (≥ 1) events and returns how many, 0 when the time is over or a signal came. Events of
 * one fd may come in two entries. What did not fit comes with the next call. Allocates
 * nothing. */
size_t ifm_poller_wait(ifm_poller *self, ifm_time until, ifm_poll_event *events,
                       size_t cap);

/* Ends the wait that is going on, or the next one, with an event WAKE; several wakes before
 * one wait are one event. Thread-safe, and safe in a signal handler. */
void ifm_poller_wake(ifm_poller *self);

/* Asks the system to wake the calling thread when its time has come, where it would
 * otherwise gather wake-ups (50 µs on Linux). Advice: no effect where there is no such
 * thing. */
void ifm_poller_sharpen(void);

#endif
