/* Where a TTFT went: through the phases of an engine, or through those of a network. */
#ifndef IFM_REPORT_PARTS_H
#define IFM_REPORT_PARTS_H

#include "measure/record.h"

/* The phases of an engine, then those of a network. */
enum { IFM_REPORT_PARTS = IFM_PHASE_COUNT + IFM_WIRE_PHASE_COUNT };

const char *ifm_report_part_name(int part);
/* Whether it can have such a part at all. */
bool ifm_report_part_exists(const ifm_record *record, int part);
/* Of the last request that a server answered: 11, 20; 0: unknown. */
int32_t ifm_report_http_version(const ifm_run *run);
/* 0 where it has none. The parts of a record add up to its TTFT. */
int64_t ifm_report_part_ns(const ifm_record *record, int part);

#endif
