/* Two runs of the same request side by side: how many times longer one takes, how sure that
 * is, and whether both said the same. */
#ifndef IFM_MEASURE_COMPARE_H
#define IFM_MEASURE_COMPARE_H

#include "measure/record.h"
#include "measure/summary.h"

typedef struct ifm_ratio {
    double
        value; /* median of the one ÷ median of the other; NaN: one of them is missing */
    double ci95[2]; /* NaN with fewer than six values on a side */
} ifm_ratio;

/* median(x[n_x]) ÷ median(base[n_base]). The interval is that of a percentile bootstrap
 * (Efron and Tibshirani 1993, chapter 13): both samples are drawn anew with replacement,
 * 9,999 times unless they are huge, with a fixed seed, so that the same values give the same
 * interval. Thread-safe. Errors: NO_MEMORY. */
ifm_status ifm_ratio_of_medians(const double *base, size_t n_base, const double *x,
                                size_t n_x, ifm_ratio *out, ifm_error *err);

/* The ratio of a metric of requests that began alike, `run` ÷ `base`. For ITL, whose gaps
 * within a request belong together, there is a value and no interval. Errors: NO_MEMORY. */
ifm_status ifm_compare_metric(const ifm_run *base, const ifm_run *run, ifm_start start,
                              ifm_metric metric, ifm_ratio *out, ifm_error *err);

/* Whether two runs generated the same tokens, by the last request of each that went well,
 * sequence by sequence. */
typedef struct ifm_agreement {
    bool known; /* both have such a request */
    bool same_input;
    bool same;
    int32_t sequence;     /* the first that differs; 0 when none does */
    size_t n_same;        /* of it: tokens that agree before the first that does not */
    size_t n_base, n_run; /* tokens of all sequences */
} ifm_agreement;

/* Pure; thread-safe. */
ifm_agreement ifm_compare_tokens(const ifm_run *base, const ifm_run *run);

#endif
