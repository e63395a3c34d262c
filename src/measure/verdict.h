/*
 * The verdict: can these numbers be trusted, and if not fully, what to do about it.
 *
 * Two kinds of warning. One tells of a circumstance that may have disturbed (a busy
 * machine, a saving governor) and leaves the verdict alone; the other was seen in the
 * measured data or breaks what was asked for (runs that disagree wildly, a page cache that
 * was not evicted, failed requests) and makes the result not trustworthy.
 */
#ifndef IFM_MEASURE_VERDICT_H
#define IFM_MEASURE_VERDICT_H

#include "measure/record.h"

/* Appends to run->warnings what the run's facts and records deserve. Call it once, when
 * everything has been measured. ifm_run_trustworthy tells the verdict. */
void ifm_verdict_judge(ifm_run *run);

/* Only what the facts of the host deserve: governor, other programs, stolen time. */
void ifm_verdict_judge_host(ifm_run *run);

#endif
