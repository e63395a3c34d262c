/*
 * Fuzzes what a server may send: the first four bytes choose status, content type, how the
 * connection ends and where the body, which follows, is cut into reads. Whatever comes, it is
 * one outcome, the identities hold, and the cuts change nothing but times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "wire/answer.h"

enum { HEADER = 4 };

typedef struct given {
    int32_t status;
    const char *type;
    ifm_outcome transport;
} given;

static given given_by(const uint8_t *data)
{
    static const int32_t statuses[] = {200, 200, 200, 200, 404, 429, 503, 0};
    static const char *const types[] = {"text/event-stream", "application/json",
                                        "text/html; charset=utf-8", NULL};
    static const ifm_outcome transports[] = {IFM_OUTCOME_OK, IFM_OUTCOME_OK,
                                             IFM_OUTCOME_RESET, IFM_OUTCOME_TRUNCATED};
    return (given){statuses[data[0] % 8], types[data[1] % 4], transports[data[2] % 4]};
}

/* body[n] in reads whose lengths `cuts` decides; 0: in one. */
static ifm_record answer_to(const given *how, const char *body, size_t n, uint32_t cuts)
{
    ifm_record record = ifm_record_empty();
    record.wire = malloc(sizeof *record.wire);
    ifm_answer *answer = NULL;
    const ifm_answer_options options = {.stream = true};
    if (record.wire == NULL ||
        (*record.wire = ifm_wire_unknown(),
         ifm_answer_new(&options, &record, &answer, NULL)) != IFM_OK)
        exit(1);
    if (how->status != 0)
        ifm_answer_head(answer, how->status, how->type, 1);
    int64_t t = 2;
    bool more = true;
    for (size_t at = 0, piece; more && at < n; at += piece, t++) {
        cuts = cuts * 1664525u + 1013904223u * (cuts != 0);
        piece = cuts == 0 ? n : 1 + (cuts >> 16) % 32 % (1u + (cuts >> 24) % 32);
        piece = piece < n - at ? piece : n - at;
        /* A block of exactly this size, so that reading past it is seen. */
        char *bytes = malloc(piece);
        if (bytes == NULL)
            exit(1);
        memcpy(bytes, body + at, piece);
        more = ifm_answer_take(answer, bytes, piece, t);
        free(bytes);
    }
    ifm_answer_end(answer, how->transport, "cut", t);
    ifm_answer_free(answer);
    return record;
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_times(const ifm_record *record)
{
    const ifm_wire *wire = record->wire;
    for (size_t i = 1; i < record->n_tokens; i++)
        must(record->token_ns[i - 1] <= record->token_ns[i]);
    for (size_t i = 1; i < wire->n_event_ns; i++)
        must(wire->event_ns[i - 1] <= wire->event_ns[i]);
    if (wire->event_ns != NULL) {
        must(wire->n_event_ns > 0 && record->n_tokens > 0);
        must(wire->event_ns[0] == record->token_ns[0]);
        must(wire->event_ns[wire->n_event_ns - 1] ==
             record->token_ns[record->n_tokens - 1]);
    }
}

/* Of known numbers in pieces the sum is the number of tokens; the first is the first that
 * carried something, and none is lost that did. */
static void check_tokens(const ifm_record *record)
{
    const ifm_wire *wire = record->wire;
    size_t sum = 0, carried = 0;
    bool known = true;
    for (size_t i = 0; i < wire->n_pieces; i++) {
        const ifm_piece *piece = &wire->pieces[i];
        known &= piece->tokens >= 0;
        sum += (size_t)(piece->tokens > 0 ? piece->tokens : 0);
        if (piece->kind > IFM_PIECE_TOOL)
            continue;
        must(carried > 0 || record->token_ns[0] == piece->t_ns);
        must(record->n_tokens == 1 ||
             record->token_ns[record->n_tokens - 1] >= piece->t_ns);
        carried++;
    }
    must(!known || sum == record->n_tokens);
    must((carried > 0) == (record->n_tokens > 0));
}

static void check(const ifm_record *record)
{
    const ifm_wire *wire = record->wire;
    size_t n_text = 0;
    must((unsigned)wire->outcome < IFM_OUTCOME_COUNT);
    must(record->ok == (wire->outcome == IFM_OUTCOME_OK));
    must(record->ok == (record->error == NULL));
    must(record->ok || strpbrk(record->error, "\n\r\x1b") == NULL);
    must(!record->ok || record->n_tokens > 0);
    for (size_t i = 0; i < record->n_text_events; i++) {
        must(record->text_events[i].text == record->text + n_text);
        n_text += record->text_events[i].n_text;
    }
    must(n_text == record->n_text && strlen(record->text) == n_text);
    check_times(record);
    check_tokens(record);
}

static bool same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void compare(const ifm_record *a, const ifm_record *b)
{
    must(a->wire->outcome == b->wire->outcome);
    must(same_text(a->text, b->text) && same_text(a->finish_reason, b->finish_reason));
    must(a->n_tokens == b->n_tokens && a->n_text_events == b->n_text_events);
    must(a->wire->token_source == b->wire->token_source);
    must(a->wire->missing_done == b->wire->missing_done);
    must(a->wire->n_pieces == b->wire->n_pieces);
    for (size_t i = 0; i < a->wire->n_pieces; i++) {
        const ifm_piece *p = &a->wire->pieces[i], *q = &b->wire->pieces[i];
        must(p->kind == q->kind && p->tokens == q->tokens && p->bytes == q->bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEADER)
        return 0;
    const given how = given_by(data);
    const char *body = (const char *)data + HEADER;
    ifm_record whole = answer_to(&how, body, size - HEADER, 0);
    ifm_record cut = answer_to(&how, body, size - HEADER, 1u + data[3]);
    check(&whole);
    check(&cut);
    compare(&whole, &cut);
    ifm_record_deinit(&whole);
    ifm_record_deinit(&cut);
    return 0;
}
