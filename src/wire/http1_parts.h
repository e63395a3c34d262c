/*
 * What http1.c (the head of a response) and http1_body.c (its body) share, and nobody else
 * needs.
 */
#ifndef IFM_WIRE_HTTP1_PARTS_H
#define IFM_WIRE_HTTP1_PARTS_H

#include "wire/http1.h"

/* What the next byte belongs to. */
enum {
    IFM_HTTP1_PART_START,      /* in "HTTP/1.", or the empty lines before it */
    IFM_HTTP1_PART_STATUS,     /* the rest of the status line */
    IFM_HTTP1_PART_FIELDS,     /* and the empty line behind them */
    IFM_HTTP1_PART_LENGTH,     /* a body of `left` bytes more */
    IFM_HTTP1_PART_REST,       /* a body until the connection's end */
    IFM_HTTP1_PART_SIZE,       /* the digits of a chunk's size */
    IFM_HTTP1_PART_SIZE_END,   /* what stands behind the digits */
    IFM_HTTP1_PART_EXTENSION,  /* behind a semicolon: whatever there is, until LF */
    IFM_HTTP1_PART_SIZE_LF,    /* behind the size's CR */
    IFM_HTTP1_PART_DATA,       /* `left` bytes of the chunk */
    IFM_HTTP1_PART_DATA_END,   /* behind the data */
    IFM_HTTP1_PART_DATA_LF,    /* behind the data's CR */
    IFM_HTTP1_PART_TRAILER,    /* at the beginning of a line behind the last chunk */
    IFM_HTTP1_PART_TRAILER_LF, /* behind a CR there */
    IFM_HTTP1_PART_TRAILER_LINE,
};

/* A read, how far it is used, and how much of the body was moved to its front. */
typedef struct ifm_http1_cursor {
    char *bytes;
    size_t at, n, n_body;
} ifm_http1_cursor;

/* BROKEN, for this reason. */
void ifm_http1_fail(ifm_http1 *self, const char *why);

/* A body of chunks follows. */
void ifm_http1_begin_chunks(ifm_http1 *self);

/* Reads on in the body, by at least a byte or to its next part. */
void ifm_http1_feed_body(ifm_http1 *self, ifm_http1_cursor *c);

#endif
