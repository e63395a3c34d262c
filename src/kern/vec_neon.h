/* Four floats: Advanced SIMD of 64-bit Arm. The operations are explained in vec.h. */
#ifndef IFM_KERN_VEC_NEON_H
#define IFM_KERN_VEC_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "format/dtype.h"

enum { VEC = 4, VEC_REGISTERS = 32 };
typedef float32x4_t vec;

static inline vec v_zero(void)
{
    return vdupq_n_f32(0);
}

static inline vec v_set(float x)
{
    return vdupq_n_f32(x);
}

static inline vec v_load(const float *p)
{
    return vld1q_f32(p);
}

static inline vec v_load_part(const float *p, int64_t n)
{
    float x[4] = {0};
    memcpy(x, p, (size_t)n * 4);
    return vld1q_f32(x);
}

static inline void v_store(float *p, vec x)
{
    vst1q_f32(p, x);
}

static inline void v_store_part(float *p, vec x, int64_t n)
{
    float all[4];
    vst1q_f32(all, x);
    memcpy(p, all, (size_t)n * 4);
}

static inline void v_store_f16(uint16_t *p, vec x)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x)));
}

static inline vec v_widen(uint16x4_t half, ifm_dtype dtype)
{
    if (dtype == IFM_DTYPE_F16)
        return vcvt_f32_f16(vreinterpret_f16_u16(half));
    return vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

/* Through bytes: a file may hold numbers at odd addresses. */
static inline vec v_load_number(const void *p, int64_t i, ifm_dtype dtype)
{
    const uint8_t *at = (const uint8_t *)p + i * (dtype == IFM_DTYPE_F32 ? 4 : 2);
    if (dtype == IFM_DTYPE_F32)
        return vreinterpretq_f32_u8(vld1q_u8(at));
    return v_widen(vreinterpret_u16_u8(vld1_u8(at)), dtype);
}

static inline vec v_load_number_part(const void *p, int64_t i, int64_t n, ifm_dtype dtype)
{
    const size_t bytes = dtype == IFM_DTYPE_F32 ? 4 : 2;
    const char *at = (const char *)p + i * (int64_t)bytes;
    uint8_t all[16] = {0};
    memcpy(all, at, (size_t)n * bytes);
    return v_load_number(all, 0, dtype);
}

static inline vec v_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}

static inline vec v_sub(vec a, vec b)
{
    return vsubq_f32(a, b);
}

static inline vec v_mul(vec a, vec b)
{
    return vmulq_f32(a, b);
}

static inline vec v_div(vec a, vec b)
{
    return vdivq_f32(a, b);
}

static inline vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

/* As on x86: b when one of them is NaN. */
static inline vec v_max(vec a, vec b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}

static inline vec v_min(vec a, vec b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}

static inline vec v_round(vec x)
{
    return vrndnq_f32(x);
}

static inline vec v_scale(vec x, vec n)
{
    const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vmulq_f32(x,
                     vreinterpretq_f32_s32(vaddq_s32(exponent, vdupq_n_s32(127 << 23))));
}

static inline vec v_keep_first(vec x, int64_t n, float otherwise)
{
    static const int32_t ones_then_zeros[8] = {-1, -1, -1, -1};
    const uint32x4_t keep = vreinterpretq_u32_s32(vld1q_s32(ones_then_zeros + 4 - n));
    return vbslq_f32(keep, x, vdupq_n_f32(otherwise));
}

static inline float v_first(vec x)
{
    return vgetq_lane_f32(x, 0);
}

static inline float v_sum(vec x)
{
    return vaddvq_f32(x);
}

static inline float v_largest(vec x)
{
    return vmaxvq_f32(x);
}

static inline unsigned v_equal(vec a, vec b)
{
    static const uint32_t bits[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vceqq_f32(a, b), vld1q_u32(bits)));
}

static inline float v_number_f16(const void *p)
{
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}

/* Rows to columns. */
static inline void v_transpose(vec r[VEC])
{
    const float32x4x2_t a = vtrnq_f32(r[0], r[1]), b = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

#endif
