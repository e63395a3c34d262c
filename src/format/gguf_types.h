/* The types of tensors that GGUF files have, by the numbers that stand for them there. */
#ifndef IFM_FORMAT_GGUF_TYPES_H
#define IFM_FORMAT_GGUF_TYPES_H

#include "format/dtype.h"

typedef struct ifm_gguf_tensor_type {
    const char *name;
    uint32_t number;         /* in the file */
    uint16_t block, n_bytes; /* numbers of a block, and its bytes */
    ifm_dtype dtype;         /* IFM_DTYPE_COUNT: nothing here computes with it */
} ifm_gguf_tensor_type;

/* NULL when no type has the number. Thread-safe. */
const ifm_gguf_tensor_type *ifm_gguf_type_of_number(uint32_t number);
/* What a GGUF file calls `dtype`; every one of ours has a number. */
uint32_t ifm_gguf_number_of(ifm_dtype dtype);

#endif
