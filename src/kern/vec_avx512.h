/* Sixteen floats: AVX-512 F, BW, DQ, VL. The operations are explained in vec.h. */
#ifndef IFM_KERN_VEC_AVX512_H
#define IFM_KERN_VEC_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "format/dtype.h"

enum { VEC = 16, VEC_REGISTERS = 32 };
typedef __m512 vec;

static inline vec v_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vec v_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline __mmask16 v_mask(int64_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline vec v_load_part(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(v_mask(n), p);
}

static inline void v_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}

static inline void v_store_part(float *p, vec x, int64_t n)
{
    _mm512_mask_storeu_ps(p, v_mask(n), x);
}

static inline void v_store_f16(uint16_t *p, vec x)
{
    _mm256_storeu_si256(
        (__m256i *)(void *)p,
        _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

static inline vec v_widen_bf16(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

static inline vec v_load_number(const void *p, int64_t i, ifm_dtype dtype)
{
    const char *at = (const char *)p + i * (dtype == IFM_DTYPE_F32 ? 4 : 2);
    if (dtype == IFM_DTYPE_F32)
        return _mm512_loadu_ps(at);
    const __m256i half = _mm256_loadu_si256((const __m256i *)(const void *)at);
    return dtype == IFM_DTYPE_F16 ? _mm512_cvtph_ps(half) : v_widen_bf16(half);
}

static inline vec v_load_number_part(const void *p, int64_t i, int64_t n, ifm_dtype dtype)
{
    const char *at = (const char *)p + i * (dtype == IFM_DTYPE_F32 ? 4 : 2);
    if (dtype == IFM_DTYPE_F32)
        return _mm512_maskz_loadu_ps(v_mask(n), at);
    const __m256i half = _mm256_maskz_loadu_epi16(v_mask(n), at);
    return dtype == IFM_DTYPE_F16 ? _mm512_cvtph_ps(half) : v_widen_bf16(half);
}

static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

static inline vec v_round(vec x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vec v_scale(vec x, vec n)
{
    return _mm512_scalef_ps(x, n);
}

static inline vec v_keep_first(vec x, int64_t n, float otherwise)
{
    return _mm512_mask_mov_ps(_mm512_set1_ps(otherwise), v_mask(n), x);
}

static inline float v_first(vec x)
{
    return _mm512_cvtss_f32(x);
}

static inline float v_sum(vec x)
{
    return _mm512_reduce_add_ps(x);
}

static inline float v_largest(vec x)
{
    return _mm512_reduce_max_ps(x);
}

static inline unsigned v_equal(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

static inline float v_number_f16(const void *p)
{
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return _cvtsh_ss(half);
}

/* Rows to columns: pairs of floats, pairs of those, then the 4 x 4 lanes of 128 bits. */
static inline void v_transpose(vec r[VEC])
{
    for (int i = 0; i < 16; i += 4) {
        const vec a = _mm512_unpacklo_ps(r[i], r[i + 1]),
                  b = _mm512_unpackhi_ps(r[i], r[i + 1]),
                  c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]),
                  d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        r[i] = _mm512_shuffle_ps(a, c, 0x44);
        r[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        r[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        r[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        const vec a = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88),
                  b = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd),
                  c = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88),
                  d = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
        r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

#endif
