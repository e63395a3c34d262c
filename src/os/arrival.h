/*
 * When bytes came in on a socket, by the system's own note of it: a program that had no time
 * to read them at once still learns when they came.
 *
 *     network ──► the system notes the time ──► queue of the socket ──► arrival_recv: bytes, time
 *
 * Linux notes it for TCP over any device, the loopback too (SO_TIMESTAMPNS), by the clock of
 * the calendar; that clock's distance from the machine's is read beside. Unix sockets and other
 * systems have no such note.
 */
#ifndef IFM_OS_ARRIVAL_H
#define IFM_OS_ARRIVAL_H

#include <stddef.h>
#include <sys/types.h>

#include "inferometer/base.h"

/* How far the calendar's clock is ahead of ifm_time_now. Zeroed before the first reading. */
typedef struct ifm_arrival_clock {
    int64_t ahead_ns;   /* to 5 µs, mostly to 0.1 */
    int64_t doubted_ns; /* it was set anew: until then there may be notes from before */
    bool known;
    bool steady; /* times may be converted by the distance */
} ifm_arrival_clock;

/* Reads the distance anew; once for many sockets. Costs three readings of a clock. */
void ifm_arrival_clock_read(ifm_arrival_clock *self);

/* From now on times are noted for this socket, and for what it accepts. False: this system
 * or this kind of socket has none. */
bool ifm_arrival_watch(int fd);

/* recv(). *at_ns: when the last of what is returned came in, ns of ifm_time_now; 0: unknown. */
ssize_t ifm_arrival_recv(int fd, void *bytes, size_t n, const ifm_arrival_clock *clock,
                         int64_t *at_ns);

/* The same time for up to n bytes that stay to be read by others; 0: unknown. */
int64_t ifm_arrival_peek(int fd, size_t n, const ifm_arrival_clock *clock);

#endif
