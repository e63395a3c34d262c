/*
 * Finds the highest rate at which a promise is kept, by making loads: load/rate_search.h
 * says which rate comes next and what may be concluded, this makes the loads and counts.
 *
 * Each look at a rate is a load of its own with new prompts, after a pause in which the
 * server settles. Its beginning, in which the queues of the server fill, does not count:
 * requests that were due in the first fifth are made, not judged.
 */
#ifndef IFM_DRIVE_FIND_RATE_H
#define IFM_DRIVE_FIND_RATE_H

#include "drive/drive.h"
#include "load/rate_search.h"

typedef struct ifm_find_rate_options {
    ifm_rate_options search; /* guess 0: from how long requests take by themselves */
    int64_t pause_ns;
    ifm_drive_options drive; /* source: set by prepare */
    /* Makes the load of the look number `look`, from 0: its facts and plan (rate and number of
     * requests are set afterwards) and where its requests come from, which it
     * keeps as long as the search. */
    ifm_status (*prepare)(void *user, int look, ifm_load_run *load,
                          ifm_requests_source **source, ifm_error *err);
    /* A look begins: its load is prepared. A step is decided. Either may be NULL. */
    void (*on_look)(void *user, const ifm_load_run *load);
    void (*on_step)(void *user, const ifm_rate_step *step);
    void *user;
} ifm_find_rate_options;

/* *out: the load at the highest rate that was kept, or, when none was, at the lowest tried,
 * with the whole search in out->search; the caller deinits it, also after an error. When a
 * load was cancelled, it and what was concluded before it stay in *out, which is incomplete.
 * Errors: ARGUMENT (no promise to keep), those of ifm_drive_run, of reading the spool and of
 * prepare. */
ifm_status ifm_find_rate(const ifm_find_rate_options *options, ifm_load_run *out,
                         ifm_error *err);

/* What of a load counts for the search. */
typedef struct ifm_rate_count {
    int64_t n, n_good;
    int64_t n_good_served; /* had the client taken each up at once */
    double spread;         /* between stretches of the load, at least 1 */
} ifm_rate_count;

/* Counts the load's requests that were due from `from_ns` on. Errors: IO, NO_MEMORY. */
ifm_status ifm_rate_count_of(const ifm_load_run *load, int64_t from_ns,
                             ifm_rate_count *out, ifm_error *err);

#endif
