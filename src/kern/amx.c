/*
 * AMX: products of many rows in tiles of 16 x 16 sums, bf16 in, f32 out, at a rate that
 * leaves room to be exact: numbers are split into bf16 parts, and the products of the parts
 * added up.
 *
 *     x = x₁ + x₂ (+ x₃)   each part the leading 8 bits of what is left
 *     w = w₁ (+ w₂ (+ w₃))
 *     w bf16: x₁w + x₂w                                    x keeps 16 bits
 *     w f16:  x₁w₁ + x₁w₂ + x₂w₁                           the same; w is exact in two
 *     w f32:  x₁w₁ + x₁w₂ + x₂w₁ + x₂w₂ + x₁w₃ + x₃w₁      all but terms of 2⁻²⁴
 * Henry, Tang and Heinecke 2019, "Leveraging the bfloat16 datatype for higher-precision
 * computations". Parts are cut, not rounded: three of them hold an f32 exactly, and the
 * rest of a subtraction is exact; the last of two parts of x is rounded.
 *
 * Layout. A tile is 1 kB, contiguous:
 *     x: [T/16, K/32, parts][16 rows, 32 k]         packed once, shared by all threads
 *     w: [K/32, parts, 2][16 pairs of k, 16 n, 2]   a strip of 32 columns, in scratch
 * and four tiles of sums, 32 rows x 32 columns, stay in registers along K.
 */
#include "kern/amx.h"

#include "base/checked.h"

/* Rows [t0, t1) of x, t0 a multiple of TILE; rows up to the next tile become zero. */
ALWAYS_INLINE void pack_rows(const ifm_product *p, int64_t t0, int64_t t1, int parts,
                             void *packed)
{
    const int64_t depth = p->k1 - p->k0, blocks = (depth + DEPTH - 1) / DEPTH;
    const int64_t end = (t1 + TILE - 1) / TILE * TILE;
    for (int64_t t = t0; t < end; t++) {
        const float *x = p->x + t * p->x_stride + p->k0;
        unsigned char *out = (unsigned char *)packed +
                             t / TILE * blocks * parts * TILE_BYTES + t % TILE * 64;
        for (int64_t k = 0; k < depth; k += DEPTH, out += parts * TILE_BYTES) {
            const int64_t left = t < t1 ? depth - k : 0;
            const uint32_t mask = left >= DEPTH ? UINT32_MAX : (1u << left) - 1;
            split_row(_mm512_maskz_loadu_ps((__mmask16)mask, x + k),
                      _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), x + k + 16), parts,
                      out);
        }
    }
}

#define DEFINE_PACK(PARTS)                                                               \
    void ifm_amx_pack_##PARTS(const ifm_product *p, int64_t t0, int64_t t1,              \
                              void *packed)                                              \
    {                                                                                    \
        pack_rows(p, t0, t1, PARTS, packed);                                             \
    }                                                                                    \
    size_t ifm_amx_packed_bytes_##PARTS(int64_t t, int64_t k)                            \
    {                                                                                    \
        return PARTS * 2 * ifm_align_up((size_t)t, STRIP) *                              \
               ifm_align_up((size_t)k, DEPTH);                                           \
    }
DEFINE_PACK(1)
DEFINE_PACK(2)
DEFINE_PACK(3)
#undef DEFINE_PACK

/* Two rows of one strip, of which `width` columns are there, to its pairs of tiles. */
ALWAYS_INLINE void pack_pair(const ifm_product *p, ifm_dtype dtype, int parts, int64_t at,
                             int64_t width, bool upper, bool lower, unsigned char *out)
{
    const uint32_t columns = width >= STRIP ? UINT32_MAX : (1u << width) - 1;
    for (int half = 0; half < 2; half++) {
        const __mmask16 mask = (__mmask16)(columns >> half * TILE);
        split_pair(
            load_row(p->w, at + half * TILE, upper ? mask : 0, dtype),
            load_row(p->w, at + half * TILE + p->w_stride, lower ? mask : 0, dtype),
            parts, out + half * TILE_BYTES);
    }
}

/* w[k0 … k0 + depth)[n0 … n1) to strips, zeros around it. */
ALWAYS_INLINE void pack_group(const ifm_product *p, ifm_dtype dtype, int parts,
                              int64_t k0, int64_t depth, int64_t n0, int64_t n1,
                              unsigned char *strips, int64_t strip_bytes)
{
    const int64_t end = (depth + DEPTH - 1) / DEPTH * DEPTH;
    for (int64_t k = 0; k < end; k += 2) {
        unsigned char *out = strips + k / DEPTH * parts * 2 * TILE_BYTES + k % DEPTH * 32;
        const int64_t row = (k0 + k) * p->w_stride;
        for (int64_t n = n0; n < n1; n += STRIP, out += strip_bytes)
            pack_pair(p, dtype, parts, row + n, n1 - n, k < depth, k + 1 < depth, out);
    }
}

ALWAYS_INLINE void gemm_kn(const ifm_product *p, ifm_dtype dtype, int xs, int ws,
                           void *scratch)
{
    const int64_t strip_bytes = (int64_t)K_BLOCK / DEPTH * ws * 2 * TILE_BYTES;
    const int64_t size = dtype == IFM_DTYPE_F32 ? 4 : 2;
    ifm_block now = {.n = p->n0}, later;
    bool more = next_along_n(p, K_BLOCK, &now);
    configure_tiles();
    while (more) {
        const int64_t blocks = (now.depth + DEPTH - 1) / DEPTH, n1 = now.n + now.width;
        const int64_t strips = (now.width + STRIP - 1) / STRIP;
        const int64_t steps = strips * blocks * ((p->t + STRIP - 1) / STRIP);
        later = now;
        more = next_along_n(p, K_BLOCK, &later);
        ifm_ahead next = {0};
        if (more)
            next = ifm_ahead_of(p, &later, size, steps);
        pack_group(p, dtype, ws, p->k0 + now.k, now.depth, now.n, n1, scratch,
                   strip_bytes);
        settle();
        for (int64_t i = 0; i < strips; i++) {
            const int64_t n = now.n + i * STRIP;
            gemm_strip(p, xs, ws, n, n1 - n < STRIP ? n1 - n : STRIP, now.k, blocks,
                       (unsigned char *)scratch + i * strip_bytes, &next);
        }
        now = later;
    }
    _tile_release();
}

static void gemm_kn_F32(const ifm_product *p, void *scratch)
{
    gemm_kn(p, IFM_DTYPE_F32, 3, 3, scratch);
}

static void gemm_kn_F16(const ifm_product *p, void *scratch)
{
    gemm_kn(p, IFM_DTYPE_F16, 2, 2, scratch);
}

static void gemm_kn_BF16(const ifm_product *p, void *scratch)
{
    gemm_kn(p, IFM_DTYPE_BF16, 2, 1, scratch);
}

void ifm_kern_amx(ifm_kern *table)
{
    /* In the order of the types: nothing is left out; x₂w₂ is; x keeps 16 bits. */
    static const float rounding[] = {0, 0x1p-16f, 0x1p-17f};
    const size_t strips = (size_t)GROUP * K_BLOCK / DEPTH * MAX_PARTS * 2 * TILE_BYTES;
    if (table->scratch_bytes < strips)
        table->scratch_bytes = strips;
#define FILL(NAME, PARTS)                                                                \
    table->ways[IFM_LAYOUT_KN][IFM_DTYPE_##NAME][IFM_WAY_MANY] =                         \
        (ifm_way){.multiply = gemm_kn_##NAME,                                            \
                  .pack = ifm_amx_pack_##PARTS,                                          \
                  .packed_bytes = ifm_amx_packed_bytes_##PARTS,                          \
                  .from_rows = FROM_ROWS,                                                \
                  .rounding = rounding[IFM_DTYPE_##NAME]};
    FILL(F32, 3)
    FILL(F16, 2)
    FILL(BF16, 2)
#undef FILL
    ifm_kern_amx_nk(table);
    ifm_kern_amx_quant(table);
    ifm_kern_amx_few(table);
    ifm_kern_amx_attend(table);
}
