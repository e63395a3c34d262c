#include "format/quant.h"

#include <string.h>

#include "format/quant_block.h"

static void read_block(const ifm_quant_type *type, const ifm_quant_block *block,
                       int64_t n, float *x)
{
    for (int64_t begin = 0, p = 0; begin < n; begin += type->part, p++) {
        const float scale = block->d * (float)block->scale[p];
        const int16_t *code = block->code + begin;
        float *to = x + begin;
        if (type->max_min == 0) { /* adding 0 would make 0 of −0 */
            for (int i = 0; i < type->part; i++)
                to[i] = scale * (float)(code[i] - type->zero);
        } else {
            const float min = block->m * (float)block->min[p];
            for (int i = 0; i < type->part; i++)
                to[i] = scale * (float)code[i] - min;
        }
    }
}

static void widen(ifm_dtype dtype, const unsigned char *bytes, int64_t n, float *x)
{
    uint16_t bits;
    for (int64_t i = 0; i < n; i++) {
        memcpy(&bits, bytes + 2 * i, sizeof bits);
        x[i] = dtype == IFM_DTYPE_F16 ? ifm_f16_to_f32(bits) : ifm_bf16_to_f32(bits);
    }
}

void ifm_dequantize(ifm_dtype dtype, const void *blocks, int64_t n, float *x)
{
    if (dtype == IFM_DTYPE_F32) {
        memcpy(x, blocks, (size_t)n * sizeof *x);
        return;
    }
    const unsigned char *bytes = blocks;
    if (!ifm_dtype_is_quantized(dtype)) {
        widen(dtype, bytes, n, x);
        return;
    }
    const ifm_quant_type *type = ifm_quant_type_of(dtype);
    const int64_t n_block = ifm_dtype_block(dtype);
    const size_t n_bytes = ifm_dtype_block_bytes(dtype);
    ifm_quant_block block;
    for (int64_t i = 0; i < n; i += n_block, bytes += n_bytes) {
        ifm_quant_unpack(dtype, bytes, &block);
        read_block(type, &block, n_block, x + i);
    }
}

static void narrow(ifm_dtype dtype, const float *x, int64_t n, unsigned char *bytes)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t bits =
            dtype == IFM_DTYPE_F16 ? ifm_f32_to_f16(x[i]) : ifm_f32_to_bf16(x[i]);
        memcpy(bytes + 2 * i, &bits, sizeof bits);
    }
}

void ifm_quantize(ifm_dtype dtype, const float *x, int64_t n, const float *importance,
                  void *blocks)
{
    if (dtype == IFM_DTYPE_F32) {
        memcpy(blocks, x, (size_t)n * sizeof *x);
        return;
    }
    unsigned char *bytes = blocks;
    if (!ifm_dtype_is_quantized(dtype)) {
        narrow(dtype, x, n, bytes);
        return;
    }
    float ones[IFM_QUANT_MAX_NUMBERS];
    for (int i = 0; i < IFM_QUANT_MAX_NUMBERS; i++)
        ones[i] = 1;
    const int64_t n_block = ifm_dtype_block(dtype);
    const size_t n_bytes = ifm_dtype_block_bytes(dtype);
    ifm_quant_block block;
    for (int64_t i = 0; i < n; i += n_block, bytes += n_bytes) {
        ifm_quant_search(dtype, x + i, importance != NULL ? importance + i : ones,
                         &block);
        ifm_quant_pack(dtype, &block, bytes);
    }
}
