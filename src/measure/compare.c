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

static const ifm_record *last_good(const ifm_run *run)
{
    for (size_t i = run->n_records; i > 0; i--)
        if (run->records[i - 1].ok)
            return &run->records[i - 1];
    return NULL;
}

ifm_agreement ifm_compare_tokens(const ifm_run *base, const ifm_run *run)
{
    const ifm_record *a = last_good(base), *b = last_good(run);
    if (a == NULL || b == NULL)
        return (ifm_agreement){0};
    ifm_agreement out = {.known = true, .n_base = a->n_tokens, .n_run = b->n_tokens};
    out.same_input = a->n_input == b->n_input &&
                     (a->n_input == 0 || memcmp(a->input_ids, b->input_ids,
                                                a->n_input * sizeof *a->input_ids) == 0);
    while (out.n_same < a->n_tokens && out.n_same < b->n_tokens &&
           a->output_ids[out.n_same] == b->output_ids[out.n_same])
        out.n_same++;
    out.same = out.n_same == a->n_tokens && a->n_tokens == b->n_tokens;
    return out;
}
