#include "ranks/ranks.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "ranks/inner.h"

ifm_status ifm_ranks_new(const ifm_ranks_ops *ops, void *group,
                         const ifm_ranks_place *place, ifm_ranks **out, ifm_error *err)
{
    if (place->size > IFM_RANKS_MOST)
        return ifm_fail(err, IFM_ERR_LIMIT, "%d ranks are more than %d", place->size,
                        IFM_RANKS_MOST);
    ifm_ranks *self = calloc(1, sizeof *self);
    if (self != NULL)
        self->peers = calloc((size_t)place->size, sizeof *self->peers);
    if (self == NULL || self->peers == NULL) {
        free(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%d ranks: no memory", place->size);
    }
    self->ops = ops;
    self->group = group;
    self->place = *place;
    self->pumped = ifm_ranks_now(self);
    self->cancel_fd = -1;
    *out = self;
    return IFM_OK;
}

static bool somebody_lost(const ifm_ranks *self)
{
    for (int32_t r = 0; r < self->place.size; r++)
        if (self->peers[r].lost)
            return true;
    return false;
}

/* mpirun kills the rest as soon as one has exited without MPI_Finalize, which does not work
 * any more when somebody has died, or with another code than 0: who is done, or was given up,
 * stays until rank 0 has written the result, which keeps it silent for a while. */
static void stay(ifm_ranks *self)
{
    while (!self->leave_came && (!self->quit_came || self->given_up) &&
           ifm_time_between(self->peers[0].heard, ifm_ranks_now(self)) <
               5 * IFM_RANKS_PATIENCE_NS)
        ifm_ranks_breathe(self, 1000000);
}

/* What was sent has left, or a tenth of a second is over. */
static void flush(ifm_ranks *self)
{
    const ifm_time begin = ifm_ranks_now(self);
    size_t left = 1;
    while (left > 0 &&
           ifm_time_between(begin, ifm_ranks_now(self)) < IFM_RANKS_SECOND_NS / 10) {
        left = 0;
        for (int32_t r = 1; r < self->place.size; r++)
            left += self->peers[r].lost ? 0 : self->ops->unsent(self->group, r);
        if (left > 0)
            ifm_ranks_breathe(self, 200000);
    }
}

void ifm_ranks_close(ifm_ranks *self)
{
    if (self == NULL)
        return;
    const ifm_ranks_quit_message quit = {.given_up = false};
    const bool whole = self->place.rank == 0 || !self->bye_came || self->bye.whole;
    for (int32_t r = 1; self->place.rank == 0 && r < self->place.size; r++)
        if (!self->finished)
            ifm_ranks_send(self, r, IFM_RANKS_QUIT, &quit, sizeof quit);
        else if (!self->bye.whole)
            ifm_ranks_send(self, r, IFM_RANKS_LEAVE, NULL, 0);
    if (self->place.rank == 0)
        flush(self);
    else if (!whole || self->given_up)
        stay(self);
    self->ops->leave(self->group, whole && !self->broken && !somebody_lost(self));
    for (int32_t r = 0; r < self->place.size; r++)
        free(self->peers[r].totals);
    free(self->peers);
    free(self);
}

void ifm_ranks_heed(ifm_ranks *self, int cancel_fd)
{
    if (self != NULL)
        self->cancel_fd = cancel_fd;
}

int32_t ifm_ranks_rank(const ifm_ranks *self)
{
    return self != NULL ? self->place.rank : 0;
}

int32_t ifm_ranks_size(const ifm_ranks *self)
{
    return self != NULL ? self->place.size : 1;
}

bool ifm_ranks_handed_over(const ifm_ranks *self)
{
    return self != NULL && self->bye_came;
}

bool ifm_ranks_speaks(const ifm_ranks *self)
{
    return ifm_ranks_rank(self) == 0 || self->given_up || self->peers[0].lost;
}

void ifm_ranks_describe(const ifm_ranks *self, char *text, size_t size)
{
    snprintf(text, size, "rank %d of %d%s%s%s", ifm_ranks_rank(self),
             ifm_ranks_size(self), self != NULL ? " (" : "",
             self != NULL ? self->place.host : "", self != NULL ? ")" : "");
}

bool ifm_ranks_mine(const ifm_ranks *self, int64_t i)
{
    return i % ifm_ranks_size(self) == ifm_ranks_rank(self);
}

int64_t ifm_ranks_global(const ifm_ranks *self, int64_t k)
{
    return k * ifm_ranks_size(self) + ifm_ranks_rank(self);
}

int64_t ifm_ranks_share(const ifm_ranks *self, int64_t n)
{
    const int64_t size = ifm_ranks_size(self);
    return n / size + (ifm_ranks_rank(self) < n % size ? 1 : 0);
}

/* ---- messages ------------------------------------------------------------------------ */

ifm_time ifm_ranks_now(const ifm_ranks *self)
{
    return self->ops->now != NULL ? self->ops->now(self->group) : ifm_time_now();
}

void ifm_ranks_send(ifm_ranks *self, int32_t to, ifm_ranks_tag tag, const void *bytes,
                    size_t n)
{
    ifm_error err = {0};
    if (self->ops->send(self->group, to, (int32_t)tag, bytes, n, &err) != IFM_OK) {
        self->broken = true; /* the group cannot be left in good order any more */
        if (self->place.rank == 0)
            self->peers[to].lost = true;
    }
}

void ifm_ranks_send_all(ifm_ranks *self, ifm_ranks_tag tag, const void *bytes, size_t n)
{
    for (int32_t r = 1; r < self->place.size; r++)
        if (!self->peers[r].lost)
            ifm_ranks_send(self, r, tag, bytes, n);
}

/* A message of fixed size into its place, and a flag that it came. A message of another
 * size is of another build, which ifm_ranks_agree has ruled out: dropped. */
static void note(const ifm_ranks_message *message, void *into, size_t size, bool *came)
{
    if (message->n != size)
        return;
    memcpy(into, message->bytes, size);
    *came = true;
}

static void answer_ping(ifm_ranks *self, const ifm_ranks_message *message)
{
    ifm_ranks_ping_message ping = {0};
    bool came = false;
    note(message, &ping, sizeof ping, &came);
    ping.clock_ns = ifm_ranks_now(self).ns;
    ifm_ranks_send(self, 0, IFM_RANKS_PONG, &ping, sizeof ping);
    self->awake_until = (ifm_time){ping.clock_ns + 2000000};
}

static void take_totals(ifm_ranks_peer *peer, const ifm_ranks_message *message)
{
    if (peer->totals == NULL)
        peer->totals = malloc(sizeof *peer->totals);
    bool came = false;
    if (peer->totals != NULL)
        note(message, peer->totals, sizeof *peer->totals, &came);
}

static void take_chunk(ifm_ranks *self, ifm_ranks_peer *peer,
                       const ifm_ranks_message *message)
{
    if (self->into == NULL || peer->lost || self->merged != IFM_OK)
        return;
    const size_t before = ifm_spool_count(self->into);
    self->merged =
        ifm_spool_append_raw(self->into, message->bytes, message->n, &self->merge_error);
    peer->received += (int64_t)(ifm_spool_count(self->into) - before);
    if (self->merged == IFM_OK)
        ifm_ranks_send(self, message->from, IFM_RANKS_MORE, NULL, 0);
}

/* What ranks say to rank 0. */
static void dispatch_to_first(ifm_ranks *self, const ifm_ranks_message *message)
{
    ifm_ranks_peer *peer = &self->peers[message->from];
    bool came = false;
    switch (message->tag) {
    case IFM_RANKS_AGREE:
        note(message, &peer->agree, sizeof peer->agree, &peer->agreed);
        break;
    case IFM_RANKS_PONG:
        note(message, &self->pong, sizeof self->pong, &came);
        self->pong_at = ifm_ranks_now(self);
        break;
    case IFM_RANKS_BEAT:
        note(message, &peer->beat, sizeof peer->beat, &came);
        break;
    case IFM_RANKS_TOTALS:
        take_totals(peer, message);
        break;
    case IFM_RANKS_DONE:
        note(message, &peer->result, sizeof peer->result, &peer->done);
        break;
    case IFM_RANKS_CHUNK:
        take_chunk(self, peer, message);
        break;
    case IFM_RANKS_END:
        note(message, &peer->end, sizeof peer->end, &peer->ended);
        break;
    default:
        break;
    }
}

/* What rank 0 says to ranks. */
static void dispatch_from_first(ifm_ranks *self, const ifm_ranks_message *message)
{
    ifm_ranks_quit_message quit = {false};
    switch (message->tag) {
    case IFM_RANKS_VERDICT:
        note(message, &self->verdict, sizeof self->verdict, &self->verdict_came);
        break;
    case IFM_RANKS_PING:
        answer_ping(self, message);
        break;
    case IFM_RANKS_START:
        note(message, &self->start_at, sizeof self->start_at, &self->start_came);
        break;
    case IFM_RANKS_CANCEL:
        self->cancel_came = true;
        break;
    case IFM_RANKS_HAND:
        note(message, &self->hand, sizeof self->hand, &self->hand_came);
        break;
    case IFM_RANKS_MORE:
        self->may_send++;
        break;
    case IFM_RANKS_REDUCE:
        self->reduce_came = true;
        break;
    case IFM_RANKS_BYE:
        note(message, &self->bye, sizeof self->bye, &self->bye_came);
        break;
    case IFM_RANKS_LEAVE:
        self->leave_came = true;
        break;
    case IFM_RANKS_QUIT:
        note(message, &quit, sizeof quit, &self->quit_came);
        self->given_up = quit.given_up;
        break;
    default:
        break;
    }
}

bool ifm_ranks_pump(ifm_ranks *self)
{
    ifm_ranks_message message;
    if (!self->ops->receive(self->group, &message))
        return false;
    if (message.from < 0 || message.from >= self->place.size)
        return true;
    self->peers[message.from].heard = ifm_ranks_now(self);
    if (self->place.rank == 0)
        dispatch_to_first(self, &message);
    else
        dispatch_from_first(self, &message);
    return true;
}

void ifm_ranks_breathe(ifm_ranks *self, int64_t nap_ns)
{
    bool any = false;
    while (ifm_ranks_pump(self))
        any = true;
    if (any)
        return;
    if (ifm_ranks_now(self).ns < self->awake_until.ns) {
        sched_yield(); /* who asks may share our core */
        return;
    }
    nanosleep(&(struct timespec){.tv_nsec = (long)nap_ns}, NULL);
}

static ifm_status fail_quit(const ifm_ranks *self, ifm_error *err)
{
    char me[128];
    ifm_ranks_describe(self, me, sizeof me);
    return ifm_fail(err, IFM_ERR_CHILD, "%s: rank 0 ended the load", me);
}

ifm_status ifm_ranks_await(ifm_ranks *self, const bool *flag, int64_t timeout_ns,
                           const char *what, ifm_error *err)
{
    const ifm_time begin = ifm_ranks_now(self);
    while (!*flag) {
        ifm_ranks_beat(self);
        if (*flag)
            break;
        if (self->quit_came)
            return fail_quit(self, err);
        if (self->cancelled)
            return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
        if (self->peers[0].lost ||
            ifm_time_between(begin, ifm_ranks_now(self)) > timeout_ns) {
            self->broken = true;
            return ifm_fail(err, IFM_ERR_CHILD, "rank %d (%s): rank 0 is silent (%s)",
                            self->place.rank, self->place.host, what);
        }
        ifm_ranks_breathe(self, 200000);
    }
    return IFM_OK;
}
