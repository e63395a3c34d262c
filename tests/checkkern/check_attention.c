/* Attention of one head. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Scores of size √D times scale 1/√D; weights add up to 1: a few roundings of values
 * around 1. */
static const double ATTENTION_ABSOLUTE = 1e-5;

static void check_one(check *c, int64_t t, int64_t d, int64_t first)
{
    const int64_t seen = first + t, stride = d + 3;
    const int64_t p = (seen + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    float *q = random_floats(c, t * stride, 1), *k = random_floats(c, p * d, 1);
    float *v = random_floats(c, seen * d, 1);
    float *scores = guarded_new(IFM_ATTENTION_ROWS * p);
    float *a = guarded_new(t * stride), *b = guarded_new(t * stride);
    /* What lies behind the last position is nobody's business. */
    for (int64_t i = seen; i < p; i++)
        for (int64_t j = 0; j < d; j++)
            k[(i / IFM_KEY_BLOCK * d + j) * IFM_KEY_BLOCK + i % IFM_KEY_BLOCK] = NAN;
    ifm_attention job = {.q = q,
                         .q_stride = stride,
                         .k = k,
                         .v = v,
                         .out = a,
                         .out_stride = stride,
                         .t = t,
                         .d = d,
                         .first = first,
                         .scale = 2 / sqrtf((float)d),
                         .scores = scores};
    c->reference->attend(&job);
    job.out = b;
    c->tested->attend(&job);
    compare(c, a, b, t * stride, ATTENTION_ABSOLUTE, 0, "attend %lld x %lld after %lld",
            (long long)t, (long long)d, (long long)first);
    expect(c, guards_intact(scores, IFM_ATTENTION_ROWS * p),
           "attend %lld x %lld after %lld wrote outside of scores", (long long)t,
           (long long)d, (long long)first);
    free(q);
    free(k);
    free(v);
    guarded_free(scores);
    guarded_free(a);
    guarded_free(b);
}

/* A query's result must be the same bits whichever queries go with it. */
static void check_alone(check *c, int64_t t, int64_t d)
{
    const int64_t p = (t + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK * IFM_KEY_BLOCK;
    float *q = random_floats(c, t * d, 1), *k = random_floats(c, p * d, 1);
    float *v = random_floats(c, t * d, 1), *scores = guarded_new(IFM_ATTENTION_ROWS * p);
    float *a = guarded_new(t * d), *b = guarded_new(t * d);
    ifm_attention job = {.q = q,
                         .q_stride = d,
                         .k = k,
                         .v = v,
                         .out = a,
                         .out_stride = d,
                         .t = t,
                         .d = d,
                         .scale = 1 / sqrtf((float)d),
                         .scores = scores};
    c->tested->attend(&job);
    for (int64_t i = 0; i < t; i++) {
        job.q = q + i * d;
        job.out = b + i * d;
        job.t = 1;
        job.first = i;
        c->tested->attend(&job);
    }
    compare(c, a, b, t * d, 0, 0, "attend %lld x %lld one by one", (long long)t,
            (long long)d);
    free(q);
    free(k);
    free(v);
    guarded_free(scores);
    guarded_free(a);
    guarded_free(b);
}

void check_attention(check *c)
{
    static const int64_t counts[] = {1, 2, 3, 4, 5, 9, 17, 64};
    static const int64_t widths[] = {1, 8, 21, 33, 64, 80};
    static const int64_t firsts[] = {0, 1, 14, 15, 16, 47, 200};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++) {
            for (size_t l = 0; l < sizeof firsts / sizeof *firsts; l++)
                check_one(c, counts[i], widths[j], firsts[l]);
            check_alone(c, counts[i], widths[j]);
        }
}
