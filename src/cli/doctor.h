/* What inferometer doctor found out, and its two forms: for a person, for a program. */
#ifndef IFM_CLI_DOCTOR_H
#define IFM_CLI_DOCTOR_H

#include <stdio.h>

#include "os/host.h"
#include "probe/fit.h"
#include "probe/probe.h"

enum { IFM_DOCTOR_SIZES = 7, IFM_DOCTOR_TEAMS = 4 };

typedef struct ifm_doctor {
    ifm_host_facts host;
    ifm_fit_facts facts;
    ifm_finding findings[IFM_FIT_MAX_FINDINGS];
    size_t n_findings;

    size_t sizes[IFM_DOCTOR_SIZES]; /* [n_sizes] bytes of the buffer that was read */
    size_t n_sizes;
    int teams[IFM_DOCTOR_TEAMS]; /* [n_teams] threads */
    size_t n_teams;
    double read_bytes_per_s[IFM_DOCTOR_TEAMS][IFM_DOCTOR_SIZES]; /* 0: not measured */

    int peak_threads;
    ifm_probe_peak peaks[IFM_PROBE_MAX_PEAKS];
    size_t n_peaks;

    const char *disk_path;
    ifm_probe_disk disk;
    ifm_error disk_error; /* status OK: `disk` holds */
} ifm_doctor;

/* The report, in 80 columns; without `unicode` in ASCII. */
void ifm_doctor_print(const ifm_doctor *self, FILE *out, bool colour, bool unicode);

/* A JSON document, schema "inferometer.doctor/1". Errors: NO_MEMORY, IO. */
ifm_status ifm_doctor_write_json(const ifm_doctor *self, FILE *out, ifm_error *err);

#endif
