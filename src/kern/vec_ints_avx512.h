/* Bytes and words of sixteen rows, for vec_quant.h, which explains the operations: AVX-512
 * F and BW. */
#ifndef IFM_KERN_VEC_INTS_AVX512_H
#define IFM_KERN_VEC_INTS_AVX512_H

#include "kern/vec_avx512.h"

typedef __m512i vint;

static inline vint i_bytes(unsigned x)
{
    return _mm512_set1_epi8((char)x);
}

static inline vint i_zero(void)
{
    return _mm512_setzero_si512();
}

static inline vint i_and(vint a, vint b)
{
    return _mm512_and_si512(a, b);
}

static inline vint i_or(vint a, vint b)
{
    return _mm512_or_si512(a, b);
}

static inline vint i_xor(vint a, vint b)
{
    return _mm512_xor_si512(a, b);
}

/* The empty instruction keeps GCC from adding in another order, for which it would put all
 * that is to be added on the stack. */
static inline vint i_add(vint a, vint b)
{
    vint sum = _mm512_add_epi32(a, b);
    __asm__("" : "+v"(sum));
    return sum;
}

/* Products of unsigned bytes u and signed x, neighbours added in 16 bits. */
static inline vint i_pairs(vint u, vint x)
{
    return _mm512_maddubs_epi16(u, x);
}

/* As i_add. */
static inline vint i_add16(vint a, vint b)
{
    vint sum = _mm512_add_epi16(a, b);
    __asm__("" : "+v"(sum));
    return sum;
}

/* Neighbours of 16 bits, added in 32. */
static inline vint i_sum_pairs(vint x)
{
    return _mm512_madd_epi16(x, _mm512_set1_epi16(1));
}

static inline vint i_abs8(vint x)
{
    return _mm512_abs_epi8(x);
}

/* x with the sign of w; where w is 0 nothing that counts. */
static inline vint i_with_sign(vint x, vint w)
{
    return _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w), _mm512_setzero_si512(), x);
}

/* (x & mask) | y */
static inline vint i_and_or(vint x, vint mask, vint y)
{
    return _mm512_ternarylogic_epi32(x, mask, y, 0xea);
}

#define i_shl(x, n) _mm512_slli_epi32((x), (unsigned)(n))
#define i_shr(x, n) _mm512_srli_epi32((x), (unsigned)(n))
#define i_sar(x, n) _mm512_srai_epi32((x), (unsigned)(n))

static inline vec i_float(vint x)
{
    return _mm512_cvtepi32_ps(x);
}

static inline vec i_low_half(vint x)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x));
}

static inline vec i_high_half(vint x)
{
    return i_low_half(_mm512_srli_epi32(x, 16));
}

static inline vint i_broadcast(const void *p)
{
    int32_t x;
    __builtin_memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

/* The byte `index` of each double word in all of its bytes. */
static inline vint i_spread_byte(vint x, int index)
{
    const __m128i at = _mm_add_epi8(_mm_set1_epi8((char)index),
                                    _mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0));
    return _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(at));
}

/* u with `value` added to the bytes where x & bits is not 0. */
static inline vint i_add_where(vint u, vint x, uint32_t bits, unsigned value)
{
    const __mmask64 where = _mm512_test_epi8_mask(x, _mm512_set1_epi32((int)bits));
    return _mm512_mask_add_epi8(u, where, u, i_bytes(value));
}

/* 16 bytes of four rows that are VEC/4 apart: row r of each quarter. */
static inline vint i_load_quarters(const unsigned char *const w[4], int64_t at)
{
    const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(w[0] + at));
    const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(w[1] + at));
    const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(w[2] + at));
    const __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(w[3] + at));
    __m512i x = _mm512_castsi128_si512(a);
    x = _mm512_inserti32x4(x, b, 1);
    x = _mm512_inserti32x4(x, c, 2);
    return _mm512_inserti32x4(x, d, 3);
}

static inline vint i_zip_low32(vint a, vint b)
{
    return _mm512_unpacklo_epi32(a, b);
}

static inline vint i_zip_high32(vint a, vint b)
{
    return _mm512_unpackhi_epi32(a, b);
}

static inline vint i_zip_low64(vint a, vint b)
{
    return _mm512_unpacklo_epi64(a, b);
}

static inline vint i_zip_high64(vint a, vint b)
{
    return _mm512_unpackhi_epi64(a, b);
}

/* Whole floats to bytes. */
static inline void i_store_bytes(int8_t *p, vec x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

#endif
