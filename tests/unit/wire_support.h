/*
 * Answers for tests: a body becomes a record, and a row of a table says all that must come of
 * it. Times are the number of the read, in microseconds.
 */
#ifndef IFM_TESTS_WIRE_SUPPORT_H
#define IFM_TESTS_WIRE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "wire/answer.h"

enum { US = 1000, HEAD_NS = 5 * US, FIRST_NS = 10 * US };

typedef struct answer {
    ifm_record record;
    bool more, complete;
} answer;

typedef struct given {
    int32_t status;
    const char *type;
    ifm_outcome transport;
    const char *detail;
    ifm_tokenizer *tokenizer;
    ifm_answer_secrets secrets;
} given;

static const given events = {.status = 200, .type = "text/event-stream; charset=utf-8"};
static const given json = {.status = 200, .type = "application/json"};

/* A body in reads, which '|' parts. The read i comes at 10 + i µs. */
static answer answer_to(const given *how, const char *body)
{
    answer a = {.record = ifm_record_empty(), .more = true};
    ifm_answer *self;
    a.record.wire = malloc(sizeof *a.record.wire);
    assert_non_null(a.record.wire);
    *a.record.wire = ifm_wire_unknown();
    const ifm_answer_options options = {
        .stream = true, .tokenizer = how->tokenizer, .secrets = how->secrets};
    assert_int_equal(ifm_answer_new(&options, &a.record, &self, NULL), IFM_OK);
    if (how->status != 0)
        ifm_answer_head(self, how->status, how->type, HEAD_NS);
    int64_t t = FIRST_NS;
    while (*body != '\0' && a.more) {
        const size_t n = strcspn(body, "|");
        char *exact = malloc(n + (n == 0));
        assert_non_null(exact);
        memcpy(exact, body, n);
        a.more = ifm_answer_take(self, exact, n, t);
        memset(exact, '#', n);
        free(exact);
        body += n + (body[n] == '|');
        t += US;
    }
    a.complete = ifm_answer_complete(self);
    ifm_answer_end(self, how->transport, how->detail, t);
    ifm_answer_free(self);
    return a;
}

static void drop(answer *a)
{
    ifm_record_deinit(&a->record);
}

#define DONE "data: [DONE]\n\n"
#define TEXT(t)                                                                          \
    "data: {\"choices\":[{\"index\":0,\"text\":\"" t "\",\"finish_reason\":null}]}\n\n"
#define CHAT(d)                                                                          \
    "data: {\"choices\":[{\"index\":0,\"delta\":{" d "},\"finish_reason\":null}]}\n\n"
#define STOP(r)                                                                          \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" r "\"}]}\n\n"
#define USAGE(n)                                                                         \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":" #n     \
    ",\"total_tokens\":9}}\n\n"

typedef struct row {
    const char *name;
    const given *how;
    const char *body;
    ifm_outcome outcome;
    const char *text;
    const char *pieces; /* kind and tokens of each, "?": some */
    const char *tokens; /* the reads in which they came */
    const char *gaps;   /* the reads of event_ns; "": each token by itself */
    ifm_token_source source;
    const char *error; /* a part of it */
} row_t;

#define OK     IFM_OUTCOME_OK
#define EVENTS IFM_TOKENS_EVENTS
#define TOTAL  IFM_TOKENS_USAGE
#define EACH   IFM_TOKENS_PER_EVENT

/* An event with a running total. */
#define RUN(d, n)                                                                        \
    "data: {\"choices\":[{\"index\":0,\"delta\":{" d "}}],\"usage\":"                    \
    "{\"prompt_tokens\":7,\"completion_tokens\":" #n ",\"total_tokens\":9}}\n\n"
#define RUN_OF(i, t, n)                                                                  \
    "data: {\"choices\":[{\"index\":" #i ",\"text\":\"" t                                \
    "\"}],\"usage\":{\"completion_tokens\":" #n "}}\n\n"
#define C(t) "\"content\":\"" t "\""
#define R(t) "\"reasoning_content\":\"" t "\""
#define TOOL(t)                                                                          \
    "\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"type\":\"function\",\"function\":{"     \
    "\"name\":\"f\",\"arguments\":\"" t "\"}}]"
#define REASONED(n, r)                                                                   \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":" #n     \
    ",\"total_tokens\":" #n ",\"completion_tokens_details\":{\"reasoning_tokens\":" #r   \
    "}}}\n\n"
#define MESSAGE(m, usage)                                                                \
    "{\"id\":\"x\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,"            \
    "\"message\":{\"role\":\"assistant\"," m "},\"finish_reason\":\"stop\"}]" usage "}"

static void list_pieces(const ifm_wire *wire, ifm_buffer *out)
{
    ifm_buffer_clear(out);
    for (size_t i = 0; i < wire->n_pieces; i++) {
        ifm_buffer_printf(out, "%s%c", i > 0 ? " " : "", "crteudo"[wire->pieces[i].kind]);
        if (wire->pieces[i].tokens < 0)
            ifm_buffer_puts(out, "?");
        else
            ifm_buffer_printf(out, "%d", wire->pieces[i].tokens);
    }
}

static void list_reads(const int64_t *t_ns, size_t n, ifm_buffer *out)
{
    ifm_buffer_clear(out);
    for (size_t i = 0; i < n; i++)
        ifm_buffer_printf(out, "%s%d", i > 0 ? " " : "",
                          (int)((t_ns[i] - FIRST_NS) / US));
}

/* What holds of every answer, as docs/metrics.md says. */
static void check_identities(const ifm_record *record)
{
    const ifm_trace trace = ifm_record_trace(record);
    const ifm_metrics m = ifm_metrics_of(&trace);
    int64_t itl[64], sum = 0;
    const size_t gaps = ifm_metrics_itl(&trace, itl);
    for (size_t i = 0; i < gaps; i++)
        sum += itl[i];
    assert_int_equal(m.has_ttft, record->n_tokens > 0);
    assert_int_equal(m.e2el_ns, m.ttft_ns + sum);
    if (m.has_tpot && trace.event_ns == NULL)
        assert_true(m.tpot_ns == (double)sum / (double)gaps);
    const ifm_wire *wire = record->wire;
    for (size_t i = 0; m.has_ttft && i < wire->n_pieces; i++)
        if (wire->pieces[i].kind <= IFM_PIECE_TOOL) {
            assert_int_equal(m.ttft_ns, wire->pieces[i].t_ns);
            break;
        }
    assert_int_equal(strlen(record->text), record->n_text);
    size_t n_text = 0;
    for (size_t i = 0; i < record->n_text_events; i++) {
        assert_ptr_equal(record->text_events[i].text, record->text + n_text);
        n_text += record->text_events[i].n_text;
    }
    assert_int_equal(n_text, record->n_text);
}

/* All of it as one text, so that what differs is seen beside its name. */
static void check_row(const row_t *row)
{
    ifm_buffer list = {0}, is = {0}, should = {0};
    answer a = answer_to(row->how, row->body);
    const ifm_record *r = &a.record;
    const ifm_wire *wire = r->wire;
    const bool said =
        row->error == NULL || (r->error != NULL && strstr(r->error, row->error) != NULL);
    ifm_buffer_printf(&should, "%s: %s, \"%s\", %s, at %s, gaps %s, by %s%s", row->name,
                      ifm_outcome_name(row->outcome), row->text, row->pieces, row->tokens,
                      row->gaps, ifm_token_source_name(row->source),
                      said ? "" : row->error);
    list_pieces(wire, &list);
    ifm_buffer_printf(&is, "%s: %s, \"%s\", %s, ", row->name,
                      ifm_outcome_name(wire->outcome), r->text, ifm_buffer_text(&list));
    list_reads(r->token_ns, r->n_tokens, &list);
    ifm_buffer_printf(&is, "at %s, ", ifm_buffer_text(&list));
    list_reads(wire->event_ns, wire->n_event_ns, &list);
    ifm_buffer_printf(&is, "gaps %s, by %s%s", ifm_buffer_text(&list),
                      ifm_token_source_name(wire->token_source),
                      said               ? ""
                      : r->error != NULL ? r->error
                                         : "no error");
    assert_string_equal(ifm_buffer_text(&is), ifm_buffer_text(&should));
    assert_int_equal(r->ok, row->outcome == OK);
    assert_int_equal(r->error == NULL, r->ok);
    check_identities(r);
    ifm_buffer_deinit(&list);
    ifm_buffer_deinit(&is);
    ifm_buffer_deinit(&should);
    drop(&a);
}

#define CHECK(rows)                                                                      \
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)                              \
    check_row(&rows[i])

#endif
