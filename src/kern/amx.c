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
#include <immintrin.h>
#include <string.h>

#include "base/checked.h"
#include "kern/blocks.h"
#include "kern/tables.h"
#include "os/cpu.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
    TILE = 16,  /* rows of a tile, columns of sums */
    DEPTH = 32, /* k of a tile */
    TILE_BYTES = 1024,
    STRIP = 2 * TILE,
    GROUP = 4, /* strips packed together: rows of w are read in longer runs */
    /* A strip of this depth takes 32 kB a part: the first cache, or a stream from the
     * second. Shorter blocks fetch and put back the sums more often. */
    K_BLOCK = 512,
    MAX_PARTS = 3,
    /* Below, few rows leave most of a tile empty: vectors are as fast. */
    FROM_ROWS = 17,
};

/* Parts of x for each type of w. */
static const int x_parts[IFM_DTYPE_COUNT] = {
    [IFM_DTYPE_F32] = 3,
    [IFM_DTYPE_F16] = 2,
    [IFM_DTYPE_BF16] = 2,
};

/* Palette 1: eight tiles of 16 rows of 64 bytes. */
static void configure_tiles(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes_per_row[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.bytes_per_row[i] = 64;
        config.rows[i] = TILE;
    }
    _tile_loadconfig(&config);
}

static inline __m512 leading(__m512 x)
{
    const __m512i mask = _mm512_set1_epi32((int)0xffff0000u);
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), mask));
}

/* 32 floats, given as two halves, to bf16, rounded. */
static inline __m512i to_bf16(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/* One row's 32 k to `parts` tiles, 1 kB apart. */
ALWAYS_INLINE void split_row(__m512 low, __m512 high, int parts, unsigned char *out)
{
    for (int i = 0; i + 1 < parts; i++) {
        const __m512 a = leading(low), b = leading(high);
        _mm512_store_si512(out + i * TILE_BYTES, to_bf16(a, b));
        low = _mm512_sub_ps(low, a);
        high = _mm512_sub_ps(high, b);
    }
    _mm512_store_si512(out + (parts - 1) * TILE_BYTES, to_bf16(low, high));
}

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

#define DEFINE_PACK(NAME, name, bytes)                                                   \
    static void pack_##NAME(const ifm_product *p, int64_t t0, int64_t t1, void *packed)  \
    {                                                                                    \
        pack_rows(p, t0, t1, x_parts[IFM_DTYPE_##NAME], packed);                         \
    }
IFM_DTYPE_FLOAT_LIST(DEFINE_PACK)
#undef DEFINE_PACK

/* Interleaves the leading halves of two rows of 16 columns: word 2n of column n is the
 * upper row's, word 2n + 1 the lower's. */
static inline __m512i pair(__m512 upper, __m512 lower)
{
    const __m512i mask = _mm512_set1_epi32((int)0xffff0000u);
    const __m512i u = _mm512_srli_epi32(_mm512_castps_si512(upper), 16);
    /* u | (lower & mask) */
    return _mm512_ternarylogic_epi32(u, _mm512_castps_si512(lower), mask, 0xf8);
}

/* 16 numbers of a row of w from number i on, those of `mask`. */
ALWAYS_INLINE __m512 load_row(const void *w, int64_t i, __mmask16 mask, ifm_dtype dtype)
{
    const char *at = (const char *)w + i * (dtype == IFM_DTYPE_F32 ? 4 : 2);
    if (dtype == IFM_DTYPE_F32)
        return _mm512_maskz_loadu_ps(mask, at);
    const __m256i half = _mm256_maskz_loadu_epi16(mask, at);
    if (dtype == IFM_DTYPE_F16)
        return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* Two rows of 16 columns to `parts` pairs of tiles. */
ALWAYS_INLINE void split_pair(__m512 upper, __m512 lower, int parts, unsigned char *out)
{
    for (int i = 0; i < parts; i++) {
        _mm512_store_si512(out + i * 2 * TILE_BYTES, pair(upper, lower));
        if (i + 1 == parts)
            break;
        upper = _mm512_sub_ps(upper, leading(upper));
        lower = _mm512_sub_ps(lower, leading(lower));
    }
}

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

/* The sums of two tiles of rows with part j of w, in tiles 4 … 7: rows from part i of x. */
#define MULTIPLY(x, i)                                                                   \
    do {                                                                                 \
        _tile_loadd(0, (x) + (i)*TILE_BYTES, 64);                                        \
        _tile_loadd(1, (x) + (i)*TILE_BYTES + next_rows, 64);                            \
        _tile_dpbf16ps(4, 0, 2);                                                         \
        _tile_dpbf16ps(5, 0, 3);                                                         \
        _tile_dpbf16ps(6, 1, 2);                                                         \
        _tile_dpbf16ps(7, 1, 3);                                                         \
    } while (0)

/* Adds up `blocks` of K: x tiles from `x` (the second rows' `next_rows` bytes on), w tiles
 * from `strip`. */
ALWAYS_INLINE void multiply_tiles(ifm_dtype dtype, const unsigned char *x,
                                  int64_t next_rows, const unsigned char *strip,
                                  int64_t blocks, ifm_ahead *next)
{
    const int xs = dtype == IFM_DTYPE_F32 ? 3 : 2;
    const int ws = dtype == IFM_DTYPE_F32 ? 3 : dtype == IFM_DTYPE_F16 ? 2 : 1;
    for (int64_t b = 0; b < blocks; b++, x += xs * TILE_BYTES) {
        ifm_ahead_ask(next);
        for (int j = 0; j < ws; j++, strip += 2 * TILE_BYTES) {
            _tile_loadd(2, strip, 64);
            _tile_loadd(3, strip + TILE_BYTES, 64);
            MULTIPLY(x, 0);
            if (j + 1 < xs)
                MULTIPLY(x, 1);
            if (j + 2 < xs)
                MULTIPLY(x, 2);
        }
    }
}

static void load_sums(const float *y, int64_t stride)
{
    _tile_loadd(4, y, stride * 4);
    _tile_loadd(5, y + TILE, stride * 4);
    _tile_loadd(6, y + TILE * stride, stride * 4);
    _tile_loadd(7, y + TILE * stride + TILE, stride * 4);
}

static void store_sums(float *y, int64_t stride)
{
    _tile_stored(4, y, stride * 4);
    _tile_stored(5, y + TILE, stride * 4);
    _tile_stored(6, y + TILE * stride, stride * 4);
    _tile_stored(7, y + TILE * stride + TILE, stride * 4);
}

/* rows x width floats between y and a block of 32 x 32. */
static void copy_block(float *to, int64_t to_stride, const float *from,
                       int64_t from_stride, int64_t rows, int64_t width)
{
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_stride, from + i * from_stride, (size_t)width * sizeof *to);
}

/* y[t … t + rows)[n … n + width) = or += x strip, for up to 32 rows and columns. */
ALWAYS_INLINE void gemm_block(const ifm_product *p, ifm_dtype dtype, int64_t t, int64_t n,
                              int64_t width, const unsigned char *x, int64_t next_rows,
                              const unsigned char *strip, int64_t blocks, bool fresh,
                              ifm_ahead *next)
{
    _Alignas(64) float edge[STRIP * STRIP];
    float *y = p->y + t * p->y_stride + n;
    const int64_t rows = p->t - t < STRIP ? p->t - t : STRIP;
    const bool whole = rows == STRIP && width == STRIP;
    float *sums = whole ? y : edge;
    const int64_t stride = whole ? p->y_stride : STRIP;
    if (fresh) {
        _tile_zero(4);
        _tile_zero(5);
        _tile_zero(6);
        _tile_zero(7);
    } else {
        if (!whole) {
            memset(edge, 0, sizeof edge);
            copy_block(edge, STRIP, y, p->y_stride, rows, width);
        }
        load_sums(sums, stride);
    }
    multiply_tiles(dtype, x, next_rows, strip, blocks, next);
    store_sums(sums, stride);
    if (!whole)
        copy_block(y, p->y_stride, edge, STRIP, rows, width);
}

/* A block of k of one strip with all rows of x. */
ALWAYS_INLINE void gemm_strip(const ifm_product *p, ifm_dtype dtype, int64_t n,
                              int64_t width, int64_t k, int64_t blocks,
                              const unsigned char *strip, ifm_ahead *next)
{
    const int xs = x_parts[dtype];
    const int64_t all = (p->k1 - p->k0 + DEPTH - 1) / DEPTH;
    const int64_t tile_rows = all * xs * TILE_BYTES; /* bytes of 16 packed rows */
    const bool fresh = k == 0 && !p->accumulate;
    for (int64_t t = 0; t < p->t; t += STRIP) {
        const unsigned char *x = (const unsigned char *)p->packed + t / TILE * tile_rows +
                                 k / DEPTH * xs * TILE_BYTES;
        /* With an odd number of tiles of rows, the last is taken twice. */
        const int64_t next_rows = t + TILE < p->t ? tile_rows : 0;
        gemm_block(p, dtype, t, n, width, x, next_rows, strip, blocks, fresh, next);
    }
}

ALWAYS_INLINE void gemm_kn(const ifm_product *p, ifm_dtype dtype, int ws, void *scratch)
{
    const int64_t strip_bytes = (int64_t)K_BLOCK / DEPTH * ws * 2 * TILE_BYTES;
    const int64_t size = dtype == IFM_DTYPE_F32 ? 4 : 2;
    ifm_block now = {.n = p->n0}, later;
    bool more = ifm_block_next(p, GROUP * STRIP, K_BLOCK, &now);
    configure_tiles();
    while (more) {
        const int64_t blocks = (now.depth + DEPTH - 1) / DEPTH, n1 = now.n + now.width;
        const int64_t strips = (now.width + STRIP - 1) / STRIP;
        const int64_t steps = strips * blocks * ((p->t + STRIP - 1) / STRIP);
        later = now;
        more = ifm_block_next(p, GROUP * STRIP, K_BLOCK, &later);
        ifm_ahead next = {0};
        if (more)
            next = ifm_ahead_of(p, &later, size, steps);
        pack_group(p, dtype, ws, p->k0 + now.k, now.depth, now.n, n1, scratch,
                   strip_bytes);
        for (int64_t i = 0; i < strips; i++) {
            const int64_t n = now.n + i * STRIP;
            gemm_strip(p, dtype, n, n1 - n < STRIP ? n1 - n : STRIP, now.k, blocks,
                       (unsigned char *)scratch + i * strip_bytes, &next);
        }
        now = later;
    }
    _tile_release();
}

static void gemm_kn_F32(const ifm_product *p, void *scratch)
{
    gemm_kn(p, IFM_DTYPE_F32, 3, scratch);
}

static void gemm_kn_F16(const ifm_product *p, void *scratch)
{
    gemm_kn(p, IFM_DTYPE_F16, 2, scratch);
}

static void gemm_kn_BF16(const ifm_product *p, void *scratch)
{
    gemm_kn(p, IFM_DTYPE_BF16, 1, scratch);
}

static size_t packed_bytes(int64_t t, int64_t k)
{
    return MAX_PARTS * 2 * ifm_align_up((size_t)t, STRIP) *
           ifm_align_up((size_t)k, DEPTH);
}

void ifm_kern_amx(ifm_kern *table)
{
    /* In the order of the types: nothing is left out; x₂w₂ is; x keeps 16 bits. */
    static const float rounding[] = {0, 0x1p-16f, 0x1p-17f};
    const size_t strips = (size_t)GROUP * K_BLOCK / DEPTH * MAX_PARTS * 2 * TILE_BYTES;
    table->name = "amx";
    table->needs |= IFM_CPU_AMX_BF16 | IFM_CPU_AVX512_BF16;
    if (table->scratch_bytes < strips)
        table->scratch_bytes = strips;
#define FILL(NAME, name, bytes)                                                          \
    table->ways[IFM_LAYOUT_KN][IFM_DTYPE_##NAME][IFM_WAY_MANY] =                         \
        (ifm_way){.multiply = gemm_kn_##NAME,                                            \
                  .pack = pack_##NAME,                                                   \
                  .packed_bytes = packed_bytes,                                          \
                  .from_rows = FROM_ROWS,                                                \
                  .rounding = rounding[IFM_DTYPE_##NAME]};
    IFM_DTYPE_FLOAT_LIST(FILL)
#undef FILL
}
