/*
 * AMX for few rows of x (3 to 16) and bf16 NK matrices: bound by reading w, so w is read
 * once, where it lies, and nothing is done with it: 32 numbers of 16 rows are a tile, the
 * rows far apart, so that each is a long stream (vec_product.h says why): with neighbouring
 * rows, asked for in one stream, it took twice as long. x, in two parts (amx.c), is the
 * other operand.
 *
 *     w: [16 rows n, 32 k]                  from the matrix
 *     x: [T/16, K/32, 2][16 pairs of k, 16 t, 2]   packed
 *     sums: [16 n, 16 t], turned on their way to y
 *
 * Two parts, even and odd blocks of k have sums of their own: an instruction need not wait
 * for the last but three.
 */
#include "base/checked.h"
#include "kern/amx.h"
#include "kern/vec_avx512.h"

enum {
    PARTS = 2,
    PAIR_BYTES = PARTS * TILE_BYTES, /* of x, for 32 k */
    FEW_FROM = 3,                    /* two rows are as fast with vectors */
    STEPS_AHEAD = 8,                 /* of 64 bytes: what is asked for of each row */
    SAME_SET = 4096, /* bytes between lines that share a set of the first cache */
};

/* 16 numbers k, k + 1, … of rows [t, t + rows) of x to columns of pairs, in two parts. */
static void turn_x(const ifm_product *p, int64_t t, int64_t rows, int64_t k,
                   unsigned char *out)
{
    const int64_t left = p->k1 - k;
    const __mmask16 mask = left >= TILE ? 0xffff
                           : left <= 0  ? 0
                                        : (__mmask16)((1u << left) - 1);
    __m512 r[16];
    for (int64_t i = 0; i < TILE; i++)
        r[i] =
            _mm512_maskz_loadu_ps(i < rows ? mask : 0, p->x + (t + i) * p->x_stride + k);
    v_transpose(r);
    for (int i = 0; i < TILE / 2; i++) {
        const __m512 a = r[2 * i], b = r[2 * i + 1];
        const __m512 rest_a = _mm512_sub_ps(a, leading(a)),
                     rest_b = _mm512_sub_ps(b, leading(b));
        _mm512_store_si512(out + i * 64, pair(a, b));
        _mm512_store_si512(out + TILE_BYTES + i * 64, pair(rest_a, rest_b));
    }
}

static void pack_few(const ifm_product *p, int64_t t0, int64_t t1, void *packed)
{
    const int64_t blocks = (p->k1 - p->k0 + DEPTH - 1) / DEPTH;
    for (int64_t t = t0; t < t1; t += TILE) {
        unsigned char *out = (unsigned char *)packed + t / TILE * blocks * PAIR_BYTES;
        const int64_t rows = t1 - t < TILE ? t1 - t : TILE;
        for (int64_t b = 0; b < blocks; b++, out += PAIR_BYTES) {
            turn_x(p, t, rows, p->k0 + b * DEPTH, out);
            turn_x(p, t, rows, p->k0 + b * DEPTH + TILE, out + TILE_BYTES / 2);
        }
    }
}

static size_t few_bytes(int64_t t, int64_t k)
{
    return ifm_align_up((size_t)t, TILE) / TILE *
           (ifm_align_up((size_t)k, DEPTH) / DEPTH) * PAIR_BYTES;
}

/* The last numbers of 16 rows, fewer than 32, zeros behind: nothing behind w is read. */
static void copy_tail(const char *w, int64_t stride, int64_t left, unsigned char *tile)
{
    for (int64_t i = 0; i < TILE; i++)
        _mm512_store_si512(tile + i * 64,
                           _mm512_maskz_loadu_epi16((1u << left) - 1, w + i * stride));
}

#define ADD(w, step, first, second)                                                      \
    do {                                                                                 \
        _tile_loadd(4, w, step);                                                         \
        _tile_loadd(5, x, 64);                                                           \
        _tile_loadd(6, x + TILE_BYTES, 64);                                              \
        _tile_dpbf16ps(first, 4, 5);                                                     \
        _tile_dpbf16ps(second, 4, 6);                                                    \
        x += PAIR_BYTES;                                                                 \
    } while (0)

/* sums[16 n][16 t] of 16 rows of w, `stride` bytes apart, along k. */
static void sum_rows(const char *w, int64_t stride, int64_t depth, const unsigned char *x,
                     float sums[TILE][TILE])
{
    _Alignas(64) unsigned char tail[TILE_BYTES];
    _Alignas(64) float part[4][TILE][TILE];
    const int64_t blocks = depth / DEPTH;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t b = 0; b < blocks; b++, w += 64) {
        for (int64_t i = 0; i < TILE; i++)
            __builtin_prefetch(w + i * stride + STEPS_AHEAD * 64, 0, 3);
        if (b % 2 == 0)
            ADD(w, stride, 0, 1);
        else
            ADD(w, stride, 2, 3);
    }
    if (depth % DEPTH) {
        copy_tail(w, stride, depth % DEPTH, tail);
        settle();
        ADD(tail, 64, 0, 1);
    }
    _tile_stored(0, part[0], 64);
    _tile_stored(1, part[1], 64);
    _tile_stored(2, part[2], 64);
    _tile_stored(3, part[3], 64);
    for (int i = 0; i < TILE; i++)
        _mm512_store_ps(
            sums[i],
            _mm512_add_ps(
                _mm512_add_ps(_mm512_load_ps(part[0][i]), _mm512_load_ps(part[2][i])),
                _mm512_add_ps(_mm512_load_ps(part[1][i]), _mm512_load_ps(part[3][i]))));
}

/* Columns n + j step of y, j from `from` to `end`, for 16 rows of x from t on; the tile has
 * all j < 16. */
static void multiply_tile(const ifm_product *p, int64_t t, int64_t n, int64_t step,
                          int64_t from, int64_t end)
{
    _Alignas(64) float sums[TILE][TILE];
    const int64_t depth = p->k1 - p->k0, blocks = (depth + DEPTH - 1) / DEPTH;
    sum_rows((const char *)p->w + (n * p->w_stride + p->k0) * 2, step * p->w_stride * 2,
             depth, (const unsigned char *)p->packed + t / TILE * blocks * PAIR_BYTES,
             sums);
    for (int64_t i = 0; i < TILE && t + i < p->t; i++)
        for (int64_t j = from; j < end; j++) {
            float *y = p->y + (t + i) * p->y_stride + n + j * step;
            *y = p->accumulate ? *y + sums[j][i] : sums[j][i];
        }
}

/* The last columns: the end of the last 16 rows, or, of fewer in all, each row 16 times. */
static void multiply_rest(const ifm_product *p, int64_t t, int64_t n)
{
    for (; p->n1 - n >= TILE; n += TILE)
        multiply_tile(p, t, n, 1, 0, TILE);
    if (n < p->n1 && p->n1 - p->n0 >= TILE)
        multiply_tile(p, t, p->n1 - TILE, 1, n + TILE - p->n1, TILE);
    else
        for (; n < p->n1; n++)
            multiply_tile(p, t, n, 0, 0, 1);
}

static void few_nk_bf16(const ifm_product *p, void *scratch)
{
    int64_t run = (p->n1 - p->n0) / TILE;
    (void)scratch;
    if (run > 1 && run * p->w_stride * 2 % SAME_SET == 0)
        run--; /* the rows' lines would displace each other */
    configure_tiles();
    for (int64_t t = 0; t < p->t; t += TILE) {
        for (int64_t n = p->n0; n < p->n0 + run; n++)
            multiply_tile(p, t, n, run, 0, TILE);
        multiply_rest(p, t, p->n0 + run * TILE);
    }
    _tile_release();
}

void ifm_kern_amx_few(ifm_kern *table)
{
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_BF16][IFM_WAY_FEW] = (ifm_way){
        .multiply = few_nk_bf16,
        .pack = pack_few,
        .packed_bytes = few_bytes,
        .from_rows = FEW_FROM,
        .rounding = 0x1p-16f, /* x₂ is cut, not rounded */
    };
}
