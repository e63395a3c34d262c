/* What this machine is, and how busy. */
#ifndef IFM_OS_HOST_H
#define IFM_OS_HOST_H

#include <stdint.h>

/* Strings are terminated, "" where a thing is not known. */
typedef struct ifm_host_facts {
    char cpu[128];     /* "AMD Ryzen 9 7950X 16-Core Processor" */
    char os[128];      /* "Debian GNU/Linux 12 (bookworm)" */
    char kernel[128];  /* "Linux 6.1.0-13-amd64" */
    char governor[32]; /* frequency policy of CPU 0: "performance", "powersave" */
    int64_t memory_bytes;
    double load_average; /* runnable threads, mean of the last minute; -1: not known */
} ifm_host_facts;

void ifm_host_describe(ifm_host_facts *facts);

/* CPU time of the whole machine since boot, in ticks: all of it, and what the hypervisor
 * gave to other guests although somebody here wanted it. Two readings give the share
 * stolen between them. */
typedef struct ifm_host_time {
    uint64_t total, stolen; /* both 0: not known */
} ifm_host_time;

ifm_host_time ifm_host_cpu_time(void);

/* Share of the time between the readings that was stolen, 0 … 1; -1: not known. */
double ifm_host_steal_frac(ifm_host_time from, ifm_host_time to);

#endif
