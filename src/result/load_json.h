/*
 * The result document of a load: schema inferometer.result/1 with an object `load`
 * (docs/result-schema.md). Its requests, which are last, are streamed from the spool: memory
 * does not grow with them.
 */
#ifndef IFM_RESULT_LOAD_JSON_H
#define IFM_RESULT_LOAD_JSON_H

#include <stdio.h>

#include "load/summary.h"

/* Call ifm_load_judge before. Errors: NO_MEMORY, IO. */
ifm_status ifm_result_write_load_json(const ifm_load_run *load,
                                      const ifm_load_summary *summary, FILE *out,
                                      ifm_error *err);

#endif
