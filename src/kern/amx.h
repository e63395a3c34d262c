/*
 * AMX: products of tiles of bf16, and how the numbers of other types become several of
 * them. amx.c has the idea and the layout; amx_nk.c shares it.
 */
#ifndef IFM_KERN_AMX_H
#define IFM_KERN_AMX_H

#include <immintrin.h>
#include <string.h>

#include "kern/blocks.h"
#include "kern/tables.h"

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

/* Packing of x in so many parts: amx.c. */
void ifm_amx_pack_1(const ifm_product *p, int64_t t0, int64_t t1, void *packed);
void ifm_amx_pack_2(const ifm_product *p, int64_t t0, int64_t t1, void *packed);
void ifm_amx_pack_3(const ifm_product *p, int64_t t0, int64_t t1, void *packed);
size_t ifm_amx_packed_bytes_1(int64_t t, int64_t k);
size_t ifm_amx_packed_bytes_2(int64_t t, int64_t k);
size_t ifm_amx_packed_bytes_3(int64_t t, int64_t k);

/* Fills in the ways of NK matrices: amx_nk.c. */
void ifm_kern_amx_nk(ifm_kern *table);
/* Those of few rows with quantized weights: amx_quant.c. */
void ifm_kern_amx_quant(ifm_kern *table);
/* And that of few rows with bf16 NK matrices: amx_few.c. */
void ifm_kern_amx_few(ifm_kern *table);
/* And that of attention: amx_attend.c. */
void ifm_kern_amx_attend(ifm_kern *table);

/* What was stored before is in memory before a tile instruction reads it: compilers do not
 * know that those read memory (GCC 12 names 8 of the 64 bytes of a configuration). */
static inline void settle(void)
{
    __asm__ volatile("" ::: "memory");
}

/* Palette 1: eight tiles of 16 rows of 64 bytes. */
static inline void configure_tiles(void)
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
    __asm__ volatile("ldtilecfg %0" ::"m"(config));
    settle();
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

/* The sums of two tiles of rows with part j of w, in tiles 4 … 7: rows from part i of x. */
#define MULTIPLY(load, x, i)                                                             \
    do {                                                                                 \
        load(0, (x) + (i)*TILE_BYTES, 64);                                               \
        load(1, (x) + (i)*TILE_BYTES + next_rows, 64);                                   \
        _tile_dpbf16ps(4, 0, 2);                                                         \
        _tile_dpbf16ps(5, 0, 3);                                                         \
        _tile_dpbf16ps(6, 1, 2);                                                         \
        _tile_dpbf16ps(7, 1, 3);                                                         \
    } while (0)

/* Adds up `blocks` of K: x tiles from `x` (the second rows' `next_rows` bytes on), w tiles
 * from `strip`. x passes by: loaded so that it does not displace the strip in the first
 * cache, unless it is soon loaded again for other parts of w. */
ALWAYS_INLINE void multiply_tiles(int xs, int ws, const unsigned char *x,
                                  int64_t next_rows, const unsigned char *strip,
                                  int64_t blocks, ifm_ahead *next)
{
    for (int64_t b = 0; b < blocks; b++, x += xs * TILE_BYTES) {
        ifm_ahead_ask(next);
        for (int j = 0; j < ws; j++, strip += 2 * TILE_BYTES) {
            _tile_loadd(2, strip, 64);
            _tile_loadd(3, strip + TILE_BYTES, 64);
            if (ws <= 2) {
                MULTIPLY(_tile_stream_loadd, x, 0);
                if (j + 1 < xs)
                    MULTIPLY(_tile_stream_loadd, x, 1);
                continue;
            }
            MULTIPLY(_tile_loadd, x, 0);
            if (j + 1 < xs)
                MULTIPLY(_tile_loadd, x, 1);
            if (j + 2 < xs)
                MULTIPLY(_tile_loadd, x, 2);
        }
    }
}

static inline void load_sums(const float *y, int64_t stride)
{
    _tile_loadd(4, y, stride * 4);
    _tile_loadd(5, y + TILE, stride * 4);
    _tile_loadd(6, y + TILE * stride, stride * 4);
    _tile_loadd(7, y + TILE * stride + TILE, stride * 4);
}

static inline void store_sums(float *y, int64_t stride)
{
    _tile_stored(4, y, stride * 4);
    _tile_stored(5, y + TILE, stride * 4);
    _tile_stored(6, y + TILE * stride, stride * 4);
    _tile_stored(7, y + TILE * stride + TILE, stride * 4);
}

/* rows x width floats between y and a block of 32 x 32. */
static inline void copy_block(float *to, int64_t to_stride, const float *from,
                              int64_t from_stride, int64_t rows, int64_t width)
{
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_stride, from + i * from_stride, (size_t)width * sizeof *to);
}

/* y[t … t + rows)[n … n + width) = or += x strip, for up to 32 rows and columns. */
ALWAYS_INLINE void gemm_block(const ifm_product *p, int xs, int ws, int64_t t, int64_t n,
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
        settle();
        load_sums(sums, stride);
    }
    multiply_tiles(xs, ws, x, next_rows, strip, blocks, next);
    store_sums(sums, stride);
    if (!whole)
        copy_block(y, p->y_stride, edge, STRIP, rows, width);
}

/* A block of k of one strip with all rows of x. */
ALWAYS_INLINE void gemm_strip(const ifm_product *p, int xs, int ws, int64_t n,
                              int64_t width, int64_t k, int64_t blocks,
                              const unsigned char *strip, ifm_ahead *next)
{
    const int64_t all = (p->k1 - p->k0 + DEPTH - 1) / DEPTH;
    const int64_t tile_rows = all * xs * TILE_BYTES; /* bytes of 16 packed rows */
    const bool fresh = k == 0 && !p->accumulate;
    for (int64_t t = 0; t < p->t; t += STRIP) {
        if (t + STRIP < p->t)
            for (int64_t i = t + STRIP; i < t + 2 * STRIP && i < p->t; i++) {
                __builtin_prefetch(p->y + i * p->y_stride + n, 1, 2);
                __builtin_prefetch(p->y + i * p->y_stride + n + TILE, 1, 2);
            }
        const unsigned char *x = (const unsigned char *)p->packed + t / TILE * tile_rows +
                                 k / DEPTH * xs * TILE_BYTES;
        /* With an odd number of tiles of rows, the last is taken twice. */
        const int64_t next_rows = t + TILE < p->t ? tile_rows : 0;
        gemm_block(p, xs, ws, t, n, width, x, next_rows, strip, blocks, fresh, next);
    }
}

/* To the next block, along n, then along k: the rows of x that belong to one block of k
 * stay in the second cache. The first from {.n = p->n0}. */
ALWAYS_INLINE bool next_along_n(const ifm_product *p, int64_t deep, ifm_block *b)
{
    const int64_t depth = p->k1 - p->k0;
    b->n += b->width;
    if (b->n >= p->n1) {
        b->n = p->n0;
        b->k += b->depth;
    }
    if (b->k >= depth || p->n0 >= p->n1)
        return false;
    b->width = p->n1 - b->n < GROUP * STRIP ? p->n1 - b->n : GROUP * STRIP;
    b->depth = depth - b->k < deep ? depth - b->k : deep;
    return true;
}

#endif
