#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ifm_status_name(ifm_status status)
{
    static const char *const names[] = {
#define X(name, meaning) #name,
        IFM_STATUS_LIST(X)
#undef X
    };
    size_t i = (size_t)status;
    return i < sizeof names / sizeof names[0] ? names[i] : "unknown status";
}

/* A file name or a JSON key from a hostile file must not move the cursor or break the
 * line of a log. UTF-8 passes; a character cut in half by the buffer's end is dropped. */
static void make_one_line(char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            text[i] = '?';
    }
    size_t lead = n;
    while (lead > 0 && n - lead < 4 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char c = (unsigned char)text[lead - 1];
    size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    if (want > 1 && n - (lead - 1) < want)
        text[lead - 1] = '\0';
}

ifm_status ifm_fail(ifm_error *err, ifm_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    make_one_line(err->message);
    err->status = status;
    return status;
}

ifm_status ifm_fail_errno(ifm_error *err, int code, const char *format, ...)
{
    ifm_status status = code == ENOENT || code == ENOTDIR ? IFM_ERR_NOT_FOUND
                        : code == ENOMEM                  ? IFM_ERR_NO_MEMORY
                                                          : IFM_ERR_IO;
    if (err == NULL)
        return status;
    char what[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    char reason[128];
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    const char *text = strerror_r(code, reason, sizeof reason);
#else
    const char *text =
        strerror_r(code, reason, sizeof reason) == 0 ? reason : "unknown error";
#endif
    return ifm_fail(err, status, "%s: %s", what, text);
}

ifm_status ifm_fail_within(ifm_error *err, ifm_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    char where[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
    ifm_error inner = *err;
    return ifm_fail(err, status, "%s: %s", where, inner.message);
}
