/*
 * y = f(x W + bias), by all threads of a pool together; several products with the same x
 * (queries, keys and values; gate and up) in one go.
 *
 * Few rows (decode): bound by reading W, so W must be read in long runs. A KN matrix is cut
 * along K into slices that lie contiguous in the file, whose partial sums are added
 * afterwards; an NK matrix along N. Cutting a KN matrix along N as well would have each
 * thread read half of every row: a third of the bandwidth lost (docs/SPEED.md).
 *
 * Many rows (prefill): bound by arithmetic; each thread takes columns.
 *
 * The slices depend on the shapes only, never on the number of threads: results are the
 * same bits for any number of threads.
 */
#ifndef IFM_KERN_MATMUL_H
#define IFM_KERN_MATMUL_H

#include "kern/kern.h"
#include "os/pool.h"

typedef struct ifm_matrix {
    const void *data; /* row-major, dense, borrowed */
    ifm_dtype dtype;
    ifm_layout layout;
    int64_t k, n;
} ifm_matrix;

/* Rows of x that each thread lays out for itself: cheaper than waiting for each other. At
 * most so many numbers, which take at most so many bytes. */
enum { IFM_MATMUL_OWN_NUMBERS = 4096, IFM_MATMUL_OWN_BYTES = 32 * 1024 };

/* One thread's view of those who compute together. */
typedef struct ifm_team {
    const ifm_kern *kern;
    ifm_pool *pool;
    int thread, threads;
    float *parts;  /* shared; ifm_matmul_parts floats */
    void *packed;  /* shared; ifm_matmul_packed bytes, 64-byte aligned */
    void *own;     /* this thread's; IFM_MATMUL_OWN_BYTES, 64-byte aligned */
    void *scratch; /* this thread's; kern->scratch_bytes, 64-byte aligned */
} ifm_team;

typedef struct ifm_matmul {
    const float *x; /* [T, K], rows x_stride floats apart */
    int64_t x_stride;
    const ifm_matrix *w;
    const float *bias; /* [N], or NULL */
    float *y;          /* [T, N], rows y_stride floats apart */
    int64_t y_stride;
    int64_t t;
    ifm_kern_activation activation;
    bool add; /* y += x W + bias; with IFM_KERN_LINEAR only */
    /* A gated unit (Shazeer 2020): y = f(x W + bias) ∘ (x up), of W's shape, both NK. NULL:
     * none. up_y [T, N], rows y_stride apart, is room for parts of x up. */
    const ifm_matrix *up;
    float *up_y;
    bool exact; /* x is not rounded to 8 bits for quantized weights */
} ifm_matmul;

/* Floats of `parts` that products with at most n columns need, whatever T. */
size_t ifm_matmul_parts(int64_t n);

/* Bytes of `packed` that products of at most t rows and k wide need, whatever the type. */
size_t ifm_matmul_packed(const ifm_kern *kern, int64_t t, int64_t k);

/* Called by every thread of the team with the same jobs[n], which share x, x_stride and t.
 * x must be complete before (a barrier, or each thread has made an equal one for itself);
 * y is complete after the next barrier, which is the caller's. */
void ifm_matmul_run(const ifm_team *team, const ifm_matmul *jobs, int n);

#endif
