/* Functions that run along a row: conversion, norm, epilogue, argmax, sums of exp. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Norms divide by a root computed in float: a few roundings of values around 1. */
static const double NORM_ABSOLUTE = 5e-6, NORM_RELATIVE = 5e-6;
/* exp within 2 ulp, one division: a few ulp; gelu of large negative x is tiny itself. */
static const double ACTIVATION_ABSOLUTE = 2e-6, ACTIVATION_RELATIVE = 1e-6;
/* Two products of numbers below 5 and a sum, each rounded. */
static const double ROTATE_ABSOLUTE = 2e-6;
/* Sums of positive terms, in float inside of blocks. */
static const double SUM_RELATIVE = 2e-6;

static const int64_t lengths[] = {1,  2,  3,  7,  8,   9,   15,   16,
                                  17, 31, 33, 64, 100, 768, 1601, 50257};

static void check_to_f32(check *c, int64_t n)
{
    for (int d = 0; d < IFM_DTYPE_FLOAT_COUNT; d++) {
        unsigned char *x = random_numbers(c, n, (ifm_dtype)d, 1);
        float *a = guarded_new(n), *b = guarded_new(n);
        c->reference->to_f32[d](a, x, n);
        c->tested->to_f32[d](b, x, n);
        compare(c, a, b, n, 0, 0, "to_f32 %s of %lld", ifm_dtype_name((ifm_dtype)d),
                (long long)n);
        free_numbers(x);
        guarded_free(a);
        guarded_free(b);
    }
}

/* Every 16-bit pattern, NaN and subnormal numbers included. */
static void check_all_halves(check *c)
{
    enum { ALL = 1 << 16 };
    uint16_t *x = malloc(ALL * sizeof *x);
    float *a = guarded_new(ALL), *b = guarded_new(ALL);
    for (int i = 0; i < ALL; i++)
        x[i] = (uint16_t)i;
    for (int d = IFM_DTYPE_F16; d <= IFM_DTYPE_BF16; d++) {
        int wrong = 0;
        c->reference->to_f32[d](a, x, ALL);
        c->tested->to_f32[d](b, x, ALL);
        for (int i = 0; i < ALL; i++)
            wrong += isnan(a[i]) ? !isnan(b[i]) : memcmp(&a[i], &b[i], 4) != 0;
        expect(c, wrong == 0, "to_f32 %s: %d of 65536 differ",
               ifm_dtype_name((ifm_dtype)d), wrong);
    }
    free(x);
    guarded_free(a);
    guarded_free(b);
}

static void check_layer_norm(check *c, int64_t n)
{
    float *x = random_floats(c, n, 3), *gain = random_floats(c, n, 1);
    float *bias = random_floats(c, n, 1), *a = guarded_new(n), *b = guarded_new(n);
    c->reference->layer_norm(a, x, gain, bias, n, 1e-5f);
    c->tested->layer_norm(b, x, gain, bias, n, 1e-5f);
    compare(c, a, b, n, NORM_ABSOLUTE, NORM_RELATIVE, "layer_norm of %lld", (long long)n);
    memcpy(b, x, (size_t)n * sizeof *x);
    c->tested->layer_norm(b, b, gain, bias, n, 1e-5f);
    compare(c, a, b, n, NORM_ABSOLUTE, NORM_RELATIVE, "layer_norm in place of %lld",
            (long long)n);
    free(x);
    free(gain);
    free(bias);
    guarded_free(a);
    guarded_free(b);
}

static void check_rms_norm(check *c, int64_t n)
{
    float *x = random_floats(c, n, 3), *gain = random_floats(c, n, 1);
    float *a = guarded_new(n), *b = guarded_new(n);
    c->reference->rms_norm(a, x, gain, n, 1e-5f);
    c->tested->rms_norm(b, x, gain, n, 1e-5f);
    compare(c, a, b, n, NORM_ABSOLUTE, NORM_RELATIVE, "rms_norm of %lld", (long long)n);
    memcpy(b, x, (size_t)n * sizeof *x);
    c->tested->rms_norm(b, b, gain, n, 1e-5f);
    compare(c, a, b, n, NORM_ABSOLUTE, NORM_RELATIVE, "rms_norm in place of %lld",
            (long long)n);
    free(x);
    free(gain);
    guarded_free(a);
    guarded_free(b);
}

static void check_multiply(check *c, int64_t n)
{
    float *x = random_floats(c, n, 1), *y = random_floats(c, n, 1);
    float *a = guarded_new(n), *b = guarded_new(n);
    memcpy(a, y, (size_t)n * sizeof *y);
    memcpy(b, y, (size_t)n * sizeof *y);
    c->reference->multiply(a, x, n);
    c->tested->multiply(b, x, n);
    compare(c, a, b, n, 0, 0, "multiply of %lld", (long long)n);
    free(x);
    free(y);
    guarded_free(a);
    guarded_free(b);
}

/* Heads of d components, of which r turn; what stays must be the same bits. */
static void check_rotate(check *c, int64_t heads, int64_t d, int64_t r)
{
    const int64_t n = heads * d;
    float *x = random_floats(c, n, 1), *angles = random_floats(c, r, 3);
    float *a = guarded_new(n), *b = guarded_new(n);
    for (int64_t i = 0; i < r / 2; i++) {
        angles[r / 2 + i] = sinf(angles[i]);
        angles[i] = cosf(angles[i]);
    }
    for (int interleaved = 0; interleaved < 2; interleaved++) {
        memcpy(a, x, (size_t)n * sizeof *x);
        memcpy(b, x, (size_t)n * sizeof *x);
        c->reference->rotate(a, heads, d, r, angles, angles + r / 2, interleaved);
        c->tested->rotate(b, heads, d, r, angles, angles + r / 2, interleaved);
        compare(c, a, b, n, ROTATE_ABSOLUTE, 0,
                "rotate %lld x %lld, %lld of them, interleaved %d", (long long)heads,
                (long long)d, (long long)r, interleaved);
        for (int64_t i = 0; i < n; i++)
            if (i % d >= r && memcmp(&b[i], &x[i], sizeof *b) != 0) {
                expect(c, false, "rotate %lld x %lld: component %lld did not stay",
                       (long long)heads, (long long)d, (long long)i);
                break;
            }
    }
    free(x);
    free(angles);
    guarded_free(a);
    guarded_free(b);
}

static void check_rotations(check *c)
{
    static const int64_t widths[] = {2, 6, 16, 20, 32, 34, 64, 80, 96, 128};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        check_rotate(c, 3, widths[i], widths[i]);
        check_rotate(c, 2, widths[i] + 5, widths[i]);
    }
}

static void check_epilogue(check *c, int64_t n, int64_t slices, int activation, bool add,
                           bool biased)
{
    const int64_t t = 3, stride = n + 5;
    float *part = random_floats(c, slices * t * stride, 2),
          *bias = random_floats(c, n, 1);
    float *a = guarded_new(t * n), *b = guarded_new(t * n);
    for (int64_t i = 0; i < t * n; i++)
        a[i] = b[i] = (float)ifm_random_normal(&c->random);
    ifm_epilogue e = {.part = part,
                      .part_stride = stride,
                      .slice_stride = t * stride,
                      .slices = slices,
                      .bias = biased ? bias : NULL,
                      .y = a,
                      .y_stride = n,
                      .t = t,
                      .n0 = n / 3,
                      .n1 = n - n / 5,
                      .activation = (ifm_kern_activation)activation,
                      .add = add};
    c->reference->epilogue(&e);
    e.y = b;
    c->tested->epilogue(&e);
    compare(c, a, b, t * n, ACTIVATION_ABSOLUTE, ACTIVATION_RELATIVE,
            "epilogue %d of %lld, %lld slices, add %d, bias %d", activation, (long long)n,
            (long long)slices, add, biased);
    free(part);
    free(bias);
    guarded_free(a);
    guarded_free(b);
}

static void check_largest(check *c, int64_t n)
{
    float *x = random_floats(c, n, 5);
    float max[2];
    double sum[2];
    expect(c, c->tested->argmax(x, n) == c->reference->argmax(x, n), "argmax of %lld",
           (long long)n);
    c->reference->max_sum_exp(x, n, &max[0], &sum[0]);
    c->tested->max_sum_exp(x, n, &max[1], &sum[1]);
    expect(c, max[0] == max[1] && fabs(sum[0] - sum[1]) <= SUM_RELATIVE * sum[0],
           "max_sum_exp of %lld: %.9g, scalar %.9g", (long long)n, sum[1], sum[0]);
    x[n / 2] = x[n - 1] = 1e4f;
    expect(c, c->tested->argmax(x, n) == n / 2, "argmax of %lld: not the first of equals",
           (long long)n);
    x[n / 2] = NAN;
    expect(c, c->tested->argmax(x, n) == c->reference->argmax(x, n),
           "argmax of %lld with NaN", (long long)n);
    for (int64_t i = 0; i < n; i++)
        x[i] = NAN;
    expect(c, c->tested->argmax(x, n) == 0, "argmax of %lld NaN", (long long)n);
    free(x);
}

void check_rows(check *c)
{
    check_all_halves(c);
    check_rotations(c);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const int64_t n = lengths[i];
        check_to_f32(c, n);
        check_layer_norm(c, n);
        check_rms_norm(c, n);
        check_multiply(c, n);
        check_largest(c, n);
        for (int f = 0; f < IFM_KERN_ACTIVATION_COUNT && n < 2000; f++) {
            check_epilogue(c, n, 1, f, false, true);
            check_epilogue(c, n, 8, f, false, true);
            check_epilogue(c, n, 3, f, true, false);
        }
    }
}
