/*
 * What a batch costs: one step of 1, 2, 4, 8 … ragged sequences beside one step of a single
 * one, and a prompt of 512 tokens beside 8 of 64. Interleaved, so that a machine that slows
 * down slows all of them; medians, and ratios to the first.
 *
 *     batch MODEL [THREADS [ROUNDS]]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inferometer/inferometer.h"

enum { BATCH = 16, DEPTH = 64, STEPS = 8, POSITIONS = 512 + STEPS, ROUNDS_MOST = 1000 };

static const int32_t sizes[] = {1, 2, 4, 8, 16};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

typedef struct bench {
    ifm_session *session;
    int32_t ids[POSITIONS];
    double steps[SIZES][ROUNDS_MOST * STEPS]; /* ms */
    double prompts[2][ROUNDS_MOST];           /* ms: 1 of 512, 8 of 64 */
} bench;

static void check(ifm_status status, const ifm_error *err)
{
    if (status == IFM_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare);
    return values[n / 2];
}

/* Appends `n` tokens to each of the first `size` sequences; milliseconds. */
static double append(bench *self, int32_t size, int32_t n, int32_t from)
{
    ifm_append appends[BATCH];
    const float *logits;
    ifm_error err = {0};
    for (int32_t i = 0; i < size; i++)
        appends[i] = (ifm_append){.sequence = i, .n = n, .ids = self->ids + from};
    const ifm_time start = ifm_time_now();
    check(ifm_session_eval_batch(self->session, appends, size, &logits, &err), &err);
    return (double)ifm_time_between(start, ifm_time_now()) / 1e6;
}

static void run_round(bench *self, int round)
{
    ifm_session_truncate(self->session, 0);
    self->prompts[0][round] = append(self, 1, 8 * DEPTH, 0);
    ifm_session_truncate(self->session, 0);
    self->prompts[1][round] = append(self, 8, DEPTH, 0);
    ifm_session_truncate(self->session, 0);
    append(self, BATCH, DEPTH, 0);
    for (int32_t step = 0; step < STEPS; step++)
        for (int i = 0; i < SIZES; i++) {
            ifm_session_truncate(self->session, DEPTH);
            self->steps[i][round * STEPS + step] =
                append(self, sizes[i], 1, DEPTH + step);
        }
}

static void print(bench *self, int rounds)
{
    double one = 0;
    printf("%10s %12s %8s %14s\n", "sequences", "step, ms", "ratio", "tokens/s");
    for (int i = 0; i < SIZES; i++) {
        const double ms = median(self->steps[i], rounds * STEPS);
        one = i == 0 ? ms : one;
        printf("%10d %12.3f %8.2f %14.0f\n", sizes[i], ms, ms / one, sizes[i] * 1e3 / ms);
    }
    const double whole = median(self->prompts[0], rounds);
    const double parts = median(self->prompts[1], rounds);
    printf("prompt of %d %.2f ms, %d of %d %.2f ms, ratio %.2f\n", 8 * DEPTH, whole, 8,
           DEPTH, parts, parts / whole);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 3 ? atoi(argv[3]) : 10;
    ifm_model *model;
    ifm_error err = {0};
    bench *self = calloc(1, sizeof *self);
    if (argc < 2 || rounds < 1 || rounds > ROUNDS_MOST || self == NULL) {
        fprintf(stderr, "usage: batch MODEL [THREADS [ROUNDS]]\n");
        return 2;
    }
    check(ifm_model_open(argv[1], NULL, &model, &err), &err);
    const ifm_session_options options = {.positions = POSITIONS,
                                         .threads = argc > 2 ? atoi(argv[2]) : 0,
                                         .sequences = BATCH};
    check(ifm_session_new(model, &options, &self->session, &err), &err);
    const ifm_model_info *info = ifm_model_describe(model);
    for (int i = 0; i < POSITIONS; i++)
        self->ids[i] = (i * 7919 + 13) % info->n_vocab;
    for (int round = 0; round < rounds; round++)
        run_round(self, round);
    printf("%s, %s, %s, %d threads\n", info->name, info->dtype, info->kernels,
           ifm_session_threads(self->session));
    print(self, rounds);
    ifm_session_free(self->session);
    ifm_model_close(model);
    free(self);
    return 0;
}
