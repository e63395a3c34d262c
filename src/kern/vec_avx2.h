/* Eight floats: AVX2 with FMA and F16C. The operations are explained in vec.h. */
#ifndef IFM_KERN_VEC_AVX2_H
#define IFM_KERN_VEC_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "format/dtype.h"

enum { VEC = 8, VEC_REGISTERS = 16 };
typedef __m256 vec;

static inline vec v_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vec v_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

/* The first n of eight lanes. */
static inline __m256i v_mask(int64_t n)
{
    static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones_then_zeros + 8 - n));
}

static inline vec v_load_part(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, v_mask(n));
}

static inline void v_store(float *p, vec x)
{
    _mm256_storeu_ps(p, x);
}

static inline void v_store_part(float *p, vec x, int64_t n)
{
    _mm256_maskstore_ps(p, v_mask(n), x);
}

static inline void v_store_f16(uint16_t *p, vec x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

static inline vec v_widen(__m128i half, ifm_dtype dtype)
{
    if (dtype == IFM_DTYPE_F16)
        return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static inline vec v_load_number(const void *p, int64_t i, ifm_dtype dtype)
{
    const char *at = (const char *)p + i * (dtype == IFM_DTYPE_F32 ? 4 : 2);
    if (dtype == IFM_DTYPE_F32)
        return _mm256_loadu_ps((const float *)(const void *)at);
    return v_widen(_mm_loadu_si128((const __m128i *)(const void *)at), dtype);
}

static inline vec v_load_number_part(const void *p, int64_t i, int64_t n, ifm_dtype dtype)
{
    const char *at = (const char *)p + i * (dtype == IFM_DTYPE_F32 ? 4 : 2);
    if (dtype == IFM_DTYPE_F32)
        return v_load_part((const float *)(const void *)at, n);
    uint16_t half[8] = {0};
    memcpy(half, at, (size_t)n * 2);
    return v_widen(_mm_loadu_si128((const __m128i *)(const void *)half), dtype);
}

/* Two bf16 to each 32 bits: those of even place and those of odd place, with an instruction
 * each; in order it would be two, of which one is a shuffle. */
#define V_SPLITS(dtype) ((dtype) == IFM_DTYPE_BF16)

static inline void v_load_split(const void *p, int64_t i, vec *even, vec *odd)
{
    const __m256i both =
        _mm256_loadu_si256((const __m256i *)(const void *)((const char *)p + i * 2));
    *even = _mm256_castsi256_ps(_mm256_slli_epi32(both, 16));
    *odd = _mm256_castsi256_ps(_mm256_and_si256(both, _mm256_set1_epi32(-65536)));
}

static inline void v_split(vec *a, vec *b)
{
    const vec low = _mm256_permute2f128_ps(*a, *b, 0x20),
              high = _mm256_permute2f128_ps(*a, *b, 0x31);
    *a = _mm256_shuffle_ps(low, high, 0x88);
    *b = _mm256_shuffle_ps(low, high, 0xdd);
}

static inline void v_join(vec *even, vec *odd)
{
    const vec low = _mm256_unpacklo_ps(*even, *odd),
              high = _mm256_unpackhi_ps(*even, *odd);
    *even = _mm256_permute2f128_ps(low, high, 0x20);
    *odd = _mm256_permute2f128_ps(low, high, 0x31);
}

static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

static inline vec v_round(vec x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vec v_scale(vec x, vec n)
{
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    const __m256i one = _mm256_set1_epi32(127 << 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_add_epi32(exponent, one)));
}

static inline vec v_keep_first(vec x, int64_t n, float otherwise)
{
    return _mm256_blendv_ps(_mm256_set1_ps(otherwise), x, _mm256_castsi256_ps(v_mask(n)));
}

static inline float v_first(vec x)
{
    return _mm256_cvtss_f32(x);
}

static inline __m128 v_fold(vec x)
{
    return _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
}

static inline float v_sum(vec x)
{
    const __m128 four = v_fold(x);
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static inline float v_largest(vec x)
{
    const __m128 four =
        _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline unsigned v_equal(vec a, vec b)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}

static inline float v_number_f16(const void *p)
{
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return _cvtsh_ss(half);
}

/* Rows to columns: pairs of floats, pairs of those, then halves. */
static inline void v_transpose(vec r[VEC])
{
    for (int i = 0; i < 8; i += 4) {
        const vec a = _mm256_unpacklo_ps(r[i], r[i + 1]),
                  b = _mm256_unpackhi_ps(r[i], r[i + 1]),
                  c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]),
                  d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        r[i] = _mm256_shuffle_ps(a, c, 0x44);
        r[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        r[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        r[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        const vec low = _mm256_permute2f128_ps(r[i], r[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(r[i], r[i + 4], 0x31);
        r[i] = low;
    }
}

#endif
