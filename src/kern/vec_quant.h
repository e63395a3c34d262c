/*
 * Products of few rows of x with quantized weights, for every wide instruction set: after
 * vec.h, which gives the floats, and vec_ints_<set>.h, which gives bytes and words.
 * vec_quant_tile.h has the idea.
 */
#include "kern/vec_quant_tile.h"
#include "kern/vec_pack_q8.h"

/* Whole Σ u x of n double words and one row of x. */
ALWAYS_INLINE vint dot_part(const vint *u, const char *x, int n, int bits, bool is_signed)
{
    const int steps = n / DOT_CHAINS;
    dot sums[DOT_CHAINS];
    UNROLL for (int s = 0; s < steps; s++) UNROLL for (int c = 0; c < DOT_CHAINS; c++)
    {
        const int i = c * steps + s;
        if (is_signed)
            dot_add_signed(&sums[c], u[i], dot_x(x, i), s);
        else
            dot_add(&sums[c], u[i], dot_x(x, i), s, bits);
    }
    const vint sum = dot_sum(&sums[0], steps, bits);
    return DOT_CHAINS == 1 ? sum
                           : i_add(sum, dot_sum(&sums[DOT_CHAINS - 1], steps, bits));
}

/* What a part of 4 n numbers adds, x in 8 bits. */
ALWAYS_INLINE void add_rounded(const quant_tile *q, int64_t k, const vint *u, int n,
                               int bits, vec d, const vec *m, bool is_signed)
{
    const int64_t scale_at = ifm_q8_scale_at(q->k) + k / 32 * 4;
    const int64_t sum_at = n == PART ? ifm_q8_sum32_at(q->k) + k / 32 * 4
                                     : ifm_q8_sum16_at(q->k) + k / 16 * 4;
    for (int64_t t = 0; t < q->t; t++) {
        const char *x = q->packed + t * q->x_stride;
        const vec scale = v_set(*(const float *)(const void *)(x + scale_at));
        const vint whole = dot_part(u, x + k, n, bits, is_signed);
        q->sum[t] = v_fma(i_float(whole), v_mul(d, scale), q->sum[t]);
        if (m)
            q->offset[t] = v_fma(*m, v_set(*(const float *)(const void *)(x + sum_at)),
                                 q->offset[t]);
    }
}

/* The same with x as it is: weights are made floats once for all rows of x. */
ALWAYS_INLINE void add_floats(const quant_tile *q, int64_t k, const vint *u, int n, vec d,
                              const vec *m, bool is_signed)
{
    vec w[4 * PART];
    UNROLL for (int i = 0; i < n; i++) UNROLL for (int j = 0; j < 4; j++)
    {
        const vec f = byte_as_float(u[i], j, is_signed);
        w[4 * i + j] = m ? v_fma(f, d, *m) : v_mul(f, d);
    }
    for (int64_t t = 0; t < q->t; t++) {
        const float *x = q->x + t * q->x_stride + k;
        vec s[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
        UNROLL for (int i = 0; i < n; i++) UNROLL for (int j = 0; j < 4; j++) s[j] =
            v_fma(w[4 * i + j], v_set(x[4 * i + j]), s[j]);
        q->sum[t] = v_add(q->sum[t], v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
    }
}

/* Not inlined: two hundred instructions at each of a hundred places would be most of the
 * code and of the time that it takes to compile. */
static __attribute__((noinline)) void add_exact(const quant_tile *q, int64_t k,
                                                const vint *u, int n, vec d, const vec *m)
{
    if (n == PART)
        add_floats(q, k, u, PART, d, m, false);
    else
        add_floats(q, k, u, PART / 2, d, m, false);
}

static __attribute__((noinline)) void add_exact_signed(const quant_tile *q, int64_t k,
                                                       const vint *u, vec d)
{
    add_floats(q, k, u, PART, d, NULL, true);
}

/* Numbers k … of all rows: n double words of u, each of so many bits, w = d u + m. */
ALWAYS_INLINE void add_part(const quant_tile *q, bool exact, int64_t k, const vint *u,
                            int n, int bits, vec d, vec m)
{
    if (exact)
        add_exact(q, k, u, n, d, &m);
    else
        add_rounded(q, k, u, n, bits, d, &m, false);
}

/* The same of signed bytes, w = d u: as they are, or made positive by adding 128. */
ALWAYS_INLINE void add_signed(const quant_tile *q, bool exact, int64_t k, vint u[PART],
                              vec d)
{
    if (exact) {
        add_exact_signed(q, k, u, d);
    } else if (SIGNED_DOT) {
        add_rounded(q, k, u, PART, 8, d, NULL, true);
    } else {
        const vec m = v_mul(d, v_set(-128));
        UNROLL for (int i = 0; i < PART; i++) u[i] = i_xor(u[i], i_bytes(0x80));
        add_rounded(q, k, u, PART, 8, d, &m, true);
    }
}

#include "kern/vec_quant_types.h"

/* These rows of w with T rows of x from t0 on. */
ALWAYS_INLINE void multiply_tile(const ifm_product *p, ifm_dtype dtype, bool exact,
                                 int64_t t0, int64_t T, const quant_rows *rows)
{
    vec sum[QUANT_ROWS];
    const quant_tile q = quant_tile_of(p, dtype, exact, t0, T, rows, sum);
    for (int64_t t = 0; t < T; t++)
        q.sum[t] = q.offset[t] = v_zero();
    add_blocks(&q, dtype, exact);
    if (q.offset != q.sum)
        q.sum[0] = v_add(q.sum[0], q.offset[0]);
    put_sums(p, t0, T, rows, sum);
}

ALWAYS_INLINE void multiply_quant(const ifm_product *p, ifm_dtype dtype, bool exact)
{
    const int64_t run = stream_rows(p), tiles = count_tiles(p, run);
    for (int64_t i = 0; i < tiles; i++) {
        const quant_rows rows = rows_of_tile(p, run, i);
        if (p->t == 1 && SPECIALISE && !exact) {
            multiply_tile(p, dtype, exact, 0, 1, &rows);
            continue;
        }
        for (int64_t t = 0; t < p->t; t += QUANT_ROWS)
            multiply_tile(p, dtype, exact, t,
                          p->t - t < QUANT_ROWS ? p->t - t : QUANT_ROWS, &rows);
    }
}

static void pack_q8(const ifm_product *p, int64_t t0, int64_t t1, void *packed)
{
    for (int64_t t = t0; t < t1; t++) {
        const ifm_q8_row row = ifm_q8_row_of(packed, t, p->k1);
        const float *x = p->x + t * p->x_stride;
        begin_row_q8(x, &row);
        for (int64_t i = 0; i < row.blocks; i++)
            round_32(x + 32 * i, row.units32[i], row.q + 32 * i, row.units16 + 2 * i);
        ifm_q8_set_sums(&row);
    }
}

#define DEFINE_QUANT(NAME, name, bytes, numbers)                                         \
    static void quant_##NAME(const ifm_product *p, void *scratch)                        \
    {                                                                                    \
        (void)scratch;                                                                   \
        multiply_quant(p, IFM_DTYPE_##NAME, false);                                      \
    }                                                                                    \
    static void quant_exact_##NAME(const ifm_product *p, void *scratch)                  \
    {                                                                                    \
        (void)scratch;                                                                   \
        multiply_quant(p, IFM_DTYPE_##NAME, true);                                       \
    }
IFM_DTYPE_QUANT_LIST(DEFINE_QUANT)
#undef DEFINE_QUANT

/* Fills in what this file has. */
static inline void fill_quant(ifm_kern *table)
{
#define FILL(NAME, name, bytes, numbers)                                                 \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_ONE] =                          \
        (ifm_way){.multiply = quant_##NAME,                                              \
                  .pack = pack_q8,                                                       \
                  .packed_bytes = ifm_q8_bytes,                                          \
                  .pack_rows = 1,                                                        \
                  .from_rows = 1,                                                        \
                  .eight_bit = true};                                                    \
    table->exact[IFM_DTYPE_##NAME][IFM_WAY_ONE] =                                        \
        (ifm_way){.multiply = quant_exact_##NAME, .from_rows = 1};
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
}
