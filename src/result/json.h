/*
 * The result document, schema inferometer.result/1 (docs/result-schema.md): everything that
 * was measured, as JSON, so that it can be read and analysed again years later.
 */
#ifndef IFM_RESULT_JSON_H
#define IFM_RESULT_JSON_H

#include <stdio.h>

#include "measure/record.h"

/* Writes the document of runs[n], n ≥ 1, of the same requests to several targets, to `out`:
 * indented, a newline at its end, in memory that does not grow with the requests. `target`
 * and `summary` are the first one's; with several, `targets` has all of them and `comparison`
 * sets each beside the first. Errors: NO_MEMORY, IO. */
ifm_status ifm_result_write_json(const ifm_run *runs, size_t n, FILE *out,
                                 ifm_error *err);

/* The commit that this program was built from ("1a2b3c4", "unknown"), and the compiler that
 * built it. Never NULL. */
const char *ifm_result_commit(void);
const char *ifm_result_compiler(void);

#endif
