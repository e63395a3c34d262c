/*
 * Part of vec.h: products of few rows, bound by reading the weights.
 *
 * KN. Blocks of KN_BLOCK rows of W are walked side by side, left to right: as many streams
 * of consecutive cache lines, each of which the prefetcher follows, and whose pages are
 * looked up side by side. Sums wait in y, which is small, between blocks. Weights are
 * converted once for all rows of x.
 *
 * NK. NK_ROWS rows of W side by side, each with a sum of its own, added across the lanes
 * at the end.
 *
 * The order in which one output is summed depends on k alone: not on where its column or
 * row stands, nor on how many rows x has.
 */

enum { KN_BLOCK = 8, NK_ROWS = 8, NK_ROWS_SHARED = 4, FEW_ROWS = 8 };

/* Vectors of columns at once, so that sums and weights fit into the registers. */
ALWAYS_INLINE int kn_vectors(int t)
{
    if (VEC_REGISTERS >= 32)
        return t <= 6 ? 4 : 3;
    return t <= 2 ? 4 : t == 3 ? 3 : t <= 6 ? 2 : 1;
}

/* y tile [T, V vectors] at (t0, n) += x[t0 …][k … k + rows) W[k …][n …]; from zero when
 * `fresh`. */
ALWAYS_INLINE void kn_tile(const ifm_product *p, ifm_dtype dtype, int T, int V,
                           int64_t t0, int64_t n, int64_t k, int64_t rows, bool fresh)
{
    const float *x = p->x + t0 * p->x_stride + k;
    float *y = p->y + t0 * p->y_stride + n;
    vec sum[8][4];
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v++) sum[t][v] =
        fresh ? v_zero() : v_load(y + t * p->y_stride + v * VEC);
    for (int64_t i = 0; i < rows; i++) {
        const int64_t at = (k + i) * p->w_stride + n;
        vec w[4];
        UNROLL for (int v = 0; v < V; v++) w[v] =
            v_load_number(p->w, at + v * VEC, dtype);
        UNROLL for (int t = 0; t < T; t++)
        {
            const vec xt = v_set(x[t * p->x_stride + i]);
            UNROLL for (int v = 0; v < V; v++) sum[t][v] = v_fma(xt, w[v], sum[t][v]);
        }
    }
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v++)
        v_store(y + t * p->y_stride + v * VEC, sum[t][v]);
}

/* The last columns, fewer than a vector. */
ALWAYS_INLINE void kn_edge(const ifm_product *p, ifm_dtype dtype, int64_t t, int64_t n,
                           int64_t k, int64_t rows, bool fresh)
{
    const int64_t left = p->n1 - n;
    float *y = p->y + t * p->y_stride + n;
    vec sum = fresh ? v_zero() : v_load_part(y, left);
    for (int64_t i = 0; i < rows; i++)
        sum =
            v_fma(v_set(p->x[t * p->x_stride + k + i]),
                  v_load_number_part(p->w, (k + i) * p->w_stride + n, left, dtype), sum);
    v_store_part(y, sum, left);
}

/* All columns of T rows of x with one block of W. */
ALWAYS_INLINE void kn_rows(const ifm_product *p, ifm_dtype dtype, int T, int64_t t0,
                           int64_t k, int64_t rows, bool fresh)
{
    const int V = kn_vectors(T);
    int64_t n = p->n0;
    for (; n + V * VEC <= p->n1; n += V * VEC)
        kn_tile(p, dtype, T, V, t0, n, k, rows, fresh);
    for (; n + VEC <= p->n1; n += VEC)
        kn_tile(p, dtype, T, 1, t0, n, k, rows, fresh);
    if (n < p->n1)
        for (int t = 0; t < T; t++)
            kn_edge(p, dtype, t0 + t, n, k, rows, fresh);
}

ALWAYS_INLINE void kn_block(const ifm_product *p, ifm_dtype dtype, int64_t k,
                            int64_t rows, bool fresh)
{
    for (int64_t t = 0; t < p->t; t += FEW_ROWS)
        switch (p->t - t) {
        case 1:
            kn_rows(p, dtype, 1, t, k, rows, fresh);
            break;
        case 2:
            kn_rows(p, dtype, 2, t, k, rows, fresh);
            break;
        case 3:
            kn_rows(p, dtype, 3, t, k, rows, fresh);
            break;
        case 4:
            kn_rows(p, dtype, 4, t, k, rows, fresh);
            break;
        case 5:
            kn_rows(p, dtype, 5, t, k, rows, fresh);
            break;
        case 6:
            kn_rows(p, dtype, 6, t, k, rows, fresh);
            break;
        case 7:
            kn_rows(p, dtype, 7, t, k, rows, fresh);
            break;
        default:
            kn_rows(p, dtype, 8, t, k, rows, fresh);
            break;
        }
}

ALWAYS_INLINE void product_kn(const ifm_product *p, ifm_dtype dtype)
{
    for (int64_t k = p->k0; k < p->k1; k += KN_BLOCK) {
        const int64_t left = p->k1 - k;
        kn_block(p, dtype, k, left < KN_BLOCK ? left : KN_BLOCK,
                 k == p->k0 && !p->accumulate);
    }
}

/* y[t0 + t][n + r], t < T, r < R. */
ALWAYS_INLINE void nk_tile(const ifm_product *p, ifm_dtype dtype, int T, int R,
                           int64_t t0, int64_t n)
{
    const float *x = p->x + t0 * p->x_stride;
    vec sum[4][8];
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++) sum[t][r] =
        v_zero();
    int64_t k = p->k0;
    for (; k + VEC <= p->k1; k += VEC)
        UNROLL for (int r = 0; r < R; r++)
        {
            const vec w = v_load_number(p->w, (n + r) * p->w_stride + k, dtype);
            UNROLL for (int t = 0; t < T; t++) sum[t][r] =
                v_fma(v_load(x + t * p->x_stride + k), w, sum[t][r]);
        }
    if (k < p->k1)
        UNROLL for (int r = 0; r < R; r++)
        {
            const int64_t left = p->k1 - k;
            const vec w =
                v_load_number_part(p->w, (n + r) * p->w_stride + k, left, dtype);
            UNROLL for (int t = 0; t < T; t++) sum[t][r] =
                v_fma(v_load_part(x + t * p->x_stride + k, left), w, sum[t][r]);
        }
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++)
    {
        float *y = p->y + (t0 + t) * p->y_stride + n + r;
        *y = p->accumulate ? *y + v_sum(sum[t][r]) : v_sum(sum[t][r]);
    }
}

/* R rows of W with all rows of x, while they are in the first cache. */
ALWAYS_INLINE void nk_rows(const ifm_product *p, ifm_dtype dtype, int R, int64_t n)
{
    int64_t t = 0;
    for (; t + 4 <= p->t; t += 4)
        nk_tile(p, dtype, 4, R, t, n);
    for (; t < p->t; t++)
        nk_tile(p, dtype, 1, R, t, n);
}

ALWAYS_INLINE void product_nk(const ifm_product *p, ifm_dtype dtype)
{
    int64_t n = p->n0;
    if (p->t == 1)
        for (; n + NK_ROWS <= p->n1; n += NK_ROWS)
            nk_tile(p, dtype, 1, NK_ROWS, 0, n);
    for (; n + NK_ROWS_SHARED <= p->n1; n += NK_ROWS_SHARED)
        nk_rows(p, dtype, NK_ROWS_SHARED, n);
    for (; n < p->n1; n++)
        nk_rows(p, dtype, 1, n);
}

#define DEFINE_PRODUCT(NAME, name, bytes)                                                \
    static void product_kn_##NAME(const ifm_product *p)                                  \
    {                                                                                    \
        product_kn(p, IFM_DTYPE_##NAME);                                                 \
    }                                                                                    \
    static void product_nk_##NAME(const ifm_product *p)                                  \
    {                                                                                    \
        product_nk(p, IFM_DTYPE_##NAME);                                                 \
    }
IFM_DTYPE_LIST(DEFINE_PRODUCT)
#undef DEFINE_PRODUCT
