/* Filling an ifm_error: the one way in which an error message is made. */
#ifndef IFM_BASE_ERROR_H
#define IFM_BASE_ERROR_H

#include "inferometer/base.h"

/* Writes status and message to *err (err may be NULL) and returns status, so that a
 * function can `return ifm_fail(err, IFM_ERR_FORMAT, "%s: …", path, …)`. The message says
 * what, where, what was expected and what to do; control characters and newlines from
 * hostile input are replaced, so that it stays one line. Thread-safe. */
ifm_status ifm_fail(ifm_error *err, ifm_status status, const char *format, ...)
    IFM_PRINTF(3, 4);

/* The same with ": " and strerror(code) behind it; the status is NOT_FOUND for ENOENT and
 * ENOTDIR, NO_MEMORY for ENOMEM, else IO. */
ifm_status ifm_fail_errno(ifm_error *err, int code, const char *format, ...)
    IFM_PRINTF(3, 4);

/* Puts text in front of the message: "where: ". Returns err->status. */
ifm_status ifm_fail_within(ifm_error *err, ifm_status status, const char *format, ...)
    IFM_PRINTF(3, 4);

#endif
