/*
 * AVX-512 BF16: the output head of bf16 models, by the dot product of pairs of bf16 that
 * adds to f32. Weights are used as they lie, without widening, and x is split into two
 * bf16 parts, x = x₁ + x₂ up to 2⁻¹⁷: a third of the operations of widening and multiplying.
 *
 * Only here: with rows of weights that are read once, the two instructions a vector cost
 * nothing beside the memory. In products of many rows, two parts take back what the
 * instruction gains (AMD) or more (Intel: half the rate of a fused multiply-add), and one
 * part, x rounded to bf16, moved log-probabilities by 3.6e-2 on tests/reference/gpt2/bf16
 * (docs/SPEED.md).
 */
#include "kern/vec_avx512.h"

#include "kern/vec.h"

enum {
    LANES = 32,     /* bf16 in a vector */
    K_BLOCK = 1024, /* of x split at a time */
    STREAMS = 8,    /* rows of w at once, far apart: see vec_product.h */
};

/* A row of x in two parts, x₁ and x₂, zeros behind the last k. */
typedef struct split_row {
    _Alignas(64) uint16_t part[2][K_BLOCK];
} split_row;

static inline __m512i to_bf16(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static inline __m512 leading(__m512 x)
{
    const __m512i mask = _mm512_set1_epi32((int)0xffff0000u);
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), mask));
}

static uint32_t mask_of(int64_t left)
{
    return left >= LANES ? UINT32_MAX : (1u << left) - 1;
}

/* x[n] to its two parts. The first is cut, so that what is left is exact; the second is
 * rounded. */
static void split(const float *x, int64_t n, uint16_t part[2][K_BLOCK])
{
    for (int64_t k = 0; k < n; k += LANES) {
        const uint32_t mask = mask_of(n - k);
        const __m512 a = _mm512_maskz_loadu_ps((__mmask16)mask, x + k);
        const __m512 b = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), x + k + 16);
        const __m512 a1 = leading(a), b1 = leading(b);
        _mm512_store_si512(part[0] + k, to_bf16(a1, b1));
        _mm512_store_si512(part[1] + k,
                           to_bf16(_mm512_sub_ps(a, a1), _mm512_sub_ps(b, b1)));
    }
}

/* sum[r] += the 32 products at w of R rows with both parts of x. */
static inline __attribute__((always_inline)) void add_products(
    __m512 *sum, int R, const char *w, int64_t stride, uint32_t mask,
    const uint16_t part[2][K_BLOCK], int64_t k)
{
    const __m512bh x1 = (__m512bh)_mm512_load_si512(part[0] + k);
    const __m512bh x2 = (__m512bh)_mm512_load_si512(part[1] + k);
    for (int r = 0; r < R; r++) {
        const __m512bh v = (__m512bh)_mm512_maskz_loadu_epi16(mask, w + r * stride);
        sum[r] = _mm512_dpbf16_ps(_mm512_dpbf16_ps(sum[r], v, x1), v, x2);
    }
}

/* y[r step] = or += rows r of w (step apart) times one row of x, k of them. */
static inline __attribute__((always_inline)) void dot_rows(
    int R, const char *w, int64_t stride, int64_t n, const uint16_t part[2][K_BLOCK],
    float *y, int64_t step, bool fresh)
{
    __m512 sum[STREAMS];
    int64_t k = 0;
    for (int r = 0; r < R; r++)
        sum[r] = _mm512_setzero_ps();
    for (; k + LANES <= n; k += LANES)
        add_products(sum, R, w + k * 2, stride, UINT32_MAX, part, k);
    if (k < n)
        add_products(sum, R, w + k * 2, stride, mask_of(n - k), part, k);
    for (int r = 0; r < R; r++) {
        const float dot = _mm512_reduce_add_ps(sum[r]);
        y[r * step] = fresh ? dot : y[r * step] + dot;
    }
}

/* All rows of w, k0 … k0 + depth of them, with the row of x that was split. */
static void multiply_block(const ifm_product *p, const split_row *x, int64_t k0,
                           int64_t depth)
{
    const int64_t run = (p->n1 - p->n0) / STREAMS, row = p->w_stride * 2;
    const bool fresh = k0 == p->k0 && !p->accumulate;
    const char *w = (const char *)p->w + k0 * 2;
    for (int64_t n = p->n0; n < p->n0 + run; n++)
        dot_rows(STREAMS, w + n * row, run * row, depth, x->part, p->y + n, run, fresh);
    for (int64_t n = p->n0 + STREAMS * run; n < p->n1; n++)
        dot_rows(1, w + n * row, 0, depth, x->part, p->y + n, 0, fresh);
}

/* With more rows of x, arithmetic counts again: the widened weights serve all of them. */
static void product_nk_split(const ifm_product *p, void *scratch)
{
    split_row x;
    if (p->t > 1) {
        product_nk_BF16(p, scratch);
        return;
    }
    for (int64_t k = p->k0; k < p->k1; k += K_BLOCK) {
        const int64_t depth = p->k1 - k < K_BLOCK ? p->k1 - k : K_BLOCK;
        split(p->x + k, depth, x.part);
        multiply_block(p, &x, k, depth);
    }
}

void ifm_kern_avx512_bf16(ifm_kern *table)
{
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_BF16][IFM_WAY_ONE] =
        (ifm_way){.multiply = product_nk_split, .from_rows = 1, .rounding = 0x1p-17f};
}
