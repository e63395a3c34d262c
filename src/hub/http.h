/*
 * HTTP as a hub needs it, on libcurl: redirects that never carry the token to another host,
 * patience with servers that stumble, and one clear line when it does not help.
 *
 * A request is tried again after a lost connection, a stall, 408, 429 and 5xx: after the
 * time that the server asks for (Retry-After), else after 0.5, 1, 2, 4 s. Whenever bytes
 * arrived in between, counting begins anew. A host that cannot be found or reached at all
 * fails at once, unless it was reached before.
 */
#ifndef IFM_HUB_HTTP_H
#define IFM_HUB_HTTP_H

#include "hub/watch.h"

typedef struct ifm_http ifm_http;

typedef struct ifm_http_options {
    const char *endpoint; /* "https://host[/path]": the origin that may see the token */
    const char *token;    /* NULL: none */
    const ifm_hub_watch *watch;
} ifm_http_options;

/* What the server said. Of several responses (redirects) the last one, except for what the
 * hub says about the file itself, which is in the first. */
typedef struct ifm_http_reply {
    long code;
    char host[256];        /* who answered */
    char etag[256];        /* X-Linked-Etag, else ETag: without quotes; "": none */
    char error_code[64];   /* X-Error-Code: "GatedRepo" and others; "": none */
    int64_t size;          /* X-Linked-Size, else Content-Length; -1: not said */
    int64_t range_begin;   /* of Content-Range; -1: none */
    int64_t retry_after_s; /* -1: not said */
    size_t body_bytes;     /* of this answer's body, taken by the sink before */
} ifm_http_reply;

/* Takes bytes of a successful answer (200, 206). An error ends the request for good. */
typedef ifm_status (*ifm_http_sink)(void *user, const ifm_http_reply *reply,
                                    const char *bytes, size_t n, ifm_error *err);

typedef struct ifm_http_request {
    const char *url;
    const char *what;    /* for messages: "org/name: model.safetensors" */
    bool head;           /* ask only; a redirect to another host is not followed */
    const int64_t *from; /* where to begin, looked at before every try; NULL: at 0 */
    ifm_http_sink sink;  /* NULL for head */
    void *user;
} ifm_http_request;

/* Borrows everything in `options`. Errors: ARGUMENT (the endpoint is no URL), NO_MEMORY.
 * Not thread-safe: libcurl is initialised for the process. */
ifm_status ifm_http_new(const ifm_http_options *options, ifm_http **out, ifm_error *err);
void ifm_http_free(ifm_http *self);

/* Does it, patiently. IFM_OK: there is a reply with any code but those that patience is for;
 * see ifm_http_expect. Errors: IO (the network), CANCELLED, or the sink's. */
ifm_status ifm_http_do(ifm_http *self, const ifm_http_request *request,
                       ifm_http_reply *reply, ifm_error *err);

/* IFM_OK when the reply is a success (for head also a redirect); else one line that says
 * what the code means here and what to do. Errors: NOT_FOUND (404), IO. */
ifm_status ifm_http_expect(const ifm_http *self, const ifm_http_request *request,
                           const ifm_http_reply *reply, ifm_error *err);

/* Text as part of a URL, '/' kept; heap, NULL without memory. */
char *ifm_http_escape(ifm_http *self, const char *path);

#endif
