#include "measure/statistics.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ifm_quantile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    double part = at - (double)below;
    return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

size_t ifm_quantile_needs(double p)
{
    return (size_t)ceil(log(1 - 0.95) / log(p));
}

size_t ifm_median_rank95(size_t n)
{
    /* Terms of Binomial(n, 1/2) more than five standard deviations (sqrt(n)/2 each, so
     * 2.5 sqrt(n); twice that for safety) below the mean add less than 1e-20. */
    double log_half_n = (double)n * log(0.5), log_n = lgamma((double)n + 1);
    double from = (double)n / 2 - 5 * sqrt((double)n);
    size_t i = from > 0 ? (size_t)from : 0;
    double below = 0;
    size_t rank = 0;
    for (; i < n; i++) {
        below +=
            exp(log_n - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) + log_half_n);
        if (2 * below > 0.05)
            break;
        rank = i + 1;
    }
    return rank;
}

/* Continued fraction of the incomplete beta function by the modified Lentz method
 * (Thompson and Barnett 1986); converges in tens of steps for x < (a+1)/(a+b+2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        const double terms[2] = {even, odd};
        double step = 1;
        for (int k = 0; k < 2; k++) {
            d = 1 + terms[k] * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + terms[k] / c;
            c = fabs(c) < tiny ? tiny : c;
            step = d * c;
            h *= step;
        }
        if (fabs(step - 1) < 1e-15)
            break;
    }
    return h;
}

static double incomplete_beta(double a, double b, double x)
{
    double front =
        exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double ifm_student_t975(size_t df)
{
    /* P(|T| > t) = I_x(df/2, 1/2) with x = df/(df + t²) falls with t: bisect for 5%. */
    double v = (double)df, low = 1.9, high = 13; /* t is 12.7 at df 1, 1.96 at infinity */
    for (int i = 0; i < 60; i++) {
        double t = (low + high) / 2;
        if (incomplete_beta(v / 2, 0.5, v / (v + t * t)) > 0.05)
            low = t;
        else
            high = t;
    }
    return (low + high) / 2;
}

/* The p at which a chance falls (or rises) through `level`: P(at least k of n) = I_p(k, n −
 * k + 1) grows with p. */
static double share_at(double k, double n, double level)
{
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        const double p = (low + high) / 2;
        if (incomplete_beta(k, n - k + 1, p) < level)
            low = p;
        else
            high = p;
    }
    return (low + high) / 2;
}

void ifm_share_interval(double k, double n, double confidence, double bounds[2])
{
    const double tail = (1 - confidence) / 2;
    bounds[0] = k > 0 ? share_at(k, n, tail) : 0;
    bounds[1] = k < n ? share_at(k + 1, n, 1 - tail) : 1;
}

static double guarded_quantile(const double *sorted, size_t n, double p)
{
    return n >= ifm_quantile_needs(p) ? ifm_quantile(sorted, n, p) : NAN;
}

static size_t count_outliers(const double *sorted, size_t n, double q1, double q3)
{
    double fence = 1.5 * (q3 - q1);
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += sorted[i] < q1 - fence || sorted[i] > q3 + fence;
    return count;
}

/* Mean first, then squares of differences: no cancellation at nanoseconds of hours. */
static void moments(const double *x, size_t n, ifm_stats *s)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    s->mean = sum / (double)n;
    if (n < 2)
        return;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - s->mean) * (x[i] - s->mean);
    s->sd = sqrt(squares / (double)(n - 1));
    double half = ifm_student_t975(n - 1) * s->sd / sqrt((double)n);
    s->mean_ci95[0] = s->mean - half;
    s->mean_ci95[1] = s->mean + half;
}

ifm_stats ifm_stats_of(double *x, size_t n)
{
    ifm_stats s = {
        .n = n,
        .mean = NAN,
        .sd = NAN,
        .min = NAN,
        .p50 = NAN,
        .p90 = NAN,
        .p95 = NAN,
        .p99 = NAN,
        .max = NAN,
        .iqr = NAN,
        .median_ci95 = {NAN, NAN},
        .mean_ci95 = {NAN, NAN},
    };
    if (n == 0)
        return s;
    qsort(x, n, sizeof *x, compare);
    moments(x, n, &s);
    s.min = x[0];
    s.max = x[n - 1];
    s.p50 = ifm_quantile(x, n, 0.50);
    s.p90 = guarded_quantile(x, n, 0.90);
    s.p95 = guarded_quantile(x, n, 0.95);
    s.p99 = guarded_quantile(x, n, 0.99);
    size_t k = ifm_median_rank95(n);
    if (k > 0) {
        s.median_ci95[0] = x[k - 1];
        s.median_ci95[1] = x[n - k];
    }
    double q1 = ifm_quantile(x, n, 0.25), q3 = ifm_quantile(x, n, 0.75);
    s.iqr = q3 - q1;
    s.n_outliers = count_outliers(x, n, q1, q3);
    return s;
}
