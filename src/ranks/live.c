/*
 * During the load: beats, by which it is known who lives, and totals for the live view.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ranks/inner.h"

int64_t ifm_ranks_begun(const ifm_ranks_peer *peer)
{
    if (peer->done)
        return peer->result.begun;
    const int64_t reported = peer->totals != NULL ? peer->totals->started : 0;
    return peer->beat.begun > reported ? peer->beat.begun : reported;
}

void ifm_ranks_lose(ifm_ranks *self, int32_t rank)
{
    self->peers[rank].lost = true;
    self->broken = true;
    /* Perhaps it only slept: it must not go on by itself. */
    ifm_ranks_send(self, rank, IFM_RANKS_QUIT, &(ifm_ranks_quit_message){true},
                   sizeof(ifm_ranks_quit_message));
}

/* The more ranks, the rarer: rank 0 hears and answers a thousand times a second at most. */
static int64_t beat_interval(const ifm_ranks *self)
{
    const int64_t usual = self->cancelled ? IFM_RANKS_HURRY_BEAT_NS : IFM_RANKS_BEAT_NS;
    return self->place.size > 256 ? usual * self->place.size / 256 : usual;
}

/* A silence counts while this rank listens: after a sleep of its own (a stopped process, a
 * terminal that blocks) everybody gets a new term. */
static void forgive(ifm_ranks *self, ifm_time now)
{
    if (ifm_time_between(self->pumped, now) > IFM_RANKS_SECOND_NS)
        for (int32_t r = 0; r < self->place.size; r++)
            self->peers[r].heard = now;
    self->pumped = now;
}

static void find_silent(ifm_ranks *self, ifm_time now)
{
    const int64_t limit =
        self->cancelled ? IFM_RANKS_HURRY_SILENCE_NS : IFM_RANKS_SILENCE_NS;
    if (self->place.rank != 0) {
        if (ifm_time_between(self->peers[0].heard, now) > 2 * IFM_RANKS_SILENCE_NS)
            self->peers[0].lost = true;
        return;
    }
    for (int32_t r = 1; r < self->place.size; r++)
        if (!self->peers[r].lost && ifm_time_between(self->peers[r].heard, now) > limit)
            ifm_ranks_lose(self, r);
}

static bool readable(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&look, 1, 0) > 0;
}

void ifm_ranks_beat(ifm_ranks *self)
{
    if (!self->cancelled && (self->cancel_came || readable(self->cancel_fd)))
        ifm_ranks_cancel(self);
    while (ifm_ranks_pump(self))
        ;
    if (!self->running) /* how long preparations take nobody knows */
        return;
    const ifm_time now = ifm_ranks_now(self);
    forgive(self, now);
    if (ifm_time_between(self->beaten, now) >= beat_interval(self)) {
        const ifm_ranks_beat_message beat = {.t_ns = ifm_time_between(self->start, now),
                                             .begun = self->begun};
        /* Also to those given up, who wait for rank 0's end. */
        for (int32_t r = 1; self->place.rank == 0 && r < self->place.size; r++)
            ifm_ranks_send(self, r, IFM_RANKS_BEAT, &beat, sizeof beat);
        if (self->place.rank != 0)
            ifm_ranks_send(self, 0, IFM_RANKS_BEAT, &beat, sizeof beat);
        self->beaten = now;
    }
    find_silent(self, now);
}

/* All that a rank has measured is lost with it. */
static void add_lost(ifm_totals *sum, const ifm_ranks_peer *peer)
{
    const int64_t begun = ifm_ranks_begun(peer);
    sum->started += begun;
    sum->due += begun;
    sum->outcome[IFM_OUTCOME_LOST] += begun;
}

void ifm_ranks_sum(const ifm_ranks *self, const ifm_totals *own, ifm_totals *sum)
{
    if (sum != own)
        *sum = *own;
    const int64_t planned = own->planned;
    bool all = true;
    for (int32_t r = 1; r < self->place.size; r++) {
        const ifm_ranks_peer *peer = &self->peers[r];
        all = all && peer->totals != NULL;
        if (peer->lost)
            add_lost(sum, peer);
        else if (peer->totals != NULL)
            ifm_totals_add(sum, peer->totals);
        if (peer->totals != NULL && planned >= 0)
            sum->planned += peer->totals->planned;
    }
    if (!all && planned >= 0) /* not heard of all: about this */
        sum->planned = planned * self->place.size;
}

bool ifm_ranks_report(ifm_ranks *self, const ifm_totals *own, ifm_totals *sum)
{
    if (sum != NULL && sum != own)
        *sum = *own;
    if (self == NULL)
        return false;
    self->begun = own->started;
    ifm_ranks_beat(self);
    if (self->place.rank == 0) {
        if (sum != NULL)
            ifm_ranks_sum(self, sum, sum);
        return self->cancelled;
    }
    /* Rank 0 takes in some 40 MB a second at most, however many there are. */
    const int64_t interval =
        IFM_RANKS_SECOND_NS * (self->place.size > 64 ? self->place.size : 64) / 64;
    const ifm_time now = ifm_ranks_now(self);
    if (ifm_time_between(self->reported, now) >= interval &&
        self->ops->unsent(self->group, 0) == 0) {
        ifm_ranks_send(self, 0, IFM_RANKS_TOTALS, own, sizeof *own);
        self->reported = now;
    }
    if (self->cancel_came || self->quit_came || self->peers[0].lost)
        self->cancelled = true;
    return self->cancelled;
}

void ifm_ranks_cancel(ifm_ranks *self)
{
    if (self == NULL || self->cancelled)
        return;
    /* A rank hears it with its next tick only. */
    const ifm_time now = ifm_ranks_now(self);
    const int64_t suspect =
        IFM_RANKS_SUSPECT_NS / IFM_RANKS_BEAT_NS * beat_interval(self);
    self->cancelled = true;
    for (int32_t r = 0; r < self->place.size; r++)
        if (ifm_time_between(self->peers[r].heard, now) < suspect)
            self->peers[r].heard = now;
    if (self->place.rank == 0)
        ifm_ranks_send_all(self, IFM_RANKS_CANCEL, NULL, 0);
}

/* ---- totals as numbers --------------------------------------------------------------- */

static uint64_t *put_histogram(uint64_t *at, const ifm_histogram *histogram)
{
    *at++ = histogram->n;
    for (size_t i = 0; i < IFM_HISTOGRAM_BUCKETS; i++)
        *at++ = histogram->counts[i];
    return at;
}

static const uint64_t *get_histogram(const uint64_t *at, ifm_histogram *histogram)
{
    histogram->n = *at++;
    for (size_t i = 0; i < IFM_HISTOGRAM_BUCKETS; i++, at++)
        histogram->counts[i] = *at < UINT32_MAX ? (uint32_t)*at : UINT32_MAX;
    return at;
}

void ifm_ranks_to_numbers(const ifm_totals *totals, uint64_t numbers[IFM_RANKS_NUMBERS])
{
    const int64_t plain[] = {totals->planned,   totals->due,       totals->started,
                             totals->in_flight, totals->waiting,   totals->output_tokens,
                             totals->events,    totals->body_bytes};
    uint64_t *at = numbers;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        *at++ = (uint64_t)plain[i];
    for (size_t i = 0; i < IFM_OUTCOME_COUNT; i++)
        *at++ = (uint64_t)totals->outcome[i];
    at = put_histogram(at, &totals->ttft);
    at = put_histogram(at, &totals->itl);
    put_histogram(at, &totals->lag);
}

void ifm_ranks_from_numbers(const uint64_t numbers[IFM_RANKS_NUMBERS], ifm_totals *totals)
{
    int64_t *const plain[] = {
        &totals->planned, &totals->due,           &totals->started, &totals->in_flight,
        &totals->waiting, &totals->output_tokens, &totals->events,  &totals->body_bytes};
    const bool open_end = totals->planned < 0;
    const uint64_t *at = numbers;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        *plain[i] = (int64_t)*at++;
    if (open_end)
        totals->planned = -1;
    for (size_t i = 0; i < IFM_OUTCOME_COUNT; i++)
        totals->outcome[i] = (int64_t)*at++;
    at = get_histogram(at, &totals->ttft);
    at = get_histogram(at, &totals->itl);
    get_histogram(at, &totals->lag);
}
