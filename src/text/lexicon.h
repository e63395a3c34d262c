/*
 * A tokenizer being read from its source files: tokens, merges, added tokens, rules, in any
 * order that the files have them; then compiled to tables.h's block.
 *
 * Everything here checks what the files claim; the error says what is wrong, and the
 * caller puts the file's name in front.
 */
#ifndef IFM_TEXT_LEXICON_H
#define IFM_TEXT_LEXICON_H

#include "base/buffer.h"
#include "text/tables.h"

typedef struct ifm_lexicon_token {
    uint32_t start, length; /* in `text` */
    uint8_t flags;          /* IFM_TOKEN_… */
    bool is_word;           /* of the model's vocabulary, and can come out of a text */
} ifm_lexicon_token;

typedef struct ifm_lexicon_merge {
    int32_t
        left; /* -1: outside the byte alphabet: it keeps its rank, but never happens */
    int32_t right;
    int32_t merged;
} ifm_lexicon_merge;

/* What a decoder makes of tokens, besides their bytes. */
typedef struct ifm_lexicon_show {
    bool bytes;   /* "<0x0A>" is a line feed */
    bool replace; /* "▁", or `from`, is a space, or `to` */
    char from[16], to[16];
    uint8_t n_from, n_to;
} ifm_lexicon_show;

typedef struct ifm_lexicon {
    ifm_buffer text;
    bool alphabet; /* tokens are written in the byte alphabet: set before any is added */
    ifm_lexicon_token *tokens; /* [n_tokens], by id, with gaps */
    size_t n_tokens, capacity_tokens;
    uint32_t
        *names; /* [n_names] hash table of all tokens; NULL before ifm_lexicon_index */
    uint32_t n_names;
    ifm_lexicon_merge *merges; /* [n_merges], by rank */
    size_t n_merges, capacity_merges;
    ifm_added_token *added; /* [n_added], starts in `text` */
    size_t n_added, capacity_added;
    uint32_t *ranks; /* [n_ranks], of the vocabulary without added tokens, if by score */
    size_t n_ranks;
    ifm_lexicon_show show;
    ifm_text_rules rules; /* its steps' strings are in `text` */
} ifm_lexicon;

void ifm_lexicon_init(ifm_lexicon *self);
void ifm_lexicon_deinit(ifm_lexicon *self);

/* The next step: of the normalization as long as `rules.n_normal` counts with. Strings are
 * copied; a pattern of SPLIT and REPLACE is translated unless it is IFM_STEP_LITERAL.
 * Errors: UNSUPPORTED (the pattern, too many steps), NO_MEMORY. */
typedef struct ifm_lexicon_step {
    ifm_step_kind kind;
    unsigned flags;
    ifm_split_behavior behavior;
    const char *pattern;
    size_t n_pattern;
    const char *with;
    size_t n_with;
} ifm_lexicon_step;
ifm_status ifm_lexicon_add_step(ifm_lexicon *self, const ifm_lexicon_step *step,
                                ifm_error *err);
/* A usual one: a split at an expression, every match a piece. */
ifm_status ifm_lexicon_add_split(ifm_lexicon *self, const char *expression,
                                 ifm_error *err);
/* Whether a text that does not begin with a space gets one, right behind the normalization;
 * this step is added or removed. Errors: as above. */
ifm_status ifm_lexicon_set_prefix_space(ifm_lexicon *self, bool wanted, ifm_error *err);

/* A token of the model's vocabulary as the file writes it. Errors: FORMAT (an id out of
 * range or given twice), LIMIT (a token that is too long), NO_MEMORY. */
ifm_status ifm_lexicon_add_token(ifm_lexicon *self, int64_t id, const char *written,
                                 size_t n, ifm_error *err);

/* The same for a token that is written as it is even where the others are written in the
 * byte alphabet. */
ifm_status ifm_lexicon_add_literal(ifm_lexicon *self, int64_t id, const char *text,
                                   size_t n, ifm_error *err);

/* After the last token of the vocabulary and before anything below. Errors: FORMAT (no
 * token), LIMIT, NO_MEMORY. */
ifm_status ifm_lexicon_index(ifm_lexicon *self, ifm_error *err);

/* Merging by score instead of by merges: of two tokens, the one with the higher score is
 * made first. Scores are [n_tokens], NaN the least. Errors: NO_MEMORY. */
ifm_status ifm_lexicon_set_scores(ifm_lexicon *self, const float *scores, ifm_error *err);

/* The next merge, as the file writes its halves. Errors: FORMAT (a half, or what they make,
 * is not in the vocabulary), LIMIT, NO_MEMORY. */
ifm_status ifm_lexicon_add_merge(ifm_lexicon *self, const char *left, size_t n_left,
                                 const char *right, size_t n_right, ifm_error *err);

/* A token that is recognised in the text. `id` -1: the vocabulary's, or else the next free
 * one. A content that is an added token already keeps its flags. Errors: FORMAT (the id is
 * another token's, or not the one of the vocabulary), LIMIT, NO_MEMORY. */
ifm_status ifm_lexicon_add_added(ifm_lexicon *self, int64_t id, const char *content,
                                 size_t n, unsigned added_flags, bool special,
                                 ifm_error *err);

/* The id of a token or added token by what the files write for it; -1. */
int32_t ifm_lexicon_find(const ifm_lexicon *self, const char *written, size_t n);

/* Puts a token in front of texts (by IFM_ENCODE_BOS) or behind them. Errors: UNSUPPORTED
 * (too many), FORMAT (no such id). */
ifm_status ifm_lexicon_add_affix(ifm_lexicon *self, bool behind, int64_t id,
                                 ifm_error *err);

/* Makes the block, a heap object that the caller frees; `key` goes to its end. Errors:
 * LIMIT, UNSUPPORTED (a pattern), NO_MEMORY. */
ifm_status ifm_lexicon_compile(ifm_lexicon *self, const void *key, size_t n_key,
                               ifm_tables_header **block, ifm_error *err);

#endif
