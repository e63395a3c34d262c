/*
 * One answer, played: when each part is due, and handing it over then.
 *
 *     begin ── head, opening events        ttft               itl          itl
 *       ├───────────────────────────────────► token 0 ────────► token 1 ───► … ─► ending
 *
 * Token i is due at begin + ttft + i × itl, plus its own jitter: what is late once does not
 * make later tokens late. A write is due when its first token is.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mock/inside.h"

enum { FRAME_ROOM = 24 }; /* in front of a payload, for the size of its chunk */

static int64_t number_of(const ifm_mock *self, int index)
{
    return ifm_mock_number(&self->options.shapes, index, 1);
}

static double draw(ifm_mock_jitter kind, ifm_random *random)
{
    switch (kind) {
    case IFM_MOCK_NORMAL:
        return ifm_random_normal(random);
    case IFM_MOCK_EXPONENTIAL:
        return -log(1 - ifm_random_unit(random)); /* the unit is never 1 */
    default:
        return 2 * ifm_random_unit(random) - 1;
    }
}

/* Sets when token play.next is due; never before what was sent already. */
static void aim(const ifm_mock *self, ifm_mock_conn *c, int64_t token)
{
    ifm_mock_play *play = &c->play;
    int64_t due = play->first_due_ns + token * self->options.itl_ns;
    if (self->options.jitter_ns > 0)
        due += (int64_t)((double)self->options.jitter_ns *
                         draw(self->options.jitter_kind, &play->random));
    const int64_t floor = play->next == 0 ? c->entry->begin_ns : play->due_ns;
    play->due_ns = due > floor ? due : floor;
}

static void schedule(ifm_mock *self, ifm_mock_conn *c)
{
    ifm_mock_play *play = &c->play;
    int64_t at = play->due_ns;
    if (play->between) /* the empty event comes halfway */
        at -= self->options.itl_ns / 2;
    ifm_mock_timers_set(&self->timers, &c->timer, at);
}

/* self->out begins with room for the frame. */
static void begin_payload(ifm_mock *self)
{
    static const char room[FRAME_ROOM] = {0};
    ifm_buffer_clear(&self->out);
    ifm_buffer_append(&self->out, room, FRAME_ROOM);
}

static const char last_chunk[] = "0\r\n\r\n";

/* Writes n in hexadecimal and CR LF so that they end at `end`; returns where they begin. */
static char *put_size(char *end, size_t n)
{
    *--end = '\n';
    *--end = '\r';
    do {
        *--end = "0123456789abcdef"[n % 16];
        n /= 16;
    } while (n > 0);
    return end;
}

/* Puts the payload into a chunk, where the answer has chunks, and hands it over. */
static bool send_payload(ifm_mock *self, ifm_mock_conn *c, bool last, int64_t *sent_ns)
{
    ifm_buffer *out = &self->out;
    const size_t n = out->length - FRAME_ROOM;
    const bool chunks = c->request.minor == 1;
    if (chunks && n > 0)
        ifm_buffer_append(out, "\r\n", 2);
    if (chunks && last)
        ifm_buffer_append(out, last_chunk, sizeof last_chunk - 1);
    if (out->failed) {
        ifm_buffer_deinit(out);
        ifm_mock_conn_kill(self, c, true);
        return false;
    }
    const char *from = out->data + FRAME_ROOM, *end = out->data + out->length;
    if (chunks && n > 0)
        from = put_size(out->data + FRAME_ROOM, n);
    return end == from ||
           ifm_mock_conn_send(self, c, from, (size_t)(end - from), sent_ns);
}

static void record(ifm_mock *self, ifm_mock_conn *c, int64_t sent_ns, int64_t tokens)
{
    ifm_mock_entry *entry = c->entry;
    if (entry->n_events < entry->capacity)
        entry->events[entry->n_events++] = (ifm_mock_event){
            .sent_ns = sent_ns, .due_ns = c->play.due_ns, .tokens = tokens};
    entry->completion_tokens += tokens;
    self->totals.events++;
    self->totals.tokens += tokens;
    ifm_mock_late_add(&self->late, sent_ns - c->play.due_ns);
}

/* The answer has gone out whole. */
static void end_whole(ifm_mock *self, ifm_mock_conn *c)
{
    ifm_mock_serve_end(self, c, IFM_MOCK_END_WHOLE);
    ifm_mock_serve_answered(self, c);
}

static void finish(ifm_mock *self, ifm_mock_conn *c)
{
    begin_payload(self);
    ifm_mock_events_ending(&c->voice, &self->json, &self->out);
    if (send_payload(self, c, true, NULL))
        end_whole(self, c);
}

/* The write whose first token is play.next: COALESCE events of MULTI tokens, none of them
 * beyond the place of a fault. */
static bool send_tokens(ifm_mock *self, ifm_mock_conn *c)
{
    ifm_mock_play *play = &c->play;
    const int64_t end = play->stop_at >= 0 ? play->stop_at : play->n;
    const int64_t multi = number_of(self, IFM_MOCK_SHAPE_INDEX_MULTI);
    const int64_t coalesce = number_of(self, IFM_MOCK_SHAPE_INDEX_COALESCE);
    int64_t sent_ns, at = play->next;
    begin_payload(self);
    for (int64_t i = 0; i < coalesce && at < end; i++) {
        const int64_t tokens = end - at < multi ? end - at : multi;
        ifm_mock_event_tokens(&c->voice, at, tokens, &self->json, &self->out);
        at += tokens;
    }
    if (!send_payload(self, c, false, &sent_ns))
        return false;
    while (play->next < at) {
        const int64_t tokens = at - play->next < multi ? at - play->next : multi;
        record(self, c, sent_ns, tokens);
        play->next += tokens;
    }
    return true;
}

/* The body ends, as HTTP has it, but the event does not. */
static void truncate_event(ifm_mock *self, ifm_mock_conn *c)
{
    begin_payload(self);
    ifm_mock_event_tokens(&c->voice, c->play.next, 1, &self->json, &self->out);
    const size_t half = (self->out.length - FRAME_ROOM) / 2;
    if (!self->out.failed)
        self->out.length = FRAME_ROOM + half;
    if (!send_payload(self, c, true, NULL))
        return;
    ifm_mock_serve_end(self, c, IFM_MOCK_END_FAULT);
    ifm_mock_serve_answered(self, c);
}

/* The fault's place has come. True: the answer goes on. */
static bool strike(ifm_mock *self, ifm_mock_conn *c)
{
    c->play.stop_at = -1;
    switch (c->play.fault.kind) {
    case IFM_MOCK_FAULT_BAD_JSON:
        begin_payload(self);
        ifm_mock_event_bad_json(&c->voice, &self->json, &self->out);
        return send_payload(self, c, false, NULL);
    case IFM_MOCK_FAULT_ERROR_EVENT:
        begin_payload(self);
        ifm_mock_events_error(&c->voice, &self->out);
        if (send_payload(self, c, true, NULL)) {
            ifm_mock_serve_end(self, c, IFM_MOCK_END_FAULT);
            ifm_mock_serve_answered(self, c);
        }
        return false;
    case IFM_MOCK_FAULT_TRUNCATE:
        truncate_event(self, c);
        return false;
    default:
        ifm_mock_serve_strike(self, c, c->play.fault.kind);
        return false;
    }
}

static void send_empty(ifm_mock *self, ifm_mock_conn *c)
{
    c->play.between = false;
    begin_payload(self);
    ifm_mock_event_empty(&c->voice, c->play.next, &self->json, &self->out);
    if (send_payload(self, c, false, NULL))
        schedule(self, c);
}

/* An answer that is not streamed. With a fault of the connection, half of it. */
static void send_whole(ifm_mock *self, ifm_mock_conn *c)
{
    static const char error[] = "{\"error\":{\"message\":\"this fault was asked for\","
                                "\"type\":\"InternalServerError\",\"param\":null,"
                                "\"code\":500}}";
    const ifm_mock_fault_kind fault =
        c->play.stop_at >= 0 ? c->play.fault.kind : IFM_MOCK_FAULT_NONE;
    ifm_buffer *out = &self->out, *json = &self->json;
    int64_t sent_ns;
    ifm_mock_answer(&c->voice, json);
    if (fault == IFM_MOCK_FAULT_ERROR_EVENT) {
        ifm_buffer_clear(json);
        ifm_buffer_puts(json, error);
    } else if (fault == IFM_MOCK_FAULT_BAD_JSON) {
        json->length /= 2;
    }
    ifm_buffer_clear(out);
    ifm_mock_serve_head(c, 200, "", "application/json", (int64_t)json->length, out);
    const bool cut = fault != IFM_MOCK_FAULT_NONE &&
                     fault != IFM_MOCK_FAULT_ERROR_EVENT &&
                     fault != IFM_MOCK_FAULT_BAD_JSON;
    ifm_buffer_append(out, json->data, cut ? json->length / 2 : json->length);
    c->entry->status = 200;
    if (out->failed || json->failed) {
        ifm_buffer_deinit(out);
        ifm_buffer_deinit(json);
        ifm_mock_conn_kill(self, c, true);
        return;
    }
    if (!ifm_mock_conn_send(self, c, out->data, out->length, &sent_ns))
        return;
    if (cut) {
        ifm_mock_serve_strike(
            self, c, fault == IFM_MOCK_FAULT_TRUNCATE ? IFM_MOCK_FAULT_CLOSE : fault);
        return;
    }
    if (fault != IFM_MOCK_FAULT_NONE) {
        ifm_mock_serve_end(self, c, IFM_MOCK_END_FAULT);
        ifm_mock_serve_answered(self, c);
        return;
    }
    if (c->play.n > 0)
        record(self, c, sent_ns, c->play.n);
    end_whole(self, c);
}

void ifm_mock_stream_step(ifm_mock *self, ifm_mock_conn *c)
{
    ifm_mock_play *play = &c->play;
    if (ifm_mock_conn_pending(c) >= IFM_MOCK_PENDING_LIMIT) {
        play->blocked = true; /* conn.c goes on with it */
        return;
    }
    if (!c->voice.stream) {
        send_whole(self, c);
        return;
    }
    if (play->between) {
        send_empty(self, c);
        return;
    }
    if (play->next == play->stop_at && !strike(self, c))
        return;
    if (play->next < play->n) {
        if (!send_tokens(self, c))
            return;
        /* A fault behind the last token takes the place of the ending, at once. */
        if (play->next == play->n && play->stop_at == play->n && !strike(self, c))
            return;
    }
    if (play->next == play->n) {
        finish(self, c);
        return;
    }
    aim(self, c, play->next);
    play->between = ifm_mock_has(&self->options.shapes, IFM_MOCK_EMPTY);
    schedule(self, c);
}

/* Where the fault strikes, if it does so while the answer is played. */
static int64_t place_of(const ifm_mock_fault *fault, int64_t n)
{
    int64_t at = fault->at;
    if (fault->kind == IFM_MOCK_FAULT_NONE || fault->kind == IFM_MOCK_FAULT_NO_TOKENS)
        return -1;
    if (at < 0)
        at = fault->kind == IFM_MOCK_FAULT_TRUNCATE ? n / 2 : 0;
    return at < n ? at : n;
}

void ifm_mock_stream_begin(ifm_mock *self, ifm_mock_conn *c, int64_t begin_ns)
{
    ifm_mock_play *play = &c->play;
    const ifm_mock_options *options = &self->options;
    ifm_mock_voice *voice = &c->voice;
    c->state = IFM_MOCK_PLAYING;
    c->entry->begin_ns = begin_ns;
    play->first_due_ns = begin_ns + options->ttft_ns;
    if (options->prompt_tokens_per_s > 0)
        play->first_due_ns +=
            (int64_t)((double)voice->prompt_tokens / options->prompt_tokens_per_s * 1e9);
    play->stop_at = place_of(&play->fault, play->n);
    ifm_random_init(&play->random,
                    options->seed ^ ((uint64_t)c->entry->number * 0x9e3779b97f4a7c15u));
    voice->prompt_ns = play->first_due_ns - begin_ns;
    voice->generation_ns = play->n > 1 ? (play->n - 1) * options->itl_ns : 0;
    ifm_mock_voice_prepare(voice);
    aim(self, c, voice->stream || play->n == 0 ? 0 : play->n - 1);
    if (voice->stream) {
        begin_payload(self);
        ifm_mock_events_opening(voice, &self->json, &self->out);
        ifm_buffer head = {0};
        ifm_mock_serve_head(c, 200, "Cache-Control: no-cache\r\n",
                            "text/event-stream; charset=utf-8", -1, &head);
        c->entry->status = 200;
        const bool sent =
            !head.failed && ifm_mock_conn_send(self, c, head.data, head.length, NULL);
        ifm_buffer_deinit(&head);
        if (!sent) {
            ifm_mock_conn_kill(self, c, true);
            return;
        }
        if (!send_payload(self, c, false, NULL))
            return;
    }
    schedule(self, c);
}
