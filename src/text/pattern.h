/*
 * Pre-tokenizers: how text is cut to words before BPE looks at it. Each is a row of a
 * table: the regular expression as tokenizer.json writes it, by which it is recognised, and
 * the one that PCRE2 runs.
 *
 * Both match the same. What differs in ours, and why:
 * - `\s` is spelled out as Unicode's White_Space: PCRE2's own counts U+180E.
 * - Repetitions are possessive where nothing that follows could make them give back, so
 *   that no word, however long, backtracks or hits a match limit.
 * - `\p{L}` and `\p{N}` are completed with the letters and numbers of Unicode 15 and 16,
 *   which the reference knows and older PCRE2 libraries (10.42: Unicode 14) do not. A PCRE2
 *   newer than Unicode 16 knows further letters, for which it and the reference differ.
 */
#ifndef IFM_TEXT_PATTERN_H
#define IFM_TEXT_PATTERN_H

#include "inferometer/base.h"

enum {
    IFM_SPLIT_GPT2,
    IFM_SPLIT_COUNT,
    /* No pre-tokenizer: one word character (\w of Unicode TR 18). */
    IFM_PATTERN_WORD = IFM_SPLIT_COUNT,
};

/* The row whose expression this is, character by character; -1 if it is unknown. */
int ifm_pattern_find(const char *expression, size_t n);

/* A compiled row. Used by one thread at a time. */
typedef struct ifm_splitter {
    struct pcre2_real_code_8 *code;
    struct pcre2_real_match_data_8 *match;
    size_t n_expected; /* bytes, so far */
    bool jit_tried;
} ifm_splitter;

/* Errors: UNSUPPORTED (a PCRE2 without Unicode), NO_MEMORY. */
ifm_status ifm_splitter_init(ifm_splitter *self, int row, ifm_error *err);
void ifm_splitter_deinit(ifm_splitter *self);

/* Says that n bytes will be split now: once they add up, machine code pays. */
void ifm_splitter_expect(ifm_splitter *self, size_t n);

/* The next match in text[n], valid UTF-8, at or behind byte `from`: *start … *end. When
 * there is none, both are n. Errors: NO_MEMORY, LIMIT. */
ifm_status ifm_splitter_next(ifm_splitter *self, const char *text, size_t n, size_t from,
                             size_t *start, size_t *end, ifm_error *err);

#endif
