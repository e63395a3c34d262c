/* Inside of the quantized types: a block with its bits spread out, the same for each type. */
#ifndef IFM_FORMAT_QUANT_BLOCK_H
#define IFM_FORMAT_QUANT_BLOCK_H

#include "format/dtype.h"

enum { IFM_QUANT_MAX_NUMBERS = 256, IFM_QUANT_MAX_PARTS = 16, IFM_QUANT_MAX_BYTES = 210 };

/* x[i] = d scale[p] (code[i] − zero) − m min[p], p = i / part: the products from left to
 * right, each rounded to f32. Types without minima leave out the last term. */
typedef struct ifm_quant_block {
    float d, m; /* numbers that an f16 holds */
    int16_t scale[IFM_QUANT_MAX_PARTS], min[IFM_QUANT_MAX_PARTS];
    int16_t code[IFM_QUANT_MAX_NUMBERS];
} ifm_quant_block;

typedef struct ifm_quant_type {
    int16_t part;     /* numbers that share scale and minimum */
    int16_t zero;     /* the code that means 0 */
    int16_t min_code; /* the range of codes */
    int16_t max_code;
    int16_t max_scale; /* of scale[]; 1: the block has none but d */
    int16_t min_scale;
    int16_t max_min; /* of min[]; 0: there is no m; −1: m is one number, added */
    /* Spreads the bits of `bytes` to *block, or (pack) sets them from it; then all bits
     * are clear beforehand. */
    void (*move)(bool pack, uint8_t *bytes, ifm_quant_block *block);
} ifm_quant_type;

/* The layout of a quantized type. */
const ifm_quant_type *ifm_quant_type_of(ifm_dtype dtype);

/* bytes[ifm_dtype_block_bytes(dtype)] → *block, and back. */
void ifm_quant_unpack(ifm_dtype dtype, const void *bytes, ifm_quant_block *block);
void ifm_quant_pack(ifm_dtype dtype, ifm_quant_block *block, void *bytes);

/* Fills *block so that it comes near x[n], n the numbers of a block, in the sum of squares
 * that `weights`[n] weigh. */
void ifm_quant_search(ifm_dtype dtype, const float *x, const float *weights,
                      ifm_quant_block *block);

#endif
