/* A run's records, summarized: one ifm_stats per metric and kind of start. */
#ifndef IFM_MEASURE_SUMMARY_H
#define IFM_MEASURE_SUMMARY_H

#include "measure/record.h"
#include "measure/statistics.h"

/* X(NAME, key in results, name for people) */
#define IFM_METRIC_LIST(X)                                                               \
    X(TTFT, ttft, "TTFT")                                                                \
    X(E2EL, e2el, "E2EL")                                                                \
    X(GENERATION, generation, "Token generation time")                                   \
    X(TPOT, tpot, "TPOT")                                                                \
    X(ITL, itl, "ITL")                                                                   \
    X(TEXT_TTFT, text_ttft, "Text TTFT")

typedef enum ifm_metric {
#define X(NAME, key, title) IFM_METRIC_##NAME,
    IFM_METRIC_LIST(X)
#undef X
        IFM_METRIC_COUNT
} ifm_metric;

const char *ifm_metric_key(ifm_metric metric);
const char *ifm_metric_title(ifm_metric metric);

/* Times in nanoseconds. Only requests that went well count, and of those only the ones in
 * which the metric exists. ITL pools every gap of every request. */
typedef struct ifm_summary {
    size_t n_ok, n_failed;
    ifm_stats metric[IFM_METRIC_COUNT];
    ifm_stats tokens_per_s;        /* 1 / TPOT, per request: the rate while generating */
    ifm_stats output_tokens_per_s; /* output tokens / E2EL, per request */
    /* Per request, all its sequences together: output tokens / the longest E2EL. */
    ifm_stats batch_tokens_per_s;
    ifm_stats phase[IFM_PHASE_COUNT];
    ifm_stats handover; /* generation thread → consumer, pooled over tokens */
} ifm_summary;

/* Errors: NO_MEMORY. */
ifm_status ifm_summary_of(const ifm_run *run, ifm_start start, ifm_summary *out,
                          ifm_error *err);

/* The values of a metric in nanoseconds, in the order of the requests, that a summary is
 * of: *values is a heap array of *n that the caller frees. Errors: NO_MEMORY. */
ifm_status ifm_summary_values(const ifm_run *run, ifm_start start, ifm_metric metric,
                              double **values, size_t *n, ifm_error *err);

/* Bytes of weights that a decode step reads ÷ the median TPOT of warm requests (of cold
 * ones when there are no warm ones), in bytes per second: how fast decoding really read.
 * NaN when it cannot be said. */
double ifm_summary_decode_bandwidth(const ifm_run *run, const ifm_summary *cold,
                                    const ifm_summary *warm);

#endif
