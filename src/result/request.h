/* One request of the result document. */
#ifndef IFM_RESULT_REQUEST_H
#define IFM_RESULT_REQUEST_H

#include "measure/record.h"
#include "result/writer.h"

/* Writes the request's object, a field a line. `target` says who was asked: "native". */
void ifm_result_write_request(ifm_writer *writer, const ifm_record *record,
                              const char *target);

#endif
