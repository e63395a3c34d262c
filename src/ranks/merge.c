/*
 * After the load, in rank 0: waits for the others, and makes one load of all.
 *
 * What is taken in is written on as it comes, a chunk at a time: memory at rank 0 does not
 * depend on how much was measured, but for one ifm_totals a rank.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ranks/inner.h"

#define TICK_NS (IFM_RANKS_SECOND_NS / 4)

typedef struct merge {
    ifm_ranks *ranks;
    ifm_load_run *load;
    const ifm_totals *own;
    ifm_totals *shown; /* heap: what on_tick gets */
    const ifm_ranks_watch *watch;
    ifm_time ticked;
} merge;

/* One turn of waiting. */
static void live(merge *self)
{
    ifm_ranks *ranks = self->ranks;
    ifm_ranks_beat(ranks);
    ifm_ranks_breathe(ranks, 500000);
    const ifm_time now = ifm_ranks_now(ranks);
    if (self->watch->on_tick == NULL || ifm_time_between(self->ticked, now) < TICK_NS)
        return;
    self->ticked = now;
    ifm_ranks_sum(ranks, self->own, self->shown);
    self->shown->t_ns = ifm_time_between(ranks->start, now);
    self->watch->on_tick(self->watch->user, self->shown);
}

/* Until a rank has said so, or died. */
static void wait_for(merge *self, const ifm_ranks_peer *peer, const bool *flag)
{
    while (!*flag && !peer->lost && self->ranks->merged == IFM_OK)
        live(self);
}

/* ---- one rank ------------------------------------------------------------------------ */

static void take_counts(ifm_load_run *load, const ifm_ranks_done_message *done)
{
    if (done->warm_ns > load->warm_ns)
        load->warm_ns = done->warm_ns;
    if (done->ended_ns > load->ended_ns)
        load->ended_ns = done->ended_ns;
    load->client_cpu_ns += done->client_cpu_ns;
    load->n_events += done->n_events;
    load->n_body_bytes += done->n_body_bytes;
    load->peak_in_flight += done->peak_in_flight;
    if (done->memory_bytes > load->memory_bytes)
        load->memory_bytes = done->memory_bytes;
    load->prompt_mismatches += done->prompt_mismatches;
    load->server_cached = load->server_cached || done->server_cached;
    load->run.incomplete = load->run.incomplete || done->incomplete;
}

static void warn_failed(const merge *self, int32_t rank, int32_t status,
                        const char *message)
{
    const ifm_ranks_peer *peer = &self->ranks->peers[rank];
    ifm_load_run *load = self->load;
    if (status == IFM_OK)
        return;
    load->run.incomplete = true;
    if (status == IFM_ERR_CANCELLED && self->ranks->cancelled)
        return; /* as was asked of it */
    ifm_run_warn(&load->run, "rank-failed", status != IFM_ERR_CANCELLED,
                 "rank %d (%s) ended early: %.*s", rank, peer->host,
                 (int)sizeof peer->end.message - 1, message);
}

static void take_in(merge *self, int32_t rank)
{
    ifm_ranks *ranks = self->ranks;
    ifm_ranks_peer *peer = &ranks->peers[rank];
    if (!ranks->cancelled)
        ifm_ranks_measure_clock(ranks, rank, &peer->after);
    const ifm_ranks_hand_message hand = {.before = peer->before, .after = peer->after};
    ifm_ranks_send(ranks, rank, IFM_RANKS_HAND, &hand, sizeof hand);
    wait_for(self, peer, &peer->ended);
    if (!peer->ended)
        return;
    take_counts(self->load, &peer->result);
    warn_failed(self, rank, peer->result.status, peer->result.message);
    warn_failed(self, rank, peer->end.status, peer->end.message);
}

/* ---- what is missing ----------------------------------------------------------------- */

/* A request that a dead rank had begun and not handed over makes no record, as nobody knows
 * anything of it; it is counted here, and the summary counts it among the outcomes. */
static int64_t missing_of(const ifm_ranks_peer *peer)
{
    const int64_t all = peer->done ? peer->result.records : ifm_ranks_begun(peer);
    return all > peer->received && peer->lost ? all - peer->received : 0;
}

static ifm_status fill_ranks(merge *self, ifm_error *err)
{
    ifm_ranks *ranks = self->ranks;
    ifm_load_run *load = self->load;
    free(load->ranks);
    load->n_ranks = 0;
    load->ranks = calloc((size_t)ranks->place.size, sizeof *load->ranks);
    if (load->ranks == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%d ranks: no memory", ranks->place.size);
    load->n_ranks = (size_t)ranks->place.size;
    for (int32_t r = 0; r < ranks->place.size; r++) {
        const ifm_ranks_peer *peer = &ranks->peers[r];
        ifm_load_rank *out = &load->ranks[r];
        out->rank = r;
        memcpy(out->host, r == 0 ? ranks->place.host : peer->host, sizeof out->host);
        out->requests = peer->received;
        out->clock_offset_ns = peer->before.offset_ns;
        out->clock_uncertainty_ns = peer->before.uncertainty_ns;
        if (r == 0)
            continue;
        out->lost = peer->lost;
        out->lost_requests = missing_of(peer);
        load->run.incomplete = load->run.incomplete || out->lost;
    }
    return IFM_OK;
}

/* ---- all ----------------------------------------------------------------------------- */

static bool all_there(const ifm_ranks *ranks)
{
    for (int32_t r = 1; r < ranks->place.size; r++)
        if (ranks->peers[r].lost || !ranks->peers[r].ended)
            return false;
    return true;
}

/* The sum over all ranks. With one missing nobody can add up: then it is the sum of last
 * reports. True: reduced. */
static bool reduce(merge *self, ifm_totals *sum)
{
    ifm_ranks *ranks = self->ranks;
    uint64_t *numbers = malloc(IFM_RANKS_NUMBERS * sizeof *numbers);
    bool reduced = false;
    ifm_ranks_sum(ranks, self->own, sum);
    if (numbers != NULL && all_there(ranks)) {
        ifm_ranks_to_numbers(self->own, numbers);
        ifm_ranks_send_all(ranks, IFM_RANKS_REDUCE, NULL, 0);
        reduced = ranks->ops->reduce(ranks->group, numbers, IFM_RANKS_NUMBERS,
                                     IFM_RANKS_SILENCE_NS, NULL) == IFM_OK;
        if (reduced)
            ifm_ranks_from_numbers(numbers, sum);
        else
            ranks->broken = true;
    }
    free(numbers);
    sum->t_ns = self->load->ended_ns;
    return reduced;
}

static int64_t ended(const ifm_totals *totals)
{
    int64_t n = 0;
    for (size_t i = 0; i < IFM_OUTCOME_COUNT; i++)
        n += totals->outcome[i];
    return n;
}

/* What came against what its sender says was sent; the sum against its parts. */
static void check_sums(const merge *self, const ifm_totals *sum, bool reduced)
{
    const ifm_ranks *ranks = self->ranks;
    int64_t parts = ended(self->own), missing = 0;
    for (int32_t r = 1; r < ranks->place.size; r++) {
        const ifm_ranks_peer *peer = &ranks->peers[r];
        parts += peer->result.ended;
        if (peer->ended && peer->end.status == IFM_OK)
            missing += peer->result.records - peer->received;
    }
    if (missing != 0 || (reduced && ended(sum) != parts))
        ifm_run_warn(&self->load->run, "ranks-do-not-add-up", true,
                     "%lld requests that other ranks measured did not arrive, or their "
                     "sum (%lld) is not that of the parts (%lld)",
                     (long long)missing, (long long)ended(sum), (long long)parts);
}

static void say_bye(ifm_ranks *ranks)
{
    bool whole = !ranks->broken;
    for (int32_t r = 1; r < ranks->place.size; r++)
        whole = whole && !ranks->peers[r].lost;
    ranks->bye = (ifm_ranks_bye_message){.whole = whole};
    ifm_ranks_send_all(ranks, IFM_RANKS_BYE, &ranks->bye, sizeof ranks->bye);
    ranks->finished = true;
}

static ifm_status merge_all(merge *self, ifm_totals *own, ifm_error *err)
{
    ifm_ranks *ranks = self->ranks;
    for (int32_t r = 1; r < ranks->place.size; r++)
        wait_for(self, &ranks->peers[r], &ranks->peers[r].done);
    ranks->merging = ifm_ranks_now(ranks);
    ranks->peers[0].received = (int64_t)ifm_spool_count(self->load->spool);
    for (int32_t r = 1; r < ranks->place.size; r++)
        if (!ranks->peers[r].lost)
            take_in(self, r);
    ifm_status st = ranks->merged;
    if (st != IFM_OK && err != NULL)
        *err = ranks->merge_error;
    if (st == IFM_OK)
        st = ifm_spool_flush(self->load->spool, err);
    if (st == IFM_OK)
        st = fill_ranks(self, err);
    if (st == IFM_OK) {
        check_sums(self, self->shown, reduce(self, self->shown));
        *own = *self->shown;
    }
    if (st != IFM_OK)
        self->load->run.incomplete = true;
    ranks->merged_at = ifm_ranks_now(ranks);
    return st;
}

static ifm_status merge_first(ifm_ranks *ranks, ifm_load_run *load, ifm_totals *own,
                              const ifm_ranks_watch *watch, ifm_error *err)
{
    ifm_totals *mine = malloc(sizeof *mine);
    merge self = {.ranks = ranks, .load = load, .own = mine, .watch = watch};
    self.shown = malloc(sizeof *self.shown);
    ifm_status st = IFM_OK;
    if (mine == NULL || self.shown == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%d ranks: no memory", ranks->place.size);
    } else {
        *mine = *own;
        ranks->begun = own->started;
        ranks->into = load->spool;
        st = merge_all(&self, own, err);
        ranks->into = NULL;
        if (st == IFM_OK)
            say_bye(ranks);
    }
    free(mine);
    free(self.shown);
    return st;
}

ifm_status ifm_ranks_finish(ifm_ranks *self, ifm_load_run *load, ifm_totals *own,
                            const ifm_ranks_watch *watch, ifm_status st, ifm_error *err)
{
    if (self == NULL)
        return st;
    if (st == IFM_ERR_CANCELLED)
        ifm_ranks_cancel(self);
    if (self->place.rank != 0)
        return ifm_ranks_hand_over(self, load, own, st, err);
    if (load->spool == NULL || !self->running)
        return st; /* there is nothing to merge: close ends the others */
    ifm_error local = {0};
    const ifm_status merged = merge_first(self, load, own, watch, &local);
    if (st == IFM_OK && merged != IFM_OK && err != NULL)
        *err = local;
    return st != IFM_OK ? st : merged;
}

int64_t ifm_ranks_merge_ns(const ifm_ranks *self)
{
    return self != NULL ? ifm_time_between(self->merging, self->merged_at) : 0;
}
