/* The metrics of one request of a load. */
#ifndef IFM_LOAD_VALUE_H
#define IFM_LOAD_VALUE_H

#include "load/summary.h"

/* All metrics of a request, in nanoseconds; NaN where it has none, and for ITL, which is
 * not one value a request. `gated`: requests wait for places although they are due by a rate.
 * Pure. */
void ifm_load_values(const ifm_record *record, bool gated,
                     double values[IFM_LOAD_METRIC_COUNT]);

/* The gaps of a request, as ifm_metrics_itl has them: number, and the i-th. */
size_t ifm_load_gaps(const ifm_record *record);
double ifm_load_gap(const ifm_record *record, size_t i);

/* Tokens of the prompt: as the server counted, else as the workload made it; -1. */
int64_t ifm_load_input_tokens(const ifm_record *record);

#endif
