/* What the options of `load` say in words of their own: durations, rates, promises. */
#ifndef IFM_CLI_LOAD_PARSE_H
#define IFM_CLI_LOAD_PARSE_H

#include "load/load.h"

/* "30", "30s", "1.5m", "2h", "250ms": positive. `option` is for the message. Errors:
 * ARGUMENT. */
ifm_status ifm_load_parse_duration(const char *option, const char *text, int64_t *ns,
                                   ifm_error *err);

/* Requests per second: "12.5", or "inf". Errors: ARGUMENT. */
ifm_status ifm_load_parse_rate(const char *text, double *rate, ifm_error *err);

/* "ttft:500,tpot:50,e2el:5000", milliseconds; each at most once. Errors: ARGUMENT. */
ifm_status ifm_load_parse_slo(const char *text, ifm_slo *slo, ifm_error *err);

/* No promise at all. */
ifm_slo ifm_load_no_slo(void);

#endif
