/* Types of numbers in weight files, and their sizes. */
#ifndef IFM_FORMAT_DTYPE_H
#define IFM_FORMAT_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "inferometer/base.h"

/* Plain numbers. X(NAME, "name in results", bytes of a number) */
#define IFM_DTYPE_FLOAT_LIST(X)                                                          \
    X(F32, "f32", 4)                                                                     \
    X(F16, "f16", 2)                                                                     \
    X(BF16, "bf16", 2)

/* Quantized numbers, in blocks that lie one after another along a row: format/quant.h says
 * what is in them. X(NAME, "name in results", bytes of a block, numbers of a block) */
#define IFM_DTYPE_QUANT_LIST(X)                                                          \
    X(Q8_0, "q8_0", 34, 32)                                                              \
    X(Q4_0, "q4_0", 18, 32)                                                              \
    X(Q4_1, "q4_1", 20, 32)                                                              \
    X(Q5_0, "q5_0", 22, 32)                                                              \
    X(Q5_1, "q5_1", 24, 32)                                                              \
    X(Q2_K, "q2_K", 84, 256)                                                             \
    X(Q3_K, "q3_K", 110, 256)                                                            \
    X(Q4_K, "q4_K", 144, 256)                                                            \
    X(Q5_K, "q5_K", 176, 256)                                                            \
    X(Q6_K, "q6_K", 210, 256)

typedef enum ifm_dtype {
#define X(NAME, name, bytes) IFM_DTYPE_##NAME,
    IFM_DTYPE_FLOAT_LIST(X)
#undef X
        IFM_DTYPE_FLOAT_COUNT,
    IFM_DTYPE_LAST_FLOAT = IFM_DTYPE_FLOAT_COUNT - 1,
#define X(NAME, name, bytes, numbers) IFM_DTYPE_##NAME,
    IFM_DTYPE_QUANT_LIST(X)
#undef X
        IFM_DTYPE_COUNT
} ifm_dtype;

/* Numbers of a block, 1 for plain ones, and its bytes. */
int64_t ifm_dtype_block(ifm_dtype dtype);
size_t ifm_dtype_block_bytes(ifm_dtype dtype);
/* Bytes of n numbers, a whole number of blocks. */
int64_t ifm_dtype_bytes_of(ifm_dtype dtype, int64_t n);

static inline bool ifm_dtype_is_quantized(ifm_dtype dtype)
{
    return dtype >= IFM_DTYPE_FLOAT_COUNT && dtype < IFM_DTYPE_COUNT;
}

const char *ifm_dtype_name(ifm_dtype dtype);
/* The type of that name, in any case; IFM_DTYPE_COUNT when there is none. */
ifm_dtype ifm_dtype_of_name(const char *name);

/* One number, exactly (f32 holds every f16 and bf16). */
float ifm_f16_to_f32(uint16_t x);
float ifm_bf16_to_f32(uint16_t x);
/* Round to nearest, ties to even; NaN stays NaN. */
uint16_t ifm_f32_to_f16(float x);
uint16_t ifm_f32_to_bf16(float x);

#endif
