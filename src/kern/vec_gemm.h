/*
 * Part of vec.h: products of many rows with KN matrices, bound by arithmetic; NK ones are
 * packed by vec_gemm_nk.h, and then the same.
 *
 *     for each block of K_BLOCK rows, GROUP strips of V vectors of columns, of w:
 *         lay it dense, strip by strip, as floats, into scratch (in the second cache)
 *         for each strip, for each M rows of x:
 *             sums [M, V vectors] in registers, along the block's k
 *
 * After Goto and van de Geijn 2008, without packing x: its rows are padded by the caller
 * so that they do not collide in the cache.
 */

enum {
    GEMM_VECTORS = 2,
    GEMM_ROWS = VEC_REGISTERS >= 32 ? 12 : 6, /* M: M V sums + V weights in registers */
    /* With few registers a strip is so narrow that the first cache keeps it: 24 kB of
     * AVX2's, where 512 k would be all of the 32 kB that many processors have. */
    GEMM_K_BLOCK = VEC_REGISTERS >= 32 ? 512 : 384,
    GEMM_K_STEP = 64, /* of k between two askings for the next block */
    GEMM_STRIP = GEMM_VECTORS * VEC,
    GEMM_COLUMNS = 128, /* of a block: half a kilobyte of each row */
    /* Rows of x that all strips of a block meet while the second cache has them. */
    GEMM_TALL = VEC_REGISTERS >= 32 ? 1 << 20 : 126,
    GEMM_SCRATCH_BYTES = GEMM_K_BLOCK * GEMM_COLUMNS * 4,
    /* Below, `product` reads the weights once and without copying: it is as fast. */
    GEMM_FROM = 17,
};

/* Numbers at w[at], `width` of them, to a row of one strip, zeros behind. */
ALWAYS_INLINE void pack_row(const ifm_product *p, ifm_dtype dtype, int64_t at,
                            int64_t width, float *out)
{
    for (int v = 0; v < GEMM_VECTORS; v++) {
        const int64_t left = width - v * VEC;
        vec w = v_zero();
        if (left >= VEC)
            w = v_load_number(p->w, at + v * VEC, dtype);
        else if (left > 0)
            w = v_load_number_part(p->w, at + v * VEC, left, dtype);
        v_store(out + v * VEC, w);
    }
}

/* A block to panels[strips][depth][STRIP]. */
ALWAYS_INLINE void pack_block(const ifm_product *p, ifm_dtype dtype, const ifm_block *b,
                              float *panels)
{
    for (int64_t k = 0; k < b->depth; k++) {
        const int64_t at = (p->k0 + b->k + k) * p->w_stride + b->n;
        float *out = panels + k * GEMM_STRIP;
        for (int64_t n = 0; n < b->width; n += GEMM_STRIP, out += b->depth * GEMM_STRIP)
            pack_row(p, dtype, at + n, b->width - n, out);
    }
}

/* One strip of a packed block. */
typedef struct gemm_part {
    const float *panel; /* [depth][STRIP] */
    int64_t n, width;   /* columns of y */
    int64_t k, depth;   /* of x, from k on */
    bool fresh;         /* y starts from zero */
} gemm_part;

/* y[M, width] at row t += x[t …][k …] panel. */
ALWAYS_INLINE void gemm_tile(const ifm_product *p, int M, int64_t t, const gemm_part *w,
                             ifm_ahead *next)
{
    const float *x = p->x + t * p->x_stride + w->k;
    float *y = p->y + t * p->y_stride + w->n;
    vec sum[GEMM_ROWS][GEMM_VECTORS];
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < GEMM_VECTORS; v++)
        sum[m][v] = v_zero();
    for (int64_t k = 0; k < w->depth;) {
        const int64_t end = w->depth - k < GEMM_K_STEP ? w->depth : k + GEMM_K_STEP;
        ifm_ahead_ask(next);
        for (; k < end; k++) {
            vec column[GEMM_VECTORS];
            UNROLL for (int v = 0; v < GEMM_VECTORS; v++) column[v] =
                v_load(w->panel + k * GEMM_STRIP + v * VEC);
            UNROLL for (int m = 0; m < M; m++)
            {
                const vec xm = v_set(x[m * p->x_stride + k]);
                UNROLL for (int v = 0; v < GEMM_VECTORS; v++) sum[m][v] =
                    v_fma(xm, column[v], sum[m][v]);
            }
        }
    }
    UNROLL for (int m = 0; m < M; m++) UNROLL for (int v = 0; v < GEMM_VECTORS; v++)
    {
        float *at = y + m * p->y_stride + v * VEC;
        const int64_t left = w->width - v * VEC;
        if (left >= VEC)
            v_store(at, w->fresh ? sum[m][v] : v_add(v_load(at), sum[m][v]));
        else if (left > 0)
            v_store_part(
                at, w->fresh ? sum[m][v] : v_add(v_load_part(at, left), sum[m][v]), left);
    }
}

/* Rows [t, end) of x. */
ALWAYS_INLINE void gemm_strip(const ifm_product *p, int64_t t, int64_t end,
                              const gemm_part *w, ifm_ahead *next)
{
    for (; t + GEMM_ROWS <= end; t += GEMM_ROWS)
        gemm_tile(p, GEMM_ROWS, t, w, next);
    for (; t + 4 <= end; t += 4)
        gemm_tile(p, 4, t, w, next);
    for (; t < end; t++)
        gemm_tile(p, 1, t, w, next);
}

/* A packed block with all rows of x: one function for all types of matrices. */
static __attribute__((noinline, unused)) void gemm_block(const ifm_product *p,
                                                         const ifm_block *b,
                                                         const float *panels,
                                                         ifm_ahead *next)
{
    for (int64_t t = 0; t < p->t; t += GEMM_TALL)
        for (int64_t n = 0; n < b->width; n += GEMM_STRIP) {
            const gemm_part part = {
                .panel = panels + n * b->depth,
                .n = b->n + n,
                .width = b->width - n < GEMM_STRIP ? b->width - n : GEMM_STRIP,
                .k = p->k0 + b->k,
                .depth = b->depth,
                .fresh = b->k == 0 && !p->accumulate,
            };
            gemm_strip(p, t, p->t - t < GEMM_TALL ? p->t : t + GEMM_TALL, &part, next);
        }
}

/* How many askings for the next block there are while `b` is multiplied. */
ALWAYS_INLINE int64_t gemm_steps(const ifm_product *p, const ifm_block *b)
{
    const int64_t tiles = (p->t / GEMM_ROWS + 1) * ((b->width - 1) / GEMM_STRIP + 1);
    return tiles * ((b->depth - 1) / GEMM_K_STEP + 1);
}

ALWAYS_INLINE void gemm_kn(const ifm_product *p, ifm_dtype dtype, float *panels)
{
    const int64_t size = dtype == IFM_DTYPE_F32 ? 4 : 2;
    ifm_block now = {.n = p->n0};
    bool more = ifm_block_next(p, GEMM_COLUMNS, GEMM_K_BLOCK, &now);
    while (more) {
        ifm_block later = now;
        ifm_ahead next = {0};
        more = ifm_block_next(p, GEMM_COLUMNS, GEMM_K_BLOCK, &later);
        if (more)
            next = ifm_ahead_of(p, &later, size, gemm_steps(p, &now));
        pack_block(p, dtype, &now, panels);
        gemm_block(p, &now, panels, &next);
        now = later;
    }
}

#define DEFINE_GEMM(NAME, name, bytes)                                                   \
    static void gemm_kn_##NAME(const ifm_product *p, void *scratch)                      \
    {                                                                                    \
        gemm_kn(p, IFM_DTYPE_##NAME, scratch);                                           \
    }
IFM_DTYPE_FLOAT_LIST(DEFINE_GEMM)
#undef DEFINE_GEMM
