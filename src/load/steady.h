/*
 * The steady part of a load: without ramp-up, while places fill or the server takes on
 * its first requests, and without drain, when no new ones come.
 *
 * What is looked at is the number of requests in flight over time, in IFM_STEADY_BINS bins
 * from the beginning to the end of the load (a minute: 1 ms each).
 *
 *   closed loop, N places    from when all places were first taken (as many as ever were)
 *                            until, after the last request began, a place stays empty
 *   open loop                from when as many were in flight as at the median moment
 *                            between the first request due and the last, until the last
 *
 * By Little's law (1961) the number in flight is rate × latency: while it grows, the
 * server takes on more than it gives back, and any rate counted then is one of filling, not
 * of serving. Truncating at the crossing of the median is the crossing rule of
 * simulation (Fishman 1973; Law 2015, section 9.5.1), which needs no tuning. No steady part is
 * claimed when it would be less than half of the load's time, hold fewer than
 * IFM_STEADY_REQUESTS requests, or when the number in flight still grows in it by half from its
 * first quarter to its last, as it does at a rate that the server cannot keep.
 */
#ifndef IFM_LOAD_STEADY_H
#define IFM_LOAD_STEADY_H

#include "inferometer/base.h"

enum { IFM_STEADY_BINS = 1 << 16, IFM_STEADY_REQUESTS = 10 };

typedef struct ifm_steady {
    int32_t *change; /* heap, [IFM_STEADY_BINS + 1]: of requests in flight; found: the
                        number itself */
    int64_t bin_ns;
    int64_t first_due_ns, last_due_ns; /* of those that count */
    int64_t last_start_ns, last_end_ns;
    int64_t n;
} ifm_steady;

/* Times after the load began; the load ended at ended_ns. The caller deinits. False
 * without memory. */
bool ifm_steady_init(ifm_steady *self, int64_t ended_ns);
void ifm_steady_deinit(ifm_steady *self);
/* A request that was in flight from begin_ns to end_ns. */
void ifm_steady_add(ifm_steady *self, int64_t due_ns, int64_t begin_ns, int64_t end_ns,
                    bool counts);

/* After all were added, once: the window [*begin_ns, *end_ns), not before from_ns. places > 0: a
 * closed loop. False: there is none. */
bool ifm_steady_find(ifm_steady *self, int64_t places, int64_t from_ns, int64_t *begin_ns,
                     int64_t *end_ns);

#endif
