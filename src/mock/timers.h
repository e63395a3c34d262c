/* Moments in the order in which they come: a binary heap. A timer is part of what it belongs
 * to, and is in the heap at most once. */
#ifndef IFM_MOCK_TIMERS_H
#define IFM_MOCK_TIMERS_H

#include "inferometer/base.h"

typedef struct ifm_mock_timer {
    size_t place; /* in the heap, from 1; 0: not in it */
} ifm_mock_timer;

typedef struct ifm_mock_timers {
    struct ifm_mock_timers_node {
        int64_t due_ns; /* beside the pointer: a comparison touches nothing else */
        ifm_mock_timer *timer;
    } * node; /* [n], node[0] the first */
    size_t n, capacity;
} ifm_mock_timers;

/* An all-zero one is empty. */
void ifm_mock_timers_deinit(ifm_mock_timers *self);
/* Room for n timers, so that set cannot fail while no more are in it. False: no memory. */
bool ifm_mock_timers_reserve(ifm_mock_timers *self, size_t n);
/* Puts the timer in, or moves it. There is room (reserve). */
void ifm_mock_timers_set(ifm_mock_timers *self, ifm_mock_timer *timer, int64_t due_ns);
/* Takes it out, if it is in. */
void ifm_mock_timers_cancel(ifm_mock_timers *self, ifm_mock_timer *timer);
/* When the first is due; INT64_MAX when there is none. */
int64_t ifm_mock_timers_next_ns(const ifm_mock_timers *self);
/* Takes the first out. There is one. */
ifm_mock_timer *ifm_mock_timers_pop(ifm_mock_timers *self);

#endif
