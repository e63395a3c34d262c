/* The files that `run` writes: opened before anything is measured, committed after. */
#ifndef IFM_CLI_RUN_OUTPUTS_H
#define IFM_CLI_RUN_OUTPUTS_H

#include "cli/command.h"
#include "cli/exports.h"
#include "measure/record.h"
#include "os/file.h"

enum { IFM_RUN_OUTPUT_KINDS = 3 }; /* --json, --csv, --markdown */

typedef struct ifm_run_outputs {
    ifm_output files[IFM_RUN_OUTPUT_KINDS];
    bool wanted[IFM_RUN_OUTPUT_KINDS];
    bool to_stdout; /* one of them is "-": nothing else may stand there */
    ifm_exports exports;
    const char *plots; /* directory, borrowed; NULL: none */
} ifm_run_outputs;

/* Opens what the options name. Errors: ARGUMENT (two on stdout), IO, NOT_FOUND. */
ifm_status ifm_run_outputs_open(ifm_run_outputs *self, const ifm_arguments *arguments,
                                ifm_error *err);
/* Makes the directory of --plots; whether there is a gnuplot that runs is to be known now
 * rather than afterwards. Errors: NOT_FOUND, CHILD, IO. */
ifm_status ifm_run_outputs_open_plots(const char *directory, ifm_error *err);
/* Writes and commits all of them; the first error is returned, the others are still
 * written. */
ifm_status ifm_run_outputs_write(ifm_run_outputs *self, const ifm_run *runs, size_t n,
                                 ifm_error *err);
/* Leaves what was there before; legal after write. */
void ifm_run_outputs_abort(ifm_run_outputs *self);

#endif
