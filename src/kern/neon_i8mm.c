/*
 * NEON with products of 8-bit matrices (i8mm, Armv8.6), for quantized weights: what
 * vec_quant.h does, with rows of x and of w in pairs (neon_pairs.h). One row of x gains
 * nothing: half of each product would be of zeros. Many rows: neon_i8mm_gemm.c.
 */
#include "kern/vec_ints_neon.h"

#include "kern/tables.h"
#include "kern/vec_unroll.h"
#include "kern/unpack.h"

#define BY_PAIRS
#include "kern/vec_quant_tile.h"

#include "kern/vec_pack_q8.h"

/* Where instructions begin to be fewer than with one row at a time; than in registers, which
 * take fewer to unpack into (docs/SPEED.md). */
enum { FEW_FROM = 2, MANY_FROM = 4 };

/* Numbers k … of all pairs of rows of x: n double words of u, w = d u + m. q->x_stride is
 * that of pairs, q->t their number, q->sum has two of each: neon_pairs.h. */
ALWAYS_INLINE void add_pairs(const quant_tile *q, int64_t k, const vint *u, int n, vec d,
                             const vec *m)
{
    const int64_t scale_at = 2 * ifm_q8_scale_at(q->k) + k / 32 * 8;
    const int64_t sum_at = n == PART ? 2 * ifm_q8_sum32_at(q->k) + k / 32 * 8
                                     : 2 * ifm_q8_sum16_at(q->k) + k / 16 * 8;
    vec scale[2], offset[2];
    pair_repeat(d, scale);
    pair_repeat(m ? *m : v_zero(), offset);
    for (int64_t t = 0; t < q->t; t++) {
        const char *x = q->packed + t * q->x_stride;
        vint whole[2];
        UNROLL for (int i = 0; i < n; i++) whole[i % 2] = pair_dot(
            i < 2 ? i_zero() : whole[i % 2], pair_load(x + 2 * k + i / 2 * 16), u[i]);
        const vec by = pair_spread(x + scale_at);
        UNROLL for (int i = 0; i < 2; i++)
        {
            vec *sum = &q->sum[2 * t + i];
            *sum = v_fma(i_float(whole[i]), v_mul(scale[i], by), *sum);
            if (m)
                *sum = v_fma(offset[i], pair_spread(x + sum_at), *sum);
        }
    }
}

ALWAYS_INLINE void add_part(const quant_tile *q, bool exact, int64_t k, const vint *u,
                            int n, int bits, vec d, vec m)
{
    (void)exact;
    (void)bits;
    add_pairs(q, k, u, n, d, &m);
}

ALWAYS_INLINE void add_signed(const quant_tile *q, bool exact, int64_t k, vint u[PART],
                              vec d)
{
    (void)exact;
    add_pairs(q, k, u, PART, d, NULL);
}

#include "kern/vec_quant_types.h"

/* These rows of w with T rows of x from t0 on, an even one. */
ALWAYS_INLINE void multiply_tile(const ifm_product *p, ifm_dtype dtype, int64_t t0,
                                 int64_t T, const quant_rows *rows)
{
    vec sum[QUANT_ROWS];
    quant_tile q = quant_tile_of(p, dtype, false, t0, T, rows, sum);
    q.x_stride *= 2;
    q.t = (T + 1) / 2;
    for (int64_t t = 0; t < 2 * q.t; t++)
        sum[t] = v_zero();
    add_blocks(&q, dtype, false);
    for (int64_t t = 0; t < q.t; t++)
        pair_turn(&sum[2 * t], &sum[2 * t + 1]);
    put_sums(p, t0, T, rows, sum);
}

ALWAYS_INLINE void multiply_few(const ifm_product *p, ifm_dtype dtype)
{
    const int64_t run = stream_rows(p), tiles = count_tiles(p, run);
    for (int64_t i = 0; i < tiles; i++) {
        const quant_rows rows = rows_of_tile(p, run, i);
        for (int64_t t = 0; t < p->t; t += QUANT_ROWS)
            multiply_tile(p, dtype, t, p->t - t < QUANT_ROWS ? p->t - t : QUANT_ROWS,
                          &rows);
    }
}

#define DEFINE(NAME, ...)                                                                \
    static void few_##NAME(const ifm_product *p, void *scratch)                          \
    {                                                                                    \
        (void)scratch;                                                                   \
        multiply_few(p, IFM_DTYPE_##NAME);                                               \
    }
IFM_DTYPE_QUANT_LIST(DEFINE)
#undef DEFINE

/* A row of x, or zeros, as the first or second half of a pair; where the pair has room for
 * what its products do not read, the row lies as q8.h says before it is dealt out. */
static void pack_half(const float *x, int64_t k, int half, char *pair)
{
    const int64_t blocks = k / IFM_Q8_BLOCK;
    float unit = 0, *room = (float *)(void *)(pair + 2 * ifm_q8_units32_at(k));
    float *scale = (float *)(void *)(pair + 2 * ifm_q8_scale_at(k)) + half;
    float *sum32 = (float *)(void *)(pair + 2 * ifm_q8_sum32_at(k)) + half;
    float *sum16 = (float *)(void *)(pair + 2 * ifm_q8_sum16_at(k)) + half;
    const ifm_q8_row row = {.blocks = blocks,
                            .scale = room,
                            .sum32 = room + blocks,
                            .units32 = room + 2 * blocks,
                            .sum16 = room + 3 * blocks,
                            .units16 = room + 5 * blocks,
                            .whole = (int32_t *)(void *)(room + 7 * blocks),
                            .unit = &unit};
    memset(room, 0, (size_t)(8 * blocks) * sizeof *room);
    if (x)
        begin_row_q8(x, &row);
    for (int64_t i = 0; i < blocks; i++) {
        int8_t q[IFM_Q8_BLOCK] = {0};
        if (x)
            round_32(x + 32 * i, row.units32[i], q, row.units16 + 2 * i);
        for (int j = 0; j < 4; j++)
            memcpy(pair + 64 * i + 16 * j + 8 * half, q + 8 * j, 8);
    }
    if (x)
        ifm_q8_set_sums(&row);
    for (int64_t i = 0; i < blocks; i++) {
        scale[2 * i] = row.scale[i];
        sum32[2 * i] = row.sum32[i];
        sum16[4 * i] = row.sum16[2 * i];
        sum16[4 * i + 2] = row.sum16[2 * i + 1];
    }
}

static void pack_pairs(const ifm_product *p, int64_t t0, int64_t t1, void *packed)
{
    for (int64_t t = t0; t < t1; t += 2) {
        char *pair = (char *)packed + t * ifm_q8_row_bytes(p->k1);
        const float *first = p->x + t * p->x_stride;
        pack_half(first, p->k1, 0, pair);
        pack_half(t + 1 < t1 ? first + p->x_stride : NULL, p->k1, 1, pair);
    }
}

static size_t pair_bytes(int64_t t, int64_t k)
{
    return ifm_q8_bytes((t + 1) / 2 * 2, k);
}

static void fill_way(ifm_way *way, int64_t from_rows)
{
    way->pack = pack_pairs;
    way->packed_bytes = pair_bytes;
    way->pack_rows = 2;
    way->from_rows = from_rows;
    way->eight_bit = true;
}

void ifm_kern_neon_i8mm(ifm_kern *table)
{
    ifm_kern_neon_i8mm_gemm(table);
#define FILL(NAME, ...)                                                                  \
    do {                                                                                 \
        ifm_way *ways = table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME];                    \
        ways[IFM_WAY_FEW].multiply = few_##NAME;                                         \
        fill_way(&ways[IFM_WAY_FEW], FEW_FROM);                                          \
        fill_way(&ways[IFM_WAY_MANY], MANY_FROM);                                        \
    } while (0);
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
}
