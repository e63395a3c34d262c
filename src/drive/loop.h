/*
 * The loop: sends requests when they are due, takes their ends to the spool. One thread,
 * which does nothing else: bodies are made by another (maker.h), the disk is written by
 * another (load/spool.h), people are shown things by another (drive.c).
 *
 *     schedule ─► due ─┐
 *     later turns ─────┼─► place ─► ifm_client_start ─► … ─► on_done ─► spool
 *                      │     ▲                                  │
 *     (closed) ────────┘     └────────── free again ◄───────────┘
 *
 * A place is one of --concurrency's: a closed load's requests are due when one is free; under
 * a rate, those that are due wait for one, in order, and the wait is theirs (gate_ns). A
 * conversation keeps its place until its last turn has ended, as a person would.
 */
#ifndef IFM_DRIVE_LOOP_H
#define IFM_DRIVE_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "drive/drive.h"
#include "drive/heap.h"
#include "drive/maker.h"
#include "drive/schedule.h"

/* What a phase (warm-up, measuring) does. */
typedef struct ifm_phase_plan {
    ifm_schedule_options schedule; /* of all processes together, but for `places` */
    int64_t first, step;           /* this process has numbers first, first + step, … */
    int64_t limit;                 /* requests of this process; INT64_MAX: none */
    int64_t duration_ns;           /* INT64_MAX: no limit */
    bool warmup;
} ifm_phase_plan;

/* Tokens that a server counted more than were made: a constant number is its template's. */
enum { IFM_SURPLUS_MOST = 16 };

typedef struct ifm_surplus {
    int64_t tokens, count;
} ifm_surplus;

typedef struct ifm_slot ifm_slot; /* a request under way */

typedef struct ifm_loop {
    /* Set by the drive, borrowed. */
    ifm_load_run *load;
    ifm_client *client;
    ifm_maker *maker;
    int wake_fd;  /* readable: look around */
    int waker_fd; /* its other end */
    _Atomic bool woken;
    _Atomic bool cancelled;
    uint8_t run_id[8]; /* of the request ids */
    int32_t rank;
    bool unique; /* no two prompts begin alike */

    /* Of the phase. */
    ifm_phase_plan plan;
    ifm_time begin;
    ifm_schedule schedule; /* at the next request to start */
    ifm_schedule ahead;    /* at the first that is not due yet */
    ifm_heap places;       /* moments from which on they are free */
    ifm_heap turns;        /* later turns, by when they are due: ifm_slot */
    int64_t started;       /* requests, later turns and unserved ones among them */
    int64_t making;        /* later turns that the maker has */
    int32_t failures;      /* connections in a row that failed */
    bool closing;          /* no new conversations */

    /* Of the load. */
    int64_t requests; /* that have begun, of all phases: gives the next id */
    ifm_slot *spare;  /* slots to use again */
    ifm_surplus surplus[IFM_SURPLUS_MOST];
    size_t n_surplus;
    ifm_totals totals;
    ifm_status status; /* of the spool, or memory: the loop ends */
    ifm_error error;

    pthread_mutex_t mutex; /* of `shown` */
    ifm_totals shown;      /* a copy of totals, for others to read */
    ifm_time shown_at;
} ifm_loop;

void ifm_loop_init(ifm_loop *self);
void ifm_loop_deinit(ifm_loop *self);

/* Makes the loop look around soon. Any thread. */
void ifm_loop_wake(void *self);

/* Runs a phase from `begin` on, to the end of its last request. Afterwards status says
 * whether all went well. */
void ifm_loop_run(ifm_loop *self, const ifm_phase_plan *plan, ifm_time begin);

/* Callbacks of the client; user is the loop. */
void ifm_loop_on_piece(void *user, void *request, const ifm_piece *piece);
void ifm_loop_on_done(void *user, void *request, ifm_record *record);

/* The totals as they were within the last tenth of a second. Thread-safe. */
void ifm_loop_look(ifm_loop *self, ifm_totals *out);

/* Requests whose usage.prompt_tokens is not what was made: *overhead, if most have the same
 * number more, is that number, and does not count. */
int64_t ifm_loop_mismatches(const ifm_loop *self, int64_t *overhead);

/* ---- between loop.c and outcome.c ----------------------------------------------------- */

struct ifm_slot {
    ifm_slot *next; /* spare */
    ifm_asked asked;
    int64_t id;
    ifm_time due;
    int64_t gate_ns;
    bool warmup;
    int64_t last_piece_ns;  /* -1: none came */
    int64_t tokens, pieces; /* counted so far */
};

/* NULL without memory, then the loop fails. */
ifm_slot *ifm_loop_slot(ifm_loop *self);
void ifm_loop_give_back(ifm_loop *self, ifm_slot *slot);
/* What is sent as X-Request-Id. */
void ifm_loop_request_id(const ifm_loop *self, int64_t id, char text[64]);
/* A place is free from then on; nothing without places. */
void ifm_loop_free_place(ifm_loop *self, ifm_time since);
/* Ends a request that was never sent. */
void ifm_loop_unserved(ifm_loop *self, ifm_slot *slot, ifm_outcome outcome,
                       const char *why);
void ifm_loop_fail(ifm_loop *self, const ifm_error *err);

#endif
