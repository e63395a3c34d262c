/*
 * The worker program's one object: what is loaded, what was asked, what will be said.
 *
 * Events are gathered in `out` and written when a request is over, or before the worker
 * would wait for input; during a request nothing is formatted, written or allocated (unless
 * "stream" is asked for).
 */
#ifndef IFM_WORKER_WORKER_H
#define IFM_WORKER_WORKER_H

#include <jansson.h>

#include "base/buffer.h"
#include "inferometer/inferometer.h"
#include "os/usage.h"

/* The moments of loading, kept until it is told. */
typedef struct ifm_worker_loading {
    ifm_time from, loaded, opened;
    ifm_usage did_load, did_open;
    bool pending; /* done and not told yet */
} ifm_worker_loading;

typedef struct ifm_worker_state {
    ifm_time main_at; /* the first instruction of main */
    ifm_usage usage;  /* at the end of the last phase */
    ifm_model *model;
    ifm_tokenizer *tokenizer;
    ifm_session *session;
    int32_t positions; /* room in the session, of each of its sequences */
    int32_t sequences;
    int32_t threads; /* as asked; 0: the engine's choice */
    bool exact;      /* see ifm_session_options */
    bool cold;       /* no request was served yet */
    ifm_worker_loading loading;
    bool greeted; /* "hello" was said */
    ifm_buffer out;
} ifm_worker_state;

/* What one sequence of a request begins with. */
typedef struct ifm_worker_sequence {
    const char *prompt; /* NULL: ids were given */
    size_t n_prompt;
    int32_t *ids; /* heap */
    size_t n_ids;
    int32_t max_new_tokens;
} ifm_worker_sequence;

/* One "request" line, parsed. Texts are borrowed from the JSON object. */
typedef struct ifm_worker_request {
    int32_t number;
    ifm_worker_sequence *sequences; /* heap, [n_sequences] */
    size_t n_sequences;
    bool is_batch; /* events name their sequence, even if there is but one */
    bool padded;
    const char **stop; /* heap */
    size_t n_stop;
    int32_t logprobs;
    ifm_sampling sampling;
    bool ignore_eos, stream;
} ifm_worker_request;

/* What happened to the tokens, kept until the last one. */
typedef struct ifm_worker_tokens {
    ifm_token *tokens; /* [room] texts and candidates borrowed from the generation */
    ifm_time *got;     /* [room] the consumer holds it */
    size_t n, room;
} ifm_worker_tokens;

/* ---- parse.c ---- */

/* Reads a "request" line. Errors: FORMAT, NO_MEMORY. Release with the second. */
ifm_status ifm_worker_request_parse(ifm_worker_request *request, const json_t *json,
                                    ifm_error *err);
void ifm_worker_request_deinit(ifm_worker_request *request);

/* ---- say.c: events, appended to out ---- */

/* "hello", and what loading was, if either is still to be told: before anything else. */
void ifm_worker_say_opening(ifm_worker_state *self);
void ifm_worker_say_error(ifm_worker_state *self, int32_t request, const ifm_error *err);
/* A phase between two moments, with what the system did since the last one. request < 0:
 * not part of a request. */
void ifm_worker_say_phase(ifm_worker_state *self, int32_t request, ifm_phase phase,
                          ifm_time from, ifm_time to, const ifm_usage *did);
void ifm_worker_say_start(ifm_worker_state *self, int32_t request, ifm_time at);
/* The ids of all sequences. */
void ifm_worker_say_input(ifm_worker_state *self, const ifm_worker_request *request);
void ifm_worker_say_token(ifm_worker_state *self, const ifm_worker_request *request,
                          const ifm_token *token, ifm_time got);
/* How a sequence of a batch ended. */
void ifm_worker_say_finish(ifm_worker_state *self, int32_t request, int32_t sequence,
                           ifm_finish finish);
void ifm_worker_say_done(ifm_worker_state *self, int32_t request, ifm_finish finish,
                         ifm_time at);
/* Writes out to stdout and empties it; false when nobody reads. */
bool ifm_worker_flush(ifm_worker_state *self);

/* ---- serve.c ---- */

/* Handle one line each. After an error of load the worker cannot go on. */
ifm_status ifm_worker_load(ifm_worker_state *self, const json_t *json, ifm_error *err);
ifm_status ifm_worker_serve(ifm_worker_state *self, const json_t *json, ifm_error *err);

#endif
