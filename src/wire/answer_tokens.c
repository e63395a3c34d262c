/*
 * The better source first: the server's running total, its total where exactly one choice of
 * events fits it, its total spread evenly, the tokenizer's number likewise, and at last the
 * events themselves. Whatever the counts say, the first token is in hand with the first piece
 * that carried something, and the last not before the last such piece.
 */
#include "wire/answer_tokens.h"

#include <stdlib.h>

static bool is_token(const ifm_piece *piece)
{
    return piece->kind <= IFM_PIECE_TOOL;
}

typedef struct span {
    size_t first, last; /* pieces that carried something */
    size_t n;           /* how many */
    int64_t parts;      /* of all of them */
} span;

static span span_of(const ifm_wire *wire, const ifm_answer_note *notes)
{
    span all = {0};
    for (size_t i = 0; i < wire->n_pieces; i++) {
        if (!is_token(&wire->pieces[i]))
            continue;
        all.first = all.n == 0 ? i : all.first;
        all.last = i;
        all.n++;
        all.parts += notes[i].parts;
    }
    return all;
}

/* Text that came behind the last counted token belongs to it: the token is whole only then.
 * A single token stays where it was, as the first. */
static void reach_the_last(ifm_wire *wire, const span *all)
{
    size_t i = wire->n_pieces - 1;
    while (i > all->first && wire->pieces[i].tokens == 0)
        i--;
    if (i >= all->last || (i == all->first && wire->pieces[i].tokens < 2))
        return;
    wire->pieces[i].tokens--;
    wire->pieces[all->last].tokens = 1;
}

/* By the running total. An event without text may bring a token, too (the end mark, half a
 * character), but not the first; what was counted before is in hand with the first text. */
static bool by_running(ifm_wire *wire, const ifm_answer_counts *counts, const span *all)
{
    int64_t before = -counts->unseen;
    if (!counts->running)
        return false;
    for (size_t i = 0; i < wire->n_pieces; i++) {
        const ifm_answer_note *note = &counts->notes[i];
        const int64_t grown = note->counted > 0 ? note->counted : 0;
        if (is_token(&wire->pieces[i]) && note->counted < 0)
            return false;
        if (i > all->first && grown > 0 && !note->choice)
            return false; /* a trailer has no token: the events were counted too low */
        if (i <= all->first)
            before += grown;
        wire->pieces[i].tokens = i > all->first ? (int32_t)grown : 0;
    }
    if (before <= 0 || before > IFM_ANSWER_TOKENS_MAX)
        return false;
    wire->pieces[all->first].tokens = (int32_t)before;
    reach_the_last(wire, all);
    return true;
}

/* Events without text, behind the first with some, that a token may have come with. */
static int64_t count_silent(const ifm_wire *wire, const ifm_answer_counts *counts,
                            const span *all, bool stopped)
{
    int64_t n = 0;
    for (size_t i = all->first; i < wire->n_pieces; i++)
        n += wire->pieces[i].kind == IFM_PIECE_EMPTY && counts->notes[i].choice &&
             counts->notes[i].stopped == stopped;
    return n;
}

static void one_each(ifm_wire *wire, const ifm_answer_counts *counts, const span *all,
                     bool silent, bool stopped)
{
    for (size_t i = 0; i < wire->n_pieces; i++) {
        ifm_piece *piece = &wire->pieces[i];
        const ifm_answer_note *note = &counts->notes[i];
        piece->tokens = is_token(piece) ? note->parts : 0;
        if (i > all->first && piece->kind == IFM_PIECE_EMPTY && note->choice)
            piece->tokens = note->stopped ? stopped : silent;
    }
}

/* One token each for the events that carried something; or for these and the event that
 * ended the answer, whose token is the end mark; or for those without text as well. */
static bool by_fit(ifm_wire *wire, const ifm_answer_counts *counts, const span *all,
                   int64_t total)
{
    const int64_t stopped = count_silent(wire, counts, all, true);
    const int64_t silent = count_silent(wire, counts, all, false);
    const int64_t more = total - all->parts;
    if (more != 0 && more != stopped && more != silent && more != stopped + silent)
        return false;
    const bool with_stopped = more != 0 && (more == stopped || more == stopped + silent);
    const bool with_silent = more != 0 && more != stopped;
    one_each(wire, counts, all, with_silent, with_stopped);
    return true;
}

/* The times of tokens whose pieces are known. */
static bool lay_out(ifm_record *record)
{
    ifm_wire *wire = record->wire;
    size_t n = 0, carriers = 0, at = 0, event = 0;
    bool single = true;
    for (size_t i = 0; i < wire->n_pieces; i++) {
        n += (size_t)wire->pieces[i].tokens;
        carriers += wire->pieces[i].tokens > 0;
        single &= wire->pieces[i].tokens <= 1;
    }
    record->token_ns = malloc((n + 1) * sizeof *record->token_ns);
    if (!single)
        wire->event_ns = malloc((carriers + 1) * sizeof *wire->event_ns);
    if (record->token_ns == NULL || (!single && wire->event_ns == NULL))
        return false;
    for (size_t i = 0; i < wire->n_pieces; i++) {
        const ifm_piece *piece = &wire->pieces[i];
        for (int32_t k = 0; k < piece->tokens; k++)
            record->token_ns[at++] = piece->t_ns;
        if (!single && piece->tokens > 0)
            wire->event_ns[event++] = piece->t_ns;
    }
    record->n_tokens = n;
    wire->n_event_ns = event;
    return true;
}

/* n ≥ 2 tokens over the pieces that carried something, the first at the first, the last at
 * the last; nobody knows more. */
static bool spread(ifm_record *record, const span *all, size_t n)
{
    ifm_wire *wire = record->wire;
    record->token_ns = malloc(n * sizeof *record->token_ns);
    wire->event_ns = malloc(all->n * sizeof *wire->event_ns);
    if (record->token_ns == NULL || wire->event_ns == NULL)
        return false;
    for (size_t i = 0; i < wire->n_pieces; i++) {
        ifm_piece *piece = &wire->pieces[i];
        piece->tokens = is_token(piece) ? -1 : 0;
        if (is_token(piece))
            wire->event_ns[wire->n_event_ns++] = piece->t_ns;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t at = n >= all->n ? i * all->n / n : i * (all->n - 1) / (n - 1);
        record->token_ns[i] = wire->event_ns[at];
    }
    record->n_tokens = n;
    return true;
}

typedef enum attempt { NOT_BELIEVED, FILLED, NO_MEMORY } attempt;

static attempt filled(bool enough_memory)
{
    return enough_memory ? FILLED : NO_MEMORY;
}

/* A total alone. One that has no first and last token where there were several pieces, or
 * that is absurd, is not believed. A tokenizer's has no tokens without text. */
static attempt by_total(ifm_record *record, const ifm_answer_counts *counts,
                        const span *all, int64_t total, bool of_text)
{
    ifm_wire *wire = record->wire;
    if (total < (all->n > 1 ? 2 : 1) || total > IFM_ANSWER_TOKENS_MAX)
        return NOT_BELIEVED;
    wire->token_source = of_text ? IFM_TOKENS_TOKENIZER : IFM_TOKENS_PER_EVENT;
    if ((!of_text || total == all->parts) && by_fit(wire, counts, all, total))
        return filled(lay_out(record));
    if (!of_text)
        wire->token_source = IFM_TOKENS_USAGE;
    if (all->n > 1)
        return filled(spread(record, all, (size_t)total));
    one_each(wire, counts, all, false, false);
    wire->pieces[all->first].tokens = (int32_t)total;
    return filled(lay_out(record));
}

static int64_t tokens_of(ifm_tokenizer *tokenizer, const ifm_buffer *text)
{
    int32_t *ids = NULL;
    size_t n = 0;
    if (tokenizer == NULL || text->length == 0 ||
        ifm_tokenizer_encode(tokenizer, text->data, text->length, IFM_ENCODE_PLAIN, &ids,
                             &n, NULL) != IFM_OK)
        return 0;
    free(ids);
    return (int64_t)n;
}

bool ifm_answer_settle_tokens(ifm_record *record, const ifm_answer_counts *counts)
{
    ifm_wire *wire = record->wire;
    const span all = span_of(wire, counts->notes);
    wire->token_source = IFM_TOKENS_EVENTS;
    if (all.n == 0)
        return true;
    if (by_running(wire, counts, &all)) {
        wire->token_source = IFM_TOKENS_PER_EVENT;
        return lay_out(record);
    }
    attempt done = by_total(record, counts, &all, counts->total - counts->unseen, false);
    if (done == NOT_BELIEVED)
        done = by_total(record, counts, &all,
                        tokens_of(counts->tokenizer, counts->text) +
                            tokens_of(counts->tokenizer, counts->hidden),
                        true);
    if (done != NOT_BELIEVED)
        return done == FILLED;
    one_each(wire, counts, &all, false, false);
    return lay_out(record);
}
