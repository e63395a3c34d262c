/* What the control groups of this process allow it (Linux): both versions of the interface,
 * the tightest limit of the group and all above it. */
#ifndef IFM_PROBE_CGROUP_H
#define IFM_PROBE_CGROUP_H

#include <stdint.h>

typedef struct ifm_cgroup {
    int version;             /* 2, 1; 0: no control groups to be seen */
    double cpus;             /* CPUs' worth of time per second; 0: no limit */
    int64_t memory_bytes;    /* 0: no limit */
    int64_t memory_used;     /* of the group with that limit */
    int64_t throttled_count; /* periods in which the CPU limit stopped the group, since it
                                began; -1: not known */
} ifm_cgroup;

/* `root` stands in front of /proc and /sys: "" for this machine, a directory for tests. */
void ifm_cgroup_read(ifm_cgroup *self, const char *root);

#endif
