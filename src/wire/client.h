/*
 * The client: many requests at once to one server, on one thread, over an own poller: by
 * libcurl's multi interface, or by sockets of our own (client_parts.h says when).
 *
 * A time stamp is the moment at which the system noted that bytes came (os/arrival.h), or,
 * where it does not, at which the poller said that a socket can be read: what is read then had
 * come by then, and however many other streams are served in between, none of it counts as
 * the server's time. sent_ns is when the last byte of the request was about to be handed to
 * the operating system.
 */
#ifndef IFM_WIRE_CLIENT_H
#define IFM_WIRE_CLIENT_H

#include "inferometer/tokenizer.h"
#include "measure/record.h"

typedef struct ifm_client ifm_client;

typedef struct ifm_client_options {
    const char
        *url; /* http://…, https://…, unix:/path[:/prefix]; "/v1" at its end or not */
    bool chat; /* /v1/chat/completions, else /v1/completions */
    bool stream;
    const char *const *headers; /* [n_headers] "Name: value" */
    size_t n_headers;
    const char *api_key; /* Authorization: Bearer; NULL: none. Appears in no message */
    const char *cacert;  /* file; NULL: the system's */
    bool insecure;       /* certificates are not verified */
    bool new_connection; /* per request */
    bool http2;          /* prior knowledge with http:, ALPN with https: */
    const char *proxy;   /* NULL: as the environment says */
    /* libcurl also for HTTP/1.1 without TLS and proxy, which else goes over sockets of our
     * own: an event costs half as much there, and names are looked up before. */
    bool libcurl;
    int64_t timeout_ns;         /* from due to end; 0: none */
    int64_t idle_timeout_ns;    /* without a byte, once sent; 0: none */
    int64_t connect_timeout_ns; /* 0: 10 s */
    int32_t retries;    /* of 429 and 503, after Retry-After (else 0.5, 1, 2 … s) */
    size_t connections; /* the most at once that are expected: sizes the pool */
    ifm_tokenizer *tokenizer; /* counts tokens where the server does not; NULL */
    /* Called once per token piece, for a live view; may be NULL. t is after due. */
    void (*on_piece)(void *user, void *request, const ifm_piece *piece);
    /* Called once per request, whatever became of it, inside ifm_client_serve: `record` is
     * whole (record->wire->outcome) and the callee's to deinit. */
    void (*on_done)(void *user, void *request, ifm_record *record);
    void *user;
} ifm_client_options;

/* Borrows the strings. Errors: ARGUMENT (the URL), NO_MEMORY, IO (certificates that cannot be
 * read). libcurl is initialised for the process: from one thread. */
ifm_status ifm_client_new(const ifm_client_options *options, ifm_client **out,
                          ifm_error *err);
/* Requests under way end as CANCELLED (on_done is called). */
void ifm_client_free(ifm_client *self);

/* The server's models, for --model: the first id of /v1/models, heap. Errors: IO, FORMAT
 * (no list of models). Blocks for at most 30 s or until cancel_fd is readable. */
ifm_status ifm_client_first_model(ifm_client *self, int cancel_fd, char **model,
                                  ifm_error *err);

/* One request. The body is copied; `request` comes back in the callbacks. */
typedef struct ifm_call {
    const char *body; /* JSON */
    size_t n_body;
    const char *request_id; /* X-Request-Id */
    ifm_time due;           /* ≤ now */
    void *request;
} ifm_call;

/* Takes it up now (service_start). Whatever goes wrong becomes the record's outcome, also
 * at once: on_done is then called by the next ifm_client_serve. */
void ifm_client_start(ifm_client *self, const ifm_call *call);

/* Serves sockets until `until`, or until at least one request ended, or wake_fd is readable
 * (-1: none). Returns at once when something is already done. */
void ifm_client_serve(ifm_client *self, ifm_time until, int wake_fd);

size_t ifm_client_in_flight(const ifm_client *self);

/* Ends all requests that are under way, as CANCELLED. */
void ifm_client_cancel(ifm_client *self);

#endif
