/*
 * Products of many rows of x, in 8 bits (kern/q8.h), with quantized weights, where
 * registers are few (AVX2) or narrow (NEON). Included by a file of its own, as amx_quant.c
 * is: after the set's integers, vec_unroll.h, unpack.h, the set's dot products and
 * vec_gemm_words.h or vec_gemm_floats.h.
 *
 *     for each strip of two tiles of columns, each K_BLOCK of k (with many rows the other
 *     way round):
 *         unpack w into scratch, as vec_quant_tile.h turns it: double words of 2 VEC columns
 *         for each M rows of x:
 *             for each part of 16 or 32 numbers:
 *                 whole sums [M, 2 VEC] by dot products, in registers
 *                 sums += d scale (whole sums) + m (scale Σ q)
 *
 * or, where x's scale multiplies the whole sums (vec_gemm_words.h), in units of the row, by
 * which the finished sums are multiplied:
 *                 sums += d (s whole sums) + m (s Σ q)
 *
 * Unpacking is paid for once, where vec_quant.h keeps it in registers for as many rows of x
 * as there are, but takes a register for each double word of a part. A strip's block stays
 * in the first cache; the sums pass by, once for each block of k.
 */
#ifndef IFM_KERN_VEC_QUANT_GEMM_H
#define IFM_KERN_VEC_QUANT_GEMM_H

#include "kern/vec_quant_tile.h"

enum {
    STRIP = 2, /* tiles of VEC columns */
    GEMM_ROWS = 6,
    K_UNIT = 256,   /* numbers of the largest block */
    K_BLOCK = 1024, /* at most: a strip's block fills two thirds of the first cache */
    /* Of 16 numbers: bytes of the strip, scales, offsets; with room for two of those. */
    LEAST_PART_BYTES = STRIP * VEC * (16 + 8 + 8),
    SCRATCH_BYTES = K_BLOCK / 16 * LEAST_PART_BYTES,
    /* Below, what unpacks into registers is as fast. */
    FROM_ROWS = 4,
    MANY_ROWS = 32, /* bound by arithmetic alone */
    NEAR_ROWS = 132,
};

/* A strip's block of k and the rows of x that it meets. */
typedef struct quant_place {
    const ifm_product *p;
    void *w; /* scratch */
    quant_rows tiles[STRIP];
    int n_tiles;
    int64_t t0, t1; /* rows of x */
    int64_t k, depth, parts;
    bool fresh;     /* y starts from zero */
    bool whole;     /* the strip is 2 VEC neighbouring columns */
    uintptr_t next; /* address of what will be unpacked after this strip */
    int64_t lines;  /* of it that are asked for with each part; 0: nothing is */
} quant_place;

/* Where a tile's parts go: q->parts. */
typedef struct quant_bed {
    int32_t *words; /* of the tile's first part */
    int offset; /* taken from the numbers, so that they need no other: signed_offset */
} quant_bed;

ALWAYS_INLINE const quant_bed *bed_of(const quant_tile *q)
{
    return q->parts;
}

/* Sums of row t and one tile, from y. A tile that is not all neighbours, or begins with
 * columns that are another's, goes lane by lane. */
static vec fetch_lanes(const quant_place *at, int64_t t, int tile)
{
    const quant_rows *rows = &at->tiles[tile];
    const float *y = at->p->y + t * at->p->y_stride + rows->n;
    float lanes[VEC] = {0};
    if (tile < at->n_tiles)
        for (int r = rows->first; r < VEC; r++)
            lanes[r] = y[r * rows->step];
    return v_load(lanes);
}

static void return_lanes(const quant_place *at, int64_t t, int tile, vec sum)
{
    const quant_rows *rows = &at->tiles[tile];
    float *y = at->p->y + t * at->p->y_stride + rows->n, lanes[VEC];
    v_store(lanes, sum);
    if (tile < at->n_tiles)
        for (int r = rows->first; r < VEC; r++)
            y[r * rows->step] = lanes[r];
}

/* Asks for a share of what will be unpacked next, so that memory has the time in which the
 * first rows are multiplied: asked for at once it would be waited for. */
ALWAYS_INLINE void ask(const quant_place *at, int64_t part)
{
    const uintptr_t from = at->next + (uintptr_t)(part * at->lines * 64);
    for (int64_t i = 0; i < at->lines; i++)
        __builtin_prefetch((const void *)(from + (uintptr_t)i * 64), 0, 2);
}

#ifdef BY_PAIRS
#include "kern/neon_gemm_pairs.h"
#else
/* Floats or double words of a part: n of each column, then the scale, then the offset. */
ALWAYS_INLINE int32_t *part_at(void *scratch, int64_t part, int n)
{
    return (int32_t *)scratch + part * (STRIP * VEC * (n + 2));
}

/* One tile of a strip. */
ALWAYS_INLINE void put_part(const quant_tile *q, int64_t k, const vint *u, int n, vec d,
                            const vec *m)
{
    int32_t *to = part_at(bed_of(q)->words, k / (4 * n), n);
    UNROLL for (int i = 0; i < n; i++) i_store(to + i * STRIP * VEC, u[i]);
    v_store((float *)(void *)(to + n * STRIP * VEC), d);
    if (m)
        v_store((float *)(void *)(to + (n + 1) * STRIP * VEC), *m);
}

/* += M rows' sums, in the rows' units: unit_0 is that of the first. */
ALWAYS_INLINE void return_sums(const quant_place *at, int M, int64_t t,
                               const char *unit_0, int64_t row_bytes,
                               vec sum[GEMM_ROWS][STRIP])
{
    float *y = at->p->y + t * at->p->y_stride + at->tiles[0].n;
    UNROLL for (int m = 0; m < M; m++, y += at->p->y_stride)
    {
        const vec unit =
            unit_0 ? v_set(*(const float *)(const void *)(unit_0 + m * row_bytes))
                   : v_set(1);
        UNROLL for (int v = 0; v < STRIP; v++)
        {
            const vec before = at->fresh   ? v_zero()
                               : at->whole ? v_load(y + v * VEC)
                                           : fetch_lanes(at, t + m, v);
            const vec after = v_fma(sum[m][v], unit, before);
            if (at->whole)
                v_store(y + v * VEC, after);
            else
                return_lanes(at, t + m, v, after);
        }
    }
}

/* What a row of x has for the present part: the first row's; others row_bytes apart. */
typedef struct quant_x {
    const char *q, *scale, *total; /* the scale as a float, or words */
} quant_x;

/* sum += one part of M rows. */
ALWAYS_INLINE void multiply_part(int M, int n, int bits, bool is_signed, quant_x x,
                                 int64_t row_bytes, const int32_t *w,
                                 vec sum[GEMM_ROWS][STRIP])
{
    const bool words = by_words(bits);
    dot d[GEMM_ROWS][STRIP];
    UNROLL for (int s = 0; s < n; s++)
    {
        vint u[STRIP];
        UNROLL for (int v = 0; v < STRIP; v++) u[v] = i_load(w + (s * STRIP + v) * VEC);
        UNROLL for (int m = 0; m < M; m++)
        {
            const vint q = dot_x(x.q + m * row_bytes, s);
            UNROLL for (int v = 0; v < STRIP; v++)
            {
                if (is_signed)
                    dot_add_signed(&d[m][v], u[v], q, s);
                else if (words)
                    dot_add_words(&d[m][v], u[v], q, s, bits, x.scale + m * row_bytes);
                else
                    dot_add(&d[m][v], u[v], q, s, bits);
            }
        }
    }
    const float *of_columns = (const float *)(const void *)(w + n * STRIP * VEC);
    UNROLL for (int m = 0; m < M; m++)
    {
        const char *scale = x.scale + m * row_bytes;
        const vec by = v_set(*(const float *)(const void *)scale);
        UNROLL for (int v = 0; v < STRIP; v++)
        {
            const vint whole = words ? dot_sum_words(&d[m][v], n, bits, scale)
                                     : dot_sum(&d[m][v], n, bits);
            const vec of_column = v_load(of_columns + v * VEC);
            sum[m][v] = v_fma(i_float(whole), words ? of_column : v_mul(of_column, by),
                              sum[m][v]);
        }
    }
    if (is_signed && SIGNED_DOT)
        return;
    UNROLL for (int m = 0; m < M; m++)
    {
        const vec by = v_set(*(const float *)(const void *)(x.total + m * row_bytes));
        UNROLL for (int v = 0; v < STRIP; v++) sum[m][v] =
            v_fma(v_load(of_columns + (STRIP + v) * VEC), by, sum[m][v]);
    }
}

/* A row from number k on, its scales and totals in units or as they are. */
ALWAYS_INLINE quant_x x_of(const char *row, int64_t row_k, int64_t k, int n, bool words)
{
    const int64_t units = n == PART ? ifm_q8_units32_at(row_k) : ifm_q8_units16_at(row_k);
    const int64_t sums = n == PART ? ifm_q8_sum32_at(row_k) : ifm_q8_sum16_at(row_k);
    const int64_t scale = words ? ifm_q8_whole_at(row_k) : ifm_q8_scale_at(row_k);
    return (quant_x){row + k, row + scale + k / 32 * 4,
                     row + (words ? units : sums) + k / (4 * n) * 4};
}

/* M rows of x from row t on with the strip's block. */
ALWAYS_INLINE void multiply_rows(const quant_place *at, int M, int n, int bits,
                                 bool is_signed, int64_t t)
{
    const ifm_product *p = at->p;
    const int64_t row_bytes = ifm_q8_row_bytes(p->k1), part = 4 * n;
    const char *row = (const char *)p->packed + t * row_bytes;
    quant_x x = x_of(row, p->k1, at->k, n, by_words(bits));
    vec sum[GEMM_ROWS][STRIP];
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < STRIP; v++) sum[m][v] =
        v_zero();
    const int32_t *w = at->w;
    for (int64_t i = 0; i < at->parts; i++) {
        if (t == 0)
            ask(at, i);
        multiply_part(M, n, bits, is_signed, x, row_bytes, w, sum);
        x.q += part;
        x.scale += n == PART ? 4 : i % 2 * 4;
        x.total += 4;
        w += STRIP * VEC * (n + 2);
    }
    return_sums(at, M, t, by_words(bits) ? row + ifm_q8_unit_at(p->k1) : NULL, row_bytes,
                sum);
}

#endif

/* What takes the numbers of a type to signed ones, w = d (u - offset), so that they have no
 * other; 0 where there is none or where dot products of signed bytes take longer. */
ALWAYS_INLINE int signed_offset(ifm_dtype dtype)
{
    if (!SIGNED_FREE)
        return 0;
    return dtype == IFM_DTYPE_Q3_K   ? 4
           : dtype == IFM_DTYPE_Q4_0 ? 8
           : dtype == IFM_DTYPE_Q5_0 ? 16
           : dtype == IFM_DTYPE_Q6_K ? 32
                                     : 0;
}

ALWAYS_INLINE void add_part(const quant_tile *q, bool exact, int64_t k, const vint *u,
                            int n, int bits, vec d, vec m)
{
    (void)exact;
    (void)bits;
    const int offset = bed_of(q)->offset;
    if (offset > 0) {
        vint w[PART];
        UNROLL for (int i = 0; i < n; i++) w[i] =
            i_sub_bytes(u[i], i_bytes((unsigned)offset));
        put_part(q, k, w, n, d, NULL);
    } else {
        put_part(q, k, u, n, d, &m);
    }
}

ALWAYS_INLINE void add_signed(const quant_tile *q, bool exact, int64_t k, vint u[PART],
                              vec d)
{
    (void)exact;
    if (SIGNED_DOT) {
        put_part(q, k, u, PART, d, NULL);
        return;
    }
    const vec m = v_mul(d, v_set(-128));
    UNROLL for (int i = 0; i < PART; i++) u[i] = i_xor(u[i], i_bytes(0x80));
    put_part(q, k, u, PART, d, &m);
}

#include "kern/vec_quant_types.h"

/* The last rows, fewer than GEMM_ROWS: all at once where registers are many. */
ALWAYS_INLINE void multiply_rest(const quant_place *at, int n, int bits, bool is_signed,
                                 int64_t t)
{
    const int64_t left = at->t1 - t;
    if (VEC_REGISTERS >= 32 && left == 5) {
        multiply_rows(at, 5, n, bits, is_signed, t);
        return;
    }
    if (VEC_REGISTERS >= 32 && left == 4) {
        multiply_rows(at, 4, n, bits, is_signed, t);
        return;
    }
    if (VEC_REGISTERS >= 32 && left == 3) {
        multiply_rows(at, 3, n, bits, is_signed, t);
        return;
    }
    for (; t + 2 <= at->t1; t += 2)
        multiply_rows(at, 2, n, bits, is_signed, t);
    if (t < at->t1)
        multiply_rows(at, 1, n, bits, is_signed, t);
}

ALWAYS_INLINE void multiply_all(const quant_place *at, int n, int bits, bool is_signed)
{
    int64_t t = at->t0;
    for (; t + GEMM_ROWS <= at->t1; t += GEMM_ROWS)
        multiply_rows(at, GEMM_ROWS, n, bits, is_signed, t);
    multiply_rest(at, n, bits, is_signed, t);
}

/* All types share these: parts of 32 with 4, 5, 8 bits, of 16 with 3 at most and 6. */
#define DEFINE_ALL(name, n, bits, is_signed)                                             \
    static __attribute__((noinline, unused)) void multiply_##name(const quant_place *at) \
    {                                                                                    \
        multiply_all(at, n, bits, is_signed);                                            \
    }
DEFINE_ALL(4_bits, PART, 4, false)
DEFINE_ALL(5_bits, PART, 5, false)
DEFINE_ALL(8_bits, PART, 8, true)
DEFINE_ALL(16_of_3_bits, PART / 2, 3, false)
DEFINE_ALL(16_of_6_bits, PART / 2, 6, false)
DEFINE_ALL(16_signed, PART / 2, 8, true)
#undef DEFINE_ALL

ALWAYS_INLINE void multiply_strip(const quant_place *at, ifm_dtype dtype)
{
    if (signed_offset(dtype) > 0) {
        if (quant_part(dtype) == 32)
            multiply_8_bits(at);
        else
            multiply_16_signed(at);
        return;
    }
    switch (dtype) {
    case IFM_DTYPE_Q8_0:
        multiply_8_bits(at);
        break;
    case IFM_DTYPE_Q5_0:
    case IFM_DTYPE_Q5_1:
    case IFM_DTYPE_Q5_K:
        multiply_5_bits(at);
        break;
    case IFM_DTYPE_Q2_K:
    case IFM_DTYPE_Q3_K:
        multiply_16_of_3_bits(at);
        break;
    case IFM_DTYPE_Q6_K:
        multiply_16_of_6_bits(at);
        break;
    default:
        multiply_4_bits(at);
    }
}

/* The block of k of the strip's tiles into scratch. */
ALWAYS_INLINE void unpack_strip(quant_place *at, ifm_dtype dtype)
{
    const int64_t block = quant_block(dtype), bytes = quant_bytes(dtype);
    for (int v = 0; v < at->n_tiles; v++) {
        quant_tile q = quant_tile_of(at->p, dtype, false, 0, 0, &at->tiles[v], NULL);
        for (int i = 0; i < VEC / 4; i++)
            q.w[i] += at->k / block * bytes;
        q.k = at->depth;
        quant_bed bed = {(int32_t *)at->w + v * VEC, signed_offset(dtype)};
        q.parts = &bed;
        add_blocks(&q, dtype, false);
    }
    at->parts = at->depth / quant_part(dtype);
}

/* Tiles [i, i + STRIP) as far as they are there. */
ALWAYS_INLINE void set_strip(quant_place *at, int64_t i, int64_t tiles)
{
    at->n_tiles = tiles - i < STRIP ? (int)(tiles - i) : STRIP;
    at->whole = at->n_tiles == STRIP;
    for (int v = 0; v < at->n_tiles; v++) {
        at->tiles[v] = rows_of_tile(at->p, 0, i + v);
        at->whole = at->whole && at->tiles[v].step == 1 && at->tiles[v].first == 0;
    }
}

/* Unpacks the strip's block of k and multiplies: of one type. */
typedef void multiply_block(quant_place *at);

static void set_depth(quant_place *at, int64_t deepest)
{
    at->depth = at->p->k1 - at->k < deepest ? at->p->k1 - at->k : deepest;
    at->fresh = at->k == 0 && !at->p->accumulate;
}

/* All k of a strip, then the next strip: w is read as it lies. What `ask` asks for runs a
 * strip ahead: neighbouring rows are one piece of memory. */
static void multiply_few(quant_place *at, int64_t row_bytes, int64_t deepest,
                         multiply_block *multiply)
{
    const ifm_product *p = at->p;
    const int64_t tiles = count_tiles(p, 0);
    uintptr_t strip = (uintptr_t)p->w + (uintptr_t)(p->n0 * row_bytes);
    for (int64_t i = 0; i < tiles; i += STRIP) {
        set_strip(at, i, tiles);
        strip += (uintptr_t)(STRIP * VEC * row_bytes);
        at->next = strip;
        for (at->k = 0; at->k < p->k1; at->k += deepest) {
            set_depth(at, deepest);
            multiply(at);
            at->next += (uintptr_t)(at->parts * at->lines * 64);
        }
    }
}

/* All strips of a block of k with so many rows that the second cache keeps their part of x,
 * which each strip reads; w is unpacked once for each such run of rows, which costs less.
 * Nothing is asked for where a strip's block is not one piece of memory. */
static void multiply_many(quant_place *at, int64_t row_bytes, int64_t deepest,
                          multiply_block *multiply)
{
    const ifm_product *p = at->p;
    const int64_t tiles = count_tiles(p, 0), runs = (p->t + NEAR_ROWS - 1) / NEAR_ROWS;
    const int64_t rows = (p->t / runs + GEMM_ROWS) / GEMM_ROWS * GEMM_ROWS;
    if (deepest < p->k1)
        at->lines = 0;
    for (at->t0 = 0; at->t0 < p->t; at->t0 = at->t1) {
        at->t1 = p->t - at->t0 < rows ? p->t : at->t0 + rows;
        for (at->k = 0; at->k < p->k1; at->k += deepest) {
            set_depth(at, deepest);
            for (int64_t i = 0; i < tiles; i += STRIP) {
                set_strip(at, i, tiles);
                at->next = (uintptr_t)p->w +
                           (uintptr_t)((p->n0 + (i + STRIP) * VEC) * row_bytes);
                multiply(at);
            }
        }
    }
}

/* The blocks of k are of equal depth: the sums that pass by cost the same for each. 8 bits
 * take so long to multiply that x may come from farther away. */
static void gemm(const ifm_product *p, ifm_dtype dtype, multiply_block *multiply,
                 void *scratch)
{
    const int64_t units = (p->k1 + K_UNIT - 1) / K_UNIT;
    const int64_t blocks = (p->k1 + K_BLOCK - 1) / K_BLOCK;
    const int64_t deepest = (units + blocks - 1) / blocks * K_UNIT;
    const int64_t numbers = quant_block(dtype), bytes = quant_bytes(dtype);
    const int64_t row_bytes = p->k1 / numbers * bytes;
    quant_place at = {.p = p, .w = scratch, .t1 = p->t};
    at.lines = (STRIP * VEC * bytes * quant_part(dtype) / numbers + 63) / 64;
    if (p->t >= MANY_ROWS && dtype != IFM_DTYPE_Q8_0)
        multiply_many(&at, row_bytes, deepest, multiply);
    else
        multiply_few(&at, row_bytes, deepest, multiply);
}

#define DEFINE_GEMM(NAME, ...)                                                           \
    static void multiply_##NAME(quant_place *at)                                         \
    {                                                                                    \
        unpack_strip(at, IFM_DTYPE_##NAME);                                              \
        multiply_strip(at, IFM_DTYPE_##NAME);                                            \
    }                                                                                    \
    static void gemm_##NAME(const ifm_product *p, void *scratch)                         \
    {                                                                                    \
        gemm(p, IFM_DTYPE_##NAME, multiply_##NAME, scratch);                             \
    }
IFM_DTYPE_QUANT_LIST(DEFINE_GEMM)
#undef DEFINE_GEMM

/* Fills in what this file has; `ways` of one row are there. */
static inline void fill_quant_gemm(ifm_kern *table)
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

#endif
