/*
 * After the load, in ranks other than 0: tells how it ended, and does what rank 0 asks for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ranks/inner.h"

/* What totals count. */
static int64_t ended(const ifm_totals *totals)
{
    int64_t n = 0;
    for (size_t i = 0; i < IFM_OUTCOME_COUNT; i++)
        n += totals->outcome[i];
    return n;
}

static void tell_done(ifm_ranks *self, const ifm_load_run *load, const ifm_totals *own,
                      ifm_status st, const ifm_error *err)
{
    ifm_ranks_done_message done = {
        .status = (int32_t)st,
        .incomplete = load->run.incomplete,
        .server_cached = load->server_cached,
        .records = load->spool != NULL ? (int64_t)ifm_spool_count(load->spool) : 0,
        .begun = own->started,
        .ended = ended(own),
        .warm_ns = load->warm_ns,
        .ended_ns = load->ended_ns,
        .client_cpu_ns = load->client_cpu_ns,
        .n_events = load->n_events,
        .n_body_bytes = load->n_body_bytes,
        .peak_in_flight = load->peak_in_flight,
        .memory_bytes = load->memory_bytes,
        .prompt_mismatches = load->prompt_mismatches,
    };
    if (st != IFM_OK && err != NULL)
        memcpy(done.message, err->message, sizeof done.message);
    /* Should another rank die, these are what is added up. */
    ifm_ranks_send(self, 0, IFM_RANKS_TOTALS, own, sizeof *own);
    ifm_ranks_send(self, 0, IFM_RANKS_DONE, &done, sizeof done);
}

/* One turn of waiting; false: rank 0 has ended us, or died. */
static bool live(ifm_ranks *self)
{
    ifm_ranks_beat(self);
    ifm_ranks_breathe(self, 500000);
    return !self->quit_came && !self->peers[0].lost;
}

/* Times after the load's beginning, moved to where rank 0's clock saw them. */
static ifm_status correct(const ifm_ranks *self, ifm_spool *from, ifm_spool **out,
                          ifm_error *err)
{
    ifm_spool_reader *reader = NULL;
    const ifm_record *record = NULL;
    ifm_status st = ifm_spool_new(NULL, out, err);
    if (st == IFM_OK)
        st = ifm_spool_reader_new(from, &reader, err);
    while (st == IFM_OK && (st = ifm_spool_next(reader, &record, err)) == IFM_OK &&
           record != NULL) {
        ifm_wire wire = *record->wire;
        ifm_record moved = *record;
        moved.wire = &wire;
        wire.due_at_ns +=
            ifm_clock_correction(&self->hand.before, &self->hand.after,
                                 (ifm_time){self->start.ns + wire.due_at_ns});
        st = ifm_spool_append(*out, &moved, err);
    }
    ifm_spool_reader_free(reader);
    return st;
}

/* The next chunk into *bytes, heap, which grows for a record that is larger. */
static ifm_status read_chunk(ifm_spool_reader *reader, char **bytes, size_t *cap,
                             size_t *n, ifm_error *err)
{
    ifm_status st = ifm_spool_read_raw(reader, *bytes, *cap, n, err);
    if (st != IFM_ERR_LIMIT)
        return st;
    char *grown = realloc(*bytes, *n);
    if (grown == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a record of %zu bytes",
                        *n);
    *bytes = grown;
    *cap = *n;
    return ifm_spool_read_raw(reader, *bytes, *cap, n, err);
}

static ifm_status send_chunks(ifm_ranks *self, ifm_spool *spool, ifm_error *err)
{
    ifm_spool_reader *reader = NULL;
    size_t cap = IFM_RANKS_CHUNK_BYTES, n = 1;
    char *bytes = malloc(cap);
    ifm_status st = bytes != NULL ? ifm_spool_reader_new(spool, &reader, err)
                                  : ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory");
    self->may_send += IFM_RANKS_WINDOW;
    while (st == IFM_OK && n > 0) {
        while (self->may_send == 0 && live(self))
            ;
        if (self->may_send == 0)
            break; /* ended; the caller sees it */
        st = read_chunk(reader, &bytes, &cap, &n, err);
        if (st == IFM_OK && n > 0) {
            ifm_ranks_send(self, 0, IFM_RANKS_CHUNK, bytes, n);
            self->may_send--;
        }
    }
    ifm_spool_reader_free(reader);
    free(bytes);
    return st;
}

/* All records, then END. A failure is told, too: what came before it counts. */
static void hand(ifm_ranks *self, const ifm_load_run *load)
{
    ifm_error err = {0};
    ifm_spool *moved = NULL, *spool = load->spool;
    ifm_status st = IFM_OK;
    if (spool != NULL && ifm_clock_drifted(&self->hand.before, &self->hand.after)) {
        st = correct(self, spool, &moved, &err);
        spool = moved;
    }
    if (st == IFM_OK && spool != NULL)
        st = send_chunks(self, spool, &err);
    ifm_ranks_end_message end = {
        .status = (int32_t)st,
        .records = load->spool != NULL ? (int64_t)ifm_spool_count(load->spool) : 0};
    memcpy(end.message, err.message, sizeof end.message);
    ifm_ranks_send(self, 0, IFM_RANKS_END, &end, sizeof end);
    ifm_spool_free(moved);
}

static void reduce(ifm_ranks *self, const ifm_totals *own)
{
    uint64_t *numbers = malloc(IFM_RANKS_NUMBERS * sizeof *numbers);
    if (numbers != NULL) {
        ifm_ranks_to_numbers(own, numbers);
        if (self->ops->reduce(self->group, numbers, IFM_RANKS_NUMBERS,
                              2 * IFM_RANKS_SILENCE_NS, NULL) != IFM_OK)
            self->broken = true;
    }
    free(numbers);
}

ifm_status ifm_ranks_hand_over(ifm_ranks *self, ifm_load_run *load, const ifm_totals *own,
                               ifm_status st, ifm_error *err)
{
    self->begun = own->started;
    tell_done(self, load, own, st, err);
    while (!self->bye_came && live(self)) {
        if (self->hand_came)
            hand(self, load);
        if (self->reduce_came)
            reduce(self, own);
        self->hand_came = self->reduce_came = false;
    }
    if (self->bye_came)
        return st;
    self->broken = self->broken || self->running;
    if (st != IFM_OK && !ifm_ranks_speaks(self))
        return st; /* rank 0 knows, or failed itself */
    return ifm_fail(
        err, IFM_ERR_CHILD,
        self->given_up ? "rank %d (%s): was silent for too long: rank 0 goes on "
                         "without it"
        : self->quit_came
            ? "rank %d (%s): rank 0 ended the load"
            : "rank %d (%s): rank 0 is silent: it died, and the result with it",
        self->place.rank, self->place.host);
}
