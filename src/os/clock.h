/* The clock: ifm_time_now is in the public header; here is what it is made of. */
#ifndef IFM_OS_CLOCK_H
#define IFM_OS_CLOCK_H

#include "inferometer/base.h"

typedef struct ifm_clock_facts {
    const char *name;      /* "CLOCK_MONOTONIC" */
    int64_t resolution_ns; /* smallest step seen between two different readings */
    int64_t read_cost_ns;  /* median cost of one reading */
} ifm_clock_facts;

/* Measures the clock; takes about a millisecond. */
ifm_clock_facts ifm_clock_measure(void);

/* Sleeps until then, or until a signal comes; not at all if it is over. */
void ifm_time_sleep(ifm_time until);

#endif
