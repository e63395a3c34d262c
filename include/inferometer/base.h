/*
 * Errors and time: what every other public header stands on.
 *
 * A function that can fail returns an `ifm_status` and takes an optional last argument
 * `ifm_error *err` (NULL is allowed), which it fills with one line for a person: what was
 * wrong, where (file, byte, key), what was expected, what to do. The library never prints
 * and never exits.
 *
 * A point in time (`ifm_time`) and a duration (`int64_t`, nanoseconds) are different
 * types, so that they cannot be mixed up.
 */
#ifndef INFEROMETER_BASE_H
#define INFEROMETER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define IFM_API             __attribute__((visibility("default")))
#define IFM_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#else
#define IFM_API
#define IFM_PRINTF(fmt, va)
#endif

/* The one list of statuses: X(name, what it means). */
#define IFM_STATUS_LIST(X)                                                               \
    X(OK, "fine")                                                                        \
    X(ERR_NO_MEMORY, "out of memory")                                                    \
    X(ERR_IO, "the operating system refused to read, write or start something")          \
    X(ERR_NOT_FOUND, "a file, model or name does not exist")                             \
    X(ERR_FORMAT, "a file's bytes are not what its format demands")                      \
    X(ERR_UNSUPPORTED, "valid, but nothing here can handle it")                          \
    X(ERR_ARGUMENT, "the caller passed something that makes no sense")                   \
    X(ERR_LIMIT, "larger than a limit: context, buffer, depth")                          \
    X(ERR_CHILD, "a child process failed, died or broke the protocol")                   \
    X(ERR_CANCELLED, "stopped on request")

typedef enum ifm_status {
#define X(name, meaning) IFM_##name,
    IFM_STATUS_LIST(X)
#undef X
} ifm_status;

typedef struct ifm_error {
    ifm_status status;
    char message[512]; /* one line, no newline, UTF-8, always terminated */
} ifm_error;

/* "ERR_FORMAT" and the like; never NULL. Thread-safe. */
IFM_API const char *ifm_status_name(ifm_status status);

/* A point in time on this machine's monotonic clock (CLOCK_MONOTONIC; mach time on
 * macOS), the same in every process of the machine. */
typedef struct ifm_time {
    int64_t ns;
} ifm_time;

/* Now. Costs tens of nanoseconds; thread-safe; never fails. */
IFM_API ifm_time ifm_time_now(void);

/* Nanoseconds from `from` to `to`; negative when `to` lies before. */
static inline int64_t ifm_time_between(ifm_time from, ifm_time to)
{
    return to.ns - from.ns;
}

#ifdef __cplusplus
}
#endif
#endif
