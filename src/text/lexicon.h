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
    bool is_word;           /* of the model's vocabulary, written in the byte alphabet */
} ifm_lexicon_token;

typedef struct ifm_lexicon_merge {
    int32_t
        left; /* -1: outside the byte alphabet: it keeps its rank, but never happens */
    int32_t right;
    int32_t merged;
} ifm_lexicon_merge;

typedef struct ifm_lexicon {
    ifm_buffer text;
    ifm_lexicon_token *tokens; /* [n_tokens], by id, with gaps */
    size_t n_tokens, capacity_tokens;
    uint32_t
        *names; /* [n_names] hash table of all tokens; NULL before ifm_lexicon_index */
    uint32_t n_names;
    ifm_lexicon_merge *merges; /* [n_merges], by rank */
    size_t n_merges, capacity_merges;
    ifm_added_token *added; /* [n_added], starts in `text` */
    size_t n_added, capacity_added;
    ifm_text_rules rules;
} ifm_lexicon;

void ifm_lexicon_init(ifm_lexicon *self);
void ifm_lexicon_deinit(ifm_lexicon *self);

/* A token of the model's vocabulary as the file writes it. Errors: FORMAT (an id out of
 * range or given twice), LIMIT (a token that is too long), NO_MEMORY. */
ifm_status ifm_lexicon_add_token(ifm_lexicon *self, int64_t id, const char *written,
                                 size_t n, ifm_error *err);

/* After the last token of the vocabulary and before anything below. Errors: FORMAT (no
 * token), LIMIT, NO_MEMORY. */
ifm_status ifm_lexicon_index(ifm_lexicon *self, ifm_error *err);

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

/* Makes the block, a heap object that the caller frees; `key` goes to its end. Errors:
 * LIMIT, NO_MEMORY. */
ifm_status ifm_lexicon_compile(const ifm_lexicon *self, const void *key, size_t n_key,
                               ifm_tables_header **block, ifm_error *err);

#endif
