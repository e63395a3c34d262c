/*
 * Added tokens: recognised in the text as they are written, before any splitting.
 *
 * Leftmost, then longest, without overlap, as Hugging Face's `tokenizers` does it
 * (AddedVocabulary::find_matches): first the tokens that are not normalized, then the
 * normalized ones in what is left between them.
 */
#ifndef IFM_TEXT_ADDED_H
#define IFM_TEXT_ADDED_H

#include "text/tables.h"

/* The two passes. */
typedef enum ifm_added_pass {
    IFM_ADDED_RAW,
    IFM_ADDED_NORMAL,
    IFM_ADDED_PASSES, /* how many */
} ifm_added_pass;

/* A walk over text[n]. `is_word` answers whether a code point is a word character; it is
 * asked only for tokens that must stand alone. */
typedef struct ifm_added_walk {
    const ifm_tables *tables;
    uint32_t first, last; /* this pass's tokens */
    const char *text;
    size_t n;
    size_t at;   /* where the search goes on */
    size_t done; /* what lies before was given out */
    bool (*is_word)(void *context, const char *character, size_t length);
    void *context;
    const uint64_t *begins; /* [4] bit set: bytes that begin a token of this pass */
} ifm_added_walk;

void ifm_added_walk_init(ifm_added_walk *self, const ifm_tables *tables,
                         ifm_added_pass pass, const char *text, size_t n);

/* Finds the next added token. The plain text before it is text[*plain … *plain + *n_plain)
 * (maybe empty); *id is -1 when there was no further token, and the plain text is the rest.
 * Returns false when all was given out. */
bool ifm_added_walk_next(ifm_added_walk *self, size_t *plain, size_t *n_plain,
                         int32_t *id);

#endif
