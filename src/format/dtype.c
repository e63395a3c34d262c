#include "format/dtype.h"

#include <string.h>
#include <strings.h>

typedef struct dtype_info {
    const char *name;
    uint16_t bytes, numbers; /* of a block */
} dtype_info;

static const dtype_info *info_of(ifm_dtype dtype)
{
    static const dtype_info infos[] = {
#define X(NAME, name, bytes) [IFM_DTYPE_##NAME] = {name, bytes, 1},
        IFM_DTYPE_FLOAT_LIST(X)
#undef X
#define X(NAME, name, bytes, numbers) [IFM_DTYPE_##NAME] = {name, bytes, numbers},
            IFM_DTYPE_QUANT_LIST(X)
#undef X
    };
    static const dtype_info unknown = {"unknown", 0, 1};
    return (unsigned)dtype < IFM_DTYPE_COUNT ? &infos[dtype] : &unknown;
}

const char *ifm_dtype_name(ifm_dtype dtype)
{
    return info_of(dtype)->name;
}

ifm_dtype ifm_dtype_of_name(const char *name)
{
    int i = 0;
    while (i < IFM_DTYPE_COUNT && strcasecmp(name, info_of((ifm_dtype)i)->name) != 0)
        i++;
    return (ifm_dtype)i;
}

int64_t ifm_dtype_block(ifm_dtype dtype)
{
    return info_of(dtype)->numbers;
}

size_t ifm_dtype_block_bytes(ifm_dtype dtype)
{
    return info_of(dtype)->bytes;
}

int64_t ifm_dtype_bytes_of(ifm_dtype dtype, int64_t n)
{
    return n / info_of(dtype)->numbers * info_of(dtype)->bytes;
}

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

float ifm_f16_to_f32(uint16_t x)
{
    uint32_t sign = (uint32_t)(x & 0x8000u) << 16;
    uint32_t exponent = (x >> 10) & 0x1fu;
    uint32_t fraction = x & 0x3ffu;
    if (exponent == 0x1f) /* infinity, NaN */
        return float_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent != 0)
        return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    /* Zero and subnormal: fraction × 2^-24, exact in f32. */
    float magnitude = (float)fraction * 0x1p-24f;
    return float_of_bits(sign | bits_of_float(magnitude));
}

float ifm_bf16_to_f32(uint16_t x)
{
    return float_of_bits((uint32_t)x << 16);
}

uint16_t ifm_f32_to_f16(float x)
{
    uint32_t bits = bits_of_float(x);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) /* NaN: quiet, with the payload's upper bits */
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x477ff000u) /* 65520 and more rounds to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {
        /* Below 2^-14 the result is a multiple of 2^-24: adding 1/2 to the number lets the
         * FPU do that rounding, since 2^-24 is the last place of a float in [1/2, 1). */
        float rounded = float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (bits_of_float(rounded) - 0x3f000000u));
    }
    uint32_t odd = magnitude >> 13 & 1u;
    magnitude += 0xfffu + odd - (112u << 23);
    return (uint16_t)(sign | magnitude >> 13);
}

uint16_t ifm_f32_to_bf16(float x)
{
    uint32_t bits = bits_of_float(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
