/*
 * Rows of x in 8 bits, as products with quantized weights take them: 32 numbers share a
 * scale,
 *     scale = s unit,  q = x / scale rounded to the nearest, ties to even, |q| ≤ 127,
 * and sums stand beside them, because weights are d u + m with u ≥ 0:
 *     Σ x (d u + m) ≈ d scale Σ q u + m scale Σ q.
 * `unit` is a power of two and s a whole number, 1 to 16,384, the least above max |x| /
 * (127 unit); the row's largest block has 8,192 at least. So a scale may be multiplied by
 * as a float, or as a word of 16 bits while sums are still whole (vec_quant_gemm.h), the
 * unit once at the end: to the same result. Sums of words times s, twice two of 16 products
 * or four of four, fit into 32 bits. A block whose numbers are less than 1/16,384 of the
 * row's largest is rounded to that step; what it is off by is less than 1/100 of what the
 * largest block is.
 * Every step is one IEEE operation in f32, so that all tables pack the same bits.
 *
 * A row, 64-byte aligned, K numbers:
 *     int8_t q[K], zeros up to a multiple of 64
 *     float scale[K/32]
 *     float sum32[K/32]    scale Σ q of 32
 *     float sum16[K/16]    scale Σ q of 16
 *     float units32[K/32]  s Σ q of 32
 *     float units16[K/16]  s Σ q of 16
 *     int32_t whole[K/32]  s in both halves
 *     float unit
 * Rows stand ifm_q8_row_bytes apart.
 */
#ifndef IFM_KERN_Q8_H
#define IFM_KERN_Q8_H

#include <math.h>
#include <string.h>

#include "kern/kern.h"

enum { IFM_Q8_BLOCK = 32, IFM_Q8_MOST_UNITS = 16384 };

/* Below, 1 / scale could overflow: such rows count as zeros. */
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

static inline int64_t ifm_q8_units32_at(int64_t k)
{
    return ifm_q8_sum16_at(k) + k / 16 * 4;
}

static inline int64_t ifm_q8_units16_at(int64_t k)
{
    return ifm_q8_units32_at(k) + k / 32 * 4;
}

static inline int64_t ifm_q8_whole_at(int64_t k)
{
    return ifm_q8_units16_at(k) + k / 16 * 4;
}

static inline int64_t ifm_q8_unit_at(int64_t k)
{
    return ifm_q8_whole_at(k) + k / 32 * 4;
}

static inline int64_t ifm_q8_row_bytes(int64_t k)
{
    return (ifm_q8_unit_at(k) + 4 + 63) / 64 * 64;
}

static inline size_t ifm_q8_bytes(int64_t t, int64_t k)
{
    return (size_t)t * (size_t)ifm_q8_row_bytes(k);
}

/* A row that is being packed. */
typedef struct ifm_q8_row {
    int64_t blocks;
    int8_t *q;
    float *scale, *sum32, *sum16, *units32, *units16, *unit;
    int32_t *whole;
} ifm_q8_row;

/* Row t of `packed`, but for its numbers all zeros up to their end. */
static inline ifm_q8_row ifm_q8_row_of(void *packed, int64_t t, int64_t k)
{
    char *row = (char *)packed + t * ifm_q8_row_bytes(k);
    memset(row + k, 0, (size_t)(ifm_q8_scale_at(k) - k));
    memset(row + ifm_q8_unit_at(k), 0, (size_t)(ifm_q8_row_bytes(k) - ifm_q8_unit_at(k)));
    return (ifm_q8_row){.blocks = k / IFM_Q8_BLOCK,
                        .q = (int8_t *)row,
                        .scale = (float *)(void *)(row + ifm_q8_scale_at(k)),
                        .sum32 = (float *)(void *)(row + ifm_q8_sum32_at(k)),
                        .sum16 = (float *)(void *)(row + ifm_q8_sum16_at(k)),
                        .units32 = (float *)(void *)(row + ifm_q8_units32_at(k)),
                        .units16 = (float *)(void *)(row + ifm_q8_units16_at(k)),
                        .unit = (float *)(void *)(row + ifm_q8_unit_at(k)),
                        .whole = (int32_t *)(void *)(row + ifm_q8_whole_at(k))};
}

/* First step: `scale` has the largest |x| of each block, `max` is the largest of them. Gives
 * s, the unit, the scales, and in units32 what x is multiplied by. */
static inline void ifm_q8_set_scales(const ifm_q8_row *row, float max)
{
    uint32_t bits;
    float power, unit = 0, per_unit = 0;
    if (max > IFM_Q8_LEAST) {
        const float most = max / 127;
        memcpy(&bits, &most, sizeof bits);
        bits &= 0x7f800000;
        memcpy(&power, &bits, sizeof power); /* of two, at most `most` */
        unit = power * (2.0f / IFM_Q8_MOST_UNITS);
        per_unit = 1 / (127 * unit);
    }
    *row->unit = unit;
    for (int64_t i = 0; i < row->blocks; i++) {
        const float units = row->scale[i] * per_unit, top = IFM_Q8_MOST_UNITS - 1;
        const int32_t s = 1 + (int32_t)(units < top ? units : top);
        const float scale = (float)s * unit;
        row->whole[i] = s * 0x10001;
        row->scale[i] = scale;
        row->units32[i] = unit > 0 ? 1 / scale : 0;
    }
}

/* Last step: units16 has Σ q of 16. */
static inline void ifm_q8_set_sums(const ifm_q8_row *row)
{
    const float unit = *row->unit;
    for (int64_t i = 0; i < row->blocks; i++) {
        const float s = (float)(row->whole[i] & 0xffff);
        const float first = row->units16[2 * i], second = row->units16[2 * i + 1];
        row->units16[2 * i] = s * first;
        row->units16[2 * i + 1] = s * second;
        row->units32[i] = s * (first + second);
        row->sum16[2 * i] = row->units16[2 * i] * unit;
        row->sum16[2 * i + 1] = row->units16[2 * i + 1] * unit;
        row->sum32[i] = row->units32[i] * unit;
    }
}

/* The specification: row t of `packed` from x[k]. */
static inline void ifm_q8_pack(const float *x, int64_t k, int64_t t, void *packed)
{
    const ifm_q8_row row = ifm_q8_row_of(packed, t, k);
    float most = 0;
    for (int64_t i = 0; i < row.blocks; i++) {
        float max = 0;
        for (int j = 0; j < IFM_Q8_BLOCK; j++)
            max = fabsf(x[i * 32 + j]) > max ? fabsf(x[i * 32 + j]) : max;
        row.scale[i] = max;
        most = max > most ? max : most;
    }
    ifm_q8_set_scales(&row, most);
    for (int64_t i = 0; i < 2 * row.blocks; i++) {
        int sum = 0;
        for (int64_t j = 16 * i; j < 16 * (i + 1); j++) {
            row.q[j] = (int8_t)rintf(x[j] * row.units32[i / 2]);
            sum += row.q[j];
        }
        row.units16[i] = (float)sum;
    }
    ifm_q8_set_sums(&row);
}

#endif
