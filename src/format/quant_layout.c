/*
 * Where each quantized type keeps its bits. Fields of a block in their order; n × means one
 * for each of n numbers, of which 32 neighbours lie in 32 neighbouring bytes:
 *
 *     q8_0   d f16 │ 32 × 8 bits, signed
 *     q4_0   d │ 32 × 4                    16 numbers in the low halves, 16 in the high ones
 *     q4_1   d, m │ 32 × 4
 *     q5_0   d │ 32 × fifth bit │ 32 × 4
 *     q5_1   d, m │ 32 × fifth bit │ 32 × 4
 *     q2_K   16 × (scale 4, min 4) │ 256 × 2 │ d, m
 *     q3_K   256 × third bit │ 256 × 2 │ 16 × scale 6 │ d
 *     q4_K   d, m │ 8 × (scale 6, min 6) │ 256 × 4
 *     q5_K   d, m │ 8 × (scale 6, min 6) │ 256 × fifth bit │ 256 × 4
 *     q6_K   256 × lower 4 │ 256 × upper 2 │ 16 × scale 8, signed │ d
 *
 * One function for both directions, so that packing cannot differ from unpacking.
 */
#include "format/quant_block.h"

#include <string.h>

/* An f16 at bytes[2]. */
static void half(bool pack, uint8_t *bytes, float *value)
{
    uint16_t bits;
    if (pack) {
        bits = ifm_f32_to_f16(*value);
        memcpy(bytes, &bits, sizeof bits);
    } else {
        memcpy(&bits, bytes, sizeof bits);
        *value = ifm_f16_to_f32(bits);
    }
}

/* The `width` bits from `shift` on of bytes[n] are the bits from `up` on of codes[n]. The
 * part of a code that lies lowest is moved first. */
static inline void bits(bool pack, uint8_t *bytes, int16_t *codes, int n, int shift,
                        int width, int up)
{
    const int mask = (1 << width) - 1;
    if (pack) {
        for (int i = 0; i < n; i++)
            bytes[i] = (uint8_t)(bytes[i] | (codes[i] >> up & mask) << shift);
    } else if (up == 0) {
        for (int i = 0; i < n; i++)
            codes[i] = (int16_t)(bytes[i] >> shift & mask);
    } else {
        for (int i = 0; i < n; i++)
            codes[i] = (int16_t)(codes[i] | (bytes[i] >> shift & mask) << up);
    }
}

static void signed_bytes(bool pack, uint8_t *bytes, int16_t *values, int n)
{
    for (int i = 0; i < n; i++) {
        if (pack)
            bytes[i] = (uint8_t)values[i];
        else
            values[i] = (int8_t)bytes[i];
    }
}

static void nibbles_of_32(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    bits(pack, bytes, x->code, 16, 0, 4, 0);
    bits(pack, bytes, x->code + 16, 16, 4, 4, 0);
}

/* Bit i of the 32 in bytes[4] is the fifth of code[i]. */
static void fifth_of_32(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    for (int i = 0; i < 32; i++)
        bits(pack, bytes + i / 8, x->code + i, 1, i % 8, 1, 4);
}

static void one_scale(ifm_quant_block *x)
{
    x->scale[0] = 1;
    x->min[0] = -1;
}

static void move_q8_0(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    one_scale(x);
    half(pack, bytes, &x->d);
    signed_bytes(pack, bytes + 2, x->code, 32);
}

static void move_q4_0(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    one_scale(x);
    half(pack, bytes, &x->d);
    nibbles_of_32(pack, bytes + 2, x);
}

static void move_q4_1(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    one_scale(x);
    half(pack, bytes, &x->d);
    half(pack, bytes + 2, &x->m);
    nibbles_of_32(pack, bytes + 4, x);
}

static void move_q5_0(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    one_scale(x);
    half(pack, bytes, &x->d);
    nibbles_of_32(pack, bytes + 6, x);
    fifth_of_32(pack, bytes + 2, x);
}

static void move_q5_1(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    one_scale(x);
    half(pack, bytes, &x->d);
    half(pack, bytes + 2, &x->m);
    nibbles_of_32(pack, bytes + 8, x);
    fifth_of_32(pack, bytes + 4, x);
}

/* Two bits of 128 numbers in 32 bytes: the first 32 numbers in the lowest bits. */
static void pairs_of_256(bool pack, uint8_t *bytes, ifm_quant_block *x, int up)
{
    for (int i = 0; i < 8; i++)
        bits(pack, bytes + i / 4 * 32, x->code + 32 * i, 32, i % 4 * 2, 2, up);
}

/* One bit of 256 numbers in 32 bytes, likewise. */
static void single_of_256(bool pack, uint8_t *bytes, ifm_quant_block *x, int up)
{
    for (int i = 0; i < 8; i++)
        bits(pack, bytes, x->code + 32 * i, 32, i, 1, up);
}

/* Four bits of 64 numbers in 32 bytes, likewise. */
static void nibbles_of_256(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    for (int i = 0; i < 8; i++)
        bits(pack, bytes + i / 2 * 32, x->code + 32 * i, 32, i % 2 * 4, 4, 0);
}

static void move_q2_K(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    bits(pack, bytes, x->scale, 16, 0, 4, 0);
    bits(pack, bytes, x->min, 16, 4, 4, 0);
    pairs_of_256(pack, bytes + 16, x, 0);
    half(pack, bytes + 80, &x->d);
    half(pack, bytes + 82, &x->m);
}

/* 16 scales of 6 bits, 32 more than they mean: 4 bits in the halves of 8 bytes, the upper
 * two in 4 more. */
static void move_q3_K(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    int16_t raised[16] = {0};
    pairs_of_256(pack, bytes + 32, x, 0);
    single_of_256(pack, bytes, x, 2);
    for (int i = 0; pack && i < 16; i++)
        raised[i] = (int16_t)(x->scale[i] + 32);
    for (int i = 0; i < 2; i++)
        bits(pack, bytes + 96, raised + 8 * i, 8, 4 * i, 4, 0);
    for (int i = 0; i < 4; i++)
        bits(pack, bytes + 104, raised + 4 * i, 4, 2 * i, 2, 4);
    for (int i = 0; !pack && i < 16; i++)
        x->scale[i] = (int16_t)(raised[i] - 32);
    half(pack, bytes + 108, &x->d);
}

/* 8 scales and 8 minima of 6 bits in 12 bytes: the first four of each take six bits of 4
 * bytes, whose upper two bits and the halves of the last 4 bytes hold the other four. */
static void scales_of_8(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    bits(pack, bytes, x->scale, 4, 0, 6, 0);
    bits(pack, bytes + 4, x->min, 4, 0, 6, 0);
    bits(pack, bytes + 8, x->scale + 4, 4, 0, 4, 0);
    bits(pack, bytes + 8, x->min + 4, 4, 4, 4, 0);
    bits(pack, bytes, x->scale + 4, 4, 6, 2, 4);
    bits(pack, bytes + 4, x->min + 4, 4, 6, 2, 4);
}

static void move_q4_K(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    half(pack, bytes, &x->d);
    half(pack, bytes + 2, &x->m);
    scales_of_8(pack, bytes + 4, x);
    nibbles_of_256(pack, bytes + 16, x);
}

static void move_q5_K(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    half(pack, bytes, &x->d);
    half(pack, bytes + 2, &x->m);
    scales_of_8(pack, bytes + 4, x);
    nibbles_of_256(pack, bytes + 48, x);
    single_of_256(pack, bytes + 16, x, 4);
}

/* Four bits of 128 numbers in 64 bytes: numbers 0…63 in the low halves, the rest above. */
static void move_q6_K(bool pack, uint8_t *bytes, ifm_quant_block *x)
{
    for (int i = 0; i < 4; i++)
        bits(pack, bytes + i / 2 * 64, x->code + 64 * i, 64, i % 2 * 4, 4, 0);
    pairs_of_256(pack, bytes + 128, x, 4);
    signed_bytes(pack, bytes + 192, x->scale, 16);
    half(pack, bytes + 208, &x->d);
}

const ifm_quant_type *ifm_quant_type_of(ifm_dtype dtype)
{
    static const ifm_quant_type types[] = {
        /* part, zero, codes, scales, minima */
        [IFM_DTYPE_Q8_0] = {32, 0, -127, 127, 1, 1, 0, move_q8_0},
        [IFM_DTYPE_Q4_0] = {32, 8, 0, 15, 1, 1, 0, move_q4_0},
        [IFM_DTYPE_Q4_1] = {32, 0, 0, 15, 1, 1, -1, move_q4_1},
        [IFM_DTYPE_Q5_0] = {32, 16, 0, 31, 1, 1, 0, move_q5_0},
        [IFM_DTYPE_Q5_1] = {32, 0, 0, 31, 1, 1, -1, move_q5_1},
        [IFM_DTYPE_Q2_K] = {16, 0, 0, 3, 15, 0, 15, move_q2_K},
        [IFM_DTYPE_Q3_K] = {16, 4, 0, 7, 31, -32, 0, move_q3_K},
        [IFM_DTYPE_Q4_K] = {32, 0, 0, 15, 63, 0, 63, move_q4_K},
        [IFM_DTYPE_Q5_K] = {32, 0, 0, 31, 63, 0, 63, move_q5_K},
        [IFM_DTYPE_Q6_K] = {16, 32, 0, 63, 127, -128, 0, move_q6_K},
    };
    return &types[dtype];
}

void ifm_quant_unpack(ifm_dtype dtype, const void *bytes, ifm_quant_block *block)
{
    uint8_t copy[IFM_QUANT_MAX_BYTES];
    memcpy(copy, bytes, ifm_dtype_block_bytes(dtype));
    ifm_quant_type_of(dtype)->move(false, copy, block);
}

void ifm_quant_pack(ifm_dtype dtype, ifm_quant_block *block, void *bytes)
{
    memset(bytes, 0, ifm_dtype_block_bytes(dtype));
    ifm_quant_type_of(dtype)->move(true, bytes, block);
}
