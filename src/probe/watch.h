/* The parts of watching that differ between systems. */
#ifndef IFM_PROBE_WATCH_H
#define IFM_PROBE_WATCH_H

#include <stdint.h>

/* Counters of the whole machine since boot, in CPU seconds; -1: not known. */
typedef struct ifm_machine_time {
    double busy;   /* everybody's, stolen time not counted */
    double stolen; /* by the hypervisor */
    double all;    /* busy, stolen and idle */
    int64_t swapped_pages;
} ifm_machine_time;

ifm_machine_time ifm_machine_time_read(void);

#endif
