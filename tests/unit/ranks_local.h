/*
 * Ranks without MPI: threads of one process, each with its own clock, between which
 * messages take their time. The seam is the one that MPI has (src/ranks/ops.h).
 */
#ifndef IFM_TESTS_RANKS_LOCAL_H
#define IFM_TESTS_RANKS_LOCAL_H

#include "ranks/ranks.h"

enum { LOCAL_MOST = 8 };

typedef struct local_world local_world;

typedef struct local_rank {
    local_world *world;
    int32_t rank;
    ifm_ranks *ranks; /* made by the thread, from the world */
    bool dead, left, left_whole;
    void *data; /* the test's own */
} local_rank;

typedef struct local_options {
    int32_t size;
    double rate; /* the clocks' speed: 1, or more for a test of patience */
    int64_t offset_ns[LOCAL_MOST]; /* of each clock */
    double drift[LOCAL_MOST];      /* of each clock: 1e-3 is a millisecond a second */
    int64_t latency_ns;            /* of a message: between half of it and all of it */
} local_options;

/* Runs `body` in a thread for each rank, with rank->ranks open; waits for all, closes. A body
 * that returns false has died: its rank sends and receives nothing more, and is not closed.
 * results gets what was left: [size], may be NULL. */
void local_run(const local_options *options, bool (*body)(local_rank *rank), void *data,
               local_rank *results);

/* The true time on rank's clock at the moment at which rank 0's showed t. */
ifm_time local_translate(const local_rank *rank, ifm_time t);

#endif
