/*
 * Faults: what goes wrong, for which share of the requests, after how many tokens. Who meets
 * one depends on the seed and on the order of the requests alone.
 */
#ifndef IFM_MOCK_FAULTS_H
#define IFM_MOCK_FAULTS_H

#include "inferometer/base.h"

/* X(NAME, "name", may stand at a token, what it means). */
#define IFM_MOCK_FAULT_LIST(X)                                                           \
    X(REFUSE, "refuse", false, "nobody listens: connections are refused")                \
    X(RESET, "reset", true, "the connection is reset")                                   \
    X(CLOSE, "close", true, "the connection is closed, the answer being incomplete")     \
    X(HALF_CLOSE, "half-close", true, "the same, but only our direction is closed")      \
    X(STALL, "stall", true, "nothing more is sent, the connection stays")                \
    X(HTTP_429, "http-429", false,                                                       \
      "status 429; http-429=S asks to retry after S seconds")                            \
    X(HTTP_500, "http-500", false, "status 500")                                         \
    X(HTTP_503, "http-503", false, "status 503; http-503=S as above")                    \
    X(ERROR_EVENT, "error-event", true, "an error in the middle of the stream")          \
    X(BAD_JSON, "bad-json", true, "one event more, whose JSON is cut off")               \
    X(HTML, "html", false, "status 200 and a page of HTML")                              \
    X(TRUNCATE, "truncate", true, "the body ends in the middle of an event")             \
    X(NO_TOKENS, "no-tokens", false, "a whole answer without a token")                   \
    X(DIE, "die", true, "the server is gone, with all its connections")

typedef enum ifm_mock_fault_kind {
    IFM_MOCK_FAULT_NONE,
#define X(NAME, name, at, meaning) IFM_MOCK_FAULT_##NAME,
    IFM_MOCK_FAULT_LIST(X)
#undef X
} ifm_mock_fault_kind;

typedef struct ifm_mock_fault {
    ifm_mock_fault_kind kind;
    double share;          /* 0 … 1 of the requests */
    int64_t at;            /* after so many tokens; -1: not said */
    int64_t retry_after_s; /* -1: not said */
} ifm_mock_fault;

enum { IFM_MOCK_MAX_FAULTS = 16 };

typedef struct ifm_mock_faults {
    ifm_mock_fault list[IFM_MOCK_MAX_FAULTS];
    size_t n;
} ifm_mock_faults;

/* "reset", "http-429=2:0.1", "close:0.5@8". Errors: ARGUMENT. */
ifm_status ifm_mock_fault_parse(ifm_mock_faults *self, const char *text, ifm_error *err);

/* "reset"; NULL for none. */
const char *ifm_mock_fault_name(ifm_mock_fault_kind kind);

/* The fault that request number `request` (from 0) meets: the first of the list whose lot
 * falls on it. */
ifm_mock_fault ifm_mock_fault_of(const ifm_mock_faults *self, uint64_t seed,
                                 int64_t request);

#endif
