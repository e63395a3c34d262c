/* "Did you mean": the nearest of a list of words. */
#ifndef IFM_CLI_SUGGEST_H
#define IFM_CLI_SUGGEST_H

#include <stddef.h>

/* Edit distance with swaps of neighbours (optimal string alignment, Damerau 1964). Words
 * longer than 63 bytes are compared by their first 63. */
size_t ifm_edit_distance(const char *a, const char *b);

typedef struct ifm_suggestion {
    const char *word; /* borrowed; NULL before the first offer */
    size_t distance;
} ifm_suggestion;

/* Offers a candidate for what was typed; the nearest is kept, the first of equals. */
void ifm_suggestion_offer(ifm_suggestion *self, const char *typed, const char *candidate);

/* The word, when it is near enough to be what was meant (a third of its letters wrong at
 * most, or typed is its beginning); else NULL. */
const char *ifm_suggestion_word(const ifm_suggestion *self, const char *typed);

#endif
