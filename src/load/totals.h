/*
 * Totals: what a load has come to so far, in a block of fixed size without pointers: copied
 * for the live view, added up over the processes of a distributed load.
 */
#ifndef IFM_LOAD_TOTALS_H
#define IFM_LOAD_TOTALS_H

#include "measure/wire.h"

/* Counts of durations in buckets of 1/64 of a power of two, from 1 ns up: a quantile is off
 * by 0.8% at most. For looking on; results are computed from the spool, exactly. */
enum { IFM_HISTOGRAM_BUCKETS = 64 * 48 };

typedef struct ifm_histogram {
    uint32_t counts[IFM_HISTOGRAM_BUCKETS];
    uint64_t n;
} ifm_histogram;

void ifm_histogram_add(ifm_histogram *self, int64_t ns);
/* NaN when empty. */
double ifm_histogram_quantile(const ifm_histogram *self, double p);

typedef struct ifm_totals {
    int64_t t_ns;        /* after the load began */
    int64_t planned;     /* requests; -1: as many as fit into the duration */
    int64_t duration_ns; /* planned; 0: no limit */
    int64_t due, started, in_flight, waiting; /* waiting: due, for a place */
    int64_t outcome[IFM_OUTCOME_COUNT];
    int64_t output_tokens, events, body_bytes;
    ifm_histogram ttft, itl, lag;
} ifm_totals;

/* total += part, but for t_ns (the later) and the plan (of total). */
void ifm_totals_add(ifm_totals *total, const ifm_totals *part);
int64_t ifm_totals_failed(const ifm_totals *self);

#endif
