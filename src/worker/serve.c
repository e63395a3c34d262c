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
    for (size_t i = 0; i < request->n_sequences && st == IFM_OK; i++) {
        ifm_worker_sequence *s = &request->sequences[i];
        if (s->prompt != NULL)
            st = ifm_tokenizer_encode(self->tokenizer, s->prompt, s->n_prompt,
                                      IFM_ENCODE_DEFAULT, &s->ids, &s->n_ids, err);
        if (st == IFM_OK && s->n_ids == 0)
            st = ifm_fail(err, IFM_ERR_ARGUMENT,
                          "%s prompt is empty: the model needs a token to begin with",
                          request->is_batch ? "a" : "the");
    }
    return st;
}

/* Positions that the request asks of each sequence; as a rectangle, the longest prompt with
 * the most new tokens. In *longest the sequence that asks most. */
static int64_t positions_of(const ifm_worker_request *request,
                            ifm_worker_sequence *longest)
{
    *longest = request->sequences[0];
    for (size_t i = 1; i < request->n_sequences; i++) {
        const ifm_worker_sequence *s = &request->sequences[i];
        if (!request->padded) {
            if (s->n_ids + (size_t)s->max_new_tokens >
                longest->n_ids + (size_t)longest->max_new_tokens)
                *longest = *s;
            continue;
        }
        if (s->n_ids > longest->n_ids)
            longest->n_ids = s->n_ids;
        if (s->max_new_tokens > longest->max_new_tokens)
            longest->max_new_tokens = s->max_new_tokens;
    }
    return (int64_t)longest->n_ids + longest->max_new_tokens;
}

/* A session with room for the request: the one that there is, or a new one. */
static ifm_status make_room(ifm_worker_state *self, const ifm_worker_request *request,
                            ifm_error *err)
{
    int32_t context = ifm_model_describe(self->model)->n_positions;
    ifm_worker_sequence longest;
    int64_t needed = positions_of(request, &longest);
    if (needed > context)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "%zu prompt tokens and %d new ones exceed the model's context of %d "
            "positions: shorten the prompt or lower --max-new-tokens",
            longest.n_ids, longest.max_new_tokens, context);
    int32_t positions = (int32_t)needed, sequences = (int32_t)request->n_sequences;
    if (self->session != NULL && self->positions >= positions &&
        self->sequences >= sequences) {
        ifm_session_truncate(self->session, 0);
        return IFM_OK;
    }
    ifm_session_free(self->session);
    self->session = NULL;
    self->positions = positions;
    self->sequences = sequences;
    const ifm_session_options options = {.positions = positions,
                                         .threads = self->threads,
                                         .exact = self->exact,
                                         .sequences = sequences};
    return ifm_session_new(self->model, &options, &self->session, err);
}

static ifm_status allocate(ifm_worker_tokens *tokens, const ifm_worker_request *request,
                           ifm_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < request->n_sequences; i++)
        n += (size_t)request->sequences[i].max_new_tokens;
    tokens->room = n;
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
    while (tokens->n < tokens->room && ifm_generation_next(generation, &token)) {
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

/* Starts the generation of all sequences. */
static ifm_status start(ifm_worker_state *self, const ifm_worker_request *request,
                        ifm_generation **out, ifm_error *err)
{
    ifm_request orders[IFM_SESSION_SEQUENCES_MAX];
    for (size_t i = 0; i < request->n_sequences; i++) {
        const ifm_worker_sequence *s = &request->sequences[i];
        orders[i] = (ifm_request){
            .ids = s->ids,
            .n_ids = s->n_ids,
            .max_new_tokens = s->max_new_tokens,
            .sampling = request->sampling,
            .ignore_eos = request->ignore_eos,
            .stop = request->stop,
            .n_stop = request->n_stop,
            .logprobs = request->logprobs,
        };
    }
    return ifm_generation_start_batch(self->session, self->tokenizer, orders,
                                      request->n_sequences, request->padded, out, err);
}

/* How each sequence of a batch ended. */
static void say_finishes(ifm_worker_state *self, const ifm_worker_request *request,
                         const ifm_generation *generation)
{
    for (int32_t i = 0; request->is_batch && i < (int32_t)request->n_sequences; i++)
        ifm_worker_say_finish(self, request->number, i,
                              ifm_generation_ended(generation, i));
}

/* Starts the generation, consumes it, and only then says what happened. */
static ifm_status run(ifm_worker_state *self, const ifm_worker_request *request,
                      const moments *at, ifm_worker_tokens *tokens, ifm_error *err)
{
    ifm_generation *generation = NULL;
    ifm_finish finish = IFM_FINISH_ERROR;
    ifm_status st = start(self, request, &generation, err);
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
    say_finishes(self, request, generation);
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
