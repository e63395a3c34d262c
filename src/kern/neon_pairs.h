/*
 * Part of vec_quant_tile.h where BY_PAIRS is defined, for neon_i8mm.c and neon_i8mm_gemm.c:
 * rows of x and columns of w in pairs, as the matrix product of Armv8.6 wants them. SMMLA
 * takes 8 numbers of two rows and of two columns and adds their four dot products to four
 * double words: twice the multiply-adds of SDOT.
 *
 *     x   [a0 … a7 | b0 … b7]          rows a, b
 *     w   [c0 … c7 | d0 … d7]          columns c, d
 *     +=  [a·c  a·d  b·c  b·d]
 *
 * Whole and real sums stay in that order until they meet y. So x is laid out by pairs of
 * rows: everything that q8.h has in a row is there of both, side by side, at twice its
 * place; the row that an odd number lacks is zeros.
 *     int8_t q[K/8][2][8]
 *     float scale[K/32][2], sum32[K/32][2], sum16[K/16][2]
 * Of w, 8 numbers of two of four columns lie in a register, where vec_quant_tile.h has four
 * numbers of all four: half the zipping, and nothing else to do for it.
 */
#ifndef IFM_KERN_NEON_PAIRS_H
#define IFM_KERN_NEON_PAIRS_H

#include "kern/q8.h"

/* a + the products of two rows of x and two columns of w. */
ALWAYS_INLINE vint pair_dot(vint a, vint x, vint w)
{
    return vmmlaq_s32(a, i_as_bytes(x), i_as_bytes(w));
}

/* 8 numbers of two rows. */
ALWAYS_INLINE vint pair_load(const char *x)
{
    return vreinterpretq_s32_s8(vld1q_s8((const int8_t *)x));
}

/* A float of each row, for both columns: [a a b b]. */
ALWAYS_INLINE vec pair_spread(const char *two)
{
    const vec x = vcombine_f32(vld1_f32((const float *)(const void *)two), vdup_n_f32(0));
    return vzip1q_f32(x, x);
}

/* What rows a and b have of four columns, as pairs, and back: it is its own inverse. */
ALWAYS_INLINE void pair_turn(vec *first, vec *second)
{
    const float64x2_t a = vreinterpretq_f64_f32(*first),
                      b = vreinterpretq_f64_f32(*second);
    *first = vreinterpretq_f32_f64(vzip1q_f64(a, b));
    *second = vreinterpretq_f32_f64(vzip2q_f64(a, b));
}

/* A float of each of four columns, of the first pair for both rows and of the second. */
ALWAYS_INLINE void pair_repeat(vec four, vec to[2])
{
    to[0] = to[1] = four;
    pair_turn(&to[0], &to[1]);
}

/* 16 bytes of four columns: the first 8 of columns 0 and 1, of 2 and 3, then the others. */
ALWAYS_INLINE void load_numbers(const quant_tile *q, int64_t at, vint out[4])
{
    UNROLL for (int i = 0; i < 2; i++)
    {
        const vint c = i_load_quarters(q->w, at + 2 * i * q->stride);
        const vint d = i_load_quarters(q->w, at + (2 * i + 1) * q->stride);
        out[i] = i_zip_low64(c, d);
        out[i + 2] = i_zip_high64(c, d);
    }
}

/* Bit i of `high` is the fifth of number i: byte i of a column is of 8 numbers. */
ALWAYS_INLINE void add_fifth(vint high, vint u[PART])
{
    static const uint8_t columns[2][16] = {
        {0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4},
        {8, 8, 8, 8, 8, 8, 8, 8, 12, 12, 12, 12, 12, 12, 12, 12}};
    const uint8x16_t bits = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    UNROLL for (int i = 0; i < PART; i++)
    {
        const uint8x16_t at =
            vaddq_u8(vld1q_u8(columns[i % 2]), vdupq_n_u8((uint8_t)(i / 2)));
        const int8x16_t byte = vqtbl1q_s8(i_as_bytes(high), at);
        const uint8x16_t fifth =
            vandq_u8(vtstq_u8(vreinterpretq_u8_s8(byte), bits), vdupq_n_u8(16));
        u[i] = i_or(u[i], vreinterpretq_s32_u8(fifth));
    }
}

#endif
