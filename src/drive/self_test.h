/*
 * The self-test: the client against a server whose times are known, on this host: how far off
 * are the client's own numbers? What it finds is the floor under every result measured here.
 *
 * The server is `inferometer mock-server`, a process of its own on the same processors, so
 * that both compete as they would not against a server elsewhere: an upper bound.
 */
#ifndef IFM_DRIVE_SELF_TEST_H
#define IFM_DRIVE_SELF_TEST_H

#include "drive/truth.h"
#include "load/totals.h"

/* One load of the test. */
typedef struct ifm_self_test_case {
    const char *name; /* "64 streams" */
    int64_t streams;  /* at once */
    bool burst;       /* all due at the same instant; else starts are spread */
    double ttft_ms, itl_ms;
    int64_t tokens; /* of each answer */
    int64_t n_requests;
} ifm_self_test_case;

/* The cases that --self-test runs: 1, 64, 1,000 and 4,000 streams, and a burst of 512. */
extern const ifm_self_test_case ifm_self_test_cases[];
extern const size_t ifm_self_test_n_cases;

typedef struct ifm_self_test_row {
    ifm_self_test_case test;
    ifm_truth_errors errors;
    int64_t peak_in_flight;
    double cpu_s_per_1000_events, events_per_s_per_core, bytes_per_event;
    double events_per_s; /* that came while it ran */
    double lag_p99_ns;   /* due → taken up; client lag */
    int64_t memory_bytes;
} ifm_self_test_row;

typedef struct ifm_self_test_options {
    const char *program; /* this one, which is also the server; NULL: found */
    int cancel_fd;
    /* Called before each case; may be NULL. */
    void (*on_case)(void *user, const ifm_self_test_case *test);
    void (*on_tick)(void *user, const ifm_totals *totals);
    void *user;
} ifm_self_test_options;

/* Runs one case. Errors: CHILD (the server failed), CANCELLED, what the drive says. */
ifm_status ifm_self_test_run(const ifm_self_test_options *options,
                             const ifm_self_test_case *test, ifm_self_test_row *row,
                             ifm_error *err);

/* What a result keeps of a row. */
ifm_floor ifm_self_test_floor(const ifm_self_test_row *row);

#endif
