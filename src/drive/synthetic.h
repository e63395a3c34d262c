/*
 * Made-up prompts of an exact length in tokens. Two prompts have no beginning in common, or
 * one of a known length, so that a server's prefix cache is measured on purpose or not at all.
 *
 *     [ shared prefix ][ number of the prompt, in words ][ random words … ]
 *
 * With a tokenizer the length is checked by encoding the text again: always in the
 * beginning, then, when all were right, every sixteenth time. What was wrong is drawn again.
 */
#ifndef IFM_DRIVE_SYNTHETIC_H
#define IFM_DRIVE_SYNTHETIC_H

#include <jansson.h>

#include "drive/words.h"

typedef struct ifm_synthetic {
    ifm_wordlist words;
    ifm_tokenizer *tokenizer; /* borrowed; NULL: words are taken for tokens */
    uint64_t seed;
    unsigned flags;        /* how the server will encode: ifm_encode_flags */
    int64_t overhead;      /* tokens that it puts in front: BOS */
    int64_t shared_tokens; /* of the prefix */
    int64_t checks, redrawn;
} ifm_synthetic;

/* chat: the text will be inside a template, so that no BOS belongs to it. Errors: as
 * ifm_wordlist_init. */
ifm_status ifm_synthetic_init(ifm_synthetic *self, ifm_tokenizer *tokenizer, bool chat,
                              int64_t shared_tokens, uint64_t seed, ifm_error *err);
void ifm_synthetic_deinit(ifm_synthetic *self);

/* Writes prompt `number` of n tokens, BOS and the shared prefix among them, to `text`. The
 * least is one word behind prefix and BOS. Errors: UNSUPPORTED (the tokenizer does not come
 * to that length), NO_MEMORY, and the tokenizer's. */
ifm_status ifm_synthetic_make(ifm_synthetic *self, uint64_t number, int64_t n,
                              ifm_buffer *text, ifm_error *err);

enum {
    IFM_SYNTHETIC_BLOCK = 512
}; /* tokens that one of Mooncake's hash_ids stands for */

/* The same from Mooncake's hash_ids (an array of integers): equal ones become equal blocks. What
 * the blocks do not cover is unique. */
ifm_status ifm_synthetic_blocks(ifm_synthetic *self, const json_t *hashes,
                                uint64_t number, int64_t n, ifm_buffer *text,
                                ifm_error *err);

/* A seed of its own for each thing that is drawn. */
uint64_t ifm_synthetic_seed(uint64_t seed, uint64_t number);

#endif
