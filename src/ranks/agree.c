/*
 * Before the load: everybody is ready, of one mind, and knows when to begin.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "ranks/inner.h"

enum {
    PINGS = 100,        /* of one rank, and no longer than */
    PING_NS = 20000000, /* this; yet at least */
    PINGS_LEAST = 10,   /* these, within */
    PINGS_MOST_NS = 500000000,
};

/* ---- of one mind --------------------------------------------------------------------- */

static ifm_ranks_agree_message my_word(const ifm_ranks *self, ifm_status st,
                                       uint64_t digest, const ifm_error *err)
{
    ifm_ranks_agree_message word = {.status = (int32_t)st, .digest = digest};
    memcpy(word.host, self->place.host, sizeof word.host);
    if (st != IFM_OK && err != NULL)
        memcpy(word.message, err->message, sizeof word.message);
    return word;
}

/* Dead, or done before it began: nothing more is to be agreed on with it. */
static bool is_out(const ifm_ranks_peer *peer)
{
    return peer->lost || peer->done;
}

static bool all_agreed(const ifm_ranks *self)
{
    for (int32_t r = 1; r < self->place.size; r++)
        if (!self->peers[r].agreed && !is_out(&self->peers[r]))
            return false;
    return true;
}

/* Waits for everybody's word. */
static ifm_status hear_all(ifm_ranks *self, ifm_error *err)
{
    const ifm_time begin = ifm_ranks_now(self);
    while (!all_agreed(self)) {
        ifm_ranks_beat(self);
        ifm_ranks_breathe(self, 200000);
        if (self->cancelled)
            return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
        /* Who makes a load already (its warm-up) is missed by its silence. */
        if (self->running ||
            ifm_time_between(begin, ifm_ranks_now(self)) < IFM_RANKS_PATIENCE_NS)
            continue;
        int32_t missing = 1;
        while (self->peers[missing].agreed)
            missing++;
        self->broken = true;
        return ifm_fail(err, IFM_ERR_CHILD,
                        "rank %d did not get ready within %d s: did it die, or can its "
                        "host not be reached?",
                        missing, (int)(IFM_RANKS_PATIENCE_NS / IFM_RANKS_SECOND_NS));
    }
    return IFM_OK;
}

/* What the words of all come to. */
static ifm_status judge(ifm_ranks *self, uint64_t digest, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (int32_t r = 1; r < self->place.size && st == IFM_OK; r++) {
        const ifm_ranks_agree_message *word = &self->peers[r].agree;
        if (is_out(&self->peers[r]))
            continue;
        memcpy(self->peers[r].host, word->host, sizeof self->peers[r].host);
        self->peers[r].host[sizeof self->peers[r].host - 1] = '\0';
        if (word->status != IFM_OK)
            st = ifm_fail(err, (ifm_status)word->status, "rank %d (%s): %.*s", r,
                          self->peers[r].host, (int)sizeof word->message - 1,
                          word->message);
        else if (word->digest != digest)
            st = ifm_fail(err, IFM_ERR_ARGUMENT,
                          "rank %d (%s) would make another load than rank 0: every rank "
                          "needs the same options, files and version of this program",
                          r, self->peers[r].host);
    }
    return st;
}

static ifm_status agree_first(ifm_ranks *self, ifm_status st, uint64_t digest,
                              uint64_t word, ifm_error *err)
{
    ifm_error local = {0};
    ifm_status heard = hear_all(self, &local);
    if (heard == IFM_OK && st == IFM_OK)
        heard = judge(self, digest, &local);
    if (st == IFM_OK && heard != IFM_OK) {
        st = heard;
        if (err != NULL)
            *err = local;
    }
    ifm_ranks_verdict_message verdict = {.status = (int32_t)st, .word = word};
    if (st != IFM_OK && err != NULL)
        memcpy(verdict.message, err->message, sizeof verdict.message);
    ifm_ranks_send_all(self, IFM_RANKS_VERDICT, &verdict, sizeof verdict);
    for (int32_t r = 1; r < self->place.size; r++)
        self->peers[r].agreed = false;
    return st;
}

static ifm_status agree_other(ifm_ranks *self, const ifm_ranks_agree_message *word,
                              ifm_error *err)
{
    ifm_ranks_send(self, 0, IFM_RANKS_AGREE, word, sizeof *word);
    /* Who waits for rank 0 while it makes a load misses it by its silence. */
    ifm_status st = ifm_ranks_await(self, &self->verdict_came,
                                    self->running ? INT64_MAX : 2 * IFM_RANKS_PATIENCE_NS,
                                    "did it die while it got ready?", err);
    self->verdict_came = false;
    if (st == IFM_OK && self->verdict.status != IFM_OK)
        st = ifm_fail(err, (ifm_status)self->verdict.status, "%.*s",
                      (int)sizeof self->verdict.message - 1, self->verdict.message);
    return st;
}

ifm_status ifm_ranks_agree(ifm_ranks *self, ifm_status st, uint64_t digest,
                           uint64_t *word, ifm_error *err)
{
    if (self == NULL)
        return st;
    ifm_error local = {0};
    ifm_error *at = err != NULL ? err : &local;
    if (self->place.rank == 0)
        return agree_first(self, st, digest, word != NULL ? *word : 0, at);
    const ifm_ranks_agree_message mine = my_word(self, st, digest, at);
    st = agree_other(self, &mine, at);
    if (st == IFM_OK && word != NULL)
        *word = self->verdict.word;
    return st;
}

/* ---- clocks, and the start ----------------------------------------------------------- */

/* One question; false: no answer came in time. */
static bool ping(ifm_ranks *self, int32_t rank, int64_t number, ifm_time until,
                 ifm_clock_estimate *out)
{
    const ifm_ranks_ping_message question = {.number = number};
    const ifm_time asked = ifm_ranks_now(self);
    ifm_ranks_send(self, rank, IFM_RANKS_PING, &question, sizeof question);
    do {
        /* A core may be shared by both sides. */
        if (!ifm_ranks_pump(self))
            sched_yield();
        if (self->pong.number == number) {
            ifm_clock_estimate_add(out, asked, (ifm_time){self->pong.clock_ns},
                                   self->pong_at);
            return true;
        }
    } while (ifm_ranks_now(self).ns < until.ns);
    return false;
}

void ifm_ranks_measure_clock(ifm_ranks *self, int32_t rank, ifm_clock_estimate *out)
{
    const ifm_time begin = ifm_ranks_now(self);
    const ifm_time until = {begin.ns + PINGS_MOST_NS};
    *out = (ifm_clock_estimate){0};
    for (int i = 0; i < PINGS && !self->peers[rank].lost; i++) {
        if (i >= PINGS_LEAST && ifm_time_between(begin, ifm_ranks_now(self)) > PING_NS)
            break;
        if (!ping(self, rank, ++self->pings, until, out))
            break;
    }
}

static ifm_status start_first(ifm_ranks *self, ifm_time *start, ifm_error *err)
{
    int64_t offset_ns[IFM_RANKS_MOST];
    for (int32_t r = 1; r < self->place.size; r++) {
        ifm_ranks_peer *peer = &self->peers[r];
        ifm_clock_estimate now = {0};
        ifm_ranks_beat(self); /* the others wait */
        ifm_ranks_measure_clock(self, r, &now);
        if (!now.known && !self->running) {
            self->broken = true;
            return ifm_fail(err, IFM_ERR_CHILD,
                            "rank %d (%s) does not answer: did it die?", r, peer->host);
        }
        if (!self->running) /* what translated time zero */
            peer->before = now;
        offset_ns[r] = now.known ? now.offset_ns : peer->before.offset_ns;
    }
    *start = (ifm_time){ifm_ranks_now(self).ns + IFM_RANKS_AHEAD_NS +
                        self->place.size * IFM_RANKS_AHEAD_EACH_NS};
    for (int32_t r = 1; r < self->place.size; r++) {
        const ifm_ranks_start_message message = {.start_ns = start->ns + offset_ns[r]};
        if (!self->peers[r].lost)
            ifm_ranks_send(self, r, IFM_RANKS_START, &message, sizeof message);
    }
    return IFM_OK;
}

/* Time zero: from now on ranks must be heard. */
static void begin_running(ifm_ranks *self, ifm_time start)
{
    self->start = start;
    self->running = true;
    self->beaten = self->reported = self->pumped = start;
    for (int32_t r = 0; r < self->place.size; r++)
        self->peers[r].heard = start;
}

ifm_status ifm_ranks_start_together(ifm_ranks *self, ifm_time *start, ifm_error *err)
{
    *start = self != NULL ? ifm_ranks_now(self) : ifm_time_now();
    if (self == NULL)
        return IFM_OK;
    ifm_status st = IFM_OK;
    if (self->place.rank == 0) {
        st = start_first(self, start, err);
    } else {
        const int64_t all = self->place.size * (int64_t)PINGS_MOST_NS;
        st = ifm_ranks_await(self, &self->start_came, IFM_RANKS_PATIENCE_NS + all,
                             "no start came", err);
        self->start_came = false;
        *start = (ifm_time){self->start_at.start_ns};
    }
    if (st == IFM_OK && !self->running)
        begin_running(self, *start);
    return st;
}
