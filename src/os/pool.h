/*
 * A pool of threads that compute one thing together.
 *
 *     ifm_pool_run(pool, task, arg)     every thread calls task(arg, thread), then join
 *         task: … ifm_pool_barrier(pool) … ifm_pool_barrier(pool) …
 *
 * A forward pass is one run; its parts are separated by barriers. Threads wait awake for a
 * while (a part takes microseconds, waking a sleeper takes tens), then sleep, so that an
 * idle pool costs nothing.
 */
#ifndef IFM_OS_POOL_H
#define IFM_OS_POOL_H

#include "inferometer/base.h"

typedef struct ifm_pool ifm_pool;

/* Runs in every thread of the pool at once; `thread` is 0 … threads-1, 0 the caller's. */
typedef void (*ifm_pool_task)(void *arg, int thread);

enum { IFM_POOL_MAX_THREADS = 1024 };

/* Starts threads - 1 threads (the caller of ifm_pool_run is one of them). The caller
 * frees *out with ifm_pool_free. Errors: ARGUMENT, NO_MEMORY, IO (no more threads). */
ifm_status ifm_pool_new(int threads, ifm_pool **out, ifm_error *err);

/* Ends and joins the threads. NULL is allowed. Not while a run is going on. */
void ifm_pool_free(ifm_pool *self);

int ifm_pool_threads(const ifm_pool *self);

/* Runs task(arg, thread) in all threads and returns when all are done. What a thread wrote
 * before is visible to all, what the tasks wrote is visible to the caller. One caller at a
 * time; no allocation. */
void ifm_pool_run(ifm_pool *self, ifm_pool_task task, void *arg);

/* Inside a task: waits until every thread of the pool has come here; what any of them wrote
 * before is visible to all after. */
void ifm_pool_barrier(ifm_pool *self);

/* The part [*begin, *end) of n that is thread's, in multiples of `unit` but the last:
 * contiguous, as equal as the unit allows, all parts together exactly 0 … n. */
static inline void ifm_pool_part(int64_t n, int64_t unit, int thread, int threads,
                                 int64_t *begin, int64_t *end)
{
    const int64_t units = (n + unit - 1) / unit;
    *begin = units * thread / threads * unit;
    *end = units * (thread + 1) / threads * unit;
    *end = *end < n ? *end : n;
}

#endif
