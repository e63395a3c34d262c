/*
 * The worker protocol (docs/worker-protocol.md): JSON lines over a pipe, absolute time
 * stamps of the machine's monotonic clock. Here one line is read or written; what a
 * sequence of events means is collect.h, where they come from is worker.h.
 *
 * Every byte is hostile: a worker is anybody's program.
 */
#ifndef IFM_TARGET_PROTOCOL_H
#define IFM_TARGET_PROTOCOL_H

#include <jansson.h>

#include "inferometer/generate.h"
#include "measure/record.h"
#include "base/buffer.h"

enum {
    IFM_PROTOCOL_VERSION = 1,
    IFM_PROTOCOL_LINE_LIMIT = 4 << 20, /* bytes; a longer line is an error */
    IFM_PROTOCOL_TOP_LIMIT = 20,       /* candidates of one token */
};

/* X(NAME, name as it stands in "event"). */
#define IFM_EVENT_LIST(X)                                                                \
    X(HELLO, hello)                                                                      \
    X(LOADED, loaded)                                                                    \
    X(START, start)                                                                      \
    X(INPUT, input)                                                                      \
    X(PHASE, phase)                                                                      \
    X(TOKEN, token)                                                                      \
    X(TEXT, text)                                                                        \
    X(FINISH, finish)                                                                    \
    X(DONE, done)                                                                        \
    X(ERROR, error)

typedef enum ifm_event_kind {
#define X(NAME, name) IFM_EVENT_##NAME,
    IFM_EVENT_LIST(X)
#undef X
        IFM_EVENT_UNKNOWN /* of a later protocol: to be ignored */
} ifm_event_kind;

/* One event. Strings and arrays are borrowed from `json`. Which fields an event has is
 * checked by the parser: the others are 0, -1 for counts that are not known. */
typedef struct ifm_event {
    ifm_event_kind kind;
    json_t *json;
    int64_t request;  /* -1: none */
    int64_t sequence; /* of a batch: input, token, text, finish; 0 */
    int64_t t_ns;     /* hello, loaded, start, token, text, done */

    int64_t protocol;         /* hello */
    const char *engine;       /* hello */
    const json_t *ids;        /* input: array of token ids, checked */
    ifm_phase phase;          /* phase; IFM_PHASE_COUNT: a name we do not know */
    int64_t start_ns, end_ns; /* phase */
    int64_t major_faults, minor_faults, read_bytes; /* phase; -1 */
    int32_t id;                                     /* token */
    int64_t pushed_ns;                              /* token: 0 if not known */
    float logprob;                                  /* token */
    ifm_candidate top[IFM_PROTOCOL_TOP_LIMIT];      /* token */
    size_t n_top;
    const char *text; /* text; terminated, may hold NUL */
    size_t n_text;
    const char *finish;         /* finish, done */
    int64_t peak_rss_bytes;     /* done; -1 */
    const char *code, *message; /* error */
} ifm_event;

/* Parses line[n] (without its line feed). On success the caller calls ifm_event_deinit.
 * Errors: CHILD, saying what is wrong with the line. Thread-safe. */
ifm_status ifm_event_parse(ifm_event *event, const char *line, size_t n, ifm_error *err);
void ifm_event_deinit(ifm_event *event);

/* What to load. NULL and 0: the worker's default. */
typedef struct ifm_worker_model {
    const char *path;
    const char *kernels;
    int32_t threads;
    bool eager;
    bool exact;                 /* activations are not rounded for quantized weights */
    const char *device, *dtype; /* "mps", "float16"; for engines that have a choice */
} ifm_worker_model;

/* One sequence of a batch: a text, or ids when n_ids > 0. All borrowed. */
typedef struct ifm_sequence {
    const char *prompt; /* valid UTF-8, may hold NUL */
    size_t n_prompt;
    const int32_t *ids;
    size_t n_ids;
    int32_t max_new_tokens;
    int32_t index; /* which of the workload's prompts it is */
} ifm_sequence;

/* A request: a text, or ids when n_ids > 0; or a batch. All borrowed. */
typedef struct ifm_target_request {
    const char *prompt; /* valid UTF-8, may hold NUL */
    size_t n_prompt;
    const int32_t *ids;
    size_t n_ids;
    int32_t max_new_tokens;
    ifm_sampling sampling;
    bool ignore_eos;
    const char *const *stop;
    size_t n_stop;
    int32_t logprobs;
    int32_t index;                 /* which of the workload's prompts it is */
    const ifm_sequence *sequences; /* a batch, instead of prompt and ids; NULL: none */
    size_t n_sequences;
    ifm_padding padding;
} ifm_target_request;

/* How many records a request makes: one a sequence. */
static inline size_t ifm_target_records(const ifm_target_request *request)
{
    return request->n_sequences > 0 ? request->n_sequences : 1;
}

/* Append one line, with its line feed. Errors: FORMAT (invalid UTF-8), NO_MEMORY. */
ifm_status ifm_protocol_write_load(ifm_buffer *out, const ifm_worker_model *model,
                                   ifm_error *err);
ifm_status ifm_protocol_write_request(ifm_buffer *out, const ifm_target_request *request,
                                      int32_t number, bool stream, ifm_error *err);

#endif
