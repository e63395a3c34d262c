/*
 * Products of few rows of x with quantized weights, for every wide instruction set: after
 * vec.h, which gives the floats, and vec_ints_<set>.h, which gives bytes and words.
 *
 * Lanes are rows of w. VEC rows are taken together, far apart, so that each is a stream of
 * consecutive bytes (vec_product.h says why); 16 bytes of each are loaded and turned, so
 * that double word i of all rows lies in one register: four numbers of each row, which meet
 * the same four numbers of x.
 *
 *     rows   [a0 a1 a2 a3][b0 b1 b2 b3] …     turned   [a0 b0 …][a1 b1 …][a2 b2 …][a3 b3 …]
 *
 * So the sums of VEC rows grow in one register without any adding across lanes, the scales
 * of VEC rows are one register, too, and what is unpacked serves all rows of x with three
 * instructions for each part of 16 or 32 numbers beside the dot products themselves. A row
 * alone along K, as the floats are multiplied, takes as many instructions with one row of x
 * and three times as many with six (docs/SPEED.md).
 *
 * Every type is w = d u + m in parts, u ≥ 0 (format/quant.h). What a set gives:
 *     vint                       VEC double words
 *     i_load_quarters(w, at)     16 bytes at w[i] + at, for each i < VEC/4
 *     i_zip_…                    what unpcklo and unpckhi do in each 16 bytes
 *     i_low_half, i_high_half    an f16 in each double word, as f32
 *     i_spread_byte, i_add_where bits of a byte to bytes
 *     i_dot(a, u, x)             a + Σ of four u x, u < 128 unsigned, x signed
 *     i_dot_signed(a, w, x)      the same of signed w, or with SIGNED_DOT 0 of w ^ 0x80
 */
#include "kern/q8.h"

enum {
    QUANT_ROWS = 16, /* of x at a time: their sums stay in the first cache */
    PART = 8,        /* double words of a part of 32 numbers */
};

/* VEC rows of w and the rows of x that they meet. */
typedef struct quant_tile {
    const unsigned char *w[VEC / 4]; /* rows 0, 4, 8 … */
    int64_t stride;                  /* bytes from one of four to the next */
    const char *packed;              /* the first row of x, as q8.h says */
    const float *x;                  /* or as it is */
    int64_t x_stride;                /* in bytes; in floats */
    int64_t k, t;
    vec *sum; /* [T] */
} quant_tile;

/* 16 bytes of all rows from `at` on, turned. */
ALWAYS_INLINE void load_turned(const quant_tile *q, int64_t at, vint out[4])
{
    const vint a = i_load_quarters(q->w, at);
    const vint b = i_load_quarters(q->w, at + q->stride);
    const vint c = i_load_quarters(q->w, at + 2 * q->stride);
    const vint d = i_load_quarters(q->w, at + 3 * q->stride);
    const vint low0 = i_zip_low32(a, b), low1 = i_zip_low32(c, d);
    const vint high0 = i_zip_high32(a, b), high1 = i_zip_high32(c, d);
    out[0] = i_zip_low64(low0, low1);
    out[1] = i_zip_high64(low0, low1);
    out[2] = i_zip_low64(high0, high1);
    out[3] = i_zip_high64(high0, high1);
}

/* What a part of 4 n numbers adds, x in 8 bits. */
ALWAYS_INLINE void add_rounded(const quant_tile *q, int64_t k, const vint *u, int n,
                               vec d, const vec *m, bool is_signed)
{
    const int64_t scale_at = ifm_q8_scale_at(q->k) + k / 32 * 4;
    const int64_t sum_at = n == PART ? ifm_q8_sum32_at(q->k) + k / 32 * 4
                                     : ifm_q8_sum16_at(q->k) + k / 16 * 4;
    for (int64_t t = 0; t < q->t; t++) {
        const char *x = q->packed + t * q->x_stride;
        vint a = i_zero(), b = i_zero();
        UNROLL for (int i = 0; i < n / 2; i++)
        {
            const vint x0 = i_broadcast(x + k + 4 * i);
            const vint x1 = i_broadcast(x + k + 4 * (i + n / 2));
            a = is_signed ? i_dot_signed(a, u[i], x0) : i_dot(a, u[i], x0);
            b = is_signed ? i_dot_signed(b, u[i + n / 2], x1)
                          : i_dot(b, u[i + n / 2], x1);
        }
        const vec scale = v_set(*(const float *)(const void *)(x + scale_at));
        q->sum[t] = v_fma(i_float(i_add(a, b)), v_mul(d, scale), q->sum[t]);
        if (m)
            q->sum[t] =
                v_fma(*m, v_set(*(const float *)(const void *)(x + sum_at)), q->sum[t]);
    }
}

ALWAYS_INLINE vec byte_as_float(vint x, int index, bool is_signed)
{
    switch (index) {
    case 0:
        x = is_signed ? i_sar(i_shl(x, 24), 24) : i_shr(i_shl(x, 24), 24);
        break;
    case 1:
        x = is_signed ? i_sar(i_shl(x, 16), 24) : i_shr(i_shl(x, 16), 24);
        break;
    case 2:
        x = is_signed ? i_sar(i_shl(x, 8), 24) : i_shr(i_shl(x, 8), 24);
        break;
    default:
        x = is_signed ? i_sar(x, 24) : i_shr(x, 24);
    }
    return i_float(x);
}

/* The same with x as it is: weights are made floats once for all rows of x. */
ALWAYS_INLINE void add_exact(const quant_tile *q, int64_t k, const vint *u, int n, vec d,
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

/* Numbers k … of all rows: n double words of u, w = d u + m. */
ALWAYS_INLINE void add_part(const quant_tile *q, bool exact, int64_t k, const vint *u,
                            int n, vec d, vec m)
{
    if (exact)
        add_exact(q, k, u, n, d, &m, false);
    else
        add_rounded(q, k, u, n, d, &m, false);
}

ALWAYS_INLINE void split_nibbles(const vint n[4], vint u[PART])
{
    const vint mask = i_bytes(15);
    UNROLL for (int i = 0; i < 4; i++)
    {
        u[i] = i_and(n[i], mask);
        u[i + 4] = i_and(i_shr(n[i], 4), mask);
    }
}

/* Bit i of `high` is the fifth of number i. */
ALWAYS_INLINE void add_fifth(vint high, vint u[PART])
{
    vint byte[4];
    UNROLL for (int i = 0; i < 4; i++) byte[i] = i_spread_byte(high, i);
    UNROLL for (int i = 0; i < PART; i++) u[i] =
        i_add_where(u[i], byte[i / 2], i % 2 ? 0x80402010 : 0x08040201, 16);
}

ALWAYS_INLINE void add_Q8_0(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], u[PART];
    load_turned(q, at, h);
    load_turned(q, at + 2, u);
    load_turned(q, at + 18, u + 4);
    const vec d = i_low_half(h[0]);
    if (exact) {
        add_exact(q, k, u, PART, d, NULL, true);
    } else if (SIGNED_DOT) {
        add_rounded(q, k, u, PART, d, NULL, true);
    } else {
        const vec m = v_mul(d, v_set(-128));
        UNROLL for (int i = 0; i < PART; i++) u[i] = i_xor(u[i], i_bytes(0x80));
        add_rounded(q, k, u, PART, d, &m, true);
    }
}

ALWAYS_INLINE void add_Q4_0(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], n[4], u[PART];
    load_turned(q, at, h);
    load_turned(q, at + 2, n);
    split_nibbles(n, u);
    const vec d = i_low_half(h[0]);
    add_part(q, exact, k, u, PART, d, v_mul(d, v_set(-8)));
}

ALWAYS_INLINE void add_nibbles_1(const quant_tile *q, bool exact, int64_t k, vint dm,
                                 const vint n[4])
{
    vint u[PART];
    split_nibbles(n, u);
    add_part(q, exact, k, u, PART, i_low_half(dm), i_high_half(dm));
}

ALWAYS_INLINE void add_Q4_1(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], n[4];
    load_turned(q, at, h);
    load_turned(q, at + 4, n);
    add_nibbles_1(q, exact, k, h[0], n);
}

/* Four blocks are five times 16 bytes: nothing is loaded twice. */
ALWAYS_INLINE void add_four_Q4_1(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint x[20];
    UNROLL for (int i = 0; i < 5; i++) load_turned(q, at + 16 * i, x + 4 * i);
    UNROLL for (int i = 0; i < 4; i++)
        add_nibbles_1(q, exact, k + 32 * i, x[5 * i], x + 5 * i + 1);
}

ALWAYS_INLINE void add_Q5_0(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], n[4], u[PART];
    load_turned(q, at, h);
    load_turned(q, at + 6, n);
    split_nibbles(n, u);
    add_fifth(i_or(i_shr(h[0], 16), i_shl(h[1], 16)), u);
    const vec d = i_low_half(h[0]);
    add_part(q, exact, k, u, PART, d, v_mul(d, v_set(-16)));
}

ALWAYS_INLINE void add_Q5_1(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint h[4], n[4], u[PART];
    load_turned(q, at, h);
    load_turned(q, at + 8, n);
    split_nibbles(n, u);
    add_fifth(h[1], u);
    add_part(q, exact, k, u, PART, i_low_half(h[0]), i_high_half(h[0]));
}

/* Byte i of four double words of bytes, as a float times d. */
ALWAYS_INLINE vec scale_at(const vint *bytes, int i, vec d)
{
    return v_mul(byte_as_float(bytes[i / 4], i % 4, false), d);
}

/* The 6-bit scales and minima of q4_K and q5_K: eight of each in 12 bytes. */
ALWAYS_INLINE void scales_k(const vint s[3], vint scale[2], vint min[2])
{
    const vint six = i_bytes(63), low = i_bytes(15), high = i_bytes(48);
    scale[0] = i_and(s[0], six);
    min[0] = i_and(s[1], six);
    scale[1] = i_and_or(i_shr(s[0], 2), high, i_and(s[2], low));
    min[1] = i_and_or(i_shr(s[1], 2), high, i_and(i_shr(s[2], 4), low));
}

/* q5_K is q4_K with 32 bytes of fifth bits before the nibbles: bit i of byte j belongs to
 * number j of part i. */
ALWAYS_INLINE void add_nibbles_k(const quant_tile *q, bool exact, int64_t at, int64_t k,
                                 bool five)
{
    vint h[4], scale[2], min[2], fifth[PART];
    load_turned(q, at, h);
    scales_k(h + 1, scale, min);
    const vec d = i_low_half(h[0]), least = v_sub(v_zero(), i_high_half(h[0]));
    if (five) {
        load_turned(q, at + 16, fifth);
        load_turned(q, at + 32, fifth + 4);
    }
    at += five ? 48 : 16;
    UNROLL for (int c = 0; c < 4; c++)
    {
        vint n[PART], u[PART];
        load_turned(q, at + 32 * c, n);
        load_turned(q, at + 32 * c + 16, n + 4);
        UNROLL for (int half = 0; half < 2; half++)
        {
            const int part = 2 * c + half;
            UNROLL for (int i = 0; i < PART; i++)
            {
                u[i] = i_and(half ? i_shr(n[i], 4) : n[i], i_bytes(15));
                if (five)
                    u[i] = i_and_or(part < 4 ? i_shl(fifth[i], 4 - part)
                                             : i_shr(fifth[i], part - 4),
                                    i_bytes(16), u[i]);
            }
            add_part(q, exact, k + 32 * part, u, PART, scale_at(scale, part, d),
                     scale_at(min, part, least));
        }
    }
}

ALWAYS_INLINE void add_Q4_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    add_nibbles_k(q, exact, at, k, false);
}

ALWAYS_INLINE void add_Q5_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    add_nibbles_k(q, exact, at, k, true);
}

/* Parts of 16: 32 numbers of part i and i + 1. */
ALWAYS_INLINE void add_sixteens(const quant_tile *q, bool exact, int64_t k,
                                const vint u[PART], const vec d[2], const vec m[2])
{
    add_part(q, exact, k, u, 4, d[0], m[0]);
    add_part(q, exact, k + 16, u + 4, 4, d[1], m[1]);
}

ALWAYS_INLINE void add_Q2_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint s[4], h[4];
    load_turned(q, at, s);
    load_turned(q, at + 68, h); /* the last 4 of 84 bytes in h[3] */
    const vec d = i_low_half(h[3]), least = v_sub(v_zero(), i_high_half(h[3]));
    vint scale[4], min[4];
    UNROLL for (int i = 0; i < 4; i++)
    {
        scale[i] = i_and(s[i], i_bytes(15));
        min[i] = i_and(i_shr(s[i], 4), i_bytes(15));
    }
    UNROLL for (int half = 0; half < 2; half++)
    {
        vint b[PART], u[PART];
        load_turned(q, at + 16 + 32 * half, b);
        load_turned(q, at + 32 + 32 * half, b + 4);
        UNROLL for (int j = 0; j < 4; j++)
        {
            const int part = 8 * half + 2 * j;
            const vec ds[2] = {scale_at(scale, part, d), scale_at(scale, part + 1, d)};
            const vec ms[2] = {scale_at(min, part, least),
                               scale_at(min, part + 1, least)};
            UNROLL for (int i = 0; i < PART; i++) u[i] =
                i_and(i_shr(b[i], 2 * j), i_bytes(3));
            add_sixteens(q, exact, k + 16 * part, u, ds, ms);
        }
    }
}

/* Sixteen scales of 6 bits in 12 bytes: low nibbles of all, then pairs of high bits. */
ALWAYS_INLINE void scales_q3(const vint s[3], vint scale[4])
{
    const vint low = i_bytes(15), high = i_bytes(48);
    scale[0] = i_and_or(i_shl(s[2], 4), high, i_and(s[0], low));
    scale[1] = i_and_or(i_shl(s[2], 2), high, i_and(s[1], low));
    scale[2] = i_and_or(s[2], high, i_and(i_shr(s[0], 4), low));
    scale[3] = i_and_or(i_shr(s[2], 2), high, i_and(i_shr(s[1], 4), low));
}

/* A scale that is stored 32 too large. */
ALWAYS_INLINE vec scale_q3(const vint *scale, int i, vec d)
{
    return v_mul(v_sub(byte_as_float(scale[i / 4], i % 4, false), v_set(32)), d);
}

ALWAYS_INLINE void add_Q3_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint high[PART], h[4], s[3], scale[4];
    load_turned(q, at, high);
    load_turned(q, at + 16, high + 4);
    load_turned(q, at + 94, h); /* 2 bytes before the scales; d in the last 2 of 110 */
    UNROLL for (int i = 0; i < 3; i++) s[i] = i_or(i_shr(h[i], 16), i_shl(h[i + 1], 16));
    scales_q3(s, scale);
    const vec d = i_high_half(h[3]);
    UNROLL for (int half = 0; half < 2; half++)
    {
        vint b[PART], u[PART];
        load_turned(q, at + 32 + 32 * half, b);
        load_turned(q, at + 48 + 32 * half, b + 4);
        UNROLL for (int j = 0; j < 4; j++)
        {
            const int part = 8 * half + 2 * j, bit = 4 * half + j;
            const vec ds[2] = {scale_q3(scale, part, d), scale_q3(scale, part + 1, d)};
            const vec ms[2] = {v_mul(ds[0], v_set(-4)), v_mul(ds[1], v_set(-4))};
            UNROLL for (int i = 0; i < PART; i++) u[i] =
                i_and_or(bit < 2 ? i_shl(high[i], 2 - bit) : i_shr(high[i], bit - 2),
                         i_bytes(4), i_and(i_shr(b[i], 2 * j), i_bytes(3)));
            add_sixteens(q, exact, k + 16 * part, u, ds, ms);
        }
    }
}

/* A signed scale of q6_K. */
ALWAYS_INLINE vec scale_q6(const vint *scale, int i, vec d)
{
    return v_mul(byte_as_float(scale[i / 4], i % 4, true), d);
}

/* Numbers 32 j … of a half: nibbles of the low bits, pairs of bits of the high ones. */
ALWAYS_INLINE void add_quarter_q6(const quant_tile *q, bool exact, int64_t k, int j,
                                  const vint low[PART], const vint high[PART],
                                  const vec d[2])
{
    vint u[PART];
    const vec m[2] = {v_mul(d[0], v_set(-32)), v_mul(d[1], v_set(-32))};
    UNROLL for (int i = 0; i < PART; i++)
    {
        const vint top = j < 2 ? i_shl(high[i], 4 - 2 * j) : i_shr(high[i], 2 * j - 4);
        const vint bottom = i_and(j < 2 ? low[i] : i_shr(low[i], 4), i_bytes(15));
        u[i] = i_and_or(top, i_bytes(48), bottom);
    }
    add_sixteens(q, exact, k, u, d, m);
}

ALWAYS_INLINE void add_Q6_K(const quant_tile *q, bool exact, int64_t at, int64_t k)
{
    vint scale[4], h[4];
    load_turned(q, at + 192, scale);
    load_turned(q, at + 194, h); /* d in the last 2 of 210 */
    const vec d = i_high_half(h[3]);
    UNROLL for (int half = 0; half < 2; half++)
    {
        vint low[2 * PART], high[PART];
        UNROLL for (int i = 0; i < 4; i++)
            load_turned(q, at + 64 * half + 16 * i, low + 4 * i);
        load_turned(q, at + 128 + 32 * half, high);
        load_turned(q, at + 144 + 32 * half, high + 4);
        UNROLL for (int j = 0; j < 4; j++)
        {
            const int part = 8 * half + 2 * j;
            const vec ds[2] = {scale_q6(scale, part, d), scale_q6(scale, part + 1, d)};
            add_quarter_q6(q, exact, k + 16 * part, j, low + PART * (j % 2), high, ds);
        }
    }
}

/* All blocks of a tile. */
ALWAYS_INLINE void add_blocks(const quant_tile *q, ifm_dtype dtype, bool exact)
{
    const int64_t bytes = quant_bytes(dtype), numbers = quant_block(dtype);
    int64_t at = 0, k = 0;
    if (dtype == IFM_DTYPE_Q4_1)
        for (; k + 128 <= q->k; k += 128, at += 4 * bytes)
            add_four_Q4_1(q, exact, at, k);
    for (; k < q->k; k += numbers, at += bytes)
        switch (dtype) {
#define CASE(NAME, name, bytes, numbers)                                                 \
    case IFM_DTYPE_##NAME:                                                               \
        add_##NAME(q, exact, at, k);                                                     \
        break;
            IFM_DTYPE_QUANT_LIST(CASE)
#undef CASE
        default:
            break;
        }
}

/* Rows n, n + step, … of w; those from lane `first` on are wanted. */
typedef struct quant_rows {
    int64_t n, step;
    int first;
} quant_rows;

/* These rows of w with T rows of x from t0 on. */
ALWAYS_INLINE void multiply_tile(const ifm_product *p, ifm_dtype dtype, bool exact,
                                 int64_t t0, int64_t T, const quant_rows *rows)
{
    vec sum[QUANT_ROWS];
    const int64_t row = p->w_stride / quant_block(dtype) * quant_bytes(dtype);
    const int64_t x_bytes = ifm_q8_row_bytes(p->k1);
    quant_tile q = {.stride = rows->step * row,
                    .packed = exact ? NULL : (const char *)p->packed + t0 * x_bytes,
                    .x = p->x + t0 * p->x_stride,
                    .x_stride = exact ? p->x_stride : x_bytes,
                    .k = p->k1,
                    .t = T,
                    .sum = sum};
    for (int i = 0; i < VEC / 4; i++)
        q.w[i] = (const unsigned char *)p->w + (rows->n + 4 * i * rows->step) * row;
    for (int64_t t = 0; t < T; t++)
        sum[t] = v_zero();
    add_blocks(&q, dtype, exact);
    for (int64_t t = 0; t < T; t++) {
        float of_rows[VEC], *y = p->y + (t0 + t) * p->y_stride + rows->n;
        v_store(of_rows, sum[t]);
        for (int r = rows->first; r < VEC; r++) {
            float *to = &y[r * rows->step];
            *to = p->accumulate ? *to + of_rows[r] : of_rows[r];
        }
    }
}

/* Rows that each of VEC streams has: an odd number, or else the streams of a matrix whose
 * sides are powers of two would all want the same few lines of the first cache. */
static inline int64_t stream_rows(const ifm_product *p)
{
    const int64_t run = (p->n1 - p->n0) / VEC;
    return run > 0 && run % 2 == 0 ? run - 1 : run;
}

/* Tiles of streams, then tiles of neighbours. */
static inline int64_t count_tiles(const ifm_product *p, int64_t run)
{
    const int64_t rest = p->n1 - p->n0 - VEC * run;
    return p->n1 < VEC ? rest : run + (rest + VEC - 1) / VEC;
}

static inline quant_rows rows_of_tile(const ifm_product *p, int64_t run, int64_t i)
{
    if (i < run)
        return (quant_rows){p->n0 + i, run, 0};
    if (p->n1 < VEC) /* one row, in all lanes */
        return (quant_rows){p->n0 + i, 0, VEC - 1};
    const int64_t n = p->n0 + VEC * run + VEC * (i - run);
    if (n + VEC <= p->n1)
        return (quant_rows){n, 1, 0};
    /* The last together with some before them, whose sums are not wanted. */
    return (quant_rows){p->n1 - VEC, 1, (int)(n + VEC - p->n1)};
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

/* As ifm_q8_block: the same operations, VEC at a time. */
ALWAYS_INLINE void pack_32(const float *x, int8_t *q, float *scale, float *sum32,
                           float *sum16)
{
    enum { N = 32 / VEC };
    vec v[N], largest = v_zero();
    float sum[2] = {0, 0};
    for (int i = 0; i < N; i++) {
        v[i] = v_load(x + i * VEC);
        largest = v_max(largest, v_max(v[i], v_sub(v_zero(), v[i])));
    }
    const float max = v_largest(largest);
    const float inverse = max > IFM_Q8_LEAST ? 127 / max : 0;
    *scale = max > IFM_Q8_LEAST ? max / 127 : 0;
    for (int i = 0; i < N; i++) {
        v[i] = v_round(v_mul(v[i], v_set(inverse)));
        i_store_bytes(q + i * VEC, v[i]);
    }
    for (int half = 0; half < 2; half++) {
        vec all = v[half * N / 2];
        for (int i = 1; i < N / 2; i++)
            all = v_add(all, v[half * N / 2 + i]);
        sum[half] = v_sum(all); /* of small whole numbers: exact */
        sum16[half] = *scale * sum[half];
    }
    *sum32 = *scale * (sum[0] + sum[1]);
}

static void pack_q8(const ifm_product *p, int64_t t0, int64_t t1, void *packed)
{
    const int64_t k = p->k1;
    for (int64_t t = t0; t < t1; t++) {
        char *row = (char *)packed + t * ifm_q8_row_bytes(k);
        float *scale = (float *)(void *)(row + ifm_q8_scale_at(k));
        float *sum32 = (float *)(void *)(row + ifm_q8_sum32_at(k));
        float *sum16 = (float *)(void *)(row + ifm_q8_sum16_at(k));
        memset(row + k, 0, (size_t)(ifm_q8_scale_at(k) - k));
        for (int64_t i = 0; i < k / 32; i++)
            pack_32(p->x + t * p->x_stride + 32 * i, (int8_t *)row + 32 * i, scale + i,
                    sum32 + i, sum16 + 2 * i);
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
                  .from_rows = 1,                                                        \
                  .eight_bit = true};                                                    \
    table->exact[IFM_DTYPE_##NAME][IFM_WAY_ONE] =                                        \
        (ifm_way){.multiply = quant_exact_##NAME, .from_rows = 1};
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
}
