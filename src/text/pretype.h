/*
 * What GGUF's tokenizer.ggml.pre stands for: the pre-tokenizer of a model family by name,
 * since the file does not carry the patterns themselves. The names are llama.cpp's; the
 * patterns are those of the families' own tokenizer.json.
 */
#ifndef IFM_TEXT_PRETYPE_H
#define IFM_TEXT_PRETYPE_H

#include "text/lexicon.h"

/* Adds the steps of `name`[n] to the lexicon, and sets ignore_merges. *add_bos is set when
 * the family puts BOS in front unless the file says otherwise. Errors: UNSUPPORTED (an
 * unknown name), NO_MEMORY. */
ifm_status ifm_pretype_apply(const char *name, size_t n, ifm_lexicon *lexicon,
                             bool *add_bos, ifm_error *err);

#endif
