/* Loading, and serving one request: load → tokenizer → tokenize → prefill → tokens. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "worker/worker.h"

/* What the system did since the last phase ended. Reading /proc costs microseconds, which a
 * warm request should not pay: nothing is read from storage there that faults don't show. */
static ifm_usage usage_since(ifm_worker_state *self)
{
    ifm_usage now = self->cold ? ifm_usage_all() : ifm_usage_faults();
    ifm_usage did = {
        now.major_faults - self->usage.major_faults,
        now.minor_faults - self->usage.minor_faults,
        now.read_bytes >= 0 && self->usage.read_bytes >= 0
            ? now.read_bytes - self->usage.read_bytes
            : -1,
    };
    self->usage = now;
    return did;
}

/* ---- load ------------------------------------------------------------------------- */

ifm_status ifm_worker_load(ifm_worker_state *self, const json_t *json, ifm_error *err)
{
    const char *path = json_string_value(json_object_get(json, "model"));
    const char *load = json_string_value(json_object_get(json, "load"));
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_FORMAT, "load: has no \"model\"");
    if (self->model != NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "load: a model is loaded already");
    self->threads = (int32_t)json_integer_value(json_object_get(json, "threads"));
    self->exact = json_is_true(json_object_get(json, "exact"));
    ifm_model_options options = {
        .load =
            load != NULL && strcmp(load, "eager") == 0 ? IFM_LOAD_EAGER : IFM_LOAD_LAZY,
        .kernels = json_string_value(json_object_get(json, "kernels")),
        .threads = self->threads,
    };
    ifm_worker_loading *loading = &self->loading;
    loading->from = ifm_time_now();
    ifm_status st = ifm_model_open(path, &options, &self->model, err);
    loading->did_load = usage_since(self);
    loading->loaded = ifm_time_now();
    if (st == IFM_OK)
        st = ifm_tokenizer_open(path, NULL, &self->tokenizer, err);
    loading->did_open = usage_since(self);
    loading->opened = ifm_time_now();
    loading->pending = st == IFM_OK;
    return st;
}

/* ---- one request ------------------------------------------------------------------ */

static ifm_status tokenize(ifm_worker_state *self, ifm_worker_request *request,
                           ifm_error *err)
{
    ifm_status st = IFM_OK;
    if (request->prompt != NULL)
        st =
            ifm_tokenizer_encode(self->tokenizer, request->prompt, request->n_prompt,
                                 IFM_ENCODE_DEFAULT, &request->ids, &request->n_ids, err);
    if (st == IFM_OK && request->n_ids == 0)
        st = ifm_fail(err, IFM_ERR_ARGUMENT,
                      "the prompt is empty: the model needs a token to begin with");
    return st;
}

/* A session with room for the request: the one that there is, or a new one. */
static ifm_status make_room(ifm_worker_state *self, const ifm_worker_request *request,
                            ifm_error *err)
{
    int32_t context = ifm_model_describe(self->model)->n_positions;
    int64_t needed = (int64_t)request->n_ids + request->max_new_tokens;
    if (needed > context)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "%zu prompt tokens and %d new ones exceed the model's context of %d "
            "positions: shorten the prompt or lower --max-new-tokens",
            request->n_ids, request->max_new_tokens, context);
    int32_t positions = (int32_t)needed;
    if (self->session != NULL && self->positions >= positions) {
        ifm_session_truncate(self->session, 0);
        return IFM_OK;
    }
    ifm_session_free(self->session);
    self->session = NULL;
    self->positions = positions;
    const ifm_session_options options = {
        .positions = positions, .threads = self->threads, .exact = self->exact};
    return ifm_session_new(self->model, &options, &self->session, err);
}

static ifm_status allocate(ifm_worker_tokens *tokens, const ifm_worker_request *request,
                           ifm_error *err)
{
    size_t n = (size_t)request->max_new_tokens;
    tokens->tokens = malloc(n * sizeof *tokens->tokens);
    tokens->got = malloc(n * sizeof *tokens->got);
    if (tokens->tokens == NULL || tokens->got == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory for %zu tokens", n);
    /* Touched now, so that no page fault falls between two tokens. */
    memset(tokens->tokens, 0, n * sizeof *tokens->tokens);
    memset(tokens->got, 0, n * sizeof *tokens->got);
    return IFM_OK;
}

/* The consumer: takes each token as it comes. Returns what the system did until the first. */
static ifm_usage consume(ifm_worker_state *self, const ifm_worker_request *request,
                         ifm_generation *generation, ifm_worker_tokens *tokens)
{
    ifm_usage first = {0, 0, -1};
    ifm_token token;
    size_t room = (size_t)request->max_new_tokens;
    while (tokens->n < room && ifm_generation_next(generation, &token)) {
        size_t i = tokens->n++;
        tokens->got[i] = ifm_time_now();
        tokens->tokens[i] = token;
        if (i == 0)
            first = usage_since(self);
        if (request->stream) {
            ifm_worker_say_token(self, request, &token, tokens->got[i]);
            ifm_worker_flush(self);
        }
    }
    return first;
}

/* The request's moments before its first token. */
typedef struct moments {
    ifm_time start, tokenized;
} moments;

static void say_beginning(ifm_worker_state *self, const ifm_worker_request *request,
                          const moments *at)
{
    ifm_worker_say_opening(self);
    ifm_worker_say_start(self, request->number, at->start);
    ifm_worker_say_phase(self, request->number, IFM_PHASE_TOKENIZE, at->start,
                         at->tokenized, NULL);
    ifm_worker_say_input(self, request);
}

static void say_phases(ifm_worker_state *self, int32_t number, const moments *at,
                       const ifm_worker_tokens *tokens, const ifm_usage *did)
{
    if (tokens->n == 0)
        return;
    const ifm_token *first = &tokens->tokens[0];
    ifm_worker_say_phase(self, number, IFM_PHASE_PREFILL, at->tokenized, first->logits_at,
                         did);
    ifm_worker_say_phase(self, number, IFM_PHASE_SAMPLE, first->logits_at,
                         first->sampled_at, NULL);
    ifm_worker_say_phase(self, number, IFM_PHASE_DETOKENIZE, first->sampled_at,
                         first->detokenized_at, NULL);
    ifm_worker_say_phase(self, number, IFM_PHASE_DELIVER, first->detokenized_at,
                         tokens->got[0], NULL);
}

/* Starts the generation, consumes it, and only then says what happened. */
static ifm_status run(ifm_worker_state *self, const ifm_worker_request *request,
                      const moments *at, ifm_worker_tokens *tokens, ifm_error *err)
{
    const ifm_request order = {
        .ids = request->ids,
        .n_ids = request->n_ids,
        .max_new_tokens = request->max_new_tokens,
        .sampling = request->sampling,
        .ignore_eos = request->ignore_eos,
        .stop = request->stop,
        .n_stop = request->n_stop,
        .logprobs = request->logprobs,
    };
    ifm_generation *generation = NULL;
    ifm_finish finish = IFM_FINISH_ERROR;
    ifm_status st =
        ifm_generation_start(self->session, self->tokenizer, &order, &generation, err);
    if (st != IFM_OK)
        return st;
    if (request->stream)
        say_beginning(self, request, at);
    ifm_usage did = consume(self, request, generation, tokens);
    ifm_time end = ifm_time_now();
    if (!request->stream)
        say_beginning(self, request, at);
    say_phases(self, request->number, at, tokens, &did);
    for (size_t i = 0; i < tokens->n && !request->stream; i++)
        ifm_worker_say_token(self, request, &tokens->tokens[i], tokens->got[i]);
    st = ifm_generation_finish(generation, &finish, err);
    if (st == IFM_OK)
        ifm_worker_say_done(self, request->number, finish, end);
    return st;
}

ifm_status ifm_worker_serve(ifm_worker_state *self, const json_t *json, ifm_error *err)
{
    ifm_worker_request request;
    ifm_worker_tokens tokens = {0};
    moments at;
    if (self->model == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "request: no model is loaded");
    ifm_status st = ifm_worker_request_parse(&request, json, err);
    at.start = ifm_time_now();
    if (st == IFM_OK)
        st = tokenize(self, &request, err);
    at.tokenized = ifm_time_now();
    if (st == IFM_OK)
        st = make_room(self, &request, err);
    if (st == IFM_OK)
        st = allocate(&tokens, &request, err);
    if (st == IFM_OK)
        st = run(self, &request, &at, &tokens, err);
    free(tokens.tokens);
    free(tokens.got);
    ifm_worker_request_deinit(&request);
    self->cold = false;
    return st;
}
