#include "cli/input.h"

#include <stdio.h>

#include "base/error.h"

ifm_status ifm_read_stdin(ifm_buffer *out, size_t limit, ifm_error *err)
{
    char block[1 << 16];
    size_t n;
    while (out->length <= limit && (n = fread(block, 1, sizeof block, stdin)) > 0)
        ifm_buffer_append(out, block, n);
    if (ferror(stdin))
        return ifm_fail(err, IFM_ERR_IO, "standard input: cannot read");
    if (out->length > limit)
        return ifm_fail(err, IFM_ERR_LIMIT, "standard input: more than %zu bytes", limit);
    return out->failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "standard input: no memory")
                       : IFM_OK;
}
