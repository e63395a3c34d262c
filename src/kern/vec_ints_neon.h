/* Bytes and words of four rows, for vec_quant.h, which explains the operations: Advanced SIMD
 * of 64-bit Arm. */
#ifndef IFM_KERN_VEC_INTS_NEON_H
#define IFM_KERN_VEC_INTS_NEON_H

#include "kern/vec_neon.h"

/* Double words, seen as bytes where bytes are meant. */
typedef int32x4_t vint;

static inline int8x16_t i_as_bytes(vint x)
{
    return vreinterpretq_s8_s32(x);
}

static inline vint i_bytes(unsigned x)
{
    return vreinterpretq_s32_u8(vdupq_n_u8((uint8_t)x));
}

static inline vint i_zero(void)
{
    return vdupq_n_s32(0);
}

static inline vint i_load(const int32_t *p)
{
    return vld1q_s32(p);
}

static inline void i_store(int32_t *p, vint x)
{
    vst1q_s32(p, x);
}

static inline vint i_and(vint a, vint b)
{
    return vandq_s32(a, b);
}

static inline vint i_or(vint a, vint b)
{
    return vorrq_s32(a, b);
}

static inline vint i_xor(vint a, vint b)
{
    return veorq_s32(a, b);
}

static inline vint i_add(vint a, vint b)
{
    return vaddq_s32(a, b);
}

static inline vint i_sub_bytes(vint a, vint b)
{
    return vreinterpretq_s32_s8(vsubq_s8(i_as_bytes(a), i_as_bytes(b)));
}

/* (x & mask) | y */
static inline vint i_and_or(vint x, vint mask, vint y)
{
    return vorrq_s32(vandq_s32(x, mask), y);
}

/* By register: shifts by an immediate cannot be by 0, which unrolled loops ask for. */
static inline vint i_shl(vint x, int n)
{
    return vshlq_s32(x, vdupq_n_s32(n));
}

static inline vint i_shr(vint x, int n)
{
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(x), vdupq_n_s32(-n)));
}

static inline vint i_sar(vint x, int n)
{
    return vshlq_s32(x, vdupq_n_s32(-n));
}

static inline vec i_float(vint x)
{
    return vcvtq_f32_s32(x);
}

static inline vec i_low_half(vint x)
{
    return vcvt_f32_f16(vreinterpret_f16_s16(vmovn_s32(x)));
}

static inline vec i_high_half(vint x)
{
    return i_low_half(i_shr(x, 16));
}

static inline vint i_broadcast(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return vdupq_n_s32(x);
}

/* The byte `index` of each double word in all of its bytes. */
static inline vint i_spread_byte(vint x, int index)
{
    static const uint8_t first[16] = {0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12};
    const uint8x16_t at = vaddq_u8(vld1q_u8(first), vdupq_n_u8((uint8_t)index));
    return vreinterpretq_s32_s8(vqtbl1q_s8(i_as_bytes(x), at));
}

/* u with `value` added to the bytes where x & bits is not 0, one bit in each byte. */
static inline vint i_add_where(vint u, vint x, uint32_t bits, unsigned value)
{
    const uint8x16_t wanted = vreinterpretq_u8_u32(vdupq_n_u32(bits));
    const uint8x16_t where = vtstq_u8(vreinterpretq_u8_s32(x), wanted);
    const uint8x16_t more = vandq_u8(where, vdupq_n_u8((uint8_t)value));
    return vreinterpretq_s32_u8(vaddq_u8(vreinterpretq_u8_s32(u), more));
}

/* 16 bytes of a row: four rows fill a register each. */
static inline vint i_load_quarters(const unsigned char *const w[1], int64_t at)
{
    return vreinterpretq_s32_u8(vld1q_u8(w[0] + at));
}

static inline vint i_zip_low32(vint a, vint b)
{
    return vzip1q_s32(a, b);
}

static inline vint i_zip_high32(vint a, vint b)
{
    return vzip2q_s32(a, b);
}

static inline vint i_zip_low64(vint a, vint b)
{
    return vreinterpretq_s32_s64(
        vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

static inline vint i_zip_high64(vint a, vint b)
{
    return vreinterpretq_s32_s64(
        vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
}

/* Whole floats to bytes. */
static inline void i_store_bytes(int8_t *p, vec x)
{
    const int16x4_t words = vqmovn_s32(vcvtq_s32_f32(x));
    const int8x8_t bytes = vqmovn_s16(vcombine_s16(words, words));
    const int32_t four = vget_lane_s32(vreinterpret_s32_s8(bytes), 0);
    memcpy(p, &four, sizeof four);
}

#endif
