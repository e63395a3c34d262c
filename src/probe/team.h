/* Threads that do the same work at the same time, pass after pass, and how long the best
 * pass took. */
#ifndef IFM_PROBE_TEAM_H
#define IFM_PROBE_TEAM_H

#include "inferometer/base.h"

typedef struct ifm_probe_work {
    /* Once per thread before the first pass, for first touch; may be NULL. */
    void (*prepare)(void *self, int thread, int threads);
    /* One pass of one thread. */
    void (*pass)(void *self, int thread, int threads);
    void *self;
} ifm_probe_work;

typedef struct ifm_probe_plan {
    int threads;       /* 1 … IFM_PROBE_MAX_THREADS; the caller is one of them */
    bool rehearse;     /* a first pass does not count */
    int64_t budget_ns; /* passes go on until this is used up … */
    int min_passes;    /* … but not fewer than this many */
} ifm_probe_plan;

/* Runs the work. A pass lasts from the
 * moment when the first thread begins to the moment when the last one ends: *best_ns is the
 * shortest, at least 1. Errors: NO_MEMORY, IO (no thread could be started). */
ifm_status ifm_probe_team_run(const ifm_probe_plan *plan, const ifm_probe_work *work,
                              int64_t *best_ns, ifm_error *err);

#endif
