/*
 * Server-sent events (WHATWG HTML, section 9.2), from whatever pieces the network makes of
 * them: LF, CRLF or CR, comments, data of several lines, a byte order mark, splits anywhere.
 * An event is kept until its empty line came, up to a limit.
 *
 * What the standard would not have: a field "error" is the data of an event named "error", as
 * llama-server wrote it until autumn 2025 ("error: {…}").
 */
#ifndef IFM_WIRE_SSE_H
#define IFM_WIRE_SSE_H

#include "base/buffer.h"

enum { IFM_SSE_EVENT_LIMIT = 16 << 20 }; /* bytes of data; 8 MiB are still fine */

/* Borrowed during the call. */
typedef struct ifm_sse_event {
    const char *name; /* of its "event:" line, terminated; "message" without one */
    const char *data; /* [n_data] lines joined by LF; not terminated; n_data may be 0 */
    size_t n_data;
} ifm_sse_event;

/* Takes an event; false: no more are wanted. */
typedef bool (*ifm_sse_taker)(void *user, const ifm_sse_event *event);

typedef struct ifm_sse {
    ifm_buffer line; /* that has not ended yet */
    ifm_buffer data, name;
    const char
        *held; /* the only line of data so far, where it was read; NULL: in `data` */
    size_t n_held;
    bool has_data, begun, after_cr;
    bool too_large, no_memory; /* sticky: nothing is taken any more */
    int64_t events, comments;
} ifm_sse;

void ifm_sse_init(ifm_sse *self);
void ifm_sse_deinit(ifm_sse *self);

/* Takes the bytes of one read, calls `take` for every event that they complete. False when
 * nothing more will be taken: `take` said so, an event is too large, no memory. Linear in n,
 * whatever the splits. */
bool ifm_sse_feed(ifm_sse *self, const char *bytes, size_t n, ifm_sse_taker take,
                  void *user);
/* The stream is over: what began is taken as an event, as if the empty line behind it had
 * come (the standard would drop it; servers forget that line). False as above. */
bool ifm_sse_finish(ifm_sse *self, ifm_sse_taker take, void *user);
/* Something began that no empty line ended. */
bool ifm_sse_pending(const ifm_sse *self);

#endif
