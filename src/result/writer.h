/*
 * JSON as a stream: written as it is known, in memory of one size, however long the
 * document is. What a tree of values would cost (150 bytes each) a load cannot afford.
 *
 *     ifm_writer_open(w, '{', IFM_WRITER_LINES);
 *     ifm_writer_key(w, "id");
 *     ifm_writer_int(w, 7);
 *     ifm_writer_close(w);
 *
 * Errors stick: the caller asks once, at the end.
 */
#ifndef IFM_RESULT_WRITER_H
#define IFM_RESULT_WRITER_H

#include <jansson.h>
#include <stdio.h>

#include "inferometer/base.h"

enum { IFM_WRITER_DEPTH = 16 };

typedef struct ifm_writer {
    FILE *out;
    char *buffer; /* heap */
    size_t n;
    int depth;
    struct {
        char closing; /* '}' or ']' */
        bool lines;   /* each element on a line of its own */
        bool any;     /* there is an element */
    } open[IFM_WRITER_DEPTH];
    bool after_key;
    bool failed; /* sticky, with */
    int code;    /* errno */
} ifm_writer;

typedef enum ifm_writer_layout {
    IFM_WRITER_ONE_LINE,
    IFM_WRITER_LINES
} ifm_writer_layout;

/* Errors: NO_MEMORY. */
ifm_status ifm_writer_init(ifm_writer *self, FILE *out, ifm_error *err);
/* Flushes and frees. `what` is for the message: "the result". Errors: IO. */
ifm_status ifm_writer_end(ifm_writer *self, const char *what, ifm_error *err);

/* '{' or '['; close ends the innermost. */
void ifm_writer_open(ifm_writer *self, char bracket, ifm_writer_layout layout);
void ifm_writer_close(ifm_writer *self);
/* A line feed behind a whole value, for files of several. */
void ifm_writer_line(ifm_writer *self);

/* The key of the next value: needs no escaping. */
void ifm_writer_key(ifm_writer *self, const char *key);
void ifm_writer_null(ifm_writer *self);
void ifm_writer_int(ifm_writer *self, int64_t value);
/* Negative values mean "not known": null. */
void ifm_writer_known(ifm_writer *self, int64_t value);
/* As many digits as make it the same number again. NaN and infinity: null. */
void ifm_writer_real(ifm_writer *self, double value);
/* Nanoseconds as seconds, exactly: 0.100000001. */
void ifm_writer_seconds(ifm_writer *self, int64_t ns);
void ifm_writer_bool(ifm_writer *self, bool value);
/* text[n]: bytes that are no UTF-8 become U+FFFD, one each. NULL: null. */
void ifm_writer_text_n(ifm_writer *self, const char *text, size_t n);
void ifm_writer_text(ifm_writer *self, const char *text);
/* Arrays on one line; x NULL: null if there should be some, else empty. */
void ifm_writer_ints32(ifm_writer *self, const int32_t *x, size_t n);
void ifm_writer_ints64(ifm_writer *self, const int64_t *x, size_t n);
/* A whole tree, indented to where it stands. Takes `value`; NULL fails (no memory). */
void ifm_writer_tree(ifm_writer *self, json_t *value);

#endif
