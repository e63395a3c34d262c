/*
 * The loop that serves the sockets.
 *
 *     poller says ──► slot is stamped, queued ──► libcurl reads it ──► answer ──► on_done
 *                        ▲ and again while the queue is long
 *
 * While many sockets wait to be read, the poller is asked again every now and then, so that
 * what comes meanwhile is stamped when it comes and not when its turn has come.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "wire/client_parts.h"

enum {
    LOOK_EVENTS = 512,
    NAP_NS = 500 * 1000,
    NAP_SHARE = 256, /* of a request's life, at most this part */
    NAP_GAP = 8,   /* of the time between two events of one answer: they shall not meet */
    NAP_WORTH = 2, /* sockets that become ready meanwhile */
    RATE_NS = 20 * 1000 * 1000,
    SERVE_BLINDLY = 4,          /* sockets, between readings of the clock */
    LOOK_AGAIN_NS = 200 * 1000, /* some forty sockets */
    LOOK_SHARE = 5, /* looking costs as much as sockets are ready: at most this part */
};

/* ---- descriptors ------------------------------------------------------------------- */

bool ifm_client_grow_slots(ifm_client *self, size_t fd)
{
    size_t n = self->n_slots > 0 ? self->n_slots : 256, room = 512;
    while (n <= fd)
        n *= 2;
    while (room <= n)
        room *= 2;
    ifm_slot *slots = realloc(self->slots, n * sizeof *slots);
    if (slots == NULL)
        return false;
    memset(slots + self->n_slots, 0, (n - self->n_slots) * sizeof *slots);
    self->slots = slots;
    self->n_slots = n;
    int *queue = malloc(room * sizeof *queue);
    if (queue == NULL)
        return false;
    size_t waiting = 0;
    for (; self->queue_head != self->queue_tail; self->queue_head++)
        queue[waiting++] = self->queue[self->queue_head & (self->queue_room - 1)];
    free(self->queue);
    self->queue = queue;
    self->queue_room = room;
    self->queue_head = 0;
    self->queue_tail = waiting;
    return true;
}

bool ifm_client_watch(ifm_client *self, int fd, unsigned want)
{
    if ((size_t)fd >= self->n_slots && !ifm_client_grow_slots(self, (size_t)fd))
        return want == 0;
    ifm_slot *slot = &self->slots[fd];
    void *mark = (void *)((uintptr_t)fd + 1);
    ifm_status st = IFM_OK;
    if (want == 0 && slot->want != 0)
        ifm_poller_remove(&self->poller, fd);
    else if (want != 0 && slot->want == 0)
        st = ifm_poller_add(&self->poller, fd, want, mark, NULL);
    else if (want != slot->want)
        st = ifm_poller_modify(&self->poller, fd, want, mark, NULL);
    slot->want = want;
    if (want == 0)
        slot->ready = 0;
    return st == IFM_OK;
}

/* ---- deadlines --------------------------------------------------------------------- */

/* Sends what has rested; ends what took too long. */
static void act_deadlines(ifm_client *self, int64_t now)
{
    char text[CURL_ERROR_SIZE];
    ifm_exchange *e;
    while ((e = ifm_timers_take(self, now)) != NULL) {
        const ifm_client_options *o = &self->options;
        if (e->complete_ns != 0) {
            ifm_exchange_end(e, IFM_OUTCOME_OK, NULL, now);
        } else if (o->timeout_ns > 0 && now >= e->due_ns + o->timeout_ns) {
            snprintf(text, sizeof text, "took longer than %.6g s (--timeout)",
                     (double)o->timeout_ns / 1e9);
            ifm_exchange_end(e, IFM_OUTCOME_TIMEOUT, text, now);
        } else if (e->state == IFM_EXCHANGE_RESTING) {
            ifm_exchange_begin(e);
        } else if (ifm_plain_is_connecting(e) && now < ifm_timers_connect_by(e)) {
            ifm_plain_connect_on(e);
        } else if (ifm_plain_is_connecting(e)) {
            const ifm_outcome late = ifm_connect_late_outcome(self, text, sizeof text);
            ifm_exchange_end(e, late, text, now);
        } else {
            snprintf(text, sizeof text, "nothing came for %.6g s (--idle-timeout)",
                     (double)o->idle_timeout_ns / 1e9);
            ifm_exchange_end(e, IFM_OUTCOME_STALLED, text, now);
        }
    }
}

/* ---- the loop ---------------------------------------------------------------------- */

/* Where the system notes when bytes come, they may wait a moment until there are several: to
 * wake up for each costs as much as to read it. The moment is short beside a request, whose
 * end may be another's beginning. */
static void nap(const ifm_client *self, ifm_time until)
{
    int64_t most = NAP_NS;
    if (self->life_ns > 0 && self->life_ns / NAP_SHARE < most)
        most = self->life_ns / NAP_SHARE;
    if (self->gap_ns > 0 && self->gap_ns / NAP_GAP < most)
        most = self->gap_ns / NAP_GAP;
    const int64_t end = self->looked_ns + most;
    if (self->noted && self->rate * (double)most >= NAP_WORTH)
        ifm_time_sleep((ifm_time){end < until.ns ? end : until.ns});
}

static void note_look(ifm_client *self, size_t found, int64_t now_ns)
{
    const int64_t since = now_ns - self->looked_ns;
    const double weight = since < RATE_NS ? (double)since / RATE_NS : 1;
    if (since > 0)
        self->rate += weight * ((double)found / (double)since - self->rate);
    self->looked_ns = now_ns;
}

/* Asks the poller, and queues what it says with the time at which it said so. */
static void look(ifm_client *self, ifm_time until)
{
    ifm_poll_event events[LOOK_EVENTS];
    nap(self, until);
    const size_t n = ifm_poller_wait(&self->poller, until, events, LOOK_EVENTS);
    const int64_t now = ifm_time_now().ns;
    note_look(self, n, now);
    ifm_arrival_clock_read(&self->arrivals);
    for (size_t i = 0; i < n; i++) {
        if (events[i].user == NULL)
            continue;
        const int fd = (int)((uintptr_t)events[i].user - 1);
        if (fd == self->wake_fd) {
            self->woken = true;
            continue;
        }
        ifm_slot *slot = &self->slots[fd];
        if (!slot->queued)
            self->queue[self->queue_tail++ & (self->queue_room - 1)] = fd;
        slot->queued = true;
        if (slot->ready == 0)
            slot->stamp_ns = now;
        slot->ready |= events[i].what;
    }
}

static void serve_one(ifm_client *self, int fd)
{
    ifm_slot *slot = &self->slots[fd];
    const unsigned ready = slot->ready;
    slot->queued = false;
    slot->ready = 0;
    if (ready == 0) /* closed since */
        return;
    if (slot->plain != NULL)
        ifm_plain_ready(slot->plain, ready, slot->stamp_ns);
    else if (slot->shard != NULL)
        ifm_curl_ready(self, fd, ready, slot->stamp_ns);
}

/* Serves what is queued, looking again in between, but not far beyond `until`. */
static void serve_queue(ifm_client *self, ifm_time until)
{
    int64_t looked = ifm_time_now().ns, rest_ns = LOOK_AGAIN_NS;
    unsigned served = 0;
    while (self->queue_head != self->queue_tail) {
        serve_one(self, self->queue[self->queue_head++ & (self->queue_room - 1)]);
        if (self->noted && ++served % SERVE_BLINDLY != 0)
            continue;
        const int64_t now = ifm_time_now().ns;
        if (now >= until.ns)
            return;
        if (self->noted || now - looked < rest_ns)
            continue;
        look(self, (ifm_time){0});
        looked = ifm_time_now().ns;
        rest_ns = LOOK_SHARE * (looked - now);
        rest_ns = rest_ns > LOOK_AGAIN_NS ? rest_ns : LOOK_AGAIN_NS;
    }
}

static ifm_time earliest(const ifm_client *self, ifm_time until)
{
    int64_t at = until.ns;
    if (ifm_timers_next(self) < at)
        at = ifm_timers_next(self);
    if (ifm_curl_next_timer(self) < at)
        at = ifm_curl_next_timer(self);
    const bool now = self->queue_head != self->queue_tail || self->n_doomed > 0;
    return (ifm_time){now ? 0 : at};
}

static void watch_wake(ifm_client *self, int fd)
{
    if (fd == self->wake_fd)
        return;
    if (self->wake_fd >= 0)
        ifm_poller_remove(&self->poller, self->wake_fd);
    self->wake_fd = fd;
    if (fd >= 0)
        (void)ifm_poller_add(&self->poller, fd, IFM_POLL_READ,
                             (void *)((uintptr_t)fd + 1), NULL);
}

/* What failed as it began, and what libcurl settled meanwhile. */
static void settle(ifm_client *self)
{
    for (size_t i = self->n_alive; self->n_doomed > 0 && i > 0; i--) {
        ifm_exchange *e = i <= self->n_alive ? self->alive[i - 1] : NULL;
        if (e != NULL && e->state == IFM_EXCHANGE_DOOMED)
            ifm_exchange_end(e, e->doom, e->says, ifm_time_now().ns);
    }
    ifm_curl_settle(self);
}

void ifm_client_serve(ifm_client *self, ifm_time until, int wake_fd)
{
    const size_t before = self->n_ended;
    if (!self->sharp)
        ifm_poller_sharpen();
    self->sharp = true;
    watch_wake(self, wake_fd);
    self->woken = false;
    int64_t now;
    do { /* once at least: who calls with a time that is over may have no other */
        settle(self);
        look(self, self->n_ended == before ? earliest(self, until) : (ifm_time){0});
        serve_queue(self, until);
        now = ifm_time_now().ns;
        ifm_curl_act_timers(self, now);
        act_deadlines(self, now);
    } while (self->n_ended == before && !self->woken && now < until.ns);
}
