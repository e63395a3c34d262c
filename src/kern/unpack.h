/*
 * Part of vec.h: blocks of quantized numbers to what every type of them has in common, small
 * whole numbers and the scale and offset of each part of 16 or 32:
 *
 *     w = d u + m,   0 ≤ u < 256
 *
 * once for many rows of x, so compilers' own vectors do. Layouts are GGUF's (ggml's block types, format/quant.h); a type that stores
 * signed numbers q has u = q - least q and m = d (least q), which f32 holds exactly where d
 * itself is f16.
 */

/* Where a block goes. */
typedef struct unpacked {
    uint8_t *u;   /* its numbers, in order of k */
    float *d, *m; /* scale and offset of part j at [j step] */
    int64_t step;
} unpacked;

/* Numbers of a part: those that share a scale. */
ALWAYS_INLINE int64_t quant_part(ifm_dtype dtype)
{
    return dtype == IFM_DTYPE_Q2_K || dtype == IFM_DTYPE_Q3_K || dtype == IFM_DTYPE_Q6_K
               ? 16
               : 32;
}

/* Numbers and bytes of a block, as constants. */
ALWAYS_INLINE int64_t quant_block(ifm_dtype dtype)
{
    switch (dtype) {
#define X(NAME, name, bytes, numbers)                                                    \
    case IFM_DTYPE_##NAME:                                                               \
        return numbers;
        IFM_DTYPE_QUANT_LIST(X)
#undef X
    default:
        return 1;
    }
}

ALWAYS_INLINE int64_t quant_bytes(ifm_dtype dtype)
{
    switch (dtype) {
#define X(NAME, name, bytes, numbers)                                                    \
    case IFM_DTYPE_##NAME:                                                               \
        return bytes;
        IFM_DTYPE_QUANT_LIST(X)
#undef X
    default:
        return dtype == IFM_DTYPE_F32 ? 4 : 2;
    }
}

/* Vectors of bytes, as compilers have them for every processor. */
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint8_t bytes32 __attribute__((vector_size(32)));
typedef uint64_t words4 __attribute__((vector_size(32)));

ALWAYS_INLINE bytes32 load32(const uint8_t *p)
{
    bytes32 x;
    memcpy(&x, p, sizeof x);
    return x;
}

ALWAYS_INLINE void store32(uint8_t *p, bytes32 x)
{
    memcpy(p, &x, sizeof x);
}

/* 32 nibbles, the low ones of 16 bytes first, with `fifth` bits above them. In halves: a
 * vector put together from halves in memory would wait for both. */
ALWAYS_INLINE void store_nibbles(uint8_t *u, const uint8_t *q, bytes32 fifth)
{
    bytes16 bits[2], x;
    memcpy(bits, &fifth, sizeof bits);
    memcpy(&x, q, sizeof x);
    const bytes16 low = (x & 15) | bits[0], high = x >> 4 | bits[1];
    memcpy(u, &low, sizeof low);
    memcpy(u + 16, &high, sizeof high);
}

/* Bit i of `high` as bit 4 of number i. */
ALWAYS_INLINE bytes32 fifth_bits(uint32_t high)
{
    const bytes32 bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128,
                         1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint64_t ones = 0x0101010101010101u;
    const words4 each = {(high & 255) * ones, (high >> 8 & 255) * ones,
                         (high >> 16 & 255) * ones, (high >> 24) * ones};
    return (bytes32)(((bytes32)each & bit) != 0) & 16;
}

ALWAYS_INLINE uint32_t read_u32(const uint8_t *b)
{
    uint32_t x;
    memcpy(&x, b, sizeof x);
    return x;
}

ALWAYS_INLINE void unpack_Q8_0(const uint8_t *b, const unpacked *to)
{
    to->d[0] = v_number_f16(b);
    to->m[0] = -128 * to->d[0];
    store32(to->u, load32(b + 2) ^ 0x80);
}

ALWAYS_INLINE void unpack_Q4_0(const uint8_t *b, const unpacked *to)
{
    to->d[0] = v_number_f16(b);
    to->m[0] = -8 * to->d[0];
    store_nibbles(to->u, b + 2, (bytes32){0});
}

ALWAYS_INLINE void unpack_Q4_1(const uint8_t *b, const unpacked *to)
{
    to->d[0] = v_number_f16(b);
    to->m[0] = v_number_f16(b + 2);
    store_nibbles(to->u, b + 4, (bytes32){0});
}

ALWAYS_INLINE void unpack_Q5_0(const uint8_t *b, const unpacked *to)
{
    to->d[0] = v_number_f16(b);
    to->m[0] = -16 * to->d[0];
    store_nibbles(to->u, b + 6, fifth_bits(read_u32(b + 2)));
}

ALWAYS_INLINE void unpack_Q5_1(const uint8_t *b, const unpacked *to)
{
    to->d[0] = v_number_f16(b);
    to->m[0] = v_number_f16(b + 2);
    store_nibbles(to->u, b + 8, fifth_bits(read_u32(b + 4)));
}

/* Two bits of 32 bytes four times, 128 numbers. */
ALWAYS_INLINE void unpack_pairs_of_bits(const uint8_t *q, uint8_t *u)
{
    const bytes32 all = load32(q);
    for (int j = 0; j < 4; j++)
        store32(u + 32 * j, all >> 2 * j & 3);
}

/* scales[16] of scale and minimum, 4 bits each; 64 bytes of 2 bits; d, dmin. */
ALWAYS_INLINE void unpack_Q2_K(const uint8_t *b, const unpacked *to)
{
    const float d = v_number_f16(b + 80), least = v_number_f16(b + 82);
    for (int i = 0; i < 16; i++) {
        to->d[i * to->step] = d * (float)(b[i] & 15);
        to->m[i * to->step] = -least * (float)(b[i] >> 4);
    }
    unpack_pairs_of_bits(b + 16, to->u);
    unpack_pairs_of_bits(b + 48, to->u + 128);
}

/* Third bits [32], one bit of each byte per 32 numbers; 64 bytes of 2 bits; 16 scales of 6
 * bits: the low 4 of all in 8 bytes, the high 2 in 4; d. */
ALWAYS_INLINE void unpack_Q3_K(const uint8_t *b, const unpacked *to)
{
    const float d = v_number_f16(b + 108);
    const uint8_t *s = b + 96;
    for (int i = 0; i < 16; i++) {
        const int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
        const int high = s[8 + i % 4] >> i / 4 * 2 & 3;
        to->d[i * to->step] = d * (float)((low | high << 4) - 32);
        to->m[i * to->step] = -4 * to->d[i * to->step];
    }
    unpack_pairs_of_bits(b + 32, to->u);
    unpack_pairs_of_bits(b + 64, to->u + 128);
    const bytes32 third = load32(b);
    for (int j = 0; j < 8; j++)
        store32(to->u + 32 * j, load32(to->u + 32 * j) | (third >> j & 1) << 2);
}

/* d, dmin, and eight scales and minimums of 6 bits in 12 bytes, of q4_K and q5_K. */
ALWAYS_INLINE void unpack_scales_k(const uint8_t *b, const unpacked *to)
{
    const float d = v_number_f16(b), least = v_number_f16(b + 2);
    const uint8_t *s = b + 4;
    for (int i = 0; i < 4; i++) {
        to->d[i * to->step] = d * (float)(s[i] & 63);
        to->m[i * to->step] = -least * (float)(s[i + 4] & 63);
        to->d[(i + 4) * to->step] = d * (float)((s[i + 8] & 15) | (s[i] >> 6 << 4));
        to->m[(i + 4) * to->step] =
            -least * (float)(s[i + 8] >> 4 | (s[i + 4] >> 6 << 4));
    }
}

/* 128 bytes of nibbles: 32 bytes are 32 low ones, then 32 high ones. */
ALWAYS_INLINE void unpack_nibbles_k(const uint8_t *q, uint8_t *u)
{
    for (int j = 0; j < 4; j++) {
        const bytes32 both = load32(q + 32 * j);
        store32(u + 64 * j, both & 15);
        store32(u + 64 * j + 32, both >> 4);
    }
}

ALWAYS_INLINE void unpack_Q4_K(const uint8_t *b, const unpacked *to)
{
    unpack_scales_k(b, to);
    unpack_nibbles_k(b + 16, to->u);
}

/* As q4_K, with fifth bits [32] before the nibbles, one of each byte per 32 numbers. */
ALWAYS_INLINE void unpack_Q5_K(const uint8_t *b, const unpacked *to)
{
    unpack_scales_k(b, to);
    unpack_nibbles_k(b + 48, to->u);
    const bytes32 fifth = load32(b + 16);
    for (int j = 0; j < 8; j++)
        store32(to->u + 32 * j, load32(to->u + 32 * j) | (fifth >> j & 1) << 4);
}

/* 128 bytes of low nibbles, 64 of two high bits, 16 scales of 8 bits, d. Of 128 numbers, 64
 * bytes hold the low nibbles of the first 64 and, above, of the last 64. */
ALWAYS_INLINE void unpack_Q6_K(const uint8_t *b, const unpacked *to)
{
    const float d = v_number_f16(b + 208);
    for (int i = 0; i < 16; i++) {
        to->d[i * to->step] = d * (float)(int8_t)b[192 + i];
        to->m[i * to->step] = -32 * to->d[i * to->step];
    }
    for (int h = 0; h < 2; h++) {
        const uint8_t *low = b + 64 * h;
        uint8_t *u = to->u + 128 * h;
        const bytes32 high = load32(b + 128 + 32 * h);
        for (int j = 0; j < 4; j++) {
            const bytes32 nibble = load32(low + j % 2 * 32) >> j / 2 * 4 & 15;
            store32(u + 32 * j, nibble | (high >> 2 * j & 3) << 4);
        }
    }
}

/* A block of the type. */
ALWAYS_INLINE void unpack(ifm_dtype dtype, const uint8_t *block, const unpacked *to)
{
    switch (dtype) {
#define X(NAME, name, bytes, numbers)                                                    \
    case IFM_DTYPE_##NAME:                                                               \
        unpack_##NAME(block, to);                                                        \
        break;
        IFM_DTYPE_QUANT_LIST(X)
#undef X
    default:
        break;
    }
}

/* The numbers of a block as f32 computes them. */
ALWAYS_INLINE void unpack_floats(ifm_dtype dtype, const uint8_t *block, float *x)
{
    const int64_t numbers = quant_block(dtype), part = quant_part(dtype);
    _Alignas(64) uint8_t u[256];
    float d[16], m[16];
    unpack(dtype, block, &(unpacked){.u = u, .d = d, .m = m, .step = 1});
    for (int64_t j = 0; j < numbers / part; j++)
        for (int64_t i = 0; i < part; i++)
            x[j * part + i] = d[j] * (float)u[j * part + i] + m[j];
}
