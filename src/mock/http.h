/*
 * Reading one HTTP/1.1 or 1.0 request (RFC 9112), strictly and within limits: whatever bytes
 * come, in whatever pieces, it ends whole, or with the status that a refusal deserves.
 *
 *     REQUEST_LINE ─► HEADER… ─► BODY | CHUNK_SIZE ─► CHUNK ─► CHUNK_END … TRAILER ─► WHOLE
 *          any of them ─► BAD
 */
#ifndef IFM_MOCK_HTTP_H
#define IFM_MOCK_HTTP_H

#include "base/buffer.h"

enum {
    IFM_MOCK_LINE_LIMIT = 16 << 10, /* bytes of one line of the head */
    IFM_MOCK_HEAD_LIMIT = 64 << 10, /* of all of them */
    IFM_MOCK_HEADERS_LIMIT = 100,
    IFM_MOCK_BODY_LIMIT = 32 << 20,
};

typedef enum ifm_mock_reading {
    IFM_MOCK_REQUEST_LINE,
    IFM_MOCK_HEADER,
    IFM_MOCK_BODY,
    IFM_MOCK_CHUNK_SIZE,
    IFM_MOCK_CHUNK,
    IFM_MOCK_CHUNK_END,
    IFM_MOCK_TRAILER,
    IFM_MOCK_WHOLE,
    IFM_MOCK_BAD,
} ifm_mock_reading;

typedef struct ifm_mock_request {
    ifm_mock_reading reading;
    bool begun; /* a byte of it came */
    char method[16];
    char path[256]; /* without "?…" */
    int minor;      /* of HTTP/1.minor */
    bool keep_alive, expects_continue;
    bool chunked, has_length, has_host;
    char request_id[128];    /* X-Request-Id; "" */
    char authorization[512]; /* "" */
    ifm_buffer body;

    ifm_buffer line; /* of the head, that has not ended yet */
    size_t head_bytes, n_headers;
    uint64_t left; /* of the body, or of the chunk */
    int status;    /* of a BAD one: 400, 408, 413, 414, 431, 501, 505 */
    char complaint[160];
} ifm_mock_request;

/* An all-zero one reads the first request. */
void ifm_mock_request_deinit(ifm_mock_request *self);
/* Ready for the next request of the connection; keeps small buffers. */
void ifm_mock_request_reset(ifm_mock_request *self);

/* Takes bytes up to the end of the request; returns how many, n unless it is WHOLE or BAD
 * before. */
size_t ifm_mock_request_feed(ifm_mock_request *self, const char *bytes, size_t n);

static inline bool ifm_mock_request_ended(const ifm_mock_request *self)
{
    return self->reading == IFM_MOCK_WHOLE || self->reading == IFM_MOCK_BAD;
}

#endif
