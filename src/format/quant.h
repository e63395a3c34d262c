/*
 * Quantized numbers: what the blocks of each type hold, read and made by plain loops that
 * are the specification of the kernels.
 *
 * Every type is affine in parts of 16 or 32 numbers: w = d u + m, u a small whole number.
 * Layouts are those of GGUF files (ggml's block types); multi-byte fields are little-endian.
 */
#ifndef IFM_FORMAT_QUANT_H
#define IFM_FORMAT_QUANT_H

#include "format/dtype.h"

/* x[n] = the numbers of blocks, as f32 computes d u + m in the order that ggml does; n is a
 * multiple of the block. Plain types are widened. `blocks` at any address. Thread-safe. */
void ifm_dequantize(ifm_dtype dtype, const void *blocks, int64_t n, float *x);

/* The reverse: blocks that come near x[n], n a multiple of the block; plain types are
 * rounded. Scales are chosen to make the squared error small; `importance`[n], weights of
 * the squares, or NULL. A NaN or infinity in x gives an unspecified block. Thread-safe. */
void ifm_quantize(ifm_dtype dtype, const float *x, int64_t n, const float *importance,
                  void *blocks);

#endif
