/*
 * A growing string of bytes, for everything that is written piece by piece.
 *
 * An allocation that fails leaves the buffer as it was and sets `failed`, which stays: a
 * caller appends freely and asks once at the end.
 */
#ifndef IFM_BASE_BUFFER_H
#define IFM_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

#include "inferometer/base.h"

typedef struct ifm_buffer {
    char *data; /* terminated with a NUL that length does not count; NULL when empty */
    size_t length;
    size_t capacity;
    bool failed;
} ifm_buffer;

/* An all-zero ifm_buffer is a valid empty one. */
void ifm_buffer_deinit(ifm_buffer *self);
void ifm_buffer_clear(ifm_buffer *self);
void ifm_buffer_append(ifm_buffer *self, const void *bytes, size_t n);
/* Makes it n bytes longer, for the caller to write them (and a NUL behind them); NULL
 * without memory. */
char *ifm_buffer_extend(ifm_buffer *self, size_t n);
void ifm_buffer_puts(ifm_buffer *self, const char *text);
void ifm_buffer_printf(ifm_buffer *self, const char *format, ...) IFM_PRINTF(2, 3);
/* The text, "" when empty; borrowed until the next append. */
const char *ifm_buffer_text(const ifm_buffer *self);
/* Gives the bytes (free() them) to the caller and leaves the buffer empty; NULL if it
 * failed or is empty. */
char *ifm_buffer_take(ifm_buffer *self);

#endif
