/*
 * Reports of a load: what people see of it when it is over. Functions of the load and its
 * summary, as report.h's are of a run; those that draw requests read them from the spool.
 */
#ifndef IFM_REPORT_LOAD_REPORT_H
#define IFM_REPORT_LOAD_REPORT_H

#include "load/summary.h"
#include "report/report.h"

/* The report that `inferometer load` prints. Warnings are those of load->run, so that
 * ifm_load_judge comes first. Errors: NO_MEMORY, IO. */
ifm_status ifm_report_load_terminal(const ifm_load_run *load,
                                    const ifm_load_summary *summary, FILE *out,
                                    const ifm_report_style *style, ifm_error *err);

/* The same facts as Markdown. Errors: NO_MEMORY, IO. */
ifm_status ifm_report_load_markdown(const ifm_load_run *load,
                                    const ifm_load_summary *summary, FILE *out,
                                    ifm_error *err);

/* latency (distributions of TTFT, E2EL, ITL), throughput, latency_over_time and requests
 * (a timeline of a sample of them), each as .png and .svg in `directory` (made when it is
 * missing), drawn by gnuplot. Of very many requests the pictures show a part, drawn evenly,
 * and say so. A picture for which there is no data is left out; files appear whole or not
 * at all. Errors: NOT_FOUND (no gnuplot), CHILD (it failed), IO, NO_MEMORY. */
ifm_status ifm_report_load_plots(const ifm_load_run *load,
                                 const ifm_load_summary *summary, const char *directory,
                                 ifm_error *err);

#endif
