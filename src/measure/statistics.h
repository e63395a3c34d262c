/*
 * Statistics of a sample: what can be said, and what n cannot carry.
 *
 * A value that does not exist (the sd of one number, the p99 of twenty) is NaN, never 0.
 * The sample itself is never clamped or trimmed; outliers are counted.
 */
#ifndef IFM_MEASURE_STATISTICS_H
#define IFM_MEASURE_STATISTICS_H

#include "inferometer/base.h"

typedef struct ifm_stats {
    size_t n;
    double mean;
    double sd; /* of the sample, n − 1 */
    double min, p50, p90, p95, p99, max;
    double median_ci95[2]; /* from order statistics; needs n ≥ 6 */
    double mean_ci95[2];   /* from Student's t; needs n ≥ 2 */
    double iqr;            /* p75 − p25 */
    size_t n_outliers;     /* beyond Tukey's fences, 1.5 IQR outside the quartiles */
} ifm_stats;

/* Summarizes x[n] and sorts it in place. n may be 0. Thread-safe. */
ifm_stats ifm_stats_of(double *x, size_t n);

/* Quantile p of sorted x[n] (n ≥ 1) by linear interpolation between order statistics:
 * type 7 of Hyndman and Fan (1996), what numpy calls "linear". */
double ifm_quantile(const double *sorted, size_t n, double p);

/* The least n at which the largest of n samples lies above quantile p with 95%
 * confidence, n ≥ ln(1 − 0.95) / ln(p): 29 for p90, 59 for p95, 299 for p99. With fewer
 * the tail holds no sample that could speak for it. p in (0, 1). */
size_t ifm_quantile_needs(double p);

/* 95% interval of the median by order statistics: the narrowest symmetric pair of ranks
 * (1-based k and n + 1 − k) whose coverage under Binomial(n, 1/2) is at least 95%,
 * whatever the distribution (David and Nagaraja 2003, section 7.1). Returns k; 0 when n
 * is too small (below 6). */
size_t ifm_median_rank95(size_t n);

/* Interval of a share of which k of n were seen, at a confidence such as 0.95 (Clopper and
 * Pearson 1934): it covers the true share at least so often, whatever that is. k and n may
 * be effective numbers, which are not whole; 0 ≤ k ≤ n. n = 0: [0, 1]. */
void ifm_share_interval(double k, double n, double confidence, double bounds[2]);

/* Quantile 0.975 of Student's t with `df` ≥ 1 degrees of freedom. */
double ifm_student_t975(size_t df);

#endif
