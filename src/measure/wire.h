/*
 * What only a request over a network has: how it ended, what came of the stream and when,
 * what the server says of itself. Part of a record; raw, never clamped.
 *
 * All *_ns are nanoseconds after the moment at which the request was due, as everything in
 * a record; -1: it did not happen, or nobody knows.
 */
#ifndef IFM_MEASURE_WIRE_H
#define IFM_MEASURE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a request ended: exactly one of these, so that sums add up. X(NAME, name in results,
 * what it means for people). */
#define IFM_OUTCOME_LIST(X)                                                              \
    X(OK, "ok", "answered")                                                              \
    X(DNS, "dns-failure", "the host's name was not found")                               \
    X(REFUSED, "connection-refused", "nobody listens there")                             \
    X(CONNECT, "connect-failure", "no connection came about")                            \
    X(TLS, "tls-failure", "no trusted encrypted connection (certificate, protocol)")     \
    X(RESET, "connection-reset", "the connection broke")                                 \
    X(TRUNCATED, "truncated", "the answer ended without its end mark")                   \
    X(STALLED, "idle-timeout", "nothing came for longer than --idle-timeout")            \
    X(TIMEOUT, "timeout", "took longer than --timeout")                                  \
    X(RATE_LIMITED, "rate-limited", "status 429")                                        \
    X(CLIENT_ERROR, "client-error", "another status 4xx, or a redirect")                 \
    X(SERVER_ERROR, "server-error", "status 5xx")                                        \
    X(ERROR_EVENT, "error-event", "the server reported an error inside the answer")      \
    X(NOT_A_STREAM, "not-an-event-stream", "something else than an answer, as HTML")     \
    X(BAD_JSON, "bad-json",                                                              \
      "an event or answer that is no JSON, or not of this protocol")                     \
    X(TOO_LARGE, "event-too-large", "an event over the limit")                           \
    X(NO_TOKENS, "no-tokens", "a whole answer that holds no token")                      \
    X(PROTOCOL, "protocol-error", "what came is no HTTP")                                \
    X(CANCELLED, "cancelled", "the run was ended first")                                 \
    X(LOST, "lost", "the process that measured it died")                                 \
    X(INTERNAL, "client-failure", "this client failed: memory, descriptors")

typedef enum ifm_outcome {
#define X(NAME, name, meaning) IFM_OUTCOME_##NAME,
    IFM_OUTCOME_LIST(X)
#undef X
        IFM_OUTCOME_COUNT
} ifm_outcome;

/* "connection-refused"; and "nobody listens there". Never NULL. */
const char *ifm_outcome_name(ifm_outcome outcome);
const char *ifm_outcome_meaning(ifm_outcome outcome);

/* What an event of the stream carried; of several things the first of this list that is a
 * token. */
typedef enum ifm_piece_kind {
    IFM_PIECE_CONTENT,
    IFM_PIECE_REASONING,
    IFM_PIECE_TOOL,  /* a tool call, or a part of one */
    IFM_PIECE_EMPTY, /* a role, a finish reason, empty text */
    IFM_PIECE_USAGE, /* counts and no choice */
    IFM_PIECE_DONE,  /* "[DONE]" */
    IFM_PIECE_OTHER, /* named events and whatever else */
} ifm_piece_kind;

/* "content", "reasoning", "tool", "empty", "usage", "done", "other". */
const char *ifm_piece_kind_name(ifm_piece_kind kind);

/* One event of the stream. An answer that is not streamed is one piece. */
typedef struct ifm_piece {
    int64_t t_ns;   /* when the bytes that complete it were there */
    int32_t tokens; /* in it; 0 for those without; -1: some, nobody says how many */
    int32_t bytes;  /* of its data */
    int32_t read;   /* number of the read that brought its end, from 0: pieces of one read
                          share a time */
    uint8_t kind;   /* ifm_piece_kind */
} ifm_piece;

/* As the server counts; -1: it does not say. */
typedef struct ifm_usage {
    int64_t prompt_tokens, completion_tokens, reasoning_tokens, cached_tokens;
} ifm_usage;

/* As the server says of itself (llama-server's "timings", Ollama's *_duration). */
typedef struct ifm_server_times {
    int64_t load_ns, prompt_ns, generation_ns, total_ns;
    int64_t prompt_tokens, generation_tokens;
} ifm_server_times;

/* Where the number of output tokens and their times come from, best last. */
typedef enum ifm_token_source {
    IFM_TOKENS_EVENTS,    /* nobody counts: events that carried something */
    IFM_TOKENS_TOKENIZER, /* our tokenizer, on the text */
    IFM_TOKENS_USAGE, /* the server's total, spread evenly over the events if it is not
                             their number */
    IFM_TOKENS_PER_EVENT, /* the server's running total (continuous_usage_stats), or its
                             total, which is the number of events */
} ifm_token_source;

/* "events", "tokenizer", "usage", "usage-per-event". */
const char *ifm_token_source_name(ifm_token_source source);

typedef struct ifm_wire {
    char request_id[64]; /* sent as X-Request-Id */
    ifm_outcome outcome;
    int32_t status;         /* HTTP's, of the last attempt; 0: none came */
    int32_t http_version;   /* 10, 11, 20, 30; 0: unknown */
    int32_t attempts;       /* ≥ 1 once it was sent; more with --retry */
    int64_t retry_after_ns; /* what the last 429 or 503 asked for; -1 */
    bool reused;            /* an open connection was there */
    bool missing_done;      /* ended well, yet without "[DONE]" */

    int64_t due_at_ns; /* when it was due, after the load began */
    int64_t gate_ns;   /* of the wait before service: for a place under --concurrency */
    int64_t service_start_ns; /* the client took it up: connecting, if needed, begins */
    int64_t dns_ns, connect_ns, tls_ns; /* done at; -1 with a connection that was there */
    int64_t headers_ns;                 /* the answer's head was there */
    int64_t first_event_ns;             /* the first event of any kind */
    int64_t ttfo_ns;                    /* the first token that is not reasoning */
    int64_t end_ns;                     /* the outcome was known */

    ifm_piece *pieces; /* heap, [n_pieces], in the order of the stream */
    size_t n_pieces;
    int64_t
        *event_ns; /* heap, [n_event_ns]: times of the pieces that carried tokens, when
                          these are not one token each; else NULL */
    size_t n_event_ns;
    int64_t body_bytes; /* of the answer */
    ifm_usage usage;
    ifm_token_source token_source;
    ifm_server_times server;
    int32_t asked_input_tokens;  /* as the workload made it; -1: unknown */
    int32_t asked_output_tokens; /* the limit that was sent; -1: none */
    int32_t session, turn;       /* of a conversation; -1, 0 */
    int32_t rank;                /* of the process that measured it; 0 */
} ifm_wire;

/* Where the time to the first token goes with a server, in order. X(NAME, name): the phase
 * ends when… start: the client took it up · lookup: the host's address is known · connect:
 * TCP's handshake is over · tls: so is TLS's · send: the last byte of the request was handed to
 * the operating system · headers: the answer's head is there · event: so is its first event
 * · token: so is its first token. */
#define IFM_WIRE_PHASE_LIST(X)                                                           \
    X(START, start)                                                                      \
    X(LOOKUP, lookup)                                                                    \
    X(CONNECT, connect)                                                                  \
    X(TLS, tls)                                                                          \
    X(SEND, send)                                                                        \
    X(HEADERS, headers)                                                                  \
    X(EVENT, event)                                                                      \
    X(TOKEN, token)

typedef enum ifm_wire_phase {
#define X(NAME, name) IFM_WIRE_PHASE_##NAME,
    IFM_WIRE_PHASE_LIST(X)
#undef X
        IFM_WIRE_PHASE_COUNT
} ifm_wire_phase;

const char *ifm_wire_phase_name(ifm_wire_phase phase);

/* The phases of a request that was sent at sent_ns and brought its first token at ttft_ns;
 * they add up to that exactly. One that did not happen, as connecting, is 0. */
void ifm_wire_phases(const ifm_wire *self, int64_t sent_ns, int64_t ttft_ns,
                     int64_t ns[IFM_WIRE_PHASE_COUNT]);

/* All unknown: -1 where 0 would say something. pieces NULL. */
ifm_wire ifm_wire_unknown(void);

void ifm_wire_deinit(ifm_wire *self);

/* Pieces that carried tokens; and of all pieces those that share a read with the one before. */
size_t ifm_wire_token_pieces(const ifm_wire *self);
size_t ifm_wire_shared_pieces(const ifm_wire *self);

#endif
