/*
 * The truth: what a server of known timing did, as its log says, beside what the client saw
 * of it. Both read the same clock of the same machine, so that the difference is the client's
 * error and nothing else (and what the loopback costs, which nobody can take out).
 */
#ifndef IFM_DRIVE_TRUTH_H
#define IFM_DRIVE_TRUTH_H

#include "load/load.h"

typedef struct ifm_truth ifm_truth;

/* Reads the log of `inferometer mock-server --log` (docs/mock-server.md). The caller frees.
 * Errors: IO, NOT_FOUND, FORMAT (a line, by its number), NO_MEMORY. */
ifm_status ifm_truth_read(const char *path, ifm_truth **out, ifm_error *err);
void ifm_truth_free(ifm_truth *self);
size_t ifm_truth_count(const ifm_truth *self);

/* Sizes of errors, in nanoseconds; NaN when there are none. */
typedef struct ifm_truth_error {
    size_t n;
    double p50, p99, max;
} ifm_truth_error;

typedef struct ifm_truth_errors {
    size_t n_requests;   /* counted ones, that the log has, too */
    size_t n_failed;     /* that the client says failed */
    size_t n_unknown;    /* that the log does not have */
    size_t n_miscounted; /* with another number of tokens than were sent */
    size_t n_events;
    ifm_truth_error ttft; /* sent → first token against received → first write */
    ifm_truth_error itl;  /* each gap, of all requests together */
    ifm_truth_error tpot; /* a request's mean gap */
    ifm_truth_error late; /* a token's write → its time stamp, one way */
} ifm_truth_errors;

/* Requests that are no warm-up. Errors: IO, NO_MEMORY. */
ifm_status ifm_truth_compare(const ifm_truth *self, const ifm_load_run *load,
                             ifm_truth_errors *out, ifm_error *err);

#endif
