/*
 * Compute kernels: one table of functions per instruction set.
 *
 * The scalar table is the specification: plain loops, libm, correct by reading. Every other
 * table starts as a copy of a lesser one and replaces what it does better, as dav1d fills
 * its context; tests/checkkern compares each function with the scalar one and times it.
 *
 * A weight matrix lies in one of two ways, and is used where it lies:
 *     KN   [K in, N out]: GPT-2's Conv1D;       y[n] = Σ_k x[k] w[k][n]
 *     NK   [N out, K in]: all others;           y[n] = Σ_k x[k] w[n][k]
 *
 * Functions of a table work on one thread's part. A result does not depend on how the
 * columns are divided among threads: each output is summed in an order that its own
 * position does not influence. kern/matmul.h divides the work.
 *
 * No function allocates or fails. Pointers need the alignment of a byte, unless said.
 */
#ifndef IFM_KERN_KERN_H
#define IFM_KERN_KERN_H

#include "format/dtype.h"

typedef enum ifm_layout {
    IFM_LAYOUT_KN,
    IFM_LAYOUT_NK,
    IFM_LAYOUT_COUNT,
} ifm_layout;

/* A part of a product: y[t][n] = Σ_{k0 ≤ k < k1} x[t][k] w(k, n) for t < T, n0 ≤ n < n1,
 * or y[t][n] += that. Nothing else of y is written. */
typedef struct ifm_product {
    const float *x; /* [T, K], rows x_stride floats apart */
    int64_t x_stride;
    const void *w; /* [K, N] or [N, K], rows w_stride elements apart */
    int64_t w_stride;
    float *y; /* [T, N], rows y_stride floats apart */
    int64_t y_stride;
    int64_t t;
    int64_t k0, k1;
    int64_t n0, n1;
    bool accumulate;
    const void *packed; /* x as the way's `pack` lays it out, or NULL */
} ifm_product;

/* With quantized weights, which are always NK, k0 is 0 and k1 is K = w_stride. */

/* One way of computing products with one type of matrix, good from so many rows of x on. */
typedef struct ifm_way {
    /* NULL: there is no such way. `scratch` is the thread's own (64-byte aligned,
     * scratch_bytes of the table): to lay blocks of weights in. */
    void (*multiply)(const ifm_product *p, void *scratch);
    /* Lays rows [t0, t1) of x out as multiply wants them, t0 a multiple of pack_rows, into
     * the place of all rows, `packed` (64-byte aligned, packed_bytes): threads pack parts,
     * then all multiply. NULL: multiply reads x. Ways with the same `pack` read the same,
     * whatever the type of their weights. */
    void (*pack)(const ifm_product *p, int64_t t0, int64_t t1, void *packed);
    size_t (*packed_bytes)(int64_t t, int64_t k);
    int64_t pack_rows; /* 0: IFM_KERN_PACK_ROWS */
    int64_t from_rows; /* least T for which it is the fastest, ≥ 1 */
    /* What a term of the sum may be off by, in proportion, beyond f32: 2⁻¹⁷ where x is
     * split into two bf16 parts; 0: nothing. */
    float rounding;
    bool eight_bit; /* x is rounded to 8 bits as kern/q8.h says: then beside that */
} ifm_way;

/* Ways in rising order of from_rows; the last one that T reaches is taken. */
typedef enum ifm_way_rank {
    IFM_WAY_ONE,  /* from one row on */
    IFM_WAY_FEW,  /* a short prompt, a small batch: the weights' reading still counts */
    IFM_WAY_MANY, /* bound by arithmetic */
    IFM_WAY_COUNT,
} ifm_way_rank;

typedef enum ifm_kern_activation {
    IFM_KERN_LINEAR,
    IFM_KERN_GELU_NEW, /* x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), Hendrycks 2016 */
    IFM_KERN_GELU,     /* x/2 (1 + erf(x/√2)) */
    IFM_KERN_RELU,
    IFM_KERN_SILU, /* x / (1 + exp(-x)) */
    IFM_KERN_ACTIVATION_COUNT,
} ifm_kern_activation;

/* What follows the sums of a product: y[t][n] = f(bias[n] + Σ_s part[s][t][n]), in order of
 * s, or y[t][n] += that when `add` is set. */
typedef struct ifm_epilogue {
    const float *part;    /* [S, T, N], rows part_stride floats apart */
    int64_t part_stride;  /* from row to row */
    int64_t slice_stride; /* from slice to slice */
    int64_t slices;       /* S ≥ 1 */
    const float *bias;    /* [N], or NULL */
    float *y;             /* [T, N]; may be `part` when S = 1 */
    int64_t y_stride;
    int64_t t;
    int64_t n0, n1;
    ifm_kern_activation activation;
    bool add;
} ifm_epilogue;

/* Keys of one head lie in blocks of IFM_KEY_BLOCK positions, [P/16, D, 16]: the scores of
 * 16 positions are computed side by side and no sum runs across a register. */
enum { IFM_KEY_BLOCK = 16 };

/* Attention over one key-value head by the M query heads that share it (grouped queries,
 * Ainslie et al. 2023), of T rows at positions first … first + T - 1:
 *     s[t][m][p] = log₂e scale q[t][m]·k[p]
 *     out[t][m]  = Σ_p 2^s[t][m][p] v[p] / Σ_p 2^s[t][m][p]
 * over the positions that the row sees, p ≤ first + t and, with a window, p > first + t -
 * window, and that lie in [begin, end). Powers of two, as processors compute those; the
 * quotient is softmax(scale q·k) v.
 *
 * What a row gets does not depend on which rows [t0, t1) are computed with it, only on T:
 * threads may share rows out as they like. */
typedef struct ifm_attention {
    const float *q; /* [T, M, D], rows q_stride floats apart */
    int64_t q_stride;
    const void *k;   /* [P/16, D, 16]; what lies behind the last position is not used */
    const void *v;   /* [P, D] */
    ifm_dtype dtype; /* of k and v: f32 or f16 */
    float *out;      /* [T, M, D], rows out_stride floats apart */
    int64_t out_stride;
    /* NULL, or [T, M, D + 2] instead of `out`, for `merge`: Σ_p 2^(s - largest) v[p], the
     * largest score (-∞ when the row sees nothing), Σ_p 2^(s - largest). */
    float *part;
    int64_t t, group, d; /* T, M, D */
    int64_t t0, t1;      /* rows to compute */
    int64_t first;
    int64_t window;     /* positions that a row sees, its own included; 0: all */
    int64_t begin, end; /* begin a multiple of IFM_KEY_BLOCK; end ≤ P */
    const void *next;   /* keys that the next call reads, to be asked for; NULL: those
                           that follow in k */
    float scale;
    void *scratch; /* of the way's `bytes`, 64-byte aligned */
} ifm_attention;

/* One way of computing it, good from so many queries T M on. */
typedef struct ifm_attend_way {
    /* NULL: there is no such way. Every row sees a position at least, or a part is asked
     * for. */
    void (*attend)(const ifm_attention *a);
    size_t (*bytes)(int64_t d); /* of scratch */
    int64_t from_queries;       /* least T M for which it is the fastest, ≥ 1 */
    int64_t max_d;              /* greatest D, 0: any */
    /* What queries, keys, values and weights may be off by, in proportion, where keys and
     * values are f16; 0: f32's own roundings. */
    float rounding;
} ifm_attend_way;

enum { IFM_KERN_PACK_ROWS = 32 };

typedef struct ifm_kern {
    const char *name;

    /* y[i] = x[i], exactly; n ≥ 0. */
    void (*to_f32[IFM_DTYPE_COUNT])(float *y, const void *x, int64_t n);

    /* y = (x - mean) / √(variance + eps) ∘ gain + bias over n ≥ 1 values; variance is the
     * mean of squares of x - mean (Ba et al. 2016). y may be x. */
    void (*layer_norm)(float *y, const float *x, const float *gain, const float *bias,
                       int64_t n, float eps);

    /* y = x / √(mean of squares + eps) ∘ gain (Zhang and Sennrich 2019), n ≥ 1. y may be
     * x. */
    void (*rms_norm)(float *y, const float *x, const float *gain, int64_t n, float eps);

    /* Turns pairs of components of `heads` heads, each of d floats, one after another, by
     * angles whose cosines and sines are cos[r/2], sin[r/2] (Su et al. 2021): pairs
     * (i, i + r/2), or (2i, 2i + 1) when `interleaved`; components from r on stay. */
    void (*rotate)(float *x, int64_t heads, int64_t d, int64_t r, const float *cos,
                   const float *sin, bool interleaved);

    /* y ∘= x: the second factor of a gated unit. */
    void (*multiply)(float *y, const float *x, int64_t n);

    /* How products are computed. Quantized types have two sets: `ways`, which may round x
     * to 8 bits, and `exact`, which keep it; plain types are always exact. */
    ifm_way ways[IFM_LAYOUT_COUNT][IFM_DTYPE_COUNT][IFM_WAY_COUNT];
    ifm_way exact[IFM_DTYPE_COUNT][IFM_WAY_COUNT]; /* quantized, NK */
    size_t scratch_bytes; /* of scratch that ways need, per thread */

    void (*epilogue)(const ifm_epilogue *e);

    ifm_attend_way attend[IFM_WAY_COUNT];

    /* out[D] from parts[S][D + 2] of one query over ranges of positions, `stride` floats
     * apart, added in their order. One of them has seen something. */
    void (*merge)(const float *parts, int64_t slices, int64_t stride, int64_t d,
                  float *out);

    /* y[i] = x[i] rounded to f16, ties to even; beyond ±65504 that; NaN stays NaN. */
    void (*to_f16)(uint16_t *y, const float *x, int64_t n);

    /* Index of the largest of x[n], n ≥ 1; of equals the first; NaN is never the largest
     * (0 when all are NaN). */
    int64_t (*argmax)(const float *x, int64_t n);

    /* *max = max_i x[i], *sum = Σ_i exp(x[i] - *max), n ≥ 1: log Σ exp x = max + log sum.
     * Undefined for NaN. */
    void (*max_sum_exp)(const float *x, int64_t n, float *max, double *sum);
} ifm_kern;

/* The way of `kern` for a product of t rows; `exact` matters to quantized types only. Never
 * NULL: every table has a way from one row on. */
const ifm_way *ifm_kern_way(const ifm_kern *kern, ifm_layout layout, ifm_dtype dtype,
                            int64_t t, bool exact);

/* The way of `kern` for so many queries of width d. Never NULL. */
const ifm_attend_way *ifm_kern_attend_way(const ifm_kern *kern, int64_t queries,
                                          int64_t d);

/* Bytes of scratch that any way wants for heads of width d. */
size_t ifm_kern_attend_bytes(const ifm_kern *kern, int64_t d);

/* The tables that this build has and this processor can run, worst first, at most `cap` of
 * them; returns how many there are. The first is always "scalar". */
enum { IFM_KERN_MAX = 8 };
int ifm_kernels_available(const ifm_kern *tables[], int cap);

/* The table called `name`; NULL: the one that the environment variable IFM_KERNELS names,
 * else the best available. A name that is unknown or that this processor cannot run is an
 * UNSUPPORTED error that lists those it can. Tables live as long as the process. */
ifm_status ifm_kernels_find(const char *name, const ifm_kern **out, ifm_error *err);

#endif
