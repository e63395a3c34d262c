/*
 * The maker: a thread that makes requests ahead of time, so that building one never delays
 * the loop that sends them. First turns wait in a ring, in the order of their numbers, of
 * bounded length and bytes; later turns are made when the answer before them is there.
 *
 *     loop ── answer ──► jobs ─┐                     ┌─► ring of first turns ──► loop
 *                              ├── maker's thread ───┤
 *     numbers 0, 1, 2 … ───────┘                     └─► later turns ──────────► loop
 */
#ifndef IFM_DRIVE_MAKER_H
#define IFM_DRIVE_MAKER_H

#include "drive/source.h"

enum {
    IFM_MAKER_AHEAD = 1024,             /* requests that wait at most, */
    IFM_MAKER_BYTES = 64 * 1024 * 1024, /* and their bodies, unless one alone is larger */
};

typedef struct ifm_maker ifm_maker;

typedef struct ifm_maker_options {
    ifm_requests_source *source; /* used by the maker alone until it is freed */
    int64_t first, step, end;    /* numbers: first, first + step … below end */
    void (*wake)(void *user);    /* from the maker's thread: there is something to take */
    void *user;
} ifm_maker_options;

/* The caller frees. Errors: NO_MEMORY. */
ifm_status ifm_maker_new(const ifm_maker_options *options, ifm_maker **out,
                         ifm_error *err);
void ifm_maker_free(ifm_maker *self);

/* Waits until the ring is full, or everything is made, or that failed. */
void ifm_maker_fill(ifm_maker *self);

typedef enum ifm_maker_state {
    IFM_MAKER_READY, /* taken */
    IFM_MAKER_BUSY,  /* not yet: wake will be called */
    IFM_MAKER_ENDED, /* no more, or failed */
} ifm_maker_state;

/* The next first turn, the caller's. */
ifm_maker_state ifm_maker_take(ifm_maker *self, ifm_asked *out);

/* Asks for the next turn of a conversation whose last one ended at `ended`. Takes `talk`; the
 * answer is copied. False without memory. */
bool ifm_maker_follow(ifm_maker *self, ifm_talk *talk, const char *answer, size_t n,
                      ifm_time ended);
/* A later turn that was made, and when it is due; false: none. */
bool ifm_maker_take_next(ifm_maker *self, ifm_asked *out, ifm_time *due);

/* Why it failed; OK: it did not. */
ifm_status ifm_maker_failed(ifm_maker *self, ifm_error *err);

#endif
