/* Dividing a product among threads: kern/matmul.h has the reasons. */
#include "kern/matmul.h"

#include <assert.h>

enum {
    COLUMN_UNIT = 16, /* columns of y in a cache line: no two threads write the same */
    SLICE_MIN_K = 32, /* a slice of fewer rows costs more to add than to read */
    PART_ROWS = 32,   /* most S T: what `parts` has room for */
    MANY_ROWS = 16,   /* most T that goes through slices at once */
    NEAR_UNIT = 64,   /* columns at least: whole strips of the kernels' */
    NEAR_FLOATS = 1 << 17, /* sums that stay in the second cache, beside x and w */
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

/* Floats from row to row of `parts`: whole lines, and not a multiple of a kilobyte, or else
 * the rows' lines would stand in the same few places of the first cache. */
static int64_t parts_stride(int64_t n)
{
    const int64_t lines = (n + COLUMN_UNIT - 1) / COLUMN_UNIT;
    return (lines % COLUMN_UNIT ? lines : lines + 1) * COLUMN_UNIT;
}

size_t ifm_matmul_parts(int64_t n)
{
    return (size_t)PART_ROWS * (size_t)(n + 2 * COLUMN_UNIT);
}

/* The most bytes that any way of the table wants for t rows, k wide. */
static size_t most_packed(const ifm_kern *kern, int64_t t, int64_t k)
{
    size_t most = 0;
    for (int dtype = 0; dtype < IFM_DTYPE_COUNT; dtype++)
        for (int rank = 0; rank < IFM_WAY_COUNT; rank++) {
            const ifm_way *ways[] = {&kern->ways[IFM_LAYOUT_KN][dtype][rank],
                                     &kern->ways[IFM_LAYOUT_NK][dtype][rank],
                                     &kern->exact[dtype][rank]};
            for (int i = 0; i < 3; i++) {
                const size_t bytes = ways[i]->pack ? ways[i]->packed_bytes(t, k) : 0;
                most = bytes > most ? bytes : most;
            }
        }
    return most;
}

size_t ifm_matmul_packed(const ifm_kern *kern, int64_t t, int64_t k)
{
    return most_packed(kern, t, k);
}

static const ifm_way *way_of(const ifm_team *team, const ifm_matmul *job,
                             const ifm_matrix *w)
{
    return ifm_kern_way(team->kern, w->layout, w->dtype, job->t, job->exact);
}

/* Columns of y in units that no two threads share. */
static int64_t units_of(const ifm_matmul *job)
{
    return (job->w->n + COLUMN_UNIT - 1) / COLUMN_UNIT;
}

static ifm_product product_of(const ifm_matmul *job, const ifm_matrix *w)
{
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
static void multiply_slices(const ifm_team *team, const ifm_matmul *job,
                            const ifm_way *way, int64_t slices, int64_t stride)
{
    const ifm_matrix *w = job->w;
    const int64_t columns = (w->n + COLUMN_UNIT - 1) / COLUMN_UNIT;
    int64_t at, end;
    ifm_pool_part(slices * columns, 1, team->thread, team->threads, &at, &end);
    while (at < end) {
        const int64_t s = at / columns, c0 = at % columns;
        const int64_t c1 = end - at < columns - c0 ? c0 + end - at : columns;
        ifm_product p = product_of(job, w);
        p.k0 = w->k * s / slices;
        p.k1 = w->k * (s + 1) / slices;
        p.n0 = c0 * COLUMN_UNIT;
        p.n1 = c1 * COLUMN_UNIT < w->n ? c1 * COLUMN_UNIT : w->n;
        p.y = team->parts + s * job->t * stride;
        p.y_stride = stride;
        way->multiply(&p, team->scratch);
        at += c1 - c0;
    }
}

static void run_sliced(const ifm_team *team, const ifm_matmul *job, const ifm_way *way)
{
    const int64_t slices = slices_for(job->t, job->w->k);
    const int64_t stride = parts_stride(job->w->n);
    int64_t n0, n1;
    multiply_slices(team, job, way, slices, stride);
    ifm_pool_barrier(team->pool);
    ifm_pool_part(job->w->n, COLUMN_UNIT, team->thread, team->threads, &n0, &n1);
    finish(team, job,
           &(ifm_epilogue){.part = team->parts,
                           .part_stride = stride,
                           .slice_stride = job->t * stride,
                           .slices = slices},
           n0, n1);
}

/* Padding counts: 80 rows of 40 numbers may take twice what 4,096 of one row do. */
static bool is_small(const ifm_matmul *job, const ifm_way *way)
{
    return job->t * job->w->k <= IFM_MATMUL_OWN_NUMBERS &&
           way->packed_bytes(job->t, job->w->k) <= IFM_MATMUL_OWN_BYTES;
}

/* x as `way` wants it: laid out by all threads together, or, when it is small, by each for
 * itself; NULL when it is read as it is. */
static const void *pack(const ifm_team *team, const ifm_matmul *job, const ifm_way *way)
{
    const ifm_product p = product_of(job, job->w);
    int64_t t0, t1;
    if (!way->pack)
        return NULL;
    if (team->threads == 1 || is_small(job, way)) {
        void *own = team->threads == 1 ? team->packed : team->own;
        way->pack(&p, 0, job->t, own);
        return own;
    }
    ifm_pool_part(job->t, way->pack_rows ? way->pack_rows : IFM_KERN_PACK_ROWS,
                  team->thread, team->threads, &t0, &t1);
    if (t0 < t1)
        way->pack(&p, t0, t1, team->packed);
    ifm_pool_barrier(team->pool);
    return team->packed;
}

/* Sums of columns [n0, n1) with `w` into y, whatever stands there. */
static void multiply_columns(const ifm_team *team, const ifm_matmul *job,
                             const ifm_matrix *w, const void *packed, float *y,
                             int64_t n0, int64_t n1)
{
    ifm_product p = product_of(job, w);
    p.y = y;
    p.packed = packed;
    p.n0 = n0;
    p.n1 = n1;
    p.accumulate = job->add;
    way_of(team, job, w)->multiply(&p, team->scratch);
}

/* Whole sums of columns [n0, n1), on top of y where it is added to; then, in place, what
 * follows them. Sums of `up` are left at `up_y`, rows y_stride apart. */
static void run_part(const ifm_team *team, const ifm_matmul *job, const void *packed,
                     int64_t n0, int64_t n1, float *up_y)
{
    multiply_columns(team, job, job->w, packed, job->y, n0, n1);
    if (job->bias || job->activation != IFM_KERN_LINEAR) {
        ifm_matmul rest = *job;
        rest.add = false;
        finish(team, &rest,
               &(ifm_epilogue){.part = job->y, .part_stride = job->y_stride, .slices = 1},
               n0, n1);
    }
    if (!job->up)
        return;
    multiply_columns(team, job, job->up, packed, up_y - n0, n0, n1);
    for (int64_t t = 0; t < job->t; t++)
        team->kern->multiply(job->y + t * job->y_stride + n0, up_y + t * job->y_stride,
                             n1 - n0);
}

/* Columns that are multiplied and finished together: with many rows so few that the second
 * cache still has their sums when they are read again; all where nothing reads them. */
static int64_t columns_at_once(const ifm_matmul *job, int64_t n)
{
    if (job->t <= MANY_ROWS ||
        (!job->bias && !job->up && job->activation == IFM_KERN_LINEAR))
        return n;
    const int64_t most = NEAR_FLOATS / job->t / (job->up ? 2 : 1);
    const int64_t parts = n / (most + 1) + 1;
    return (n / parts + NEAR_UNIT) / NEAR_UNIT * NEAR_UNIT;
}

static void run_columns(const ifm_team *team, const ifm_matmul *job, const void *packed,
                        int64_t n0, int64_t n1)
{
    const int64_t step = columns_at_once(job, n1 - n0);
    for (int64_t n = n0; n < n1; n += step)
        run_part(team, job, packed, n, n1 - n < step ? n1 : n + step,
                 job->up ? job->up_y + n0 : NULL);
}

/* This thread's columns of those jobs that read x as `packed` by `way`: all their columns,
 * laid end to end, are divided. */
static void run_alike(const ifm_team *team, const ifm_matmul *jobs, int n,
                      const ifm_way *way, const void *packed)
{
    int64_t units = 0, at = 0, begin, end;
    for (int i = 0; i < n; i++)
        if (way_of(team, &jobs[i], jobs[i].w)->pack == way->pack)
            units += units_of(&jobs[i]);
    ifm_pool_part(units, 1, team->thread, team->threads, &begin, &end);
    for (int i = 0; i < n && at < end; i++) {
        if (way_of(team, &jobs[i], jobs[i].w)->pack != way->pack)
            continue;
        const int64_t of_job = units_of(&jobs[i]);
        const int64_t u0 = begin > at ? begin - at : 0;
        const int64_t u1 = end - at < of_job ? end - at : of_job;
        const int64_t n1 = u1 * COLUMN_UNIT;
        if (u0 < u1)
            run_columns(team, &jobs[i], packed, u0 * COLUMN_UNIT,
                        n1 < jobs[i].w->n ? n1 : jobs[i].w->n);
        at += of_job;
    }
}

/* True when job i is the first of those that want x laid out its way. */
static bool first_of_kind(const ifm_team *team, const ifm_matmul *jobs, int i)
{
    const ifm_way *way = way_of(team, &jobs[i], jobs[i].w);
    for (int j = 0; j < i; j++)
        if (way_of(team, &jobs[j], jobs[j].w)->pack == way->pack)
            return false;
    return true;
}

void ifm_matmul_run(const ifm_team *team, const ifm_matmul *jobs, int n)
{
    bool packed_before = false;
    for (int i = 0; i < n; i++) {
        const ifm_matmul *job = &jobs[i];
        const ifm_way *way = way_of(team, job, job->w);
        assert(job->t >= 1 && (!job->add || job->activation == IFM_KERN_LINEAR));
        assert(!job->up || way_of(team, job, job->up)->pack == way->pack);
        if (job->w->layout == IFM_LAYOUT_KN && job->t <= MANY_ROWS && !way->pack) {
            if (i > 0)
                ifm_pool_barrier(team->pool); /* of `parts` */
            run_sliced(team, job, way);
            continue;
        }
        if (!first_of_kind(team, jobs, i))
            continue;
        if (packed_before)
            ifm_pool_barrier(team->pool); /* others may still read the last packing */
        const void *packed = pack(team, job, way);
        packed_before = packed == team->packed;
        run_alike(team, jobs, n, way, packed);
    }
}
