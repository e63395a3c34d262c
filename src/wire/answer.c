/*
 * An answer from its head to its outcome. What form it has is told by its first bytes, with
 * the content type where these leave it open: servers send events as text/plain, and JSON
 * where events were asked for.
 */
#include "wire/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "wire/answer_error.h"
#include "wire/answer_state.h"

enum {
    REFUSAL_BYTES = 64 << 10, /* of the body of an error that are read */
    LONGEST_FIELD = 6,        /* "event:", "retry:", "error:" */
};

ifm_status ifm_answer_new(const ifm_answer_options *options, ifm_record *record,
                          ifm_answer **out, ifm_error *err)
{
    ifm_answer *self = calloc(1, sizeof *self);
    *out = self;
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for an answer");
    self->options = *options;
    self->record = record;
    self->all_tokens = -1;
    self->read = -1;
    self->type = IFM_CONTENT_OTHER;
    ifm_sse_init(&self->sse);
    return IFM_OK;
}

void ifm_answer_free(ifm_answer *self)
{
    if (self == NULL)
        return;
    ifm_sse_deinit(&self->sse);
    ifm_buffer_deinit(&self->body);
    ifm_buffer_deinit(&self->text);
    ifm_buffer_deinit(&self->hidden);
    ifm_buffer_deinit(&self->detail);
    free(self->notes);
    free(self);
}

void ifm_answer_settle(ifm_answer *self, ifm_outcome outcome, const char *detail,
                       size_t n)
{
    if (self->settled)
        return;
    self->settled = true;
    self->record->wire->outcome = outcome;
    ifm_buffer shown = {0};
    (void)ifm_answer_hide(&shown, &self->options.secrets, detail, n);
    ifm_answer_tame(&self->detail, ifm_buffer_text(&shown), shown.length);
    ifm_buffer_deinit(&shown);
}

static void settle(ifm_answer *self, ifm_outcome outcome, const char *detail)
{
    ifm_answer_settle(self, outcome, detail, strlen(detail));
}

/* ---- the head -------------------------------------------------------------------------- */

/* "type/subtype" without parameters, in any case. */
static bool is_type(const char *type, size_t n, const char *name)
{
    return n == strlen(name) && strncasecmp(type, name, n) == 0;
}

static ifm_content_type type_of(const char *content_type)
{
    if (content_type == NULL)
        return IFM_CONTENT_OTHER;
    content_type += strspn(content_type, " \t");
    const size_t n = strcspn(content_type, "; \t");
    if (is_type(content_type, n, "text/event-stream"))
        return IFM_CONTENT_EVENTS;
    if (is_type(content_type, n, "application/json") ||
        (n > 5 && strncasecmp(content_type + n - 5, "+json", 5) == 0))
        return IFM_CONTENT_JSON;
    return IFM_CONTENT_OTHER;
}

static ifm_outcome outcome_of(int32_t status)
{
    if (status >= 200 && status < 300)
        return IFM_OUTCOME_OK;
    if (status == 429)
        return IFM_OUTCOME_RATE_LIMITED;
    if (status >= 500)
        return IFM_OUTCOME_SERVER_ERROR;
    return status >= 300 ? IFM_OUTCOME_CLIENT_ERROR : IFM_OUTCOME_PROTOCOL;
}

void ifm_answer_head(ifm_answer *self, int32_t status, const char *content_type,
                     int64_t t_ns)
{
    ifm_wire *wire = self->record->wire;
    wire->status = status;
    wire->headers_ns = t_ns;
    self->type = type_of(content_type);
    if (outcome_of(status) != IFM_OUTCOME_OK)
        self->form = IFM_FORM_REFUSED;
}

/* ---- the body -------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t mark_length(const char *body, size_t n)
{
    return n >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Whether body[n] begins with a field of an event stream, or may do so with more bytes. */
static bool begins_stream(const char *body, size_t n, bool *open)
{
    static const char *const fields[] = {
        ":", "data:", "event:", "id:", "retry:", "error:"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const size_t length = strlen(fields[i]);
        if (memcmp(body, fields[i], n < length ? n : length) != 0)
            continue;
        *open = n < length;
        return true;
    }
    return false;
}

/* What gzip writes begins so, and neither an event stream nor JSON does. */
static bool is_compressed(const char *body, size_t n)
{
    return n > 0 && body[0] == '\x1f';
}

static ifm_answer_form form_of(ifm_content_type type, const char *body, size_t n)
{
    bool open = false;
    const size_t n_body = n;
    if (is_compressed(body, n))
        return IFM_FORM_OTHER;
    const size_t mark = mark_length(body, n);
    body += mark;
    n -= mark;
    for (; n > 0 && is_blank(*body); n--)
        body++;
    if (n == 0)
        return IFM_FORM_OPEN;
    if (n == n_body && n < 3 && memcmp(body, "\xef\xbb", n) == 0)
        return IFM_FORM_OPEN; /* a mark, perhaps */
    if (*body == '{' || (*body == '[' && type != IFM_CONTENT_EVENTS))
        return IFM_FORM_WHOLE;
    if (type == IFM_CONTENT_EVENTS)
        return IFM_FORM_STREAM;
    if (begins_stream(body, n, &open))
        return open ? IFM_FORM_OPEN : IFM_FORM_STREAM;
    return type == IFM_CONTENT_JSON ? IFM_FORM_WHOLE : IFM_FORM_OTHER;
}

static bool keep_body(ifm_answer *self, const char *bytes, size_t n)
{
    ifm_buffer_append(&self->body, bytes, n);
    self->no_memory |= self->body.failed;
    return !self->no_memory;
}

static bool feed(ifm_answer *self, const char *bytes, size_t n)
{
    (void)ifm_sse_feed(&self->sse, bytes, n, ifm_answer_take_event, self);
    self->no_memory |= self->sse.no_memory;
    if (self->sse.too_large)
        settle(self, IFM_OUTCOME_TOO_LARGE, "more than 16 MiB");
    return !self->no_memory && !self->settled;
}

static bool take_whole(ifm_answer *self, const char *bytes, size_t n)
{
    if (self->body.length + n > IFM_SSE_EVENT_LIMIT) {
        settle(self, IFM_OUTCOME_TOO_LARGE, "an answer of more than 16 MiB");
        return false;
    }
    return keep_body(self, bytes, n);
}

static bool take_refusal(ifm_answer *self, const char *bytes, size_t n)
{
    const size_t room = REFUSAL_BYTES - self->body.length;
    return keep_body(self, bytes, n < room ? n : room) && n < room;
}

/* White space alone tells nothing and would be searched again at every read: what remains of
 * it is whether it ended a line, and whether it began one. */
static void shorten_blank(ifm_buffer *body)
{
    const size_t mark = mark_length(ifm_buffer_text(body), body->length);
    const size_t n = body->length - mark;
    if (n == 0 || strspn(body->data + mark, " \t\r\n") != n)
        return;
    const bool line = strpbrk(body->data + mark, "\r\n") != NULL;
    const bool begun = strchr(" \t", body->data[body->length - 1]) != NULL;
    body->length = mark;
    ifm_buffer_puts(body, line && begun ? "\n " : line ? "\n" : " ");
}

/* The form is known once its first bytes are there, which are kept until then. */
static bool take_open(ifm_answer *self, const char *bytes, size_t n)
{
    const bool whole = self->body.length == 0 && n > LONGEST_FIELD;
    if (!whole) {
        if (!keep_body(self, bytes, n))
            return false;
        bytes = self->body.data;
        n = self->body.length;
    }
    self->form = form_of(self->type, bytes, n);
    bool more = true;
    switch (self->form) {
    case IFM_FORM_OPEN:
        more = !whole || keep_body(self, bytes, n);
        shorten_blank(&self->body);
        return more;
    case IFM_FORM_STREAM:
        more = feed(self, bytes, n);
        ifm_buffer_clear(&self->body);
        return more;
    case IFM_FORM_WHOLE:
        return whole ? take_whole(self, bytes, n) : true;
    default:
        if (is_compressed(bytes, n))
            settle(self, IFM_OUTCOME_NOT_A_STREAM, "it is compressed (gzip)");
        else
            ifm_answer_settle(self, IFM_OUTCOME_NOT_A_STREAM, bytes, n);
        return false;
    }
}

bool ifm_answer_take(ifm_answer *self, const char *bytes, size_t n, int64_t t_ns)
{
    if (self->settled || self->no_memory || self->ended)
        return false;
    if (n == 0)
        return true;
    self->record->wire->body_bytes += (int64_t)n;
    if (self->done)
        return true;
    self->read++;
    self->t_ns = t_ns;
    switch (self->form) {
    case IFM_FORM_OPEN:
        return take_open(self, bytes, n);
    case IFM_FORM_STREAM:
        return feed(self, bytes, n);
    case IFM_FORM_WHOLE:
        return take_whole(self, bytes, n);
    case IFM_FORM_REFUSED:
        return take_refusal(self, bytes, n);
    default:
        return false;
    }
}

bool ifm_answer_complete(const ifm_answer *self)
{
    return self->done;
}

/* ---- the end --------------------------------------------------------------------------- */

/* A whole answer: but was there anything in it? */
static void judge(ifm_answer *self)
{
    const ifm_wire *wire = self->record->wire;
    for (size_t i = 0; i < wire->n_pieces; i++)
        if (wire->pieces[i].kind <= IFM_PIECE_TOOL) {
            settle(self, IFM_OUTCOME_OK, "");
            return;
        }
    char text[80] = "";
    if (self->counted && self->total > 0)
        snprintf(text, sizeof text, "no event carried any, yet the server counts %lld",
                 (long long)self->total);
    settle(self, IFM_OUTCOME_NO_TOKENS, text);
}

static bool has_ended(const ifm_answer *self)
{
    return self->finished != 0 && (self->seen & ~self->finished) == 0;
}

static void end_stream(ifm_answer *self)
{
    self->finishing = true;
    if (!self->done)
        (void)ifm_sse_finish(&self->sse, ifm_answer_take_event, self);
    if (self->settled)
        return;
    self->record->wire->missing_done = !self->done && has_ended(self);
    if (self->done || has_ended(self))
        judge(self);
    else
        settle(self, IFM_OUTCOME_TRUNCATED, "neither a finish reason nor [DONE] came");
}

static void end_whole(ifm_answer *self)
{
    const ifm_buffer *body = &self->body;
    const char *json = ifm_buffer_text(body), *end = json + body->length;
    json += mark_length(json, body->length);
    while (json < end && is_blank(*json))
        json++;
    while (json < end && is_blank(end[-1]))
        end--;
    if (!ifm_answer_take_json(self, "message", json, (size_t)(end - json)))
        return;
    if (self->event.choices > 0)
        judge(self);
    else
        settle(self, IFM_OUTCOME_BAD_JSON, "an answer without \"choices\"");
}

/* No outcome yet: what does the end make of what came? */
static void settle_end(ifm_answer *self, ifm_outcome transport, const char *detail)
{
    const ifm_wire *wire = self->record->wire;
    if (self->form == IFM_FORM_REFUSED) {
        size_t n;
        const char *message = ifm_answer_body_message(
            ifm_buffer_text(&self->body), self->body.length, &self->event, &n);
        ifm_answer_settle(self, outcome_of(wire->status), message, n);
        return;
    }
    if (self->done) {
        end_stream(self);
        return;
    }
    if (transport != IFM_OUTCOME_OK) {
        settle(self, transport, detail != NULL ? detail : "");
        return;
    }
    switch (self->form) {
    case IFM_FORM_STREAM:
        end_stream(self);
        return;
    case IFM_FORM_WHOLE:
        end_whole(self);
        return;
    default:
        if (wire->status == 0)
            settle(self, IFM_OUTCOME_PROTOCOL, "no head of an answer came");
        else if (self->type == IFM_CONTENT_EVENTS)
            settle(self, IFM_OUTCOME_TRUNCATED, "not one event came");
        else
            settle(self, IFM_OUTCOME_NOT_A_STREAM, "");
    }
}

/* The text belongs to the record now, and its events point into it. */
static void hand_over_text(ifm_answer *self)
{
    ifm_record *record = self->record;
    record->n_text = self->text.length;
    record->text = ifm_buffer_take(&self->text);
    if (record->text == NULL)
        record->text = calloc(1, 1);
    if (record->text == NULL) {
        record->n_text = record->n_text_events = 0;
        self->no_memory = true;
        return;
    }
    record->text[record->n_text] = '\0';
    const char *at = record->text;
    for (size_t i = 0; i < record->n_text_events; i++) {
        record->text_events[i].text = at;
        at += record->text_events[i].n_text;
    }
}

/* Tokens that the server counts and nobody saw: reasoning that it keeps to itself. Some
 * count it beside the completion, which their total of all tokens shows. */
static ifm_answer_counts counts_of(const ifm_answer *self)
{
    const ifm_wire *wire = self->record->wire;
    const ifm_usage *usage = &wire->usage;
    const int64_t reasoning = usage->reasoning_tokens > 0 ? usage->reasoning_tokens : 0;
    bool seen = false;
    for (size_t i = 0; i < wire->n_pieces && !seen; i++)
        seen = wire->pieces[i].kind == IFM_PIECE_REASONING;
    const bool beside =
        reasoning > 0 && usage->prompt_tokens >= 0 &&
        self->all_tokens == usage->prompt_tokens + self->total + reasoning;
    return (ifm_answer_counts){
        .notes = self->notes,
        .running = self->counted && !self->running_fell && !beside,
        .total = !self->counted   ? -1
                 : beside && seen ? self->total + reasoning
                                  : self->total,
        .unseen = seen || beside ? 0 : reasoning,
        .tokenizer = self->options.tokenizer,
        .text = &self->text,
        .hidden = &self->hidden,
    };
}

/* Outcomes whose detail is a sentence that says it all. */
static bool is_told(ifm_outcome outcome)
{
    return outcome == IFM_OUTCOME_DNS || outcome == IFM_OUTCOME_REFUSED ||
           outcome == IFM_OUTCOME_CONNECT || outcome == IFM_OUTCOME_STALLED ||
           outcome == IFM_OUTCOME_TIMEOUT || outcome == IFM_OUTCOME_CANCELLED;
}

static void explain(ifm_answer *self)
{
    const ifm_wire *wire = self->record->wire;
    ifm_buffer line = {0};
    if (self->detail.length > 0 && is_told(wire->outcome)) {
        self->record->error = ifm_buffer_take(&self->detail);
        return;
    }
    if (self->form == IFM_FORM_REFUSED && wire->outcome == outcome_of(wire->status))
        ifm_buffer_printf(&line, "status %d", (int)wire->status);
    else if (wire->outcome == IFM_OUTCOME_NOT_A_STREAM)
        ifm_buffer_printf(&line, "status %d with %s", (int)wire->status,
                          self->detail.length > 0 ? ifm_outcome_meaning(wire->outcome)
                                                  : "an empty answer");
    else
        ifm_buffer_puts(&line, ifm_outcome_meaning(wire->outcome));
    if (self->detail.length > 0)
        ifm_buffer_printf(&line, ": %s", self->detail.data);
    self->record->error = ifm_buffer_take(&line);
}

void ifm_answer_end(ifm_answer *self, ifm_outcome transport, const char *detail,
                    int64_t t_ns)
{
    ifm_record *record = self->record;
    ifm_wire *wire = record->wire;
    if (self->ended)
        return;
    if (!self->settled && !self->no_memory)
        settle_end(self, transport, detail);
    const ifm_answer_counts counts = counts_of(self);
    self->no_memory |= !ifm_answer_settle_tokens(record, &counts);
    hand_over_text(self);
    if (self->no_memory) {
        self->settled = false;
        ifm_buffer_clear(&self->detail);
        settle(self, IFM_OUTCOME_INTERNAL, "out of memory");
    }
    self->ended = true;
    wire->end_ns = t_ns;
    record->ok = wire->outcome == IFM_OUTCOME_OK;
    if (!record->ok)
        explain(self);
}
