/*
 * AVX-512 VNNI: products of many rows of x, in 8 bits (kern/q8.h), with quantized weights.
 *
 *     for each STRIP of columns, each K_BLOCK of k:
 *         unpack w to bytes, four k of a column side by side, and its scales, into scratch
 *         for each ROWS rows of x:
 *             for each part of 16 or 32 numbers:
 *                 whole sums [ROWS, STRIP] by dot products of four bytes
 *                 sums += d scale (whole sums) + m (scale Σ q)
 *
 * Whole and real sums of 6 rows and 2 vectors of columns stay in the registers. Of twelve
 * instructions with a part of 32, eight are dot products: two thirds of their peak is what
 * can be reached, half with parts of 16.
 */
#include <immintrin.h>

#include "kern/q8.h"
#include "kern/tables.h"
#include "kern/vec_avx512.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

#include "kern/unpack.h"

enum {
    LANES = 16,
    VECTORS = 2,
    STRIP = VECTORS * LANES,
    ROWS = 6,
    K_BLOCK = 512,
    STEP = 4, /* numbers of a dot product */
    BLOCK = IFM_Q8_BLOCK,
    /* Of 32 k in scratch: bytes, then scales and offsets of two parts at most. */
    BLOCK_BYTES = STRIP * BLOCK + 2 * 2 * STRIP * 4,
    SCRATCH_BYTES = K_BLOCK / BLOCK * BLOCK_BYTES,
    /* Below, what unpacks into registers is as fast. */
    FROM_ROWS = 17,
};

/* A block of scratch. */
typedef struct block {
    uint8_t u[BLOCK / STEP][VECTORS][LANES][STEP];
    float d[2][STRIP], m[2][STRIP]; /* of the first and second 16, or of all */
} block;

/* Numbers of one row of each lane, 256 of k: by rows, scales by columns. */
typedef struct lanes {
    _Alignas(64) uint8_t u[LANES][256];
    _Alignas(64) float d[16][LANES], m[16][LANES];
} lanes;

/* Numbers [k, k + depth), depth ≤ 256, of 16 rows, as far as they are there. */
ALWAYS_INLINE void unpack_lanes(const ifm_product *p, ifm_dtype dtype, int64_t n,
                                int64_t k, int64_t depth, lanes *to)
{
    const int64_t numbers = quant_block(dtype), bytes = quant_bytes(dtype);
    const int64_t stride = p->w_stride / numbers * bytes,
                  parts = numbers / quant_part(dtype);
    for (int64_t j = 0; j < LANES && n + j < p->n1; j++) {
        const uint8_t *w = (const uint8_t *)p->w + (n + j) * stride + k / numbers * bytes;
        for (int64_t b = 0; b < depth / numbers; b++, w += bytes)
            unpack(dtype, w,
                   &(unpacked){.u = to->u[j] + b * numbers,
                               .d = to->d[b * parts] + j,
                               .m = to->m[b * parts] + j,
                               .step = LANES});
    }
}

/* 16 columns, vector v of a strip, to blocks of scratch: rows of four bytes turned. */
ALWAYS_INLINE void turn_lanes(const lanes *from, int64_t depth, int64_t part, int v,
                              block *to)
{
    const int64_t parts = BLOCK / part;
    for (int64_t k = 0; k < depth; k += 64) {
        __m512 r[16];
        for (int j = 0; j < 16; j++)
            r[j] = _mm512_load_ps((const float *)(const void *)(from->u[j] + k));
        v_transpose(r);
        for (int j = 0; j < 16 && k + j * STEP < depth; j++)
            _mm512_store_ps((float *)(void *)to[k / BLOCK + j / 8].u[j % 8][v], r[j]);
    }
    for (int64_t i = 0; i < depth / BLOCK; i++)
        for (int64_t j = 0; j < parts; j++) {
            _mm512_store_ps(to[i].d[j] + v * LANES,
                            _mm512_load_ps(from->d[i * parts + j]));
            _mm512_store_ps(to[i].m[j] + v * LANES,
                            _mm512_load_ps(from->m[i * parts + j]));
        }
}

/* A strip's block of k. */
ALWAYS_INLINE void pack_strip(const ifm_product *p, ifm_dtype dtype, int64_t n, int64_t k,
                              int64_t depth, lanes *between, block *to)
{
    for (int v = 0; v < VECTORS; v++)
        for (int64_t i = 0; i < depth; i += 256) {
            const int64_t some = depth - i < 256 ? depth - i : 256;
            unpack_lanes(p, dtype, n + v * LANES, k + i, some, between);
            turn_lanes(between, some, quant_part(dtype), v, to + i / BLOCK);
        }
}

/* What stays the same for a strip's block of k. */
typedef struct place {
    const ifm_product *p;
    const block *w;
    int64_t n, k, blocks;
    int64_t row_bytes; /* of x */
    bool fresh;        /* y starts from zero */
} place;

ALWAYS_INLINE __mmask16 columns_of(const place *at, int v)
{
    const int64_t left = at->p->n1 - at->n - v * LANES;
    return left >= LANES ? 0xffff : left <= 0 ? 0 : (__mmask16)((1u << left) - 1);
}

/* sum += one part of M rows: `steps` dot products from number `k` of the block on. */
ALWAYS_INLINE void add_part(int M, int steps, const unsigned char *x, int64_t row_bytes,
                            const block *w, int half, const float *scale,
                            const float *total, __m512 sum[ROWS][VECTORS])
{
    __m512i whole[ROWS][VECTORS];
    for (int m = 0; m < M; m++)
        for (int v = 0; v < VECTORS; v++)
            whole[m][v] = _mm512_setzero_si512();
    for (int s = half * steps; s < (half + 1) * steps; s++) {
        __m512i u[VECTORS];
        for (int v = 0; v < VECTORS; v++)
            u[v] = _mm512_load_si512(w->u[s][v]);
        for (int m = 0; m < M; m++) {
            int32_t four;
            memcpy(&four, x + m * row_bytes + s * STEP, sizeof four);
            const __m512i q = _mm512_set1_epi32(four);
            for (int v = 0; v < VECTORS; v++)
                whole[m][v] = _mm512_dpbusd_epi32(whole[m][v], u[v], q);
        }
    }
    for (int m = 0; m < M; m++) {
        const float *of_row =
            (const float *)(const void *)((const char *)scale + m * row_bytes);
        const float *sums =
            (const float *)(const void *)((const char *)total + m * row_bytes);
        for (int v = 0; v < VECTORS; v++) {
            const __m512 d = _mm512_mul_ps(_mm512_load_ps(w->d[half] + v * LANES),
                                           _mm512_set1_ps(*of_row));
            sum[m][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole[m][v]), d, sum[m][v]);
            sum[m][v] = _mm512_fmadd_ps(_mm512_load_ps(w->m[half] + v * LANES),
                                        _mm512_set1_ps(*sums), sum[m][v]);
        }
    }
}

/* M rows of x from row t on with the strip's block. */
ALWAYS_INLINE void multiply_rows(const place *at, int M, int part, int64_t t)
{
    const ifm_product *p = at->p;
    const unsigned char *x = (const unsigned char *)p->packed + t * at->row_bytes;
    const float *scale =
        (const float *)(const void *)(x + ifm_q8_scale_at(p->k1)) + at->k / BLOCK;
    const float *total =
        (const float *)(const void *)(x + (part == 32 ? ifm_q8_sum32_at(p->k1)
                                                      : ifm_q8_sum16_at(p->k1))) +
        at->k / part;
    float *y = p->y + t * p->y_stride + at->n;
    __m512 sum[ROWS][VECTORS];
    for (int m = 0; m < M; m++)
        for (int v = 0; v < VECTORS; v++)
            sum[m][v] = _mm512_maskz_loadu_ps(at->fresh ? 0 : columns_of(at, v),
                                              y + m * p->y_stride + v * LANES);
    /* y's lines of the next rows are asked for: waiting for them took a third of the time. */
    for (int m = 0; m < M && t + M + m < p->t; m++)
        for (int v = 0; v < VECTORS; v++)
            __builtin_prefetch(y + (M + m) * p->y_stride + v * LANES, 1, 3);
    x += at->k;
    for (int64_t b = 0; b < at->blocks; b++, x += BLOCK, scale++, total += BLOCK / part)
        for (int half = 0; half < BLOCK / part; half++)
            add_part(M, part / STEP, x, at->row_bytes, at->w + b, half, scale,
                     total + half, sum);
    for (int m = 0; m < M; m++)
        for (int v = 0; v < VECTORS; v++)
            _mm512_mask_storeu_ps(y + m * p->y_stride + v * LANES, columns_of(at, v),
                                  sum[m][v]);
}

ALWAYS_INLINE void multiply_all(const place *at, int part)
{
    int64_t t = 0;
    for (; t + ROWS <= at->p->t; t += ROWS)
        multiply_rows(at, ROWS, part, t);
    for (; t + 2 <= at->p->t; t += 2)
        multiply_rows(at, 2, part, t);
    for (; t < at->p->t; t++)
        multiply_rows(at, 1, part, t);
}

/* All types share these. */
static __attribute__((noinline)) void multiply_parts_32(const place *at)
{
    multiply_all(at, 32);
}

static __attribute__((noinline)) void multiply_parts_16(const place *at)
{
    multiply_all(at, 16);
}

ALWAYS_INLINE void gemm(const ifm_product *p, ifm_dtype dtype, block *scratch)
{
    lanes between;
    memset(&between, 0, sizeof between); /* lanes that no row fills */
    place at = {.p = p, .w = scratch, .row_bytes = ifm_q8_row_bytes(p->k1)};
    for (at.n = p->n0; at.n < p->n1; at.n += STRIP)
        for (at.k = 0; at.k < p->k1; at.k += K_BLOCK) {
            const int64_t depth = p->k1 - at.k < K_BLOCK ? p->k1 - at.k : K_BLOCK;
            at.blocks = depth / BLOCK;
            at.fresh = at.k == 0 && !p->accumulate;
            pack_strip(p, dtype, at.n, at.k, depth, &between, scratch);
            if (quant_part(dtype) == 32)
                multiply_parts_32(&at);
            else
                multiply_parts_16(&at);
        }
}

#define DEFINE_GEMM(NAME, ...)                                                           \
    static void gemm_##NAME(const ifm_product *p, void *scratch)                         \
    {                                                                                    \
        gemm(p, IFM_DTYPE_##NAME, scratch);                                              \
    }
IFM_DTYPE_QUANT_LIST(DEFINE_GEMM)
#undef DEFINE_GEMM

void ifm_kern_avx512_vnni_gemm(ifm_kern *table)
{
    if (table->scratch_bytes < SCRATCH_BYTES)
        table->scratch_bytes = SCRATCH_BYTES;
#define FILL(NAME, ...)                                                                  \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_MANY] =                         \
        table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_ONE];                       \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_MANY].multiply = gemm_##NAME;   \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_MANY].from_rows = FROM_ROWS;
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
}
