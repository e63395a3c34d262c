/*
 * Part of vec.h: products of few rows, bound by reading the weights.
 *
 * Memory is read as several streams at once, each of consecutive bytes as long as can be:
 * the prefetchers follow each, and the pages of all are looked up side by side. So the k
 * (KN) or the n (NK) of a part are cut into as many runs of rows as there are streams, and
 * row i of every run is taken together. Neighbouring rows together would be streams of one
 * row's length: a fifth slower with rows of 1.5 kB (docs/SPEED.md).
 *
 * KN: sums wait in y, which is small, while the rows pass; where vectors come in pairs of
 * even and odd numbers, in that order until the last rows have passed. NK: each row of W has a sum of
 * its own, added across the lanes at the end. Weights are converted once for all rows of x.
 *
 * The order in which one output is summed depends on k0, k1 and T alone, not on where its
 * column stands.
 */

enum {
    KN_STREAMS = 8,
    /* Numbers that are asked for ahead in each stream with more rows of x, 0: the next row.
     * A small first cache has lost those of the next row by the time they are used. */
    KN_AHEAD = VEC_REGISTERS >= 32 ? 0 : 64,
    NK_STREAMS = 8,
    NK_STREAMS_MANY = 4,
    FEW_ROWS = 8,
    KN_MOST = 64, /* rows of W together: one of each stream, or all that is left */
};

/* With more rows of x there are more streams, so that sums are fetched and put back less
 * often. A first cache of eight ways holds 32 lines of 16-bit rows when their streams are an
 * odd number of rows apart, but eight of f32 rows whose length is a multiple of a page. */
ALWAYS_INLINE int64_t kn_streams(int64_t t, ifm_dtype dtype)
{
    if (t <= 2)
        return KN_STREAMS;
    if (VEC_REGISTERS >= 32)
        return 16;
    return dtype == IFM_DTYPE_F32 ? 8 : 32;
}

/* Vectors of columns at once, so that sums and weights fit into the registers. */
ALWAYS_INLINE int kn_vectors(int t)
{
    if (VEC_REGISTERS >= 32)
        return t <= 6 ? 4 : 3;
    return t <= 2 ? 4 : t == 3 ? 3 : t <= 6 ? 2 : 1;
}

/* Rows of W that are taken together: k, k + step, … */
typedef struct kn_rows {
    int64_t k, step, n; /* n ≤ KN_MOST */
    bool first, last;   /* that y meets */
} kn_rows;

/* Asks for n numbers from number i on. */
ALWAYS_INLINE void prefetch_run(const void *w, int64_t i, int n, ifm_dtype dtype)
{
    const int64_t size = dtype == IFM_DTYPE_F32 ? 4 : 2;
    const char *at = (const char *)w + i * size;
    UNROLL for (int64_t b = 0; b < n * size; b += 64) __builtin_prefetch(at + b, 0, 3);
}

/* Sums of a tile, from y. */
ALWAYS_INLINE void kn_fetch(const ifm_product *p, bool split, int T, int V,
                            const float *y, const kn_rows *rows, vec sum[8][4])
{
    const bool zero = rows->first && !p->accumulate;
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v++) sum[t][v] =
        zero ? v_zero() : v_load(y + t * p->y_stride + v * VEC);
    if (split && rows->first && !zero)
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v += 2)
            v_split(&sum[t][v], &sum[t][v + 1]);
}

/* y tile [T, V vectors] at (t0, n) += x[rows, T] W[rows][n …]. */
ALWAYS_INLINE void kn_tile(const ifm_product *p, ifm_dtype dtype, int T, int V,
                           int64_t t0, int64_t n, const kn_rows *rows, const float *x)
{
    const bool split = V_SPLITS(dtype) && V % 2 == 0;
    float *y = p->y + t0 * p->y_stride + n;
    vec sum[8][4];
    kn_fetch(p, split, T, V, y, rows, sum);
    for (int64_t i = 0; i < rows->n; i++, x += T) {
        const int64_t at = (rows->k + i * rows->step) * p->w_stride + n;
        if (T > 1)
            prefetch_run(p->w, at + (KN_AHEAD ? KN_AHEAD : p->w_stride), V * VEC, dtype);
        vec w[4];
        if (split)
            UNROLL for (int v = 0; v < V; v += 2)
                v_load_split(p->w, at + v * VEC, &w[v], &w[v + 1]);
        else
            UNROLL for (int v = 0; v < V; v++) w[v] =
                v_load_number(p->w, at + v * VEC, dtype);
        UNROLL for (int t = 0; t < T; t++)
        {
            const vec xt = v_set(x[t]);
            UNROLL for (int v = 0; v < V; v++) sum[t][v] = v_fma(xt, w[v], sum[t][v]);
        }
    }
    if (split && rows->last)
        UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v += 2)
            v_join(&sum[t][v], &sum[t][v + 1]);
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int v = 0; v < V; v++)
        v_store(y + t * p->y_stride + v * VEC, sum[t][v]);
}

/* The last columns, fewer than a vector. */
ALWAYS_INLINE void kn_edge(const ifm_product *p, ifm_dtype dtype, int64_t t, int64_t n,
                           const kn_rows *rows)
{
    const int64_t left = p->n1 - n;
    float *y = p->y + t * p->y_stride + n;
    vec sum = rows->first && !p->accumulate ? v_zero() : v_load_part(y, left);
    for (int64_t i = 0; i < rows->n; i++) {
        const int64_t k = rows->k + i * rows->step;
        const vec w = v_load_number_part(p->w, k * p->w_stride + n, left, dtype);
        sum = v_fma(v_set(p->x[t * p->x_stride + k]), w, sum);
    }
    v_store_part(y, sum, left);
}

/* All columns of T rows of x, whose numbers are first laid side by side as they are used:
 * where they lie, each would be a line of its own in the first cache. */
ALWAYS_INLINE void kn_columns(const ifm_product *p, ifm_dtype dtype, int T, int64_t t0,
                              const kn_rows *rows)
{
    const int V = kn_vectors(T);
    const float *from = p->x + t0 * p->x_stride + rows->k;
    float x[KN_MOST * FEW_ROWS];
    for (int64_t i = 0; i < rows->n; i++)
        for (int t = 0; t < T; t++)
            x[i * T + t] = from[t * p->x_stride + i * rows->step];
    int64_t n = p->n0;
    for (; n + V * VEC <= p->n1; n += V * VEC)
        kn_tile(p, dtype, T, V, t0, n, rows, x);
    for (; n + VEC <= p->n1; n += VEC)
        kn_tile(p, dtype, T, 1, t0, n, rows, x);
    if (n < p->n1)
        for (int t = 0; t < T; t++)
            kn_edge(p, dtype, t0 + t, n, rows);
}

/* All columns of up to FEW_ROWS rows of x. */
ALWAYS_INLINE void kn_few(const ifm_product *p, ifm_dtype dtype, int64_t t,
                          const kn_rows *rows)
{
    const int left = p->t - t < FEW_ROWS ? (int)(p->t - t) : FEW_ROWS;
    if (!SPECIALISE) {
        kn_columns(p, dtype, left, t, rows);
        return;
    }
    switch (left) {
#define CASE(T)                                                                          \
    case T:                                                                              \
        kn_columns(p, dtype, T, t, rows);                                                \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
        CASE(7)
        CASE(8)
#undef CASE
    }
}

ALWAYS_INLINE void kn_together(const ifm_product *p, ifm_dtype dtype, const kn_rows *rows)
{
    for (int64_t t = 0; t < p->t; t += FEW_ROWS)
        kn_few(p, dtype, t, rows);
}

ALWAYS_INLINE void product_kn(const ifm_product *p, ifm_dtype dtype)
{
    const int64_t streams = kn_streams(p->t, dtype), n = p->k1 - p->k0;
    const int64_t whole = n / streams;
    const int64_t run =
        VEC_REGISTERS < 32 && whole > 1 && whole % 2 == 0 ? whole - 1 : whole;
    const int64_t rest = n - run * streams;
    kn_rows rows = {.n = streams, .step = run, .first = true};
    for (int64_t i = 0; i < run; i++) {
        rows.k = p->k0 + i;
        rows.last = rest == 0 && i == run - 1;
        kn_together(p, dtype, &rows);
        rows.first = false;
    }
    if (rest) {
        rows = (kn_rows){p->k1 - rest, 1, rest, rows.first, true};
        kn_together(p, dtype, &rows);
    }
}

/* y[t0 + t][n + r step], t < T, r < R. */
ALWAYS_INLINE void nk_tile(const ifm_product *p, ifm_dtype dtype, int T, int R,
                           int64_t t0, int64_t n, int64_t step)
{
    const float *x = p->x + t0 * p->x_stride;
    const int64_t stride = step * p->w_stride;
    vec sum[FEW_ROWS][8];
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++) sum[t][r] =
        v_zero();
    int64_t k = p->k0, at = n * p->w_stride + p->k0;
    for (; k + VEC <= p->k1; k += VEC, at += VEC)
        UNROLL for (int r = 0; r < R; r++)
        {
            const vec w = v_load_number(p->w, at + r * stride, dtype);
            UNROLL for (int t = 0; t < T; t++) sum[t][r] =
                v_fma(v_load(x + t * p->x_stride + k), w, sum[t][r]);
        }
    if (k < p->k1)
        UNROLL for (int r = 0; r < R; r++)
        {
            const int64_t left = p->k1 - k;
            const vec w = v_load_number_part(p->w, at + r * stride, left, dtype);
            UNROLL for (int t = 0; t < T; t++) sum[t][r] =
                v_fma(v_load_part(x + t * p->x_stride + k, left), w, sum[t][r]);
        }
    UNROLL for (int t = 0; t < T; t++) UNROLL for (int r = 0; r < R; r++)
    {
        float *y = p->y + (t0 + t) * p->y_stride + n + r * step;
        *y = p->accumulate ? *y + v_sum(sum[t][r]) : v_sum(sum[t][r]);
    }
}

/* R rows of W with rows [t, t + left) of x. */
ALWAYS_INLINE void nk_few(const ifm_product *p, ifm_dtype dtype, int left, int R,
                          int64_t t, int64_t n, int64_t step)
{
    if (!SPECIALISE) {
        nk_tile(p, dtype, left, R, t, n, step);
        return;
    }
    switch (left) {
#define CASE(T)                                                                          \
    case T:                                                                              \
        nk_tile(p, dtype, T, R, t, n, step);                                             \
        break;
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
        CASE(5)
        CASE(6)
#undef CASE
    }
}

/* R rows of W with all rows of x, while they are in the first cache: at most so many at a
 * time as sums fit into the registers. */
ALWAYS_INLINE void nk_rows(const ifm_product *p, ifm_dtype dtype, int R, int64_t n,
                           int64_t step)
{
    const int64_t most = VEC_REGISTERS >= 32 ? 6 : 3;
    for (int64_t t = 0; t < p->t; t += most)
        nk_few(p, dtype, (int)(p->t - t < most ? p->t - t : most), R, t, n, step);
}

ALWAYS_INLINE void product_nk(const ifm_product *p, ifm_dtype dtype)
{
    const int streams = p->t == 1 ? NK_STREAMS : NK_STREAMS_MANY;
    const int64_t run = (p->n1 - p->n0) / streams;
    for (int64_t i = 0; i < run; i++)
        if (p->t == 1)
            nk_tile(p, dtype, 1, NK_STREAMS, 0, p->n0 + i, run);
        else
            nk_rows(p, dtype, NK_STREAMS_MANY, p->n0 + i, run);
    for (int64_t n = p->n0 + streams * run; n < p->n1; n++)
        nk_rows(p, dtype, 1, n, 1);
}

#define DEFINE_PRODUCT(NAME, name, bytes)                                                \
    static void product_kn_##NAME(const ifm_product *p, void *scratch)                   \
    {                                                                                    \
        (void)scratch;                                                                   \
        product_kn(p, IFM_DTYPE_##NAME);                                                 \
    }                                                                                    \
    static void product_nk_##NAME(const ifm_product *p, void *scratch)                   \
    {                                                                                    \
        (void)scratch;                                                                   \
        product_nk(p, IFM_DTYPE_##NAME);                                                 \
    }
IFM_DTYPE_FLOAT_LIST(DEFINE_PRODUCT)
#undef DEFINE_PRODUCT
