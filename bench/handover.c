/*
 * How long a token takes from the generation thread's hands to the consumer's, while
 * compute threads keep every core busy, as they do when a model runs.
 *
 *     handover [THREADS [TOKENS [STEP_US]]]
 *
 * A scripted "model" spins on the engine's own pool, in PARTS parts with a barrier behind
 * each, for STEP_US; the rest is the library's generation loop.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model/generate.h"
#include "os/pool.h"
#include "os/wait.h"

enum { V = 64, PARTS = 40 };

typedef struct machine {
    ifm_pool *pool;
    int64_t step_ns;
    float logits[V];
} machine;

static void compute(void *arg, int thread)
{
    machine *self = arg;
    (void)thread;
    for (int i = 0; i < PARTS; i++) {
        ifm_time start = ifm_time_now();
        while (ifm_time_between(start, ifm_time_now()) < self->step_ns / PARTS)
            ifm_spin_pause();
        ifm_pool_barrier(self->pool);
    }
}

static ifm_status eval(void *session, const ifm_append *appends, int32_t n,
                       const float **logits, ifm_error *err)
{
    (void)appends, (void)n, (void)err;
    machine *self = session;
    ifm_pool_run(self->pool, compute, self);
    *logits = self->logits;
    return IFM_OK;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The hand-over of each of n tokens, in ns, to delays[n]; returns how many there were. */
static size_t measure(machine *self, int32_t n, int64_t *delays)
{
    int32_t prompt[] = {1};
    ifm_generation_parts parts = {
        .session = self, .eval = eval, .n_vocab = V, .n_room = n + 1};
    ifm_request request = {.ids = prompt, .n_ids = 1, .max_new_tokens = n};
    ifm_generation *generation;
    ifm_error err;
    size_t count = 0;
    if (ifm_generation_start_parts(&parts, &request, 1, false, &generation, &err) !=
        IFM_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 0;
    }
    ifm_token token;
    while (ifm_generation_next(generation, &token))
        delays[count++] = ifm_time_between(token.pushed_at, ifm_time_now());
    ifm_finish finish;
    ifm_generation_finish(generation, &finish, NULL);
    return count;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    int n = argc > 2 ? atoi(argv[2]) : 400;
    int step_us = argc > 3 ? atoi(argv[3]) : 5000;
    if (threads < 1 || n < 1 || step_us < 0) {
        fprintf(stderr, "usage: handover [THREADS [TOKENS [STEP_US]]]\n");
        return 2;
    }
    machine self = {.step_ns = (int64_t)step_us * 1000, .logits = {[3] = 1}};
    int64_t *delays = calloc((size_t)n, sizeof *delays);
    ifm_error err = {.message = "no memory"};
    if (delays == NULL || ifm_pool_new(threads, &self.pool, &err) != IFM_OK) {
        fprintf(stderr, "%s\n", err.message);
        free(delays);
        return 1;
    }
    size_t count = measure(&self, n, delays);
    ifm_pool_free(self.pool);
    qsort(delays, count, sizeof *delays, compare);
    if (count > 0)
        printf("hand-over with %d compute threads, %zu tokens, %d us a step: "
               "min %.1f  median %.1f  p90 %.1f  max %.1f us\n",
               threads, count, step_us, (double)delays[0] / 1e3,
               (double)delays[count / 2] / 1e3, (double)delays[count * 9 / 10] / 1e3,
               (double)delays[count - 1] / 1e3);
    free(delays);
    return count > 0 ? 0 : 1;
}
