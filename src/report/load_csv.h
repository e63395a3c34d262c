/* The CSV of a load: one row a request, streamed from the spool; columns in docs/csv.md. */
#ifndef IFM_REPORT_LOAD_CSV_H
#define IFM_REPORT_LOAD_CSV_H

#include <stdio.h>

#include "load/load.h"

/* Errors: IO, NO_MEMORY. */
ifm_status ifm_report_load_csv(const ifm_load_run *load, FILE *out, ifm_error *err);

#endif
