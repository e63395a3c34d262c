/* From one event to a piece: its kind, its words, what it counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/answer_error.h"
#include "wire/answer_state.h"

/* No answer has more; a server that never ends must not take all memory. */
enum { MOST_PIECES = 1 << 20, MOST_TEXT = 64 << 20 };

/* Room for one more in an array that doubles. */
static bool grow(void **array, size_t n, size_t capacity, size_t size)
{
    if (n < capacity)
        return true;
    void *grown = realloc(*array, (capacity == 0 ? 32 : capacity * 2) * size);
    if (grown != NULL)
        *array = grown;
    return grown != NULL;
}

static bool add_piece(ifm_answer *self, ifm_piece_kind kind, size_t n_data,
                      ifm_answer_note note)
{
    ifm_wire *wire = self->record->wire;
    const size_t n = wire->n_pieces, capacity = self->capacity_pieces;
    void *pieces = wire->pieces, *notes = self->notes;
    if (n >= MOST_PIECES || self->text.length + self->hidden.length > MOST_TEXT) {
        static const char detail[] = "more than 1048576 events, or 64 MiB of text";
        ifm_answer_settle(self, IFM_OUTCOME_TOO_LARGE, detail, sizeof detail - 1);
        return false;
    }
    self->no_memory |= !grow(&pieces, n, capacity, sizeof *wire->pieces);
    self->no_memory |= !grow(&notes, n, capacity, sizeof *self->notes);
    wire->pieces = pieces;
    self->notes = notes;
    if (self->no_memory)
        return false;
    if (n == capacity)
        self->capacity_pieces = capacity == 0 ? 32 : capacity * 2;
    const bool token = kind <= IFM_PIECE_TOOL;
    wire->pieces[n] = (ifm_piece){
        .t_ns = self->t_ns,
        .tokens = !token             ? 0
                  : note.counted > 0 ? note.counted
                                     : note.parts,
        .bytes = (int32_t)n_data,
        .read = self->read,
        .kind = (uint8_t)kind,
    };
    self->notes[n] = note;
    wire->n_pieces++;
    if (wire->first_event_ns < 0)
        wire->first_event_ns = self->t_ns;
    if (wire->ttfo_ns < 0 && token && kind != IFM_PIECE_REASONING)
        wire->ttfo_ns = self->t_ns;
    if (token && self->options.on_piece != NULL)
        self->options.on_piece(self->options.user, self->options.request,
                               &wire->pieces[n]);
    return true;
}

/* A text event for what came behind text->data[before]. Its place is found at the end, when
 * the text moves no more. */
static bool add_text(ifm_answer *self, size_t before)
{
    ifm_record *record = self->record;
    const size_t n = record->n_text_events, capacity = self->capacity_texts;
    if (self->text.length == before)
        return true;
    void *texts = record->text_events;
    self->no_memory |= !grow(&texts, n, capacity, sizeof *record->text_events);
    record->text_events = texts;
    if (self->no_memory)
        return false;
    if (n == capacity)
        self->capacity_texts = capacity == 0 ? 32 : capacity * 2;
    record->text_events[n] =
        (ifm_text_event){.t_ns = self->t_ns, .n_text = self->text.length - before};
    record->n_text_events++;
    return true;
}

static void keep_known(int64_t *known, int64_t said)
{
    if (said >= 0)
        *known = said;
}

/* Running totals are a choice's own; without a choice, or with several, everybody's.
 * Returns by how much the total grew; -1: nothing was counted. */
static int32_t count(ifm_answer *self, const ifm_answer_event *event)
{
    const int64_t said = event->usage.completion_tokens >= 0
                             ? event->usage.completion_tokens
                             : event->server.generation_tokens;
    if (said < 0)
        return -1;
    const bool own = event->choices == 1 && event->index < IFM_ANSWER_CHOICES;
    const int64_t grown = said - (own ? self->running[event->index] : self->total);
    if (own)
        self->running[event->index] = said;
    self->counted = true;
    self->total += grown;
    self->running_fell |= grown < 0 || self->total > IFM_ANSWER_TOKENS_MAX;
    return self->running_fell ? 0 : (int32_t)grown;
}

/* What the server says of the whole is what it said last. */
static void merge(ifm_answer *self, const ifm_answer_event *event)
{
    ifm_wire *wire = self->record->wire;
    keep_known(&wire->usage.prompt_tokens, event->usage.prompt_tokens);
    keep_known(&wire->usage.reasoning_tokens, event->usage.reasoning_tokens);
    keep_known(&wire->usage.cached_tokens, event->usage.cached_tokens);
    if (event->usage.completion_tokens >= 0)
        wire->usage.completion_tokens = self->total;
    keep_known(&self->all_tokens, event->total_tokens);
    ifm_server_times *server = &wire->server;
    const ifm_server_times *said = &event->server;
    keep_known(&server->load_ns, said->load_ns);
    keep_known(&server->prompt_ns, said->prompt_ns);
    keep_known(&server->generation_ns, said->generation_ns);
    keep_known(&server->total_ns, said->total_ns);
    keep_known(&server->prompt_tokens, said->prompt_tokens);
    keep_known(&server->generation_tokens, said->generation_tokens);
    self->seen |= event->seen;
    self->finished |= event->finished;
    if (event->finish_reason[0] != '\0' && self->record->finish_reason == NULL) {
        self->record->finish_reason = strdup(event->finish_reason);
        self->no_memory |= self->record->finish_reason == NULL;
    }
}

/* No JSON, or not of this protocol: where, and what stands there, unless a secret does, which
 * might be cut. */
static void settle_bad(ifm_answer *self, const char *data, size_t n, const char *expected,
                       size_t at)
{
    char text[256];
    ifm_buffer hidden = {0};
    const bool secret = ifm_answer_hide(&hidden, &self->options.secrets, data, n);
    const size_t from = at > 20 ? at - 20 : 0;
    const size_t shown = secret ? 0 : n - from < 60 ? n - from : 60;
    ifm_buffer_deinit(&hidden);
    int length = snprintf(text, sizeof text, "%s was expected at byte %zu%s%.*s%s",
                          expected, at, shown > 0 ? ", near: " : "", (int)shown,
                          data + from, shown > 0 && from + shown < n ? "…" : "");
    length = length < (int)sizeof text ? length : (int)sizeof text - 1;
    ifm_answer_settle(self, IFM_OUTCOME_BAD_JSON, text, (size_t)length);
}

static bool take_error(ifm_answer *self, const char *data, size_t n)
{
    const ifm_answer_event *event = &self->event;
    const bool message = event->message[0] != '\0';
    add_piece(self, IFM_PIECE_OTHER, n, (ifm_answer_note){.counted = -1});
    ifm_answer_settle(self, IFM_OUTCOME_ERROR_EVENT, message ? event->message : data,
                      message ? strlen(event->message) : n);
    return false;
}

static bool is_limit(const char *finish_reason)
{
    return strcmp(finish_reason, "length") == 0 ||
           strcmp(finish_reason, "max_tokens") == 0;
}

bool ifm_answer_take_json(ifm_answer *self, const char *name, const char *data, size_t n)
{
    ifm_answer_event *event = &self->event;
    const size_t text = self->text.length, hidden = self->hidden.length;
    const ifm_answer_words words = {
        .text = &self->text,
        .hidden = self->options.tokenizer != NULL ? &self->hidden : NULL,
    };
    const bool says_error = strcmp(name, "error") == 0;
    size_t at;
    const char *expected = ifm_answer_event_read(data, n, words, event, &at);
    self->no_memory |= self->text.failed || self->hidden.failed;
    if (self->no_memory)
        return false;
    if (expected != NULL) {
        event->error = false;
        event->message[0] = '\0';
    }
    const bool wrong = says_error || event->error;
    if (wrong || expected != NULL) { /* no words of what is no piece of the answer */
        self->text.length = text;
        self->hidden.length = hidden;
    }
    if (wrong)
        return take_error(self, data, n);
    if (expected != NULL && strcmp(name, "message") != 0)
        return add_piece(self, IFM_PIECE_OTHER, n, (ifm_answer_note){.counted = -1});
    if (expected != NULL) {
        if (self->finishing)
            return false;
        add_piece(self, IFM_PIECE_OTHER, n, (ifm_answer_note){.counted = -1});
        settle_bad(self, data, n, expected, at);
        return false;
    }
    /* Behind its finish reason a choice without words is a trailer: LiteLLM's usage. */
    const bool ended = self->finished != 0 && (self->seen & ~self->finished) == 0;
    const ifm_answer_note note = {
        .parts = event->parts,
        .counted = count(self, event),
        .choice = event->choices > 0 && (!ended || event->parts > 0),
        .stopped = event->finish_reason[0] != '\0' && !is_limit(event->finish_reason),
    };
    merge(self, event);
    if (!add_piece(self, event->kind, n, note)) {
        self->text.length = text;
        return false;
    }
    return add_text(self, text);
}

static bool is_done(const char *data, size_t n)
{
    return n == 6 && memcmp(data, "[DONE]", 6) == 0;
}

bool ifm_answer_take_event(void *user, const ifm_sse_event *event)
{
    ifm_answer *self = user;
    const char *data = event->data;
    size_t n = event->n_data;
    for (; n > 0 && strchr(" \t\n", data[n - 1]) != NULL && data[n - 1] != '\0'; n--)
        ;
    for (; n > 0 && strchr(" \t\n", *data) != NULL && *data != '\0'; n--)
        data++;
    if (is_done(data, n)) {
        self->done = true;
        add_piece(self, IFM_PIECE_DONE, n, (ifm_answer_note){.counted = -1});
        return false;
    }
    if (n == 0 && strcmp(event->name, "error") != 0)
        return add_piece(self, IFM_PIECE_OTHER, n, (ifm_answer_note){.counted = -1});
    return ifm_answer_take_json(self, event->name, data, n);
}
