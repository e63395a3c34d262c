/*
 * Reports: what people see of a run. Each is a function of the run and writes to a stream
 * or a directory; none measures anything.
 */
#ifndef IFM_REPORT_REPORT_H
#define IFM_REPORT_REPORT_H

#include <stdio.h>

#include "measure/record.h"

typedef struct ifm_report_style {
    bool colour;
    bool unicode; /* else ASCII only */
    int width;    /* columns; less than 80 is taken as 80 */
} ifm_report_style;

/* The report that `inferometer run` prints: of one target, or of runs[n] of the same requests
 * to several, side by side. Errors: NO_MEMORY, IO. */
ifm_status ifm_report_terminal(const ifm_run *runs, size_t n, FILE *out,
                               const ifm_report_style *style, ifm_error *err);

/* The same as Markdown, to be pasted into an issue or a wiki. Errors: NO_MEMORY, IO. */
ifm_status ifm_report_markdown(const ifm_run *runs, size_t n, FILE *out, ifm_error *err);

/* One row a request, RFC 4180, columns as docs/csv.md lists them. Errors: IO. */
ifm_status ifm_report_csv(const ifm_run *runs, size_t n, FILE *out, ifm_error *err);

/* ttft, e2el, token_generation_time, tpot, itl and timeline, each as .png and .svg in
 * `directory` (made when it is missing), drawn by gnuplot. A picture for which the run has
 * no data is left out. Files appear whole or not at all. Errors: NOT_FOUND (no gnuplot),
 * CHILD (it failed), IO, NO_MEMORY. */
ifm_status ifm_report_plots(const ifm_run *runs, size_t n, const char *directory,
                            ifm_error *err);

#endif
