/* Types of numbers in weight files, and their sizes. */
#ifndef IFM_FORMAT_DTYPE_H
#define IFM_FORMAT_DTYPE_H

#include <stdint.h>

#include "inferometer/base.h"

/* X(NAME, "name in results", bytes per element) */
#define IFM_DTYPE_LIST(X)                                                                \
    X(F32, "f32", 4)                                                                     \
    X(F16, "f16", 2)                                                                     \
    X(BF16, "bf16", 2)

typedef enum ifm_dtype {
#define X(NAME, name, bytes) IFM_DTYPE_##NAME,
    IFM_DTYPE_LIST(X)
#undef X
        IFM_DTYPE_COUNT
} ifm_dtype;

const char *ifm_dtype_name(ifm_dtype dtype);
size_t ifm_dtype_bytes(ifm_dtype dtype);

/* One number, exactly (f32 holds every f16 and bf16). */
float ifm_f16_to_f32(uint16_t x);
float ifm_bf16_to_f32(uint16_t x);
/* Round to nearest, ties to even; NaN stays NaN. */
uint16_t ifm_f32_to_f16(float x);
uint16_t ifm_f32_to_bf16(float x);

#endif
