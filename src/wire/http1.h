/*
 * Reads the responses of an HTTP/1.1 connection (RFC 9112), from any split of their bytes.
 *
 *     bytes of a read ──► head: status, fields ──► body, its framing taken off in place ──► END
 *
 * An answer that is before the final one ("100 Continue") is skipped. What frames a body is
 * RFC 9112, 6.3: none with 204 and 304, chunks, Content-Length, or the connection's end.
 *
 * Knows nothing of sockets. What a body means is the answer's business (wire/answer.h).
 */
#ifndef IFM_WIRE_HTTP1_H
#define IFM_WIRE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

typedef enum ifm_http1_state {
    IFM_HTTP1_HEAD, /* of the response, or of a "100 Continue" before it, is not whole */
    IFM_HTTP1_BODY, /* the head is whole, the body is not */
    IFM_HTTP1_END,  /* the response is whole */
    IFM_HTTP1_BROKEN, /* this is not HTTP: `why` says what is wrong */
} ifm_http1_state;

/* What a head says, as it is read. Both may be NULL. */
typedef struct ifm_http1_hooks {
    /* A field of the final response, "Name: value" with n bytes, without its line's end. */
    void (*on_field)(void *user, const char *line, size_t n);
    /* The final response's head is whole (state is BODY or END; status and the rest are
     * set); none of its body was given yet. */
    void (*on_head)(void *user);
    void *user;
} ifm_http1_hooks;

typedef struct ifm_http1 {
    ifm_http1_state state;
    int32_t status;  /* of the final response; 0: not known yet */
    int32_t minor;   /* HTTP/1.minor */
    bool keep_alive; /* in END: the connection may carry another request */
    const char *why; /* in BROKEN: static text, "the answer's chunks are malformed: …" */
    ifm_buffer type;     /* Content-Type's value, NUL-terminated; NULL data: none */
    ifm_buffer location; /* Location's value; NULL data: none */
    /* The reader's own: */
    ifm_buffer line;  /* what of a line an earlier read brought */
    ifm_buffer field; /* the last field's line: the next one may continue it */
    int part;
    uint64_t left;     /* of the body, or of the chunk */
    size_t head_bytes; /* of this head and of those before it */
    int32_t matched;   /* characters of "HTTP/1.", or digits of a chunk's size */
    bool interim;      /* the head is of a response before the final one */
    bool has_length, bad_length, has_coding, chunked, bad_coding;
    bool until_close, close_asked, alive_asked;
} ifm_http1;

/* Ready for the response to one request, whatever it was in. A zeroed one is ready, too. */
void ifm_http1_begin(ifm_http1 *self);
void ifm_http1_deinit(ifm_http1 *self);

/* Reads bytes[n] of the connection, any bytes. The body's among them are moved to the front
 * of `bytes`, *n_body of them (what came before it broke, too). Returns how many were used:
 * all, unless the response ended or broke before; in END and BROKEN none. A part of a line
 * is kept, of a body nothing. Without memory it is BROKEN. */
size_t ifm_http1_take(ifm_http1 *self, const ifm_http1_hooks *hooks, char *bytes,
                      size_t n, size_t *n_body);

/* The server closed the connection: a body without a length is whole now (END); whatever else
 * was under way stays as it is, and is cut short. */
void ifm_http1_close(ifm_http1 *self);

#endif
