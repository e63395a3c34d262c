/*
 * Byte-pair encoding (Sennrich et al. 2016) of one word: of all neighbours that merge, the
 * pair with the lowest rank merges first, the leftmost of equal ones, until none is left.
 *
 * The word is a doubly linked list of symbols in an array, the candidates lie in a binary
 * heap of (rank, position): O(n log n), so that a word of a million letters is no attack.
 * A merge makes the candidates that overlap it stale; they are recognised when they come up,
 * because each symbol knows the rank with which it would merge with the next one.
 */
#ifndef IFM_TEXT_BPE_H
#define IFM_TEXT_BPE_H

#include "text/ids.h"
#include "text/tables.h"

/* Working memory, kept from word to word. All zero is valid. */
typedef struct ifm_bpe {
    struct ifm_bpe_symbol *symbols; /* [capacity] */
    uint64_t *heap;                 /* [3 capacity]: rank << 32 | position */
    size_t capacity;
} ifm_bpe;

void ifm_bpe_deinit(ifm_bpe *self);

/* Gives back what a very long word needed: to be called after a text. */
void ifm_bpe_shrink(ifm_bpe *self);

/*
 * Where merging begins, and which neighbours merge, are rules of the tables: bytes or
 * characters; pairs that are listed, or any two that make a token, the best one first
 * (SentencePiece, as llama.cpp does it).
 */

/* The one token that word[n], n ≥ 1, is, known without merging; -1 if it has to be merged. */
int32_t ifm_bpe_find_whole(const ifm_tables *tables, const char *word, size_t n);

/* Appends the tokens that word[n], valid UTF-8 if merging begins with characters, merges
 * to; n ≥ 1, n < 2^31. What has no token, where there is none for what is unknown either, is
 * left out. Errors: NO_MEMORY. */
ifm_status ifm_bpe_merge(ifm_bpe *self, const ifm_tables *tables, const char *word,
                         size_t n, ifm_ids *out, ifm_error *err);

#endif
