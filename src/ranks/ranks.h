/*
 * A load from several processes, on one machine or many: `mpirun -n 16 inferometer load …`.
 *
 * Every process reads the same command line and makes the same schedule from the same
 * seed; request i is that of rank i mod size, places and numbers are divided. They start
 * at one moment of rank 0's clock, which each translates into its own. Rank 0 hears a few
 * numbers from everybody each second; at the end it takes in what the others have on disk.
 * Only rank 0 prints and writes.
 *
 * A rank that dies is noticed by its silence. The others go on, and the result says what
 * was lost.
 *
 * NULL stands for a process that is alone, everywhere here: rank 0 of 1. All calls come
 * from one thread, in the same order in all ranks.
 */
#ifndef IFM_RANKS_RANKS_H
#define IFM_RANKS_RANKS_H

#include "load/load.h"
#include "load/totals.h"
#include "ranks/ops.h"

typedef struct ifm_ranks ifm_ranks;

/* Joins the others when an MPI launcher started this process as one of several; *out is
 * NULL otherwise, and MPI is not touched. The caller closes. Errors: NOT_FOUND (launched
 * so, but built without MPI), UNSUPPORTED (another MPI's launcher). */
ifm_status ifm_ranks_open(ifm_ranks **out, ifm_error *err);
/* The same through any transport; for tests. */
ifm_status ifm_ranks_new(const ifm_ranks_ops *ops, void *group,
                         const ifm_ranks_place *place, ifm_ranks **out, ifm_error *err);
/* Readable: whatever waits here ends, the load is cancelled (ifm_ranks_cancel). NULL is
 * legal. */
void ifm_ranks_heed(ifm_ranks *self, int cancel_fd);
/* Leaves the group. Rank 0 also ends the others, if they are not done. NULL is legal. */
void ifm_ranks_close(ifm_ranks *self);

int32_t ifm_ranks_rank(const ifm_ranks *self);
int32_t ifm_ranks_size(const ifm_ranks *self);
/* "rank 3 of 16 (node7)"; text[size]. */
void ifm_ranks_describe(const ifm_ranks *self, char *text, size_t size);

/* ---- who does what: pure ------------------------------------------------------------- */

/* Whether request (or session) i of the whole load is this rank's. */
bool ifm_ranks_mine(const ifm_ranks *self, int64_t i);
/* The number in the whole load of this rank's k-th. */
int64_t ifm_ranks_global(const ifm_ranks *self, int64_t k);
/* This rank's part of n things (places, requests, warm-up): those i < n that are mine. 0,
 * which means "no limit" everywhere, stays 0. */
int64_t ifm_ranks_share(const ifm_ranks *self, int64_t n);

/* ---- before -------------------------------------------------------------------------- */

/* Everybody calls it once his preparations have ended, well or not: `st` and `err` are
 * their outcome. Returns the same in all ranks: the first failure of any (with its rank
 * and host in front when it is not rank 0's), or ARGUMENT when the digests differ (other
 * options, files, or another build). *word, unless NULL, becomes rank 0's. */
ifm_status ifm_ranks_agree(ifm_ranks *self, ifm_status st, uint64_t digest,
                           uint64_t *word, ifm_error *err);
/* Measures all clocks, and agrees on a moment shortly ahead: *start, in this process's
 * clock. Alone: now. Behind ifm_ranks_agree, so that everybody is ready. The first start is
 * time zero of the load, later ones begin its phases. */
ifm_status ifm_ranks_start_together(ifm_ranks *self, ifm_time *start, ifm_error *err);

/* ---- meanwhile ----------------------------------------------------------------------- */

/* Some ten times a second: sends this rank's totals (others), or takes them in (rank 0).
 * *sum is own + the last report of every other rank; may be `own`, or NULL. True: rank 0 (or its
 * death) asks this rank to end. */
bool ifm_ranks_report(ifm_ranks *self, const ifm_totals *own, ifm_totals *sum);
/* The load ends early: rank 0 tells the others. From now on a rank has less than a second
 * to be heard, as whoever ends us may give no more. */
void ifm_ranks_cancel(ifm_ranks *self);

/* ---- after --------------------------------------------------------------------------- */

typedef struct ifm_ranks_watch {
    void (*on_tick)(void *user, const ifm_totals *totals);
    void *user;
} ifm_ranks_watch;

/*
 * Each rank, when its own part has ended; load and own are what it has, `st` and `err` how
 * it ended (they are handed on). Waits for the others, then merges at rank 0:
 * load->spool gets the records of all, times and counts become those of the whole,
 * load->ranks is filled, own becomes the sum. Other ranks return when rank 0 has
 * everything.
 *
 * A rank that died: load->ranks[r].lost and lost_requests (which it had begun, as its last
 * word said, and not handed over), run.incomplete; ifm_load_judge warns. That is no error of this
 * function. Errors: `st`; IO, NO_MEMORY (what was merged stays, run.incomplete); in other
 * ranks CHILD when rank 0 died. load->began must be the first start.
 */
ifm_status ifm_ranks_finish(ifm_ranks *self, ifm_load_run *load, ifm_totals *own,
                            const ifm_ranks_watch *watch, ifm_status st, ifm_error *err);
/* Other ranks: rank 0 has everything, and what becomes of it is its business. */
bool ifm_ranks_handed_over(const ifm_ranks *self);
/* Whether this process has to say itself what went wrong: rank 0 does, and one that rank 0
 * has lost. */
bool ifm_ranks_speaks(const ifm_ranks *self);
/* Rank 0, after it: how long the merge took, from the last rank's end on. */
int64_t ifm_ranks_merge_ns(const ifm_ranks *self);

#endif
