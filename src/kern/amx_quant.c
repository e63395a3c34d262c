/*
 * AMX for quantized weights and some rows of x: what vec_quant.h does, with the dot
 * products left to tiles of bytes. A part of 32 numbers of 16 rows of w, unpacked and turned
 * as vec_quant_tile.h says, is a tile as it lies,
 *     A  x [T, 32]      where pack lays it, rows of q8.h
 *     B  u [32/4, 16, 4]
 *     C  [T, 16]        whole numbers, which are scaled and added up as there,
 * so that results have the same bits. Eight dot products for each row of x become one
 * instruction for all.
 *
 * A tile takes some hundred cycles from its stores to its sums. So GROUP parts go together,
 * and while they are under way the sums of the group before are scaled.
 */
#include "kern/amx.h"

#include "kern/vec_ints_avx512.h"

#include "kern/vec_unroll.h"
#include "kern/unpack.h"
#include "kern/vec_quant_tile.h"
#include "os/cpu.h"

enum {
    PARTS = 4,
    MANY_FROM = 33, /* from here on, tiles of bf16, which need no scaling, are */
    FEW_FROM = 9,   /* below, vectors are as fast: docs/SPEED.md */
    FEW_MOST = 32,  /* rows of x at a time: two tiles */
};

/* PARTS parts of VEC rows, neighbours in k. */
typedef struct quant_parts {
    _Alignas(64) int32_t u[PARTS][PART][VEC];
    _Alignas(64) int32_t dot[PARTS][FEW_MOST][VEC];
    vec d[PARTS], m[PARTS];
    int64_t k; /* of the first */
    int n;     /* how many there are */
} quant_parts;

/* Those that are being filled and those that are multiplied. */
typedef struct quant_pair {
    quant_parts parts[2];
    int now;
} quant_pair;

/* Rows of x in a tile: all T, or half of them; the second tile ends with the last row. */
static inline int64_t tile_rows(int64_t t)
{
    return t <= 16 ? t : (t + 1) / 2;
}

/* Tiles 0 to 3: sums; 4 and 5: rows of x, of 4 n bytes; 6 and 7: n rows of w. */
static void configure(int64_t t, int n)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes_per_row[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.bytes_per_row[i] = (uint16_t)(i == 4 || i == 5 ? 4 * n : 64);
        config.rows[i] = (uint8_t)(i < 6 ? tile_rows(t) : n);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(config));
    settle();
}

/* Part i with the first rows of x, and with the last when they are more than a tile's. */
#define MULTIPLY_PART(i, c, next_c, a, b)                                                \
    do {                                                                                 \
        _tile_loadd(b, parts->u[i], 64);                                                 \
        MULTIPLY_ROWS(i, 0, c, a, b);                                                    \
        if (last > 0)                                                                    \
            MULTIPLY_ROWS(i, last, next_c, a, b);                                        \
    } while (0)
#define MULTIPLY_ROWS(i, t, c, a, b)                                                     \
    do {                                                                                 \
        _tile_zero(c);                                                                   \
        _tile_loadd(a, x + (t)*q->x_stride + 4 * n * (i), q->x_stride);                  \
        if (is_signed)                                                                   \
            _tile_dpbssd(c, a, b);                                                       \
        else                                                                             \
            _tile_dpbsud(c, a, b);                                                       \
        _tile_stored(c, parts->dot[i][t], 64);                                           \
    } while (0)

/* The dot products of these parts. */
ALWAYS_INLINE void multiply_parts(const quant_tile *q, quant_parts *parts, int n,
                                  bool is_signed)
{
    const char *x = q->packed + parts->k;
    const int64_t last = q->t - tile_rows(q->t);
    settle();
    MULTIPLY_PART(0, 0, 1, 4, 6);
    if (parts->n > 1)
        MULTIPLY_PART(1, 2, 3, 5, 7);
    if (parts->n > 2)
        MULTIPLY_PART(2, 0, 1, 4, 6);
    if (parts->n > 3)
        MULTIPLY_PART(3, 2, 3, 5, 7);
    settle();
}

static inline vec broadcast_float(const char *p)
{
    return v_set(*(const float *)(const void *)p);
}

/* sum += what `count` parts amount to. */
ALWAYS_INLINE void scale_parts(const quant_tile *q, const quant_parts *parts, int count,
                               int n, bool is_signed)
{
    const char *scale = q->packed + ifm_q8_scale_at(q->k) + parts->k / 32 * 4;
    const char *sums =
        q->packed + (n == PART ? ifm_q8_sum32_at(q->k) + parts->k / 32 * 4
                               : ifm_q8_sum16_at(q->k) + parts->k / 16 * 4);
    for (int64_t t = 0; t < q->t; t++, scale += q->x_stride, sums += q->x_stride) {
        vec sum = q->sum[t];
        UNROLL for (int i = 0; i < count; i++)
        {
            const vint dot = _mm512_load_si512(parts->dot[i][t]);
            const vec x = broadcast_float(scale + (n == PART ? i : i / 2) * 4);
            sum = v_fma(i_float(dot), v_mul(parts->d[i], x), sum);
            if (!is_signed)
                sum = v_fma(parts->m[i], broadcast_float(sums + i * 4), sum);
        }
        q->sum[t] = sum;
    }
}

static inline void scale_all(const quant_tile *q, quant_parts *parts, int n,
                             bool is_signed)
{
    switch (parts->n) {
#define CASE(count)                                                                      \
    case count:                                                                          \
        scale_parts(q, parts, count, n, is_signed);                                      \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
#undef CASE
    }
    parts->n = 0;
}

/* The parts that are there go into the tiles, and those before them into the sums. */
static __attribute__((noinline)) void turn_over(const quant_tile *q, int n,
                                                bool is_signed)
{
    quant_pair *pair = q->parts;
    quant_parts *now = &pair->parts[pair->now], *before = &pair->parts[!pair->now];
    if (now->n > 0)
        multiply_parts(q, now, n, is_signed);
    scale_all(q, before, n, is_signed);
    pair->now = !pair->now;
}

ALWAYS_INLINE quant_parts *put_part(const quant_tile *q, int64_t k, const vint *u, int n,
                                    vec d)
{
    quant_pair *pair = q->parts;
    quant_parts *parts = &pair->parts[pair->now];
    const int i = parts->n++;
    if (i == 0)
        parts->k = k;
    UNROLL for (int j = 0; j < n; j++) _mm512_store_si512(parts->u[i][j], u[j]);
    parts->d[i] = d;
    return parts;
}

ALWAYS_INLINE void add_part(const quant_tile *q, bool exact, int64_t k, const vint *u,
                            int n, int bits, vec d, vec m)
{
    (void)exact;
    (void)bits;
    quant_parts *parts = put_part(q, k, u, n, d);
    parts->m[parts->n - 1] = m;
    if (parts->n == PARTS)
        turn_over(q, n, false);
}

ALWAYS_INLINE void add_signed(const quant_tile *q, bool exact, int64_t k,
                              const vint u[PART], vec d)
{
    (void)exact;
    if (put_part(q, k, u, PART, d)->n == PARTS)
        turn_over(q, PART, true);
}

#include "kern/vec_quant_types.h"

/* These rows of w with T rows of x from t0 on. */
ALWAYS_INLINE void multiply_tile(const ifm_product *p, ifm_dtype dtype, quant_pair *pair,
                                 int64_t t0, int64_t T, const quant_rows *rows)
{
    const int n = (int)quant_part(dtype) / 4;
    vec sum[FEW_MOST];
    quant_tile q = quant_tile_of(p, dtype, false, t0, T, rows, sum);
    q.parts = pair;
    for (int64_t t = 0; t < T; t++)
        sum[t] = v_zero();
    add_blocks(&q, dtype, false);
    turn_over(&q, n, dtype == IFM_DTYPE_Q8_0);
    turn_over(&q, n, dtype == IFM_DTYPE_Q8_0);
    put_sums(p, t0, T, rows, sum);
}

ALWAYS_INLINE void multiply_few(const ifm_product *p, ifm_dtype dtype)
{
    const int64_t run = stream_rows(p), tiles = count_tiles(p, run);
    quant_pair pair;
    pair.now = pair.parts[0].n = pair.parts[1].n = 0;
    for (int64_t t = 0; t < p->t; t += FEW_MOST) {
        const int64_t T = p->t - t < FEW_MOST ? p->t - t : FEW_MOST;
        configure(T, (int)quant_part(dtype) / 4);
        for (int64_t i = 0; i < tiles; i++) {
            const quant_rows rows = rows_of_tile(p, run, i);
            multiply_tile(p, dtype, &pair, t, T, &rows);
        }
    }
    _tile_release();
}

#define DEFINE(NAME, ...)                                                                \
    static void few_##NAME(const ifm_product *p, void *scratch)                          \
    {                                                                                    \
        (void)scratch;                                                                   \
        multiply_few(p, IFM_DTYPE_##NAME);                                               \
    }
IFM_DTYPE_QUANT_LIST(DEFINE)
#undef DEFINE

void ifm_kern_amx_quant(ifm_kern *table)
{
#define FILL(NAME, ...)                                                                  \
    do {                                                                                 \
        ifm_way *ways = table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME];                    \
        ways[IFM_WAY_FEW] = ways[IFM_WAY_ONE];                                           \
        ways[IFM_WAY_FEW].multiply = few_##NAME;                                         \
        ways[IFM_WAY_FEW].from_rows = FEW_FROM;                                          \
        ways[IFM_WAY_MANY].from_rows = MANY_FROM;                                        \
    } while (0);
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
}
