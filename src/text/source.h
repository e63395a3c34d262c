/*
 * The files in which a model describes its tokenizer, read into a lexicon.
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

/* Where a tokenizer is: a directory with the files below, or a GGUF file. */
typedef struct ifm_source {
    char *path;
    bool is_gguf;
} ifm_source;

/* Finds out what `path` is: a directory, a .gguf file, or a file in a model's directory,
 * which then is the source. False without memory. */
bool ifm_source_init(ifm_source *self, const char *path);
void ifm_source_deinit(ifm_source *self);

/* Every file that may have a say, NULL-terminated: what a cache is keyed by. */
extern const char *const ifm_source_files[];
enum { IFM_SOURCE_FILES = 7 };

/* Reads the tokenizer. `lexicon` was initialised, and is the caller's to
 * release in every case. Errors: NOT_FOUND, IO, FORMAT, UNSUPPORTED, LIMIT, NO_MEMORY. */
ifm_status ifm_source_read(const ifm_source *self, ifm_lexicon *lexicon, ifm_error *err);

/* Its parts. All of tokenizer.json, parsed: */
struct json_t;
struct ifm_gguf;
ifm_status ifm_source_read_tokenizer_json(struct json_t *root, ifm_lexicon *lexicon,
                                          ifm_error *err);
/* … helpers: UNSUPPORTED, for a part and what it is; UNSUPPORTED for a key of `object` that
 * is not in `known` (NULL ends it); whether `part` is a "Sequence" of the array in `key`. */
ifm_status ifm_source_refuse(ifm_error *err, const char *part, const char *what);
ifm_status ifm_source_check_keys(struct json_t *object, const char *const *known,
                                 const char *part, ifm_error *err);
bool ifm_source_is_sequence(struct json_t *part, const char *key, struct json_t **parts);
/* … its normalizer, pre_tokenizer and decoder; NULL: there is none: */
ifm_status ifm_source_read_normalizer(struct json_t *part, ifm_lexicon *lexicon,
                                      ifm_error *err);
ifm_status ifm_source_read_pre_tokenizer(struct json_t *part, ifm_lexicon *lexicon,
                                         ifm_error *err);
ifm_status ifm_source_read_decoder(struct json_t *part, ifm_lexicon *lexicon,
                                   ifm_error *err);
/* The tokenizer in a GGUF file's metadata: */
ifm_status ifm_source_read_gguf(const struct ifm_gguf *gguf, ifm_lexicon *lexicon,
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
