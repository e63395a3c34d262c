/*
 * Regular expressions as tokenizer files write them, run by PCRE2.
 *
 * Files are written for Oniguruma (Ruby's syntax), with Unicode classes. What differs is
 * translated when a tokenizer is compiled; what cannot be translated is refused by name:
 *
 * - `\s` is spelled out as Unicode's White_Space: PCRE2's own counts U+180E. `\w` and `\d`
 *   are what Unicode TR 18 says.
 * - Classes such as `\p{L}` are completed with the characters of Unicode 15 and 16, which
 *   the reference knows and older PCRE2 libraries (10.42: Unicode 14) do not. A PCRE2 newer
 *   than Unicode 16 knows further letters, for which it and the reference differ.
 * - `$` and `^` stand at every line feed, `{,n}` is `{0,n}`, `\v` is one character.
 * - Patterns that everybody uses have a row of their own, with possessive repetitions, so
 *   that no word, however long, backtracks.
 */
#ifndef IFM_TEXT_PATTERN_H
#define IFM_TEXT_PATTERN_H

#include "base/buffer.h"

/* GPT-2's pattern, as files write it. */
extern const char ifm_pattern_gpt2[];
/* One word character (\w of Unicode TR 18), in PCRE2's words. */
extern const char ifm_pattern_word[];

/* Appends PCRE2's words for expression[n], valid UTF-8. Errors: UNSUPPORTED, saying what is
 * not understood; NO_MEMORY. */
ifm_status ifm_pattern_translate(const char *expression, size_t n, ifm_buffer *out,
                                 ifm_error *err);
/* Appends a pattern that matches text[n] and nothing else. False without memory. */
bool ifm_pattern_quote(const char *text, size_t n, ifm_buffer *out);

/* A compiled pattern. Used by one thread at a time. */
typedef struct ifm_splitter {
    struct pcre2_real_code_8 *code;
    struct pcre2_real_match_data_8 *match;
    struct pcre2_real_match_context_8 *limits;
    size_t n_expected; /* bytes, so far */
    bool jit_tried;
    bool matches_nothing; /* it may match the empty text */
} ifm_splitter;

/* Compiles pattern[n], in PCRE2's words. Errors: UNSUPPORTED (PCRE2 does not understand it,
 * or was built without Unicode), NO_MEMORY. */
ifm_status ifm_splitter_init(ifm_splitter *self, const char *pattern, size_t n,
                             ifm_error *err);
void ifm_splitter_deinit(ifm_splitter *self);

/* Says that n bytes will be split now: once they add up, machine code pays. */
void ifm_splitter_expect(ifm_splitter *self, size_t n);

/* The next match in text[n], valid UTF-8, at or behind byte `from`: *start … *end. When
 * there is none, both are n + 1. Errors: NO_MEMORY, LIMIT (a pattern that takes more steps
 * than any sane one). */
ifm_status ifm_splitter_next(ifm_splitter *self, const char *text, size_t n, size_t from,
                             size_t *start, size_t *end, ifm_error *err);

#endif
