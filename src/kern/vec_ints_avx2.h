/* Bytes and words of eight rows, for vec_quant.h, which explains the operations: AVX2. */
#ifndef IFM_KERN_VEC_INTS_AVX2_H
#define IFM_KERN_VEC_INTS_AVX2_H

#include "kern/vec_avx2.h"

typedef __m256i vint;

static inline vint i_bytes(unsigned x)
{
    return _mm256_set1_epi8((char)x);
}

static inline vint i_zero(void)
{
    return _mm256_setzero_si256();
}

static inline vint i_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void i_store(int32_t *p, vint x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, x);
}

static inline vint i_and(vint a, vint b)
{
    return _mm256_and_si256(a, b);
}

static inline vint i_or(vint a, vint b)
{
    return _mm256_or_si256(a, b);
}

static inline vint i_xor(vint a, vint b)
{
    return _mm256_xor_si256(a, b);
}

static inline vint i_sub_bytes(vint a, vint b)
{
    return _mm256_sub_epi8(a, b);
}

/* By hand: GCC adds in another order, for which it puts all that is to be added on the
 * stack, and copies sums from register to register. */
static inline vint i_add(vint a, vint b)
{
    __asm__("vpaddd %1, %0, %0" : "+x"(a) : "x"(b));
    return a;
}

/* Products of unsigned bytes u and signed x, neighbours added in 16 bits. */
static inline vint i_pairs(vint u, vint x)
{
    return _mm256_maddubs_epi16(u, x);
}

/* As i_add. */
static inline vint i_add16(vint a, vint b)
{
    __asm__("vpaddw %1, %0, %0" : "+x"(a) : "x"(b));
    return a;
}

/* Neighbours of 16 bits, added in 32. */
static inline vint i_sum_pairs(vint x)
{
    return _mm256_madd_epi16(x, _mm256_set1_epi16(1));
}

/* The same, each times a word. */
static inline vint i_sum_pairs_by(vint x, vint words)
{
    return _mm256_madd_epi16(x, words);
}

static inline vint i_abs8(vint x)
{
    return _mm256_abs_epi8(x);
}

/* x with the sign of w; where w is 0 nothing that counts. */
static inline vint i_with_sign(vint x, vint w)
{
    return _mm256_sign_epi8(x, w);
}

/* (x & mask) | y */
static inline vint i_and_or(vint x, vint mask, vint y)
{
    return _mm256_or_si256(_mm256_and_si256(x, mask), y);
}

#define i_shl(x, n) _mm256_slli_epi32((x), (n))
#define i_shr(x, n) _mm256_srli_epi32((x), (n))
#define i_sar(x, n) _mm256_srai_epi32((x), (n))

static inline vec i_float(vint x)
{
    return _mm256_cvtepi32_ps(x);
}

/* The low words of all double words, then the high ones. */
static inline vint i_words_apart(vint x)
{
    const __m128i order =
        _mm_set_epi8(15, 14, 11, 10, 7, 6, 3, 2, 13, 12, 9, 8, 5, 4, 1, 0);
    const vint pairs = _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order));
    return _mm256_permute4x64_epi64(pairs, 0xd8);
}

static inline vec i_low_half(vint x)
{
    return _mm256_cvtph_ps(_mm256_castsi256_si128(i_words_apart(x)));
}

static inline vec i_high_half(vint x)
{
    return _mm256_cvtph_ps(_mm256_extracti128_si256(i_words_apart(x), 1));
}

static inline vint i_broadcast(const void *p)
{
    int32_t x;
    __builtin_memcpy(&x, p, sizeof x);
    return _mm256_set1_epi32(x);
}

/* The byte `index` of each double word in all of its bytes. */
static inline vint i_spread_byte(vint x, int index)
{
    const __m128i at = _mm_add_epi8(_mm_set1_epi8((char)index),
                                    _mm_set_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0));
    return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(at));
}

/* u with `value` added to the bytes where x & bits is not 0, one bit in each byte. */
static inline vint i_add_where(vint u, vint x, uint32_t bits, unsigned value)
{
    const vint wanted = _mm256_set1_epi32((int)bits);
    const vint where = _mm256_cmpeq_epi8(_mm256_and_si256(x, wanted), wanted);
    return _mm256_add_epi8(u, _mm256_and_si256(where, i_bytes(value)));
}

/* 16 bytes of two rows that are VEC/2 apart: row r of each half. Blended, as that is done by
 * any of the pipes: inserting (vinserti128) takes a cycle of the one that also turns. */
static inline vint i_load_quarters(const unsigned char *const w[2], int64_t at)
{
    const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(w[0] + at));
    const __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(w[1] + at));
    return _mm256_blend_epi32(_mm256_castsi128_si256(a), _mm256_broadcastsi128_si256(b),
                              0xf0);
}

/* The f16 at byte `at` of eight rows, `stride` bytes apart in each half, as f32. */
#define I_HALVES
static inline vec i_load_halves(const unsigned char *const w[2], int64_t stride,
                                int64_t at)
{
    uint16_t x[8];
    for (int i = 0; i < 8; i++)
        __builtin_memcpy(&x[i], w[i / 4] + at + (i % 4) * stride, sizeof x[i]);
    __m128i halves = _mm_cvtsi32_si128(x[0]);
    halves = _mm_insert_epi16(halves, x[1], 1);
    halves = _mm_insert_epi16(halves, x[2], 2);
    halves = _mm_insert_epi16(halves, x[3], 3);
    halves = _mm_insert_epi16(halves, x[4], 4);
    halves = _mm_insert_epi16(halves, x[5], 5);
    halves = _mm_insert_epi16(halves, x[6], 6);
    halves = _mm_insert_epi16(halves, x[7], 7);
    return _mm256_cvtph_ps(halves);
}

static inline vint i_zip_low32(vint a, vint b)
{
    return _mm256_unpacklo_epi32(a, b);
}

static inline vint i_zip_high32(vint a, vint b)
{
    return _mm256_unpackhi_epi32(a, b);
}

static inline vint i_zip_low64(vint a, vint b)
{
    return _mm256_unpacklo_epi64(a, b);
}

static inline vint i_zip_high64(vint a, vint b)
{
    return _mm256_unpackhi_epi64(a, b);
}

/* Whole floats to bytes. */
static inline void i_store_bytes(int8_t *p, vec x)
{
    const __m256i dwords = _mm256_cvtps_epi32(x);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(dwords),
                                          _mm256_extracti128_si256(dwords, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(words, words));
}

#endif
