/*
 * The pool: a start word, a barrier, and threads that wait on one of the two.
 *
 * The barrier counts arrivals; the last to arrive resets the count and raises the
 * generation, on which the others wait (a central sense-reversing barrier, Mellor-Crummey
 * and Scott 1991, where the generation is the sense: it cannot be mistaken for the one
 * before). Arrivals and generation lie in cache lines of their own: those who wait read
 * only the generation, so an arrival does not disturb them.
 *
 * A run ends with a barrier, so that its return means that all are done.
 */
#include "os/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/wait.h"

enum {
    CACHE_LINE = 64,
    /* Parts of a pass are shorter than this; between two tokens lies the sampling. */
    AWAKE_US = 200,
};

typedef struct member {
    ifm_pool *pool;
    pthread_t thread;
    int index;
} member;

struct ifm_pool {
    _Alignas(CACHE_LINE) _Atomic uint32_t start; /* raised once a run */
    _Alignas(CACHE_LINE) _Atomic uint32_t arrived;
    _Alignas(CACHE_LINE) _Atomic uint32_t generation;
    _Alignas(CACHE_LINE) _Atomic uint32_t sleepers; /* threads asleep or about to be */
    ifm_pool_task task; /* written before start is raised; NULL: end */
    void *arg;
    int threads;     /* the caller's included */
    member *members; /* [threads - 1] */
};

/* Sleeping is announced before the last look at the word, both sequentially consistent:
 * either the waker sees the sleeper, or the sleeper sees the change. */
static void wait_for_change(ifm_pool *self, _Atomic uint32_t *word, uint32_t value)
{
    if (ifm_wait_awake(word, value, AWAKE_US))
        return;
    atomic_fetch_add(&self->sleepers, 1);
    while (atomic_load(word) == value)
        ifm_wait_while(word, value);
    atomic_fetch_sub(&self->sleepers, 1);
}

static void raise_word(ifm_pool *self, _Atomic uint32_t *word)
{
    atomic_fetch_add(word, 1);
    if (atomic_load(&self->sleepers) > 0)
        ifm_wake_all(word);
}

void ifm_pool_barrier(ifm_pool *self)
{
    if (self->threads == 1)
        return;
    const uint32_t generation =
        atomic_load_explicit(&self->generation, memory_order_relaxed);
    const uint32_t before =
        atomic_fetch_add_explicit(&self->arrived, 1, memory_order_acq_rel);
    if (before + 1 == (uint32_t)self->threads) {
        atomic_store_explicit(&self->arrived, 0, memory_order_relaxed);
        raise_word(self, &self->generation);
    } else {
        wait_for_change(self, &self->generation, generation);
    }
}

static void *live(void *arg)
{
    const member *self = arg;
    ifm_pool *pool = self->pool;
    for (uint32_t seen = 0;; seen++) {
        wait_for_change(pool, &pool->start, seen);
        if (!pool->task)
            return NULL;
        pool->task(pool->arg, self->index);
        ifm_pool_barrier(pool);
    }
}

ifm_status ifm_pool_new(int threads, ifm_pool **out, ifm_error *err)
{
    if (threads < 1 || threads > IFM_POOL_MAX_THREADS)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "threads: %d, expected 1 … %d", threads,
                        IFM_POOL_MAX_THREADS);
    ifm_pool *self = aligned_alloc(CACHE_LINE, sizeof *self);
    member *members = calloc((size_t)threads, sizeof *members);
    if (!self || !members) {
        free(self);
        free(members);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "threads: no memory for %d", threads);
    }
    memset(self, 0, sizeof *self);
    self->members = members;
    for (self->threads = 1; self->threads < threads; self->threads++) {
        member *m = &members[self->threads - 1];
        *m = (member){.pool = self, .index = self->threads};
        const int code = pthread_create(&m->thread, NULL, live, m);
        if (code != 0) {
            ifm_pool_free(self);
            return ifm_fail_errno(err, code, "threads: starting number %d of %d",
                                  m->index + 1, threads);
        }
    }
    *out = self;
    return IFM_OK;
}

void ifm_pool_free(ifm_pool *self)
{
    if (!self)
        return;
    self->task = NULL;
    raise_word(self, &self->start);
    for (int i = 0; i < self->threads - 1; i++)
        pthread_join(self->members[i].thread, NULL);
    free(self->members);
    free(self);
}

int ifm_pool_threads(const ifm_pool *self)
{
    return self->threads;
}

void ifm_pool_run(ifm_pool *self, ifm_pool_task task, void *arg)
{
    self->task = task;
    self->arg = arg;
    if (self->threads > 1)
        raise_word(self, &self->start);
    task(arg, 0);
    ifm_pool_barrier(self);
}
