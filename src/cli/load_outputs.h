/* The files that `load` writes: opened before anything is measured, committed after. */
#ifndef IFM_CLI_LOAD_OUTPUTS_H
#define IFM_CLI_LOAD_OUTPUTS_H

#include "cli/command.h"
#include "cli/exports.h"
#include "load/summary.h"
#include "os/file.h"

enum { IFM_LOAD_OUTPUT_KINDS = 3 }; /* --json, --csv, --markdown */

typedef struct ifm_load_outputs {
    ifm_output files[IFM_LOAD_OUTPUT_KINDS];
    bool wanted[IFM_LOAD_OUTPUT_KINDS];
    bool to_stdout; /* one of them is "-": nothing else may stand there */
    ifm_exports exports;
    const char *plots; /* directory, borrowed; NULL: none */
} ifm_load_outputs;

/* Opens what the options name. Errors: ARGUMENT (two on stdout), IO, NOT_FOUND. */
ifm_status ifm_load_outputs_open(ifm_load_outputs *self, const ifm_arguments *arguments,
                                 ifm_error *err);
/* Writes and commits all of them; the first error is returned, the others are still
 * written. */
ifm_status ifm_load_outputs_write(ifm_load_outputs *self, const ifm_load_run *load,
                                  const ifm_load_summary *summary, ifm_error *err);
/* Leaves what was there before; legal after write. */
void ifm_load_outputs_abort(ifm_load_outputs *self);

#endif
