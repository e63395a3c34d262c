/*
 * Between the files of ranks_*.c: messages and state.
 *
 * A rank is a machine that messages move: ifm_ranks_pump takes one and notes what it says;
 * whoever waits pumps until it is noted. Messages are structs as they lie in memory:
 * everybody runs the same build, which ifm_ranks_agree checks.
 *
 *     rank 0                                     rank r
 *       ◄── AGREE status, digest, host ────────────
 *       ─── VERDICT ──────────────────────────────►
 *       ─── PING ──────────► ◄── PONG its clock ───     many times, one rank at a time
 *       ─── START in its clock ───────────────────►
 *       ◄── BEAT, TOTALS ── each second ── BEAT ──►     CANCEL ►
 *       ◄── DONE counts, how it ended ─────────────
 *       ─── PING ──────────► ◄── PONG ─────────────
 *       ─── HAND clock's drift ───────────────────►     one rank at a time:
 *       ◄── CHUNK … ───── MORE ► ── CHUNK … END ───     no more chunks under way than
 *       ─── REDUCE, then the reduction ───────────►     were asked for
 *       ─── BYE ──────────────────────────────────►
 *       ─── LEAVE, when the result is written ────►     if somebody died
 *
 * QUIT (rank 0 → r): end, whatever you do: rank 0 failed, or has given you up.
 */
#ifndef IFM_RANKS_INNER_H
#define IFM_RANKS_INNER_H

#include "ranks/clock.h"
#include "ranks/ranks.h"

typedef enum ifm_ranks_tag {
    IFM_RANKS_AGREE = 1,
    IFM_RANKS_VERDICT,
    IFM_RANKS_PING,
    IFM_RANKS_PONG,
    IFM_RANKS_START,
    IFM_RANKS_BEAT,
    IFM_RANKS_TOTALS,
    IFM_RANKS_CANCEL,
    IFM_RANKS_DONE,
    IFM_RANKS_HAND,
    IFM_RANKS_MORE,
    IFM_RANKS_CHUNK,
    IFM_RANKS_END,
    IFM_RANKS_REDUCE,
    IFM_RANKS_BYE,
    IFM_RANKS_LEAVE,
    IFM_RANKS_QUIT,
} ifm_ranks_tag;

enum {
    IFM_RANKS_MOST = 4096,
    IFM_RANKS_CHUNK_BYTES = 1 << 20, /* a record may be larger, and is then a chunk */
    IFM_RANKS_WINDOW = 4,            /* chunks under way */
};

#define IFM_RANKS_SECOND_NS INT64_C(1000000000)
/* From the agreement on a start to the start: every rank must have heard of it. */
#define IFM_RANKS_AHEAD_NS      (IFM_RANKS_SECOND_NS / 5)
#define IFM_RANKS_AHEAD_EACH_NS INT64_C(100000) /* more, per rank */
/* Other ranks prepare as long as rank 0, more or less. */
#define IFM_RANKS_PATIENCE_NS (120 * IFM_RANKS_SECOND_NS)
/* No beat for so long: dead. Rank 0 is given twice that. */
#define IFM_RANKS_SILENCE_NS (5 * IFM_RANKS_SECOND_NS)
#define IFM_RANKS_BEAT_NS    (IFM_RANKS_SECOND_NS / 4)
/* The same once the load is cancelled: mpirun may kill everybody a second after it asked. Who
 * was silent for so long before is given no term at all. */
#define IFM_RANKS_SUSPECT_NS       IFM_RANKS_SECOND_NS
#define IFM_RANKS_HURRY_SILENCE_NS (4 * IFM_RANKS_SECOND_NS / 10)
#define IFM_RANKS_HURRY_BEAT_NS    (IFM_RANKS_SECOND_NS / 20)

typedef struct ifm_ranks_agree_message {
    int32_t status;
    uint64_t digest;
    char host[64];
    char message[sizeof((ifm_error *)0)->message];
} ifm_ranks_agree_message;

typedef struct ifm_ranks_verdict_message {
    int32_t status;
    uint64_t word;
    char message[sizeof((ifm_error *)0)->message];
} ifm_ranks_verdict_message;

typedef struct ifm_ranks_ping_message {
    int64_t number, clock_ns; /* the clock in the answer */
} ifm_ranks_ping_message;

typedef struct ifm_ranks_start_message {
    int64_t start_ns; /* in the receiver's clock */
} ifm_ranks_start_message;

typedef struct ifm_ranks_beat_message {
    int64_t t_ns, begun;
} ifm_ranks_beat_message;

typedef struct ifm_ranks_done_message {
    int32_t status;
    bool incomplete, server_cached;
    int64_t records, begun, ended; /* ended: what totals count, without warm-up */
    int64_t warm_ns, ended_ns;
    int64_t client_cpu_ns, n_events, n_body_bytes, peak_in_flight, memory_bytes;
    int64_t prompt_mismatches;
    char message[sizeof((ifm_error *)0)->message];
} ifm_ranks_done_message;

typedef struct ifm_ranks_hand_message {
    ifm_clock_estimate before, after;
} ifm_ranks_hand_message;

typedef struct ifm_ranks_end_message {
    int64_t records;
    int32_t status;
    char message[sizeof((ifm_error *)0)->message];
} ifm_ranks_end_message;

typedef struct ifm_ranks_quit_message {
    bool given_up; /* rank 0 has not failed, but goes on without the receiver */
} ifm_ranks_quit_message;

typedef struct ifm_ranks_bye_message {
    bool whole;
} ifm_ranks_bye_message;

/* What is known of another rank. In ranks other than 0 only peers[0] is in use. */
typedef struct ifm_ranks_peer {
    char host[64];
    bool lost;
    ifm_time heard; /* when its last message came */
    bool agreed, done, ended;
    ifm_ranks_agree_message agree;
    ifm_ranks_beat_message beat; /* the last one */
    ifm_totals *totals;          /* heap: the last report; NULL: none came */
    ifm_clock_estimate before, after;
    ifm_ranks_done_message result;
    ifm_ranks_end_message end;
    int64_t received; /* records that it handed over */
} ifm_ranks_peer;

struct ifm_ranks {
    const ifm_ranks_ops *ops;
    void *group;
    ifm_ranks_place place;
    ifm_ranks_peer *peers; /* heap, [size] */
    ifm_time pumped;       /* when this rank last listened */
    ifm_time beaten;       /* when it last sent a beat, and its totals */
    ifm_time reported;
    bool running;  /* started: beats are due */
    int64_t begun; /* as the drive last said */
    int cancel_fd; /* -1 */
    bool cancelled, finished, broken;
    ifm_time start;

    /* What messages have brought, until somebody takes it. */
    bool verdict_came, start_came, hand_came, reduce_came, bye_came, leave_came;
    bool cancel_came, quit_came, given_up;
    ifm_ranks_verdict_message verdict;
    ifm_ranks_start_message start_at;
    ifm_ranks_hand_message hand;
    ifm_ranks_bye_message bye;
    int64_t may_send; /* chunks that rank 0 has room for */
    int64_t pings;    /* asked so far */
    ifm_ranks_ping_message pong;
    ifm_time pong_at;
    ifm_time awake_until; /* pings are coming: no naps */

    ifm_time merging; /* rank 0: when all ranks had ended, and it began to merge */
    ifm_time merged_at;
    /* Rank 0, while it merges. */
    ifm_spool *into; /* borrowed */
    ifm_status merged;
    ifm_error merge_error;
};

ifm_time ifm_ranks_now(const ifm_ranks *self);
void ifm_ranks_send(ifm_ranks *self, int32_t to, ifm_ranks_tag tag, const void *bytes,
                    size_t n);
/* To every rank but 0 that is not lost. */
void ifm_ranks_send_all(ifm_ranks *self, ifm_ranks_tag tag, const void *bytes, size_t n);
/* Takes one message, if there is one. */
bool ifm_ranks_pump(ifm_ranks *self);
/* Pumps what there is; a short sleep when there was nothing. */
void ifm_ranks_breathe(ifm_ranks *self, int64_t nap_ns);
/* Pumps until *flag. CHILD: `what` did not come in time, QUIT came, or rank 0 died.
 * CANCELLED. */
ifm_status ifm_ranks_await(ifm_ranks *self, const bool *flag, int64_t timeout_ns,
                           const char *what, ifm_error *err);

/* One look around, wherever something is waited for: whether to cancel; messages; a beat when
 * it is time; who is silent. */
void ifm_ranks_beat(ifm_ranks *self);
void ifm_ranks_lose(ifm_ranks *self, int32_t rank);

/* Rank 0: asks rank's clock for some milliseconds. */
void ifm_ranks_measure_clock(ifm_ranks *self, int32_t rank, ifm_clock_estimate *out);

/* own + what the others last said. */
void ifm_ranks_sum(const ifm_ranks *self, const ifm_totals *own, ifm_totals *sum);
/* Requests that a rank has begun, as its last word on it says. */
int64_t ifm_ranks_begun(const ifm_ranks_peer *peer);

/* totals as numbers that can be added up, and back. */
enum { IFM_RANKS_NUMBERS = 8 + IFM_OUTCOME_COUNT + 3 * (IFM_HISTOGRAM_BUCKETS + 1) };
void ifm_ranks_to_numbers(const ifm_totals *totals, uint64_t numbers[IFM_RANKS_NUMBERS]);
void ifm_ranks_from_numbers(const uint64_t numbers[IFM_RANKS_NUMBERS],
                            ifm_totals *totals);

/* The other side of a merge: ranks other than 0. */
ifm_status ifm_ranks_hand_over(ifm_ranks *self, ifm_load_run *load, const ifm_totals *own,
                               ifm_status st, ifm_error *err);

#endif
