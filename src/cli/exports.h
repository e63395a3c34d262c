/* --export NAME=FILE, as often as wanted: opened before anything is measured, committed
 * after. */
#ifndef IFM_CLI_EXPORTS_H
#define IFM_CLI_EXPORTS_H

#include "cli/command.h"
#include "os/file.h"
#include "result/export.h"

/* A line of a command's options. `formats` names those that fit: "vllm, aiperf". */
#define IFM_EXPORT_OPTION(heading, formats)                                              \
    {                                                                                    \
        "export", 0, IFM_OPTION_LIST, "FORMAT=FILE", 0, 0, NULL, heading,                \
            "the result as another tool writes it, for what reads that tool's files: "   \
            "" formats " (repeatable)"                                                   \
    }

enum { IFM_EXPORTS_MAX = 8 };

typedef struct ifm_exports {
    struct {
        const ifm_export *format;
        ifm_output file;
        bool json_lines;
    } items[IFM_EXPORTS_MAX];
    size_t n;
} ifm_exports;

/* Opens what the option "export" names. Errors: ARGUMENT (no "=", an unknown format, "-"), IO,
 * NOT_FOUND. */
ifm_status ifm_exports_open(ifm_exports *self, const ifm_arguments *arguments,
                            ifm_export_of of, ifm_error *err);
/* Write and commit all of them; the first error is returned, the others are still written. */
ifm_status ifm_exports_write_run(ifm_exports *self, const ifm_run *runs, size_t n,
                                 ifm_error *err);
ifm_status ifm_exports_write_load(ifm_exports *self, const ifm_load_run *load,
                                  const ifm_load_summary *summary, ifm_error *err);
/* Leaves what was there before; legal after write. */
void ifm_exports_abort(ifm_exports *self);

#endif
