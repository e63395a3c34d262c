/*
 * The log: what was done, one line of JSON a request, when the request has ended. A thread of
 * its own formats and writes, so that a stream never waits for the disk.
 */
#ifndef IFM_MOCK_LOG_H
#define IFM_MOCK_LOG_H

#include "inferometer/base.h"
#include "mock/faults.h"

/* How a request ended, as the log says it. */
#define IFM_MOCK_END_LIST(X)                                                             \
    X(WHOLE, "whole")     /* answered to the end */                                      \
    X(REFUSED, "refused") /* with a status that is not 200 */                            \
    X(FAULT, "fault")     /* cut off by one that was asked for */                        \
    X(GONE, "gone")       /* the other side closed the connection first */               \
    X(STOPPED, "stopped") /* the server was ended first */

typedef enum ifm_mock_end {
#define X(NAME, name) IFM_MOCK_END_##NAME,
    IFM_MOCK_END_LIST(X)
#undef X
} ifm_mock_end;

/* One event that carried tokens. */
typedef struct ifm_mock_event {
    int64_t sent_ns, due_ns;
    int64_t tokens;
} ifm_mock_event;

/* One request. Times are CLOCK_MONOTONIC; 0: did not happen. */
typedef struct ifm_mock_entry {
    struct ifm_mock_entry *next;
    char request_id[128]; /* "": it had none */
    int64_t number;       /* from 0, in the order of their ends of body */
    bool chat, stream, slow_reader;
    int64_t received_ns, body_ns, begin_ns;
    int64_t prompt_tokens, completion_tokens; /* completion: that were sent */
    int status;                               /* 0: none was sent */
    ifm_mock_fault_kind fault;
    ifm_mock_end end;
    size_t n_events, capacity;
    ifm_mock_event events[];
} ifm_mock_entry;

/* Zeros, room for `capacity` events; NULL without memory. free() it, or put it. */
ifm_mock_entry *ifm_mock_entry_new(size_t capacity);

typedef struct ifm_mock_log ifm_mock_log;

/* Errors: IO, NOT_FOUND, NO_MEMORY. */
ifm_status ifm_mock_log_open(const char *path, ifm_mock_log **out, ifm_error *err);
/* Takes the entry over. Waits only when thousands of them are not written yet. */
void ifm_mock_log_put(ifm_mock_log *self, ifm_mock_entry *entry);
/* Writes what is left and frees. NULL is allowed. Errors: IO (also of any write before). */
ifm_status ifm_mock_log_close(ifm_mock_log *self, ifm_error *err);

#endif
