/* Attention over one key-value head. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "check.h"

/* Scores of size 2 √2 come from sums of D products, rounded: 2⁻²⁴ √D in proportion. So much
 * are weights off by, too, which add up to 1 over values of size 1. Weights themselves are
 * powers of two within 3 · 2⁻²⁴. Both together stay below 1e-5 at D = 256. Keys and values
 * of 16 bits are read exactly. */
static const double ATTENTION_ABSOLUTE = 1e-5;

/* Where a way rounds: scores of size 2 √2 that are off by √2 times it (queries and keys),
 * times log 2; weights and values by it once each; and five deviations of all that. */
static const double ROUNDED = 16;

typedef struct shape {
    int64_t t, group, d, first, window;
} shape;

typedef struct subject {
    shape s;
    ifm_dtype dtype;
    int64_t end, blocks, n_out; /* positions; key blocks; floats of out */
    float *q, *parts;
    void *k, *v, *scratch;
    char name[96];
} subject;

/* n numbers of the subject's type, standard normal; a NaN where `used` says no. */
static void *numbers(check *c, int64_t n, ifm_dtype dtype)
{
    float *x = random_floats(c, n, 1);
    if (dtype == IFM_DTYPE_F16)
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)(void *)x)[i] = ifm_f32_to_f16(x[i]);
    return x;
}

static void put_nan(void *x, int64_t i, ifm_dtype dtype)
{
    if (dtype == IFM_DTYPE_F16)
        ((uint16_t *)x)[i] = 0x7e00;
    else
        ((float *)x)[i] = NAN;
}

static size_t scratch_bytes(const check *c, int64_t d)
{
    const size_t a = ifm_kern_attend_bytes(c->reference, d);
    const size_t b = ifm_kern_attend_bytes(c->tested, d);
    return ifm_align_up(a > b ? a : b, 64);
}

static subject subject_new(check *c, shape s, ifm_dtype dtype)
{
    const int64_t end = s.first + s.t, stride = s.group * s.d + 3;
    subject u = {.s = s, .dtype = dtype, .end = end, .n_out = s.t * stride};
    u.blocks = (end + IFM_KEY_BLOCK - 1) / IFM_KEY_BLOCK;
    u.q = random_floats(c, s.t * stride, 1);
    u.k = numbers(c, u.blocks * IFM_KEY_BLOCK * s.d, dtype);
    u.v = numbers(c, u.blocks * IFM_KEY_BLOCK * s.d, dtype);
    u.scratch = aligned_alloc(64, scratch_bytes(c, s.d));
    /* What lies behind the last position is nobody's business. */
    for (int64_t p = end; p < u.blocks * IFM_KEY_BLOCK; p++)
        for (int64_t i = 0; i < s.d; i++) {
            put_nan(u.k,
                    (p / IFM_KEY_BLOCK * s.d + i) * IFM_KEY_BLOCK + p % IFM_KEY_BLOCK,
                    dtype);
            put_nan(u.v, p * s.d + i, dtype);
        }
    snprintf(u.name, sizeof u.name,
             "attend %s %lld x %lld x %lld after %lld, window %lld",
             ifm_dtype_name(dtype), (long long)s.t, (long long)s.group, (long long)s.d,
             (long long)s.first, (long long)s.window);
    return u;
}

static void subject_free(subject *u)
{
    free(u->q);
    free(u->k);
    free(u->v);
    free(u->scratch);
}

static ifm_attention job_of(const subject *u, float *out)
{
    const int64_t stride = u->s.group * u->s.d + 3;
    return (ifm_attention){.q = u->q,
                           .q_stride = stride,
                           .k = u->k,
                           .v = u->v,
                           .dtype = u->dtype,
                           .out = out,
                           .out_stride = stride,
                           .t = u->s.t,
                           .t1 = u->s.t,
                           .group = u->s.group,
                           .d = u->s.d,
                           .first = u->s.first,
                           .window = u->s.window,
                           .end = u->end,
                           .scale = 2 / sqrtf((float)u->s.d),
                           .scratch = u->scratch};
}

static void run(const ifm_kern *kern, const ifm_attention *job)
{
    ifm_kern_attend_way(kern, job->t * job->group, job->d)->attend(job);
}

/* What the way that the tested table takes may be off by. */
static double tolerance(const check *c, const subject *u)
{
    const double rounding =
        ifm_kern_attend_way(c->tested, u->s.t * u->s.group, u->s.d)->rounding;
    const bool rounds = u->dtype == IFM_DTYPE_F16 && rounding > 0;
    return rounds ? ROUNDED * rounding : ATTENTION_ABSOLUTE;
}

/* The same bits whichever rows are computed together. */
static void check_alone(check *c, const subject *u, const float *whole)
{
    float *out = guarded_new(u->n_out);
    ifm_attention job = job_of(u, out);
    for (int64_t t = 0, n = 1; t < u->s.t; t += n, n = n % 5 + 1) {
        job.t0 = t;
        job.t1 = t + n < u->s.t ? t + n : u->s.t;
        run(c->tested, &job);
    }
    compare(c, whole, out, u->n_out, 0, 0, "%s, some at a time", u->name);
    guarded_free(out);
}

/* Ranges of positions, merged, give what all of them give at once. */
static void check_parts(check *c, const subject *u, const float *whole)
{
    const int64_t chunk = 48, width = u->s.d + 2, queries = u->s.t * u->s.group;
    const int64_t n = (u->end + chunk - 1) / chunk, stride = queries * width + 5;
    float *a = guarded_new(n * stride), *b = guarded_new(n * stride);
    float *out = guarded_new(u->n_out);
    ifm_attention job = job_of(u, NULL);
    for (int64_t i = 0; i < n; i++) {
        job.begin = i * chunk;
        job.end = job.begin + chunk < u->end ? job.begin + chunk : u->end;
        job.part = a + i * stride;
        run(c->reference, &job);
        job.part = b + i * stride;
        run(c->tested, &job);
    }
    const double off = tolerance(c, u);
    compare(c, a, b, n * stride, off * (double)chunk, off, "%s, parts", u->name);
    for (int64_t i = 0; i < queries; i++)
        c->tested->merge(b + i * width, n, stride, u->s.d,
                         out + i / u->s.group * job.out_stride + i % u->s.group * u->s.d);
    compare(c, whole, out, u->n_out, tolerance(c, u), 0, "%s, merged", u->name);
    guarded_free(a);
    guarded_free(b);
    guarded_free(out);
}

static void check_shape(check *c, shape s, ifm_dtype dtype)
{
    subject u = subject_new(c, s, dtype);
    float *a = guarded_new(u.n_out), *b = guarded_new(u.n_out);
    ifm_attention job = job_of(&u, a);
    run(c->reference, &job);
    job.out = b;
    run(c->tested, &job);
    compare(c, a, b, u.n_out, tolerance(c, &u), 0, "%s", u.name);
    check_alone(c, &u, b);
    check_parts(c, &u, a);
    guarded_free(a);
    guarded_free(b);
    subject_free(&u);
}

/* Rounding, saturation, NaN. */
static void check_to_f16(check *c, int64_t n)
{
    float *x = random_floats(c, n, 100);
    float *a = guarded_new(n / 2 + 1), *b = guarded_new(n / 2 + 1);
    static const float special[] = {65504,     65519, 65520, 1e30f, -1e30f, INFINITY,
                                    -INFINITY, NAN,   6e-8f, 1e-8f, -0.0f,  0x1.002p0f};
    const size_t n_special = sizeof special / sizeof *special;
    for (int64_t i = 0; i < n && (size_t)i < n_special; i++)
        x[i] = special[i];
    c->reference->to_f16((uint16_t *)(void *)a, x, n);
    c->tested->to_f16((uint16_t *)(void *)b, x, n);
    bool same = true;
    for (int64_t i = 0; i < n; i++) {
        const float y = ifm_f16_to_f32(((uint16_t *)(void *)a)[i]);
        const float z = ifm_f16_to_f32(((uint16_t *)(void *)b)[i]);
        same = same && (y == z || (isnan(y) && isnan(z)));
    }
    expect(c, same && guards_intact(b, n / 2 + 1), "to_f16 of %lld", (long long)n);
    free(x);
    guarded_free(a);
    guarded_free(b);
}

void check_attention(check *c)
{
    static const shape shapes[] = {
        /* Every size of tile and unit, every place in a block of keys and a span. */
        {1, 1, 64, 0, 0},
        {1, 1, 64, 200, 0},
        {1, 3, 64, 14, 0},
        {1, 3, 64, 127, 0},
        {1, 3, 64, 128, 0},
        {2, 1, 32, 15, 0},
        {3, 2, 80, 16, 0},
        {5, 1, 96, 47, 0},
        {1, 4, 128, 300, 0},
        {1, 5, 64, 140, 0},
        {2, 6, 64, 130, 0},
        {1, 7, 128, 257, 0},
        {1, 8, 64, 129, 0},
        {4, 8, 64, 1, 0},
        {17, 1, 64, 0, 0},
        {64, 1, 64, 100, 0},
        {33, 3, 64, 120, 0},
        {20, 2, 128, 0, 0},
        {18, 1, 256, 9, 0},
        {40, 1, 257, 3, 0},
        {1, 2, 1, 20, 0},
        {9, 1, 8, 31, 0},
        {6, 3, 21, 130, 0},
        {70, 2, 33, 5, 0},
        {300, 2, 64, 17, 0},
        {150, 5, 20, 64, 0},
        /* Windows. */
        {1, 3, 64, 200, 1},
        {1, 3, 64, 200, 17},
        {1, 1, 80, 300, 128},
        {5, 2, 64, 250, 7},
        {33, 2, 64, 10, 20},
        {64, 1, 128, 200, 100},
        {130, 1, 64, 128, 1},
        {200, 3, 32, 0, 40},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        check_shape(c, shapes[i], IFM_DTYPE_F32);
        check_shape(c, shapes[i], IFM_DTYPE_F16);
    }
    for (int64_t n = 0; n < 80; n += n < 40 ? 1 : 13)
        check_to_f16(c, n);
}
