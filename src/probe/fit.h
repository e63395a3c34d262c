/* Whether a machine is fit to measure on, as a pure function of what is known about it. */
#ifndef IFM_PROBE_FIT_H
#define IFM_PROBE_FIT_H

#include "os/clock.h"
#include "os/cpu.h"
#include "probe/system.h"

typedef enum ifm_fit_level {
    IFM_FIT_FINE,
    IFM_FIT_NOTE, /* times will vary more than they must */
    IFM_FIT_BAD,  /* times would tell more about the machine than about a model */
} ifm_fit_level;

/* "ok", "note", "bad". */
const char *ifm_fit_level_name(ifm_fit_level level);

typedef struct ifm_finding {
    ifm_fit_level level;
    const char *code; /* "other-work"; static */
    const char *name; /* "Other work"; static */
    char value[128];  /* "1.30 CPUs' worth taken by other processes" */
    char remedy[320]; /* what to change, "" when fine; a command on a line of its own */
} ifm_finding;

typedef struct ifm_fit_facts {
    ifm_clock_facts clock;
    ifm_cpu_room room;
    ifm_system system;
    ifm_system_sample sample;
} ifm_fit_facts;

enum { IFM_FIT_MAX_FINDINGS = 16 };

/* Fills findings in the order in which a person reads them; returns how many. What a
 * system does not tell is left out. */
size_t ifm_fit_judge(const ifm_fit_facts *facts,
                     ifm_finding findings[IFM_FIT_MAX_FINDINGS]);

/* The worst of them. */
ifm_fit_level ifm_fit_worst(const ifm_finding *findings, size_t n);

#endif
