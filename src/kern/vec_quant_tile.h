/*
 * Part of vec_quant.h and amx_quant.c: tiles of quantized weights, in registers.
 *
 * Lanes are rows of w. VEC rows are taken together, far apart, so that each is a stream of
 * consecutive bytes (vec_product.h says why); 16 bytes of each are loaded and turned, so
 * that double word i of all rows lies in one register: four numbers of each row, which meet
 * the same four numbers of x.
 *
 *     rows   [a0 a1 a2 a3][b0 b1 b2 b3] …     turned   [a0 b0 …][a1 b1 …][a2 b2 …][a3 b3 …]
 *
 * So the sums of VEC rows grow in one register without any adding across lanes, the scales
 * of VEC rows are one register, too, and what is unpacked serves all rows of x with three
 * instructions for each part of 16 or 32 numbers beside the dot products themselves. A row
 * alone along K, as the floats are multiplied, takes as many instructions with one row of x
 * and three times as many with six (docs/SPEED.md).
 *
 * Every type is w = d u + m in parts, u ≥ 0 (format/quant.h). What a set gives:
 *     vint                       VEC double words
 *     i_load_quarters(w, at)     16 bytes at w[i] + at, for each i < VEC/4
 *     i_zip_…                    what unpcklo and unpckhi do in each 16 bytes
 *     i_low_half, i_high_half    an f16 in each double word, as f32
 *     i_load_halves(w, stride, at)   where I_HALVES is defined: the f16 at that byte of each
 *                                row, as f32, more cheaply than by turning 16 bytes
 *     i_spread_byte, i_add_where bits of a byte to bytes
 * and vec_dot_pairs.h or vec_dot_whole.h the dot products.
 */
#ifndef IFM_KERN_VEC_QUANT_TILE_H
#define IFM_KERN_VEC_QUANT_TILE_H

#include "kern/q8.h"

enum {
    QUANT_ROWS = 16, /* of x at a time: their sums stay in the first cache */
    PART = 8,        /* double words of a part of 32 numbers */
};

/* VEC rows of w and the rows of x that they meet. */
typedef struct quant_tile {
    const unsigned char *w[VEC / 4]; /* rows 0, 4, 8 … */
    int64_t stride;                  /* bytes from one of four to the next */
    const char *packed;              /* the first row of x, as q8.h says */
    const float *x;                  /* or as it is */
    int64_t x_stride;                /* in bytes; in floats */
    int64_t k, t;
    vec *sum;    /* [T] */
    vec *offset; /* [T], what m adds: `sum`, or with one row another (each waits for the
                    addition before it) */
    void *parts; /* amx_quant.c, vec_quant_gemm.h */
} quant_tile;

/* 16 bytes of all rows from `at` on, turned. */
ALWAYS_INLINE void load_turned(const quant_tile *q, int64_t at, vint out[4])
{
    const vint a = i_load_quarters(q->w, at);
    const vint b = i_load_quarters(q->w, at + q->stride);
    const vint c = i_load_quarters(q->w, at + 2 * q->stride);
    const vint d = i_load_quarters(q->w, at + 3 * q->stride);
    const vint low0 = i_zip_low32(a, b), low1 = i_zip_low32(c, d);
    const vint high0 = i_zip_high32(a, b), high1 = i_zip_high32(c, d);
    out[0] = i_zip_low64(low0, low1);
    out[1] = i_zip_high64(low0, low1);
    out[2] = i_zip_low64(high0, high1);
    out[3] = i_zip_high64(high0, high1);
}

#ifdef BY_PAIRS
enum { FOUR_Q4_1 = 0 };
#include "kern/neon_pairs.h"
#else
enum { FOUR_Q4_1 = 1 }; /* blocks together, whose parts load_turned can take apart */

/* 16 bytes of all rows that hold numbers, in the order in which dot products want them. */
ALWAYS_INLINE void load_numbers(const quant_tile *q, int64_t at, vint out[4])
{
    load_turned(q, at, out);
}
#endif

/* The f16 at byte `at` of all rows. */
ALWAYS_INLINE vec load_halves(const quant_tile *q, int64_t at)
{
#ifdef I_HALVES
    return i_load_halves(q->w, q->stride, at);
#else
    vint h[4];
    load_turned(q, at, h);
    return i_low_half(h[0]);
#endif
}

ALWAYS_INLINE vec byte_as_float(vint x, int index, bool is_signed)
{
    switch (index) {
    case 0:
        x = is_signed ? i_sar(i_shl(x, 24), 24) : i_shr(i_shl(x, 24), 24);
        break;
    case 1:
        x = is_signed ? i_sar(i_shl(x, 16), 24) : i_shr(i_shl(x, 16), 24);
        break;
    case 2:
        x = is_signed ? i_sar(i_shl(x, 8), 24) : i_shr(i_shl(x, 8), 24);
        break;
    default:
        x = is_signed ? i_sar(x, 24) : i_shr(x, 24);
    }
    return i_float(x);
}

/* Rows n, n + step, … of w; those from lane `first` on are wanted. */
typedef struct quant_rows {
    int64_t n, step;
    int first;
} quant_rows;

/* Rows that each of VEC streams has: an odd number, or else the streams of a matrix whose
 * sides are powers of two would all want the same few lines of the first cache. */
static inline int64_t stream_rows(const ifm_product *p)
{
    const int64_t run = (p->n1 - p->n0) / VEC;
    return run > 0 && run % 2 == 0 ? run - 1 : run;
}

/* Tiles of streams, then tiles of neighbours. */
static inline int64_t count_tiles(const ifm_product *p, int64_t run)
{
    const int64_t rest = p->n1 - p->n0 - VEC * run;
    return p->n1 < VEC ? rest : run + (rest + VEC - 1) / VEC;
}

static inline quant_rows rows_of_tile(const ifm_product *p, int64_t run, int64_t i)
{
    if (i < run)
        return (quant_rows){p->n0 + i, run, 0};
    if (p->n1 < VEC) /* one row, in all lanes */
        return (quant_rows){p->n0 + i, 0, VEC - 1};
    const int64_t n = p->n0 + VEC * run + VEC * (i - run);
    if (n + VEC <= p->n1)
        return (quant_rows){n, 1, 0};
    /* The last together with some before them, whose sums are not wanted. */
    return (quant_rows){p->n1 - VEC, 1, (int)(n + VEC - p->n1)};
}

/* The tile of these rows of w and T rows of x from t0 on, whose sums are `sum`. */
ALWAYS_INLINE quant_tile quant_tile_of(const ifm_product *p, ifm_dtype dtype, bool exact,
                                       int64_t t0, int64_t T, const quant_rows *rows,
                                       vec *sum)
{
    const int64_t row = p->w_stride / quant_block(dtype) * quant_bytes(dtype);
    const int64_t x_bytes = ifm_q8_row_bytes(p->k1);
    quant_tile q = {.stride = rows->step * row,
                    .packed = exact ? NULL : (const char *)p->packed + t0 * x_bytes,
                    .x = p->x + t0 * p->x_stride,
                    .x_stride = exact ? p->x_stride : x_bytes,
                    .k = p->k1,
                    .t = T,
                    .sum = sum,
                    .offset = T == 1 && !exact ? sum + 1 : sum};
    for (int i = 0; i < VEC / 4; i++)
        q.w[i] = (const unsigned char *)p->w + (rows->n + 4 * i * rows->step) * row;
    return q;
}

/* Sums of T rows of x from t0 on to y, or onto it. */
ALWAYS_INLINE void put_sums(const ifm_product *p, int64_t t0, int64_t T,
                            const quant_rows *rows, const vec *sum)
{
    for (int64_t t = 0; t < T; t++) {
        float of_rows[VEC], *y = p->y + (t0 + t) * p->y_stride + rows->n;
        v_store(of_rows, sum[t]);
        for (int r = rows->first; r < VEC; r++) {
            float *to = &y[r * rows->step];
            *to = p->accumulate ? *to + of_rows[r] : of_rows[r];
        }
    }
}

#endif
