/*
 * The files in which a model's directory describes its tokenizer, read into a lexicon.
 *
 * tokenizer.json (Hugging Face tokenizers) is preferred to vocab.json with merges.txt
 * (GPT-2's original form). What they say of BOS, EOS and special tokens is completed from
 * tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json, where
 * those exist. A tokenizer that asks for anything that is not implemented is UNSUPPORTED,
 * by name: never silently something else.
 */
#ifndef IFM_TEXT_SOURCE_H
#define IFM_TEXT_SOURCE_H

#include "text/lexicon.h"

/* Every file that may have a say, NULL-terminated: what a cache is keyed by. */
extern const char *const ifm_source_files[];
enum { IFM_SOURCE_FILES = 7 };

/* Reads the tokenizer of `directory`. `lexicon` was initialised, and is the caller's to
 * release in every case. Errors: NOT_FOUND, IO, FORMAT, UNSUPPORTED, LIMIT, NO_MEMORY. */
ifm_status ifm_source_read(const char *directory, ifm_lexicon *lexicon, ifm_error *err);

/* Its parts. All of tokenizer.json, parsed: */
struct json_t;
ifm_status ifm_source_read_tokenizer_json(struct json_t *root, ifm_lexicon *lexicon,
                                          ifm_error *err);
/* "model": {"vocab": …} or all of vocab.json: */
ifm_status ifm_source_read_vocab(struct json_t *vocab, ifm_lexicon *lexicon,
                                 ifm_error *err);
/* IFM_ADDED_… of an added token as JSON writes it: */
unsigned ifm_source_added_flags(const struct json_t *token);
/* Special tokens, BOS and EOS, from the small files; `gpt2` when there was no
 * tokenizer.json, so that GPT-2's defaults hold. */
ifm_status ifm_source_read_special(const char *directory, bool gpt2, ifm_lexicon *lexicon,
                                   ifm_error *err);

#endif
