/*
 * Exports: results in the formats of other tools, by those tools' own conventions
 * (docs/exports.md). A format is a line in the table.
 */
#ifndef IFM_RESULT_EXPORT_H
#define IFM_RESULT_EXPORT_H

#include <stdio.h>

#include "load/summary.h"

typedef enum ifm_export_of { IFM_EXPORT_RUN = 1, IFM_EXPORT_LOAD = 2 } ifm_export_of;

/* What is exported: runs[n_runs], or a load. */
typedef struct ifm_export_source {
    const ifm_run *runs;
    size_t n_runs;
    const ifm_load_run *load;
    const ifm_load_summary *summary;
    bool json_lines; /* the file is called *.jsonl */
} ifm_export_source;

typedef struct ifm_export {
    const char *name;
    unsigned of;     /* what it fits: ifm_export_of, or-ed */
    bool no_batches; /* it has no place for several sequences of a request */
    ifm_status (*write)(const ifm_export_source *source, FILE *out, ifm_error *err);
} ifm_export;

/* NULL: no such format, or it does not fit; the error names those that do. */
const ifm_export *ifm_export_find(const char *name, size_t length, ifm_export_of of,
                                  ifm_error *err);

/* The writers. Errors: IO, NO_MEMORY, ARGUMENT (what the format has no place for). */
ifm_status ifm_export_vllm(const ifm_export_source *source, FILE *out, ifm_error *err);
ifm_status ifm_export_aiperf(const ifm_export_source *source, FILE *out, ifm_error *err);
ifm_status ifm_export_llama_bench(const ifm_export_source *source, FILE *out,
                                  ifm_error *err);

#endif
