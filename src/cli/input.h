/* Standard input, whole. */
#ifndef IFM_CLI_INPUT_H
#define IFM_CLI_INPUT_H

#include "base/buffer.h"

/* Appends all of standard input, NUL bytes included, to *out, which the caller releases.
 * Errors: IO, LIMIT (more than `limit` bytes), NO_MEMORY. */
ifm_status ifm_read_stdin(ifm_buffer *out, size_t limit, ifm_error *err);

#endif
