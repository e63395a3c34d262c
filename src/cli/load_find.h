/* `load --find-rate`: the search of drive/find_rate.h from the command line. */
#ifndef IFM_CLI_LOAD_FIND_H
#define IFM_CLI_LOAD_FIND_H

#include "cli/load_setup.h"

/* Options of the search, for the table of `load`. */
/* clang-format off */
#define IFM_FIND_OPTIONS(heading)                                                          \
    {"find-rate", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, heading,                           \
     "search for the highest rate that keeps --slo, from --request-rate on; every rate "   \
     "gets --num-prompts requests (default: 400) and more until it is decided"},           \
    {"find-rate-precision", 0, IFM_OPTION_FLOAT, "X", 0.001, 1, "0.05", heading,           \
     "how near rates that keep the promise and do not have to come"},                      \
    {"slo-share", 0, IFM_OPTION_FLOAT, "X", 0.01, 0.9999, "0.95", heading,                 \
     "of all requests that have to keep it"}
/* clang-format on */

/* Whether options and plan can be searched with; `size` processes. Errors: ARGUMENT. */
ifm_status ifm_load_find_check(const ifm_load_setup *setup, int32_t size, ifm_error *err);

/* Searches; *load is replaced by the load that was found (drive/find_rate.h). Errors: as
 * ifm_find_rate. */
ifm_status ifm_load_find(const ifm_load_setup *setup, ifm_load_run *load, ifm_error *err);

#endif
