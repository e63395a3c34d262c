/* Dividing a product among threads: kern/matmul.h has the reasons. */
#include "kern/matmul.h"

#include <assert.h>

#include "base/checked.h"

enum {
    COLUMN_UNIT = 16, /* columns of y in a cache line: no two threads write the same */
    SLICE_MIN_K = 32, /* a slice of fewer rows costs more to add than to read */
    PART_ROWS = 32,   /* most S T: what `parts` has room for */
    MANY_ROWS = 16,   /* most T that goes through slices at once */
};

/* Slices of K for T rows: enough that eight threads read long runs, few enough that adding
 * them stays cheap beside reading W. */
static int64_t slices_for(int64_t t, int64_t k)
{
    int64_t slices = t <= 2 ? 8 : t <= 8 ? 4 : 2;
    while (slices > 1 && k / slices < SLICE_MIN_K)
        slices /= 2;
    return slices;
}

size_t ifm_matmul_parts(int64_t n)
{
    return (size_t)PART_ROWS *
           (size_t)((n + COLUMN_UNIT - 1) / COLUMN_UNIT * COLUMN_UNIT);
}

size_t ifm_matmul_packed(const ifm_kern *kern, int64_t t, int64_t k)
{
    return kern->pack_bytes_per_number * ifm_align_up((size_t)t, IFM_KERN_PACK_ROWS) *
           ifm_align_up((size_t)k, IFM_KERN_PACK_ROWS);
}

static ifm_product product_of(const ifm_matmul *job)
{
    const ifm_matrix *w = job->w;
    return (ifm_product){
        .x = job->x,
        .x_stride = job->x_stride,
        .w = w->data,
        .w_stride = w->layout == IFM_LAYOUT_KN ? w->n : w->k,
        .y = job->y,
        .y_stride = job->y_stride,
        .t = job->t,
        .k1 = w->k,
        .n1 = w->n,
    };
}

/* Bias, activation and residual on columns [n0, n1) of sums that lie in `part`. */
static void finish(const ifm_team *team, const ifm_matmul *job, const ifm_epilogue *sums,
                   int64_t n0, int64_t n1)
{
    if (n0 >= n1)
        return;
    ifm_epilogue e = *sums;
    e.bias = job->bias;
    e.y = job->y;
    e.y_stride = job->y_stride;
    e.t = job->t;
    e.n0 = n0;
    e.n1 = n1;
    e.activation = job->activation;
    e.add = job->add;
    team->kern->epilogue(&e);
}

/* This thread's run of the slices × columns, laid end to end: whole slices (contiguous
 * weights) but for the first and the last, whatever the number of threads. */
static void multiply_slices(const ifm_team *team, const ifm_matmul *job, int64_t slices,
                            int64_t stride)
{
    const ifm_matrix *w = job->w;
    const int64_t columns = (w->n + COLUMN_UNIT - 1) / COLUMN_UNIT;
    const ifm_product_fn multiply = team->kern->product[w->layout][w->dtype];
    int64_t at, end;
    ifm_pool_part(slices * columns, 1, team->thread, team->threads, &at, &end);
    while (at < end) {
        const int64_t s = at / columns, c0 = at % columns;
        const int64_t c1 = end - at < columns - c0 ? c0 + end - at : columns;
        ifm_product p = product_of(job);
        p.k0 = w->k * s / slices;
        p.k1 = w->k * (s + 1) / slices;
        p.n0 = c0 * COLUMN_UNIT;
        p.n1 = c1 * COLUMN_UNIT < w->n ? c1 * COLUMN_UNIT : w->n;
        p.y = team->parts + s * job->t * stride;
        p.y_stride = stride;
        multiply(&p);
        at += c1 - c0;
    }
}

static void run_sliced(const ifm_team *team, const ifm_matmul *job)
{
    const int64_t slices = slices_for(job->t, job->w->k);
    const int64_t stride = (job->w->n + COLUMN_UNIT - 1) / COLUMN_UNIT * COLUMN_UNIT;
    int64_t n0, n1;
    multiply_slices(team, job, slices, stride);
    ifm_pool_barrier(team->pool);
    ifm_pool_part(job->w->n, COLUMN_UNIT, team->thread, team->threads, &n0, &n1);
    finish(team, job,
           &(ifm_epilogue){.part = team->parts,
                           .part_stride = stride,
                           .slice_stride = job->t * stride,
                           .slices = slices},
           n0, n1);
}

/* Each thread lays out its part of x; all of it is there afterwards. */
static void pack_together(const ifm_team *team, const ifm_matmul *job)
{
    const ifm_product p = product_of(job);
    int64_t t0, t1;
    ifm_pool_part(job->t, IFM_KERN_PACK_ROWS, team->thread, team->threads, &t0, &t1);
    if (t0 < t1)
        team->kern->pack[job->w->dtype](&p, t0, t1, team->packed);
    ifm_pool_barrier(team->pool);
}

/* Whole sums of this thread's columns, on top of y where it is added to; then, in place,
 * what follows them. */
static void run_columns(const ifm_team *team, const ifm_matmul *job, bool many)
{
    const ifm_matrix *w = job->w;
    ifm_product p = product_of(job);
    if (many && team->kern->pack[w->dtype]) {
        pack_together(team, job);
        p.packed = team->packed;
    }
    ifm_pool_part(w->n, COLUMN_UNIT, team->thread, team->threads, &p.n0, &p.n1);
    if (p.n0 >= p.n1)
        return;
    p.accumulate = job->add;
    if (many)
        team->kern->gemm[w->layout][w->dtype](&p, team->scratch);
    else
        team->kern->product[w->layout][w->dtype](&p);
    if (!job->bias && job->activation == IFM_KERN_LINEAR)
        return;
    ifm_matmul rest = *job;
    rest.add = false;
    finish(team, &rest,
           &(ifm_epilogue){.part = job->y, .part_stride = job->y_stride, .slices = 1},
           p.n0, p.n1);
}

void ifm_matmul_run(const ifm_team *team, const ifm_matmul *job)
{
    const ifm_matrix *w = job->w;
    assert(job->t >= 1 && (!job->add || job->activation == IFM_KERN_LINEAR));
    const bool many = team->kern->gemm[w->layout][w->dtype] &&
                      job->t >= team->kern->gemm_from[w->dtype];
    if (w->layout == IFM_LAYOUT_KN && job->t <= MANY_ROWS && !many)
        run_sliced(team, job);
    else
        run_columns(team, job, many);
}
