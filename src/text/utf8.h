/*
 * UTF-8: checked, decoded, and repaired where a model wrote half characters.
 *
 * Well-formed means what the Unicode Standard's table 3-7 means: no overlong forms, no
 * surrogates, nothing past U+10FFFF. What is malformed is cut into *maximal subparts*
 * (Unicode Standard, 3.9, U+FFFD Substitution), each of which becomes one U+FFFD: what
 * Python's errors="replace" and Rust's from_utf8_lossy do.
 */
#ifndef IFM_TEXT_UTF8_H
#define IFM_TEXT_UTF8_H

#include "inferometer/base.h"

typedef enum ifm_utf8_kind {
    IFM_UTF8_WHOLE, /* a character */
    IFM_UTF8_CUT,   /* the beginning of a character, cut off by the end of the bytes */
    IFM_UTF8_BAD,   /* a maximal subpart that no further byte can complete */
} ifm_utf8_kind;

/* Length (1 … 4) and kind of what stands at p[n]; n ≥ 1. Thread-safe, never fails. */
size_t ifm_utf8_step(const unsigned char *p, size_t n, ifm_utf8_kind *kind);

/* Offset of the first byte of text[n] that belongs to no character; n if there is none. */
size_t ifm_utf8_check(const char *text, size_t n);

/* The longest prefix of text[n], valid UTF-8, that has at most `limit` bytes: for quoting
 * in messages, as the precision of %.*s. */
int ifm_utf8_prefix(const char *text, size_t n, size_t limit);

/* The code point of a whole character of `length` bytes. */
uint32_t ifm_utf8_decode(const unsigned char *p, size_t length);

/* Unicode's White_Space property (the same 25 code points since Unicode 6.3). */
bool ifm_is_white_space(uint32_t code_point);

#endif
