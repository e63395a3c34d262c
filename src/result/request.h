/* One request of the result document. */
#ifndef IFM_RESULT_REQUEST_H
#define IFM_RESULT_REQUEST_H

#include <jansson.h>

#include "measure/record.h"

/* The request's object, the caller's; NULL without memory. `target` says who was asked:
 * "native". */
json_t *ifm_result_request(const ifm_record *record, const char *target);

#endif
