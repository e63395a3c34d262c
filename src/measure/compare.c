#include "measure/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"

enum {
    RESAMPLES = 9999, /* so that 2.5% and 97.5% of them fall on order statistics */
    RESAMPLES_LEAST = 499,
    DRAWS_MOST = 40000000, /* a fraction of a second */
    NEEDS = 6,             /* as an interval of the median does */
};

/* The median of x[n], which is put into another order: quickselect (Hoare 1961). */
static double select_median(double *x, size_t n)
{
    size_t low = 0, high = n - 1, middle = n / 2;
    while (low < high) {
        const double pivot = x[(low + high) / 2];
        size_t i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i > j)
                break;
            const double swapped = x[i];
            x[i++] = x[j];
            x[j] = swapped;
            if (j == 0)
                break;
            j--;
        }
        if (middle <= j)
            high = j;
        else if (middle >= i)
            low = i;
        else
            break;
    }
    if (n % 2 == 1)
        return x[middle];
    double below = x[0];
    for (size_t i = 1; i < middle; i++)
        below = x[i] > below ? x[i] : below;
    return (below + x[middle]) / 2;
}

static double median_of_resample(ifm_random *random, const double *x, size_t n,
                                 double *scratch)
{
    for (size_t i = 0; i < n; i++)
        scratch[i] = x[ifm_random_below(random, n)];
    return select_median(scratch, n);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t resamples_for(size_t n)
{
    const size_t affordable = DRAWS_MOST / n;
    if (affordable >= RESAMPLES)
        return RESAMPLES;
    return affordable > RESAMPLES_LEAST ? affordable : RESAMPLES_LEAST;
}

ifm_status ifm_ratio_of_medians(const double *base, size_t n_base, const double *x,
                                size_t n_x, ifm_ratio *out, ifm_error *err)
{
    *out = (ifm_ratio){NAN, {NAN, NAN}};
    if (n_base == 0 || n_x == 0)
        return IFM_OK;
    const size_t most = n_base > n_x ? n_base : n_x, n = resamples_for(n_base + n_x);
    double *scratch = malloc((most + n) * sizeof *scratch), *ratios = scratch + most;
    if (scratch == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to compare %zu values", most);
    memcpy(scratch, x, n_x * sizeof *x);
    out->value = select_median(scratch, n_x);
    memcpy(scratch, base, n_base * sizeof *base);
    out->value /= select_median(scratch, n_base);
    if (n_base >= NEEDS && n_x >= NEEDS) {
        ifm_random random;
        ifm_random_init(&random, 1);
        for (size_t i = 0; i < n; i++) {
            const double over = median_of_resample(&random, x, n_x, scratch);
            ratios[i] = over / median_of_resample(&random, base, n_base, scratch);
        }
        qsort(ratios, n, sizeof *ratios, by_size);
        out->ci95[0] = ifm_quantile(ratios, n, 0.025);
        out->ci95[1] = ifm_quantile(ratios, n, 0.975);
    }
    free(scratch);
    return IFM_OK;
}

ifm_status ifm_compare_metric(const ifm_run *base, const ifm_run *run, ifm_start start,
                              ifm_metric metric, ifm_ratio *out, ifm_error *err)
{
    double *of_base = NULL, *of_run = NULL;
    size_t n_base = 0, n_run = 0;
    ifm_status st = ifm_summary_values(base, start, metric, &of_base, &n_base, err);
    if (st == IFM_OK)
        st = ifm_summary_values(run, start, metric, &of_run, &n_run, err);
    if (st == IFM_OK)
        st = ifm_ratio_of_medians(of_base, n_base, of_run, n_run, out, err);
    if (metric == IFM_METRIC_ITL)
        out->ci95[0] = out->ci95[1] = NAN;
    free(of_base);
    free(of_run);
    return st;
}

/* The first sequence of the last request that went well, and how many there are. */
static const ifm_record *last_good(const ifm_run *run, size_t *n)
{
    size_t end = run->n_records;
    while (end > 0 && !run->records[end - 1].ok)
        end--;
    size_t begin = end;
    while (begin > 0 && run->records[begin - 1].id == run->records[end - 1].id)
        begin--;
    *n = end - begin;
    return end > 0 ? &run->records[begin] : NULL;
}

static bool same_input(const ifm_record *a, const ifm_record *b)
{
    return a->n_input == b->n_input &&
           (a->n_input == 0 ||
            memcmp(a->input_ids, b->input_ids, a->n_input * sizeof *a->input_ids) == 0);
}

static size_t same_tokens(const ifm_record *a, const ifm_record *b)
{
    size_t n = 0;
    while (n < a->n_tokens && n < b->n_tokens && a->output_ids[n] == b->output_ids[n])
        n++;
    return n;
}

ifm_agreement ifm_compare_tokens(const ifm_run *base, const ifm_run *run)
{
    size_t n_a, n_b;
    const ifm_record *a = last_good(base, &n_a), *b = last_good(run, &n_b);
    if (a == NULL || b == NULL)
        return (ifm_agreement){0};
    if ((a->input_ids == NULL && a->n_input > 0) ||
        (b->input_ids == NULL && b->n_input > 0) || a->output_ids == NULL ||
        b->output_ids == NULL)
        return (ifm_agreement){0}; /* a server says no ids */
    ifm_agreement out = {.known = true, .same_input = n_a == n_b, .same = n_a == n_b};
    for (size_t i = 0; i < n_a && i < n_b; i++) {
        const size_t n = same_tokens(&a[i], &b[i]);
        const bool same = n == a[i].n_tokens && n == b[i].n_tokens;
        out.n_base += a[i].n_tokens;
        out.n_run += b[i].n_tokens;
        out.same_input = out.same_input && same_input(&a[i], &b[i]);
        if (out.same && (i == 0 || !same)) {
            out.sequence = (int32_t)i;
            out.n_same = n;
        }
        out.same = out.same && same;
    }
    return out;
}
