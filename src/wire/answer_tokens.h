/*
 * From pieces to tokens: how many there were in each, and so when each was in the consumer's
 * hands. docs/answers.md has the rules for people.
 */
#ifndef IFM_WIRE_ANSWER_TOKENS_H
#define IFM_WIRE_ANSWER_TOKENS_H

#include "base/buffer.h"
#include "inferometer/tokenizer.h"
#include "measure/record.h"

/* More than this no answer has: a greater count is not believed. */
enum { IFM_ANSWER_TOKENS_MAX = 1 << 22 };

/* What is known of a piece beside what it keeps. */
typedef struct ifm_answer_note {
    int32_t parts; /* choices that carried something */
    int32_t
        counted;  /* by which the server's running total grew here; -1: none was here */
    bool choice;  /* belongs to a choice */
    bool stopped; /* the choice ended, and not because of a limit */
} ifm_answer_note;

typedef struct ifm_answer_counts {
    const ifm_answer_note *notes; /* [wire->n_pieces] */
    bool running;                 /* no running total ever fell */
    int64_t total;                /* the server's; -1: it has none */
    int64_t unseen;               /* of these, tokens that were never sent */
    ifm_tokenizer *tokenizer;     /* NULL: none */
    const ifm_buffer *text, *hidden;
} ifm_answer_counts;

/* Fills record->token_ns, the pieces' tokens, the wire's event_ns and token_source. False
 * without memory. */
bool ifm_answer_settle_tokens(ifm_record *record, const ifm_answer_counts *counts);

#endif
