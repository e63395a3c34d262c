/* What the result documents of runs and of loads have in common. */
#ifndef IFM_RESULT_PARTS_H
#define IFM_RESULT_PARTS_H

#include "measure/record.h"
#include "measure/statistics.h"
#include "result/writer.h"

/* schema … workload: what was measured, where and how. decode_bandwidth NaN: unknown. */
void ifm_result_write_head(ifm_writer *writer, const ifm_run *run,
                           double decode_bandwidth);
/* warnings, incomplete, trustworthy. */
void ifm_result_write_verdict(ifm_writer *writer, const ifm_run *runs, size_t n);

/* Values, NULL without memory: a target's facts; statistics divided by `divisor`; an
 * interval, null for NaN. */
json_t *ifm_result_target(const ifm_run *run);
json_t *ifm_result_stats(const ifm_stats *stats, const char *unit, double divisor);
json_t *ifm_result_interval(const double bounds[2], double divisor);

#endif
