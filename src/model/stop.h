/*
 * Texts that end a generation, found across the borders of tokens: text that may be the
 * beginning of one is held back until it is known whether it is.
 */
#ifndef IFM_MODEL_STOP_H
#define IFM_MODEL_STOP_H

#include "inferometer/base.h"

typedef struct ifm_stop_text {
    const char *text; /* borrowed */
    size_t n;         /* ≥ 1 */
} ifm_stop_text;

typedef struct ifm_stops {
    ifm_stop_text *texts; /* heap; an all-zero ifm_stops has none */
    size_t n;
} ifm_stops;

/* Borrows texts[n]. The caller deinits. Errors: ARGUMENT (an empty text), NO_MEMORY. */
ifm_status ifm_stops_init(ifm_stops *self, const char *const *texts, size_t n,
                          ifm_error *err);
void ifm_stops_deinit(ifm_stops *self);

/* Where in text[n] the first stop text begins; false when there is none. */
bool ifm_stops_find(const ifm_stops *self, const char *text, size_t n, size_t *at);

/* How many bytes at the end of text[n] may be the beginning of a stop text. */
size_t ifm_stops_held(const ifm_stops *self, const char *text, size_t n);

#endif
