/*
 * Words of which each is one token, wherever it stands: what prompts of an exact length are
 * made of. With a tokenizer they come from its vocabulary: " word" and "word" are both one
 * token, and tokenizers do not merge across the space in between, so that n words are n
 * tokens. Without one, common English words, which practically every vocabulary has whole.
 */
#ifndef IFM_DRIVE_WORDS_H
#define IFM_DRIVE_WORDS_H

#include "base/buffer.h"
#include "base/random.h"
#include "inferometer/tokenizer.h"

typedef struct ifm_wordlist {
    char (*items)[16]; /* heap, [n], terminated */
    size_t n;
} ifm_wordlist;

/* Those of the tokenizer (some thousands), or common ones when it is NULL. The caller
 * deinits. Errors: UNSUPPORTED (its vocabulary has too few), NO_MEMORY, and the
 * tokenizer's. */
ifm_status ifm_wordlist_init(ifm_wordlist *self, ifm_tokenizer *tokenizer,
                             ifm_error *err);
void ifm_wordlist_deinit(ifm_wordlist *self);

/* Appends one word, behind a space unless the text is empty. */
void ifm_wordlist_append(const ifm_wordlist *self, size_t word, ifm_buffer *text);
/* Appends n words, drawn. */
void ifm_wordlist_draw(const ifm_wordlist *self, ifm_random *random, int64_t n,
                       ifm_buffer *text);
/* Appends the words that say `number`: its digits, the last one first, moved by `seed`. At
 * most n. Two numbers share no beginning but by their low digits, and two seeds hardly any.
 * Returns how many. */
int64_t ifm_wordlist_number(const ifm_wordlist *self, uint64_t number, uint64_t seed,
                            int64_t n, ifm_buffer *text);

#endif
