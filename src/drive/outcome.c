/* What becomes of requests: each has exactly one outcome, and each is counted once. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "drive/loop.h"

enum {
    FAILURES_PATIENT = 100, /* connections in a row that fail before we slow down */
    BACKOFF_LEAST_NS = 10 * 1000 * 1000,
    BACKOFF_DOUBLINGS = 7, /* up to 1.28 s */
};

void ifm_loop_on_piece(void *user, void *request, const ifm_piece *piece)
{
    ifm_loop *self = user;
    ifm_slot *slot = request;
    ifm_totals *t = &self->totals;
    if (slot->warmup)
        return;
    ifm_histogram *h = slot->last_piece_ns < 0 ? &t->ttft : &t->itl;
    ifm_histogram_add(h, slot->last_piece_ns < 0 ? piece->t_ns
                                                 : piece->t_ns - slot->last_piece_ns);
    slot->last_piece_ns = piece->t_ns;
    const int64_t tokens = piece->tokens > 0 ? piece->tokens : 1;
    slot->tokens += tokens;
    slot->pieces++;
    t->output_tokens += tokens;
    t->events++;
}

/* ---- counting ------------------------------------------------------------------------- */

static void count_totals(ifm_loop *self, const ifm_slot *slot, const ifm_record *record)
{
    ifm_totals *t = &self->totals;
    const ifm_wire *w = record->wire;
    t->outcome[w->outcome]++;
    /* What was counted while it came is now known better. */
    t->output_tokens += (int64_t)record->n_tokens - slot->tokens;
    t->events += (int64_t)w->n_pieces - slot->pieces;
    t->body_bytes += w->body_bytes;
    if (w->service_start_ns >= 0)
        ifm_histogram_add(&t->lag, w->service_start_ns - w->gate_ns);
}

static void count_surplus(ifm_loop *self, int64_t tokens)
{
    size_t i = 0;
    while (i < self->n_surplus && self->surplus[i].tokens != tokens)
        i++;
    if (i == IFM_SURPLUS_MOST)
        i--; /* so many different ones: no constant is among them */
    else if (i == self->n_surplus)
        self->surplus[self->n_surplus++] = (ifm_surplus){tokens, 0};
    self->surplus[i].count++;
}

/* What a template puts in front of every prompt is in the cache from the second one on, and
 * says nothing; nor does a word or two with which a prompt begins by chance. */
static bool is_cached(const ifm_wire *w, int64_t surplus)
{
    enum { BY_CHANCE = 2 };
    return w->usage.cached_tokens > (surplus > 0 ? surplus : 0) + BY_CHANCE;
}

static void count_usage(ifm_loop *self, const ifm_wire *w)
{
    const bool known = w->usage.prompt_tokens >= 0 && w->asked_input_tokens >= 0;
    const int64_t surplus = known ? w->usage.prompt_tokens - w->asked_input_tokens : 0;
    if (known)
        count_surplus(self, surplus);
    if (self->unique && is_cached(w, surplus))
        self->load->server_cached = true;
}

int64_t ifm_loop_mismatches(const ifm_loop *self, int64_t *overhead)
{
    int64_t all = 0, exact = 0;
    const ifm_surplus *most = NULL;
    *overhead = 0;
    for (size_t i = 0; i < self->n_surplus; i++) {
        const ifm_surplus *s = &self->surplus[i];
        all += s->count;
        if (s->tokens == 0)
            exact = s->count;
        if (most == NULL || s->count > most->count)
            most = s;
    }
    if (most == NULL || most->tokens <= 0 || 2 * most->count <= all)
        return all - exact;
    *overhead = most->tokens;
    return all - most->count;
}

/* ---- ends ------------------------------------------------------------------------------ */

/* A server that is gone answers a closed load at once, over and over: from the hundredth
 * failed connection in a row on, a place rests before it is used again. */
static int64_t backoff_ns(ifm_loop *self, ifm_outcome outcome)
{
    const bool failed = outcome == IFM_OUTCOME_REFUSED || outcome == IFM_OUTCOME_DNS ||
                        outcome == IFM_OUTCOME_CONNECT || outcome == IFM_OUTCOME_TLS ||
                        outcome == IFM_OUTCOME_RESET;
    self->failures = failed ? self->failures + 1 : 0;
    if (self->failures < FAILURES_PATIENT ||
        self->plan.schedule.arrival != IFM_ARRIVAL_CLOSED)
        return 0;
    const int32_t doublings = self->failures / FAILURES_PATIENT - 1;
    return (int64_t)BACKOFF_LEAST_NS
           << (doublings < BACKOFF_DOUBLINGS ? doublings : BACKOFF_DOUBLINGS);
}

static void describe(const ifm_loop *self, const ifm_slot *slot, ifm_record *record)
{
    ifm_wire *w = record->wire;
    record->id = (int32_t)slot->id;
    ifm_loop_request_id(self, slot->id, w->request_id);
    record->prompt = (int32_t)slot->asked.number;
    record->start = slot->warmup ? IFM_START_WARMUP : IFM_START_WARM;
    w->due_at_ns = ifm_time_between(self->load->began, slot->due);
    w->gate_ns = slot->gate_ns;
    w->asked_input_tokens = slot->asked.input_tokens;
    w->asked_output_tokens = slot->asked.output_tokens;
    const bool alone = slot->asked.talk == NULL && slot->asked.turn == 0;
    w->session = alone ? -1 : (int32_t)slot->asked.number;
    w->turn = slot->asked.turn;
    w->rank = self->rank;
}

/* The conversation goes on when its answer came, and there is still something to measure. */
static bool goes_on(const ifm_loop *self, const ifm_slot *slot, const ifm_record *record)
{
    return slot->asked.talk != NULL && record->wire->outcome == IFM_OUTCOME_OK &&
           !atomic_load(&self->cancelled) && self->status == IFM_OK &&
           self->started + self->making < self->plan.limit;
}

static void keep(ifm_loop *self, ifm_record *record)
{
    ifm_error err = {0};
    if (self->status == IFM_OK &&
        ifm_spool_append(self->load->spool, record, &err) != IFM_OK)
        ifm_loop_fail(self, &err);
}

static void finish(ifm_loop *self, ifm_slot *slot, ifm_record *record)
{
    ifm_wire *w = record->wire;
    ifm_load_run *load = self->load;
    describe(self, slot, record);
    if (!slot->warmup)
        count_totals(self, slot, record);
    count_usage(self, w);
    load->n_events += (int64_t)w->n_pieces;
    load->n_body_bytes += w->body_bytes;
    if (w->due_at_ns + w->end_ns > load->ended_ns)
        load->ended_ns = w->due_at_ns + w->end_ns;
    keep(self, record);
}

void ifm_loop_on_done(void *user, void *request, ifm_record *record)
{
    ifm_loop *self = user;
    ifm_slot *slot = request;
    const ifm_time ended = {slot->due.ns + record->wire->end_ns};
    finish(self, slot, record);
    const int64_t rest = backoff_ns(self, record->wire->outcome);
    if (goes_on(self, slot, record)) {
        ifm_talk *talk = slot->asked.talk;
        slot->asked.talk = NULL;
        self->making++;
        if (!ifm_maker_follow(self->maker, talk, record->text, record->n_text, ended)) {
            ifm_error err;
            ifm_fail(&err, IFM_ERR_NO_MEMORY, "load: no memory");
            ifm_loop_fail(self, &err);
        }
    } else {
        ifm_loop_free_place(self, (ifm_time){ended.ns + rest});
    }
    ifm_record_deinit(record);
    ifm_loop_give_back(self, slot);
}

void ifm_loop_unserved(ifm_loop *self, ifm_slot *slot, ifm_outcome outcome,
                       const char *why)
{
    ifm_record record = ifm_record_empty();
    record.wire = malloc(sizeof *record.wire);
    record.error = strdup(why);
    if (record.wire != NULL)
        *record.wire = ifm_wire_unknown();
    if (record.wire == NULL || record.error == NULL) {
        ifm_error err;
        ifm_fail(&err, IFM_ERR_NO_MEMORY, "load: no memory");
        ifm_loop_fail(self, &err);
    } else {
        record.wire->outcome = outcome;
        record.wire->end_ns = ifm_time_between(slot->due, ifm_time_now());
        slot->gate_ns = record.wire->end_ns;
        record.sent_ns = -1;
        if (!slot->warmup)
            self->totals.started++;
        finish(self, slot, &record);
    }
    ifm_record_deinit(&record);
    ifm_loop_give_back(self, slot);
}
