/* What the operating system accounts to this process: page faults, bytes read, memory. */
#ifndef IFM_OS_USAGE_H
#define IFM_OS_USAGE_H

#include <stdint.h>

typedef struct ifm_usage {
    int64_t major_faults, minor_faults; /* of all threads since the process began */
    int64_t read_bytes; /* fetched from storage for this process; -1: not known */
} ifm_usage;

/* Faults only (about a microsecond); read_bytes is -1. Thread-safe. */
ifm_usage ifm_usage_faults(void);

/* Faults and bytes read (several microseconds: a file of /proc is read). Thread-safe. */
ifm_usage ifm_usage_all(void);

/* The most memory that this program had resident, in bytes; -1: not known. Not ru_maxrss,
 * which on Linux starts with the size of the process that spawned this one. */
int64_t ifm_usage_peak_rss_bytes(void);

#endif
