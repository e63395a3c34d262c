/*
 * Rows of x in 8 bits, as products with quantized weights take them: 32 numbers share a
 * scale,
 *     scale = max |x| / 127,  q = x (127 / max |x|) rounded to the nearest, ties to even,
 * and sums stand beside them, because weights are d u + m with u ≥ 0:
 *     Σ x (d u + m) ≈ d scale Σ q u + m scale Σ q.
 * Every step is one IEEE operation in f32, so that all tables pack the same bits.
 *
 * A row, 64-byte aligned, K numbers:
 *     int8_t q[K], zeros up to a multiple of 64
 *     float scale[K/32]
 *     float sum32[K/32]    scale Σ q of 32
 *     float sum16[K/16]    scale Σ q of 16
 * Rows stand ifm_q8_row_bytes apart.
 */
#ifndef IFM_KERN_Q8_H
#define IFM_KERN_Q8_H

#include <math.h>
#include <string.h>

#include "kern/kern.h"

enum { IFM_Q8_BLOCK = 32 };

/* Below, 127 / max could overflow: such numbers count as zeros. */
static const float IFM_Q8_LEAST = 0x1p-100f;

/* Where the parts of a row of k numbers begin, in bytes. */
static inline int64_t ifm_q8_scale_at(int64_t k)
{
    return (k + 63) / 64 * 64;
}

static inline int64_t ifm_q8_sum32_at(int64_t k)
{
    return ifm_q8_scale_at(k) + k / 32 * 4;
}

static inline int64_t ifm_q8_sum16_at(int64_t k)
{
    return ifm_q8_sum32_at(k) + k / 32 * 4;
}

static inline int64_t ifm_q8_row_bytes(int64_t k)
{
    return (ifm_q8_sum16_at(k) + k / 16 * 4 + 63) / 64 * 64;
}

static inline size_t ifm_q8_bytes(int64_t t, int64_t k)
{
    return (size_t)t * (size_t)ifm_q8_row_bytes(k);
}

/* The specification: 32 numbers. */
static inline void ifm_q8_block(const float *x, int8_t *q, float *scale, float *sum32,
                                float *sum16)
{
    float max = 0;
    int sum[2] = {0, 0};
    for (int i = 0; i < IFM_Q8_BLOCK; i++)
        max = fabsf(x[i]) > max ? fabsf(x[i]) : max;
    const float inverse = max > IFM_Q8_LEAST ? 127 / max : 0;
    *scale = max > IFM_Q8_LEAST ? max / 127 : 0;
    for (int i = 0; i < IFM_Q8_BLOCK; i++) {
        q[i] = (int8_t)rintf(x[i] * inverse);
        sum[i / 16] += q[i];
    }
    sum16[0] = *scale * (float)sum[0];
    sum16[1] = *scale * (float)sum[1];
    *sum32 = *scale * (float)(sum[0] + sum[1]);
}

#endif
