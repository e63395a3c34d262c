/*
 * A server of known timing: it speaks the OpenAI protocol and means nothing by it. What it
 * sends, and when, was asked for; what it did is in its log, to the nanosecond. Whoever
 * measures it knows what should have come out.
 *
 *     request ──► http.c ──► ask.c ──► (queue) ──► stream.c ──► shapes.c ──► socket
 *                 reader     JSON      --concurrency  when         bytes        + log.c
 *
 * One thread plays all streams (server.c), a second one writes the log.
 */
#ifndef IFM_MOCK_MOCK_H
#define IFM_MOCK_MOCK_H

#include "inferometer/base.h"
#include "mock/faults.h"
#include "mock/shapes.h"

typedef enum ifm_mock_jitter {
    IFM_MOCK_UNIFORM,     /* ± jitter */
    IFM_MOCK_NORMAL,      /* of that standard deviation */
    IFM_MOCK_EXPONENTIAL, /* of that mean, so always late */
} ifm_mock_jitter;

typedef struct ifm_mock_options {
    const char *host;      /* "127.0.0.1" */
    int port;              /* 0: any that is free */
    const char *unix_path; /* a socket file instead; NULL: TCP */
    const char *log_path;  /* JSON lines; NULL: none */
    const char *model;   /* the name it serves; NULL: "mock", and any name is answered */
    const char *api_key; /* that a request has to bear; NULL: none */
    int64_t ttft_ns, itl_ns;
    int64_t jitter_ns; /* around each token's due time, no drift */
    ifm_mock_jitter jitter_kind;
    double prompt_tokens_per_s; /* adds prompt tokens ÷ this to the TTFT; 0: does not */
    int64_t tokens;             /* of each answer; 0: as the request says, else 16 */
    int64_t concurrency;        /* requests served at once, others queue; 0: all */
    int64_t read_timeout_ns;    /* from a request's first byte to its last; 0: none */
    int64_t keep_alive_ns;      /* an idle connection is closed then; 0: never */
    uint64_t seed;              /* of jitter, and of who meets a fault */
    ifm_mock_shapes shapes;
    ifm_mock_faults faults;
} ifm_mock_options;

/* 100 ms to the first token, 20 ms between tokens, plain, no faults. */
ifm_mock_options ifm_mock_defaults(void);

/* What happened, for the last line. Lateness: of each event that carried tokens, from when
 * it was due to right before it was handed to the operating system. */
typedef struct ifm_mock_totals {
    int64_t requests; /* for completions, whatever became of them */
    int64_t events;   /* that carried tokens */
    int64_t tokens;
    int64_t slow_readers; /* answers whose reader did not keep up */
    int64_t late_p50_ns, late_p99_ns, late_max_ns; /* -1: no events */
    bool died;                                     /* the fault "die" ended it */
} ifm_mock_totals;

typedef struct ifm_mock ifm_mock;

/* Listens (connections are accepted by the operating system from here on) and opens the log.
 * Strings and faults of `options` are borrowed until free. Errors: ARGUMENT (a host or path
 * that cannot be, a port in use), IO, NO_MEMORY. SIGPIPE does not come from it. */
ifm_status ifm_mock_new(const ifm_mock_options *options, ifm_mock **out, ifm_error *err);

/* The port that it listens on; 0 on a unix socket. Any thread. */
int ifm_mock_port(const ifm_mock *self);
/* "http://127.0.0.1:8000", "unix:/tmp/socket"; borrowed. */
const char *ifm_mock_address(const ifm_mock *self);

/* Serves until stop_fd is readable, or the fault "die". Answers under way are cut off, the
 * log is complete on return. Once. Errors: IO (the log cannot be written, no more
 * descriptors), NO_MEMORY. */
ifm_status ifm_mock_run(ifm_mock *self, int stop_fd, ifm_error *err);

ifm_mock_totals ifm_mock_totals_of(const ifm_mock *self);

/* NULL is allowed. */
void ifm_mock_free(ifm_mock *self);

#endif
