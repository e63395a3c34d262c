/*
 * The state of this machine, as far as it decides whether times measured here mean
 * something: what runs besides, what changes the clock of the cores, what the process may
 * use. os/host.h says what the machine is; this says how it behaves.
 */
#ifndef IFM_PROBE_SYSTEM_H
#define IFM_PROBE_SYSTEM_H

#include "inferometer/base.h"

/* What is unknown on a system is -1, or "" for texts. */
typedef struct ifm_system {
    /* processors */
    int logical_online; /* of the machine */
    int smt;            /* two threads share a core: 1 yes, 0 no */
    int numa_nodes;
    int hypervisor;            /* this is a virtual machine */
    int governors_other;       /* CPUs whose frequency policy is not "performance" */
    char governor[32];         /* of the first such CPU, else of CPU 0 */
    int turbo;                 /* the clock may go over its nominal frequency */
    int64_t throttled_by_heat; /* times that a core was slowed since boot */
    double hottest_celsius;

    /* control groups */
    int cgroup_version;
    double cgroup_cpus;          /* 0: no limit */
    int64_t cgroup_memory_bytes; /* 0: no limit */
    int64_t cgroup_throttled_count;

    /* memory */
    int64_t memory_bytes, memory_available_bytes;
    int64_t swap_bytes, swap_used_bytes;
    char huge_pages[16]; /* transparent ones: "always", "madvise", "never" */

    double load_average; /* one minute */
} ifm_system;

/* Reads it all, in a few milliseconds. `root` stands in front of /proc and /sys: "" for
 * this machine, a directory for tests. */
void ifm_system_read(ifm_system *self, const char *root);

/* What happened during a second of looking on. Unknown: -1. */
typedef struct ifm_system_sample {
    double others_cpus; /* CPUs' worth of time that other processes took */
    double steal_frac;  /* share of the time that a hypervisor gave to others */
    int64_t swapped_pages;
    /* Of a thread that only looks at the clock: how long it was kept from running. */
    int64_t interruptions; /* of 10 µs and more */
    int64_t longest_interruption_ns;
    double interrupted_frac; /* share of the time, all of them together */
} ifm_system_sample;

/* Watches for `duration_ns`, half of it asleep (what others do by themselves), half of it
 * spinning (what they do to a busy thread, as jHiccup and osnoise look for it). */
void ifm_system_watch(ifm_system_sample *self, int64_t duration_ns);

#endif
