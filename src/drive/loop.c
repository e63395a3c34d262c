#include "drive/loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum {
    SPIN_NS = 50 * 1000, /* before something is due the loop stays awake */
    STARTS_AT_ONCE = 8,
    LOOK_NS = 100 * 1000 * 1000, /* between copies of the totals */
};

void ifm_loop_init(ifm_loop *self)
{
    *self = (ifm_loop){.wake_fd = -1, .waker_fd = -1};
    pthread_mutex_init(&self->mutex, NULL);
}

void ifm_loop_deinit(ifm_loop *self)
{
    while (self->turns.n > 0)
        ifm_loop_give_back(self, ifm_heap_pop(&self->turns));
    while (self->spare != NULL) {
        ifm_slot *slot = self->spare;
        self->spare = slot->next;
        free(slot);
    }
    ifm_heap_deinit(&self->places);
    ifm_heap_deinit(&self->turns);
    pthread_mutex_destroy(&self->mutex);
}

void ifm_loop_fail(ifm_loop *self, const ifm_error *err)
{
    if (self->status == IFM_OK) {
        self->status = err->status;
        self->error = *err;
    }
    self->closing = true;
}

static void fail_memory(ifm_loop *self)
{
    ifm_error err;
    ifm_fail(&err, IFM_ERR_NO_MEMORY, "load: no memory");
    ifm_loop_fail(self, &err);
}

/* ---- slots ---------------------------------------------------------------------------- */

ifm_slot *ifm_loop_slot(ifm_loop *self)
{
    ifm_slot *slot = self->spare;
    if (slot != NULL)
        self->spare = slot->next;
    else
        slot = malloc(sizeof *slot);
    if (slot == NULL) {
        fail_memory(self);
        return NULL;
    }
    *slot = (ifm_slot){.warmup = self->plan.warmup, .last_piece_ns = -1};
    return slot;
}

void ifm_loop_give_back(ifm_loop *self, ifm_slot *slot)
{
    ifm_asked_deinit(&slot->asked);
    slot->next = self->spare;
    self->spare = slot;
}

/* ---- what is due ----------------------------------------------------------------------- */

static int64_t places_of(const ifm_loop *self)
{
    return self->plan.schedule.places;
}

static bool is_closed(const ifm_loop *self)
{
    return self->plan.schedule.arrival == IFM_ARRIVAL_CLOSED;
}

/* This process's next request of the schedule. */
static void advance(const ifm_loop *self, ifm_schedule *schedule)
{
    for (int64_t i = 0; i < self->plan.step; i++)
        ifm_schedule_advance(schedule);
}

static int64_t after(int64_t base_ns, int64_t ns)
{
    return ns < INT64_MAX - base_ns ? base_ns + ns : INT64_MAX;
}

/* No more conversations begin: enough have, or the next one would be due behind the end. A
 * closed load with all places taken does not know yet when that is. */
static void close_if_done(ifm_loop *self, int64_t next_due_ns, int64_t now_ns)
{
    const int64_t end = after(self->begin.ns, self->plan.duration_ns);
    const bool unknown = is_closed(self) && next_due_ns == INT64_MAX;
    if (self->started >= self->plan.limit || (unknown ? now_ns : next_due_ns) >= end)
        self->closing = true;
}

/* Counts what has become due, whether or not it could be started. */
static void count_due(ifm_loop *self, int64_t now_ns)
{
    const int64_t end = after(self->begin.ns, self->plan.duration_ns);
    if (is_closed(self) || self->plan.warmup)
        return;
    for (;;) {
        const int64_t due = after(self->begin.ns, self->ahead.due_ns);
        if (due > now_ns || due >= end || self->totals.due >= self->plan.limit)
            return;
        self->totals.due++;
        advance(self, &self->ahead);
    }
}

/* ---- starting --------------------------------------------------------------------------- */

/* The form of a UUID of version 8 (RFC 9562): the run, then the process, then the request. */
void ifm_loop_request_id(const ifm_loop *self, int64_t id, char text[64])
{
    const uint8_t *r = self->run_id;
    snprintf(text, 64, "%02x%02x%02x%02x-%02x%02x-8%01x%02x-8%03x-%012" PRIx64, r[0],
             r[1], r[2], r[3], r[4], r[5], r[6] & 15, r[7], (unsigned)self->rank & 0xfff,
             (uint64_t)id & 0xffffffffffff);
}

static void start(ifm_loop *self, ifm_slot *slot)
{
    char id[64];
    ifm_loop_request_id(self, slot->id, id);
    const ifm_call call = {
        .body = slot->asked.body,
        .n_body = slot->asked.n_body,
        .request_id = id,
        .due = slot->due,
        .request = slot,
    };
    ifm_client_start(self->client, &call);
    free(slot->asked.body);
    slot->asked.body = NULL;
    const int64_t in_flight = (int64_t)ifm_client_in_flight(self->client);
    if (in_flight > self->load->peak_in_flight)
        self->load->peak_in_flight = in_flight;
    if (!slot->warmup)
        self->totals.started++;
}

/* Everything that begins gets its number here: those that are sent and those that are not. */
static void begin(ifm_loop *self, ifm_slot *slot, ifm_time due)
{
    slot->id = self->rank + self->plan.step * self->requests++;
    slot->due = due;
    self->started++;
    if (!slot->warmup && (is_closed(self) || slot->asked.turn > 0))
        self->totals.due++;
}

void ifm_loop_free_place(ifm_loop *self, ifm_time since)
{
    if (places_of(self) > 0 && !ifm_heap_push(&self->places, since.ns, NULL))
        fail_memory(self);
}

static bool start_turn(ifm_loop *self, int64_t now_ns)
{
    const ifm_heap_item *top = ifm_heap_top(&self->turns);
    if (top == NULL || top->key > now_ns)
        return false;
    ifm_slot *slot = ifm_heap_pop(&self->turns);
    begin(self, slot, slot->due);
    start(self, slot);
    return true;
}

/* The place that is taken next: since when it is free; INT64_MIN without places, INT64_MAX
 * when none is. */
static int64_t place_free(const ifm_loop *self)
{
    const ifm_heap_item *top = ifm_heap_top(&self->places);
    if (places_of(self) == 0)
        return INT64_MIN;
    return top != NULL ? top->key : INT64_MAX;
}

/* When the next conversation is due; INT64_MAX: not before something changes. */
static int64_t next_due(const ifm_loop *self)
{
    return is_closed(self) ? place_free(self)
                           : after(self->begin.ns, self->schedule.due_ns);
}

static void note_failure(ifm_loop *self)
{
    ifm_error err;
    if (ifm_maker_failed(self->maker, &err) != IFM_OK)
        ifm_loop_fail(self, &err);
}

/* Takes the next conversation from the maker. NULL when there is none, now or ever. */
static ifm_slot *take(ifm_loop *self)
{
    ifm_asked asked;
    const ifm_maker_state state = ifm_maker_take(self->maker, &asked);
    if (state == IFM_MAKER_ENDED) {
        self->closing = true;
        note_failure(self);
    }
    if (state != IFM_MAKER_READY)
        return NULL;
    ifm_slot *slot = ifm_loop_slot(self);
    if (slot == NULL) {
        ifm_asked_deinit(&asked);
        return NULL;
    }
    slot->asked = asked;
    if (self->plan.warmup) { /* single requests: what follows would follow too late */
        ifm_talk_free(slot->asked.talk);
        slot->asked.talk = NULL;
    }
    return slot;
}

/* Starts the next conversation if it is due and has a place; or ends it when it has waited
 * for one as long as it may take altogether. */
static bool start_conversation(ifm_loop *self, int64_t now_ns)
{
    const int64_t due = next_due(self), free_since = place_free(self);
    const int64_t timeout = self->load->plan.timeout_ns;
    close_if_done(self, due, now_ns);
    if (self->closing || due > now_ns)
        return false;
    const bool waits = free_since > now_ns;
    if (waits && (timeout == 0 || now_ns - due < timeout))
        return false;
    ifm_slot *slot = take(self);
    if (slot == NULL)
        return false;
    begin(self, slot, (ifm_time){due});
    if (!is_closed(self))
        advance(self, &self->schedule);
    if (waits) {
        ifm_loop_unserved(self, slot, IFM_OUTCOME_TIMEOUT, "waited for a place");
        return true;
    }
    if (places_of(self) > 0)
        ifm_heap_pop(&self->places);
    slot->gate_ns = free_since > due ? free_since - due : 0;
    start(self, slot);
    return true;
}

/* What the maker has made of answers. */
static void take_turns(ifm_loop *self)
{
    ifm_asked asked;
    ifm_time due;
    while (self->making > 0 && ifm_maker_take_next(self->maker, &asked, &due)) {
        self->making--;
        ifm_slot *slot = ifm_loop_slot(self);
        if (slot == NULL) {
            ifm_asked_deinit(&asked);
            return;
        }
        slot->asked = asked;
        slot->due = due;
        if (due.ns >= after(self->begin.ns, self->plan.duration_ns)) {
            /* Never asked. Under a rate, whoever waits for the place may have it; a closed
             * load has as many people as places, and this one thinks to the end. */
            if (!is_closed(self))
                ifm_loop_free_place(self, ifm_time_now());
            ifm_loop_give_back(self, slot);
        } else if (!ifm_heap_push(&self->turns, due.ns, slot)) {
            ifm_loop_give_back(self, slot);
            fail_memory(self);
        }
    }
    note_failure(self);
}

/* ---- the end ---------------------------------------------------------------------------- */

/* Those that were due and not started: they have ended, too. */
static void end_waiting(ifm_loop *self)
{
    ifm_slot *slot;
    while (!is_closed(self) && self->started < self->plan.limit &&
           after(self->begin.ns, self->schedule.due_ns) <= ifm_time_now().ns &&
           self->schedule.due_ns < self->plan.duration_ns &&
           (slot = take(self)) != NULL) {
        begin(self, slot, (ifm_time){self->begin.ns + self->schedule.due_ns});
        advance(self, &self->schedule);
        ifm_loop_unserved(self, slot, IFM_OUTCOME_CANCELLED, "waited for its start");
    }
}

static void cancel(ifm_loop *self)
{
    end_waiting(self);
    self->closing = true;
    while (self->turns.n > 0)
        ifm_loop_give_back(self, ifm_heap_pop(&self->turns));
    ifm_client_cancel(self->client);
}

static bool is_done(const ifm_loop *self)
{
    const bool turns = self->started < self->plan.limit && !self->cancelled &&
                       self->status == IFM_OK && self->turns.n + (size_t)self->making > 0;
    return self->closing && !turns && ifm_client_in_flight(self->client) == 0;
}

/* ---- looking ---------------------------------------------------------------------------- */

static void show(ifm_loop *self, ifm_time now, bool surely)
{
    ifm_totals *t = &self->totals;
    if (!surely && now.ns - self->shown_at.ns < LOOK_NS)
        return;
    self->shown_at = now;
    t->t_ns = ifm_time_between(self->load->began, now);
    t->in_flight = (int64_t)ifm_client_in_flight(self->client);
    t->waiting = t->due - t->started;
    if (surely)
        pthread_mutex_lock(&self->mutex);
    else if (pthread_mutex_trylock(&self->mutex) != 0)
        return; /* somebody reads the last copy: the loop waits for nobody */
    self->shown = *t;
    pthread_mutex_unlock(&self->mutex);
}

void ifm_loop_look(ifm_loop *self, ifm_totals *out)
{
    pthread_mutex_lock(&self->mutex);
    *out = self->shown;
    pthread_mutex_unlock(&self->mutex);
}

/* ---- the loop ---------------------------------------------------------------------------- */

/* When something is to be done, unless something happens before. */
static int64_t next_moment(const ifm_loop *self, int64_t now_ns)
{
    int64_t until = now_ns + LOOK_NS;
    const ifm_heap_item *turn = ifm_heap_top(&self->turns);
    if (turn != NULL && turn->key < until)
        until = turn->key;
    if (self->closing)
        return until;
    const int64_t due = next_due(self), free_at = place_free(self);
    const int64_t next = due > free_at ? due : free_at;
    /* In the past: it is due, and the maker is behind; it will wake us. */
    return next > now_ns && next < until ? next : until;
}

/* The byte first, then the flag: the other way round the loop could take the flag, find no
 * byte, and afterwards never know that one is there. */
void ifm_loop_wake(void *user)
{
    ifm_loop *self = user;
    if (atomic_load(&self->woken))
        return;
    if (write(self->waker_fd, "", 1) < 0)
        return; /* full: it is readable */
    atomic_store(&self->woken, true);
}

static void drain(ifm_loop *self)
{
    char bytes[64];
    if (atomic_exchange(&self->woken, false))
        while (read(self->wake_fd, bytes, sizeof bytes) > 0)
            ;
}

/* Sleeps until shortly before the moment; the rest is spent awake, looking at sockets,
 * since waking up takes the system some tens of microseconds. */
static void wait(ifm_loop *self, ifm_time now, bool more)
{
    const int64_t until = more ? now.ns : next_moment(self, now.ns);
    const int64_t sleep = until - now.ns > SPIN_NS ? until - SPIN_NS : now.ns;
    ifm_client_serve(self->client, (ifm_time){sleep}, self->wake_fd);
    drain(self);
}

static void prepare(ifm_loop *self, const ifm_phase_plan *plan, ifm_time begin_at)
{
    self->plan = *plan;
    self->begin = begin_at;
    self->started = self->failures = 0;
    self->closing = self->status != IFM_OK;
    ifm_schedule_init(&self->schedule, &plan->schedule);
    for (int64_t i = 0; i < plan->first; i++)
        ifm_schedule_advance(&self->schedule);
    self->ahead = self->schedule;
    self->places.n = 0;
    for (int64_t i = 0; i < plan->schedule.places; i++)
        ifm_loop_free_place(
            self,
            (ifm_time){after(begin_at.ns, ifm_schedule_place_opens(&plan->schedule, i))});
}

/* Starts what is due, but not all of many: in between, what came is given its time. True:
 * there is more. */
static bool start_some(ifm_loop *self)
{
    for (int i = 0; i < STARTS_AT_ONCE; i++) {
        const int64_t now_ns = ifm_time_now().ns;
        if (self->started >= self->plan.limit ||
            (!start_turn(self, now_ns) && !start_conversation(self, now_ns)))
            return false;
    }
    return true;
}

void ifm_loop_run(ifm_loop *self, const ifm_phase_plan *plan, ifm_time begin_at)
{
    bool ended = false;
    prepare(self, plan, begin_at);
    for (;;) {
        bool more = false;
        if (self->making > 0)
            take_turns(self);
        if (!ended && (atomic_load(&self->cancelled) || self->status != IFM_OK)) {
            ended = true;
            cancel(self);
        }
        /* From before the look: what becomes due during it is waited for, if not started,
         * and does not count as late, for which the maker would have to wake us. */
        const ifm_time now = ifm_time_now();
        if (!ended)
            more = start_some(self);
        close_if_done(self, next_due(self), now.ns);
        count_due(self, now.ns);
        show(self, now, false);
        if (is_done(self))
            break;
        wait(self, now, more);
    }
    show(self, ifm_time_now(), true);
}
