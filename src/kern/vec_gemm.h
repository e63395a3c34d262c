/*
 * Part of vec.h: products of many rows, bound by arithmetic.
 *
 *     for each strip of V vectors of columns:
 *         for each K_BLOCK of k:
 *             lay W[k block][strip] dense, as floats, into scratch (it stays in the second
 *             cache while all rows of x pass by)
 *             for each M rows of x: sums [M, V vectors] in registers, along the k block
 *
 * After Goto and van de Geijn 2008, without packing x: its rows are padded by the caller
 * so that they do not collide in the cache.
 */

enum {
    GEMM_VECTORS = 2,
    GEMM_ROWS = VEC_REGISTERS >= 32 ? 12 : 6, /* M: M V sums + V weights in registers */
    GEMM_K_BLOCK = 1024,
    GEMM_STRIP = GEMM_VECTORS * VEC,
    GEMM_SCRATCH_BYTES = GEMM_K_BLOCK * GEMM_STRIP * 4,
    /* Below, `product` reads the weights once and without copying: it is as fast. */
    GEMM_FROM = 17,
};

/* W[k0 … k0 + rows)[n … n + width) to panel[rows][STRIP], zeros behind the width. */
ALWAYS_INLINE void pack_panel(const ifm_product *p, ifm_dtype dtype, int64_t k0,
                              int64_t rows, int64_t n, int64_t width, float *panel)
{
    for (int64_t k = 0; k < rows; k++) {
        const int64_t at = (k0 + k) * p->w_stride + n;
        for (int v = 0; v < GEMM_VECTORS; v++) {
            const int64_t left = width - v * VEC;
            vec w = v_zero();
            if (left >= VEC)
                w = v_load_number(p->w, at + v * VEC, dtype);
            else if (left > 0)
                w = v_load_number_part(p->w, at + v * VEC, left, dtype);
            v_store(panel + k * GEMM_STRIP + v * VEC, w);
        }
    }
}

/* y[M, width] at (t, n) += x[t …][k0 … k0 + rows) panel; from zero when `fresh`. */
ALWAYS_INLINE void gemm_tile(const ifm_product *p, int M, int64_t t, int64_t n,
                             int64_t width, int64_t k0, int64_t rows, const float *panel,
                             bool fresh)
{
    const float *x = p->x + t * p->x_stride + k0;
    float *y = p->y + t * p->y_stride + n;
    vec sum[GEMM_ROWS][GEMM_VECTORS];
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < GEMM_VECTORS; v++)
        sum[m][v] = v_zero();
    for (int64_t k = 0; k < rows; k++) {
        vec w[GEMM_VECTORS];
        UNROLL for (int v = 0; v < GEMM_VECTORS; v++) w[v] =
            v_load(panel + k * GEMM_STRIP + v * VEC);
        UNROLL for (int m = 0; m < M; m++)
        {
            const vec xm = v_set(x[m * p->x_stride + k]);
            UNROLL for (int v = 0; v < GEMM_VECTORS; v++) sum[m][v] =
                v_fma(xm, w[v], sum[m][v]);
        }
    }
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < GEMM_VECTORS; v++)
    {
        float *at = y + m * p->y_stride + v * VEC;
        const int64_t left = width - v * VEC;
        if (left >= VEC)
            v_store(at, fresh ? sum[m][v] : v_add(v_load(at), sum[m][v]));
        else if (left > 0)
            v_store_part(at, fresh ? sum[m][v] : v_add(v_load_part(at, left), sum[m][v]),
                         left);
    }
}

ALWAYS_INLINE void gemm_panel(const ifm_product *p, int64_t n, int64_t width, int64_t k0,
                              int64_t rows, const float *panel, bool fresh)
{
    int64_t t = 0;
    for (; t + GEMM_ROWS <= p->t; t += GEMM_ROWS)
        gemm_tile(p, GEMM_ROWS, t, n, width, k0, rows, panel, fresh);
    for (; t + 4 <= p->t; t += 4)
        gemm_tile(p, 4, t, n, width, k0, rows, panel, fresh);
    for (; t < p->t; t++)
        gemm_tile(p, 1, t, n, width, k0, rows, panel, fresh);
}

ALWAYS_INLINE void gemm_kn(const ifm_product *p, ifm_dtype dtype, float *panel)
{
    for (int64_t n = p->n0; n < p->n1; n += GEMM_STRIP) {
        const int64_t width = p->n1 - n < GEMM_STRIP ? p->n1 - n : GEMM_STRIP;
        for (int64_t k = p->k0; k < p->k1; k += GEMM_K_BLOCK) {
            const int64_t rows = p->k1 - k < GEMM_K_BLOCK ? p->k1 - k : GEMM_K_BLOCK;
            pack_panel(p, dtype, k, rows, n, width, panel);
            gemm_panel(p, n, width, k, rows, panel, k == p->k0 && !p->accumulate);
        }
    }
}

#define DEFINE_GEMM(NAME, name, bytes)                                                   \
    static void gemm_kn_##NAME(const ifm_product *p, void *scratch)                      \
    {                                                                                    \
        gemm_kn(p, IFM_DTYPE_##NAME, scratch);                                           \
    }
IFM_DTYPE_LIST(DEFINE_GEMM)
#undef DEFINE_GEMM
