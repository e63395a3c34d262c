/*
 * Products with quantized weights: the specification. Weights are what ifm_dequantize
 * makes of them; x is what kern/q8.h makes of it, or exact.
 */
#include "kern/q8.h"
#include "kern/tables.h"

#include "format/quant.h"

enum {
    PIECE = 256
}; /* numbers of w that are decoded at a time: every block divides it */

static void pack(const ifm_product *p, int64_t t0, int64_t t1, void *packed)
{
    for (int64_t t = t0; t < t1; t++)
        ifm_q8_pack(p->x + t * p->x_stride, p->k1, t, packed);
}

/* Σ x w over a piece of one row of x, */
static double dot_exact(const ifm_product *p, int64_t t, int64_t k, int64_t n,
                        const float *w)
{
    double sum = 0;
    const float *x = p->x + t * p->x_stride + k;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * w[i];
    return sum;
}

/* and of the row that is packed. */
static double dot_packed(const ifm_product *p, int64_t t, int64_t k, int64_t n,
                         const float *w)
{
    double sum = 0;
    const char *row = (const char *)p->packed + t * ifm_q8_row_bytes(p->k1);
    const int8_t *q = (const int8_t *)row + k;
    const float *scale =
        (const float *)(const void *)(row + ifm_q8_scale_at(p->k1)) + k / IFM_Q8_BLOCK;
    for (int64_t i = 0; i < n; i++)
        sum += (double)scale[i / IFM_Q8_BLOCK] * q[i] * (double)w[i];
    return sum;
}

static void product(const ifm_product *p, ifm_dtype dtype, bool exact)
{
    const int64_t row = ifm_dtype_bytes_of(dtype, p->w_stride);
    for (int64_t n = p->n0; n < p->n1; n++)
        for (int64_t t = 0; t < p->t; t++) {
            float w[PIECE], *y = &p->y[t * p->y_stride + n];
            double sum = p->accumulate ? *y : 0;
            for (int64_t k = 0; k < p->k1; k += PIECE) {
                const int64_t some = p->k1 - k < PIECE ? p->k1 - k : PIECE;
                ifm_dequantize(
                    dtype, (const char *)p->w + n * row + ifm_dtype_bytes_of(dtype, k),
                    some, w);
                sum += exact ? dot_exact(p, t, k, some, w) : dot_packed(p, t, k, some, w);
            }
            *y = (float)sum;
        }
}

#define DEFINE_PRODUCT(NAME, name, bytes, numbers)                                       \
    static void product_##NAME(const ifm_product *p, void *scratch)                      \
    {                                                                                    \
        (void)scratch;                                                                   \
        product(p, IFM_DTYPE_##NAME, false);                                             \
    }                                                                                    \
    static void exact_##NAME(const ifm_product *p, void *scratch)                        \
    {                                                                                    \
        (void)scratch;                                                                   \
        product(p, IFM_DTYPE_##NAME, true);                                              \
    }                                                                                    \
    static void to_f32_##NAME(float *y, const void *x, int64_t n)                        \
    {                                                                                    \
        ifm_dequantize(IFM_DTYPE_##NAME, x, n, y);                                       \
    }
IFM_DTYPE_QUANT_LIST(DEFINE_PRODUCT)
#undef DEFINE_PRODUCT

void ifm_kern_scalar_quant(ifm_kern *table)
{
#define FILL(NAME, name, bytes, numbers)                                                 \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_ONE] =                          \
        (ifm_way){.multiply = product_##NAME,                                            \
                  .pack = pack,                                                          \
                  .packed_bytes = ifm_q8_bytes,                                          \
                  .from_rows = 1,                                                        \
                  .eight_bit = true};                                                    \
    table->exact[IFM_DTYPE_##NAME][IFM_WAY_ONE] =                                        \
        (ifm_way){.multiply = exact_##NAME, .from_rows = 1};                             \
    table->to_f32[IFM_DTYPE_##NAME] = to_f32_##NAME;
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
}
