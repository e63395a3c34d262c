/*
 * Reading JSON as it goes by, without building anything: for headers that are read at every
 * cold start, where a tree of values would take ten times as long to make as to read.
 *
 * The grammar is all of RFC 8259, the text is hostile: strings must be valid UTF-8, nesting
 * is bounded, nothing past the end is looked at. The first error is kept, with its place,
 * and everything after it fails: a caller may ask once at the end.
 */
#ifndef IFM_FORMAT_SCAN_H
#define IFM_FORMAT_SCAN_H

#include "inferometer/base.h"

typedef struct ifm_scan {
    const char *begin, *at, *end; /* borrowed text */
    const char *error; /* what was expected at `at`; static; NULL: fine so far */
    /* Set by the caller, for text that is only shown: escapes that RFC 8259 allows and that
     * stand for no character (\u0000, half of a surrogate pair) become U+FFFD instead of an
     * error. */
    bool lenient;
} ifm_scan;

void ifm_scan_init(ifm_scan *self, const char *text, size_t n_bytes);

/* The next thing that is not white space, without taking it: '{', '[', '"', '-', a digit, 't'
 * and so on; 0 at the end. */
char ifm_scan_peek(ifm_scan *self);

/* Takes the character c, after white space. False (and an error) when it is another. */
bool ifm_scan_take(ifm_scan *self, char c);

/* Between the members of an object or a list that ends with `close`: takes a comma and says
 * true, or takes `close` and says false. `first` is for the place in front of the first
 * member, where there is no comma. False after an error, too. */
bool ifm_scan_more(ifm_scan *self, char close, bool first);

/* Takes a string and decodes it to out[cap], with a NUL behind it that *n does not count;
 * out may be NULL to skip it. No more bytes are written than the string has in the text,
 * the quotes for the NUL. Strings that hold a NUL are refused. */
bool ifm_scan_string(ifm_scan *self, char *out, size_t cap, size_t *n);

/* Takes the name of a member and its colon. *name[*n] is borrowed from the text, as it is
 * written there: escapes are not resolved, so that a name with some is no known one. */
bool ifm_scan_name(ifm_scan *self, const char **name, size_t *n);

/* Takes a number of any form; exact up to 2^53, else to 15 digits; ±infinity past double's
 * range. */
bool ifm_scan_real(ifm_scan *self, double *value);

/* Takes a whole number ≥ 0, below 2^63, without fraction or exponent. */
bool ifm_scan_natural(ifm_scan *self, int64_t *value);

/* Takes any value. */
bool ifm_scan_skip(ifm_scan *self);

/* text[n] is valid UTF-8 without a NUL: a name that may be shown and compared. */
bool ifm_scan_is_text(const char *text, size_t n);

/* Nothing but white space is left, and there was no error. */
bool ifm_scan_end(ifm_scan *self);

#endif
