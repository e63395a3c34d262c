#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "worker/worker.h"

static int32_t small(const json_t *object, const char *key, int32_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    json_int_t n = json_integer_value(value);
    return json_is_integer(value) && n >= 0 && n <= INT32_MAX ? (int32_t)n : otherwise;
}

static float number(const json_t *object, const char *key)
{
    return (float)json_number_value(json_object_get(object, key));
}

static ifm_status parse_ids(ifm_worker_sequence *sequence, const json_t *ids,
                            ifm_error *err)
{
    sequence->n_ids = json_array_size(ids);
    sequence->ids = calloc(sequence->n_ids + 1, sizeof *sequence->ids);
    if (sequence->ids == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory");
    for (size_t i = 0; i < sequence->n_ids; i++) {
        const json_t *id = json_array_get(ids, i);
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT32_MAX)
            return ifm_fail(err, IFM_ERR_FORMAT, "request: \"ids\" must be token ids");
        sequence->ids[i] = (int32_t)value;
    }
    return IFM_OK;
}

static ifm_status parse_stop(ifm_worker_request *request, const json_t *stop,
                             ifm_error *err)
{
    request->n_stop = json_array_size(stop);
    request->stop = calloc(request->n_stop + 1, sizeof *request->stop);
    if (request->stop == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory");
    for (size_t i = 0; i < request->n_stop; i++) {
        request->stop[i] = json_string_value(json_array_get(stop, i));
        if (request->stop[i] == NULL)
            return ifm_fail(err, IFM_ERR_FORMAT, "request: \"stop\" must be texts");
    }
    return IFM_OK;
}

static void parse_sampling(ifm_sampling *sampling, const json_t *json)
{
    *sampling = (ifm_sampling){
        .temperature = number(json, "temperature"),
        .top_k = small(json, "top_k", 0),
        .top_p = number(json, "top_p"),
        .min_p = number(json, "min_p"),
        .repetition_penalty = number(json, "repetition_penalty"),
        .seed = (uint64_t)json_integer_value(json_object_get(json, "seed")),
    };
}

static ifm_status parse_sequence(ifm_worker_sequence *sequence, const json_t *json,
                                 int32_t max_new_tokens, ifm_error *err)
{
    const json_t *ids = json_object_get(json, "ids");
    const json_t *prompt = json_object_get(json, "prompt");
    sequence->max_new_tokens = small(json, "max_new_tokens", max_new_tokens);
    if (sequence->max_new_tokens < 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "request: \"max_new_tokens\" must be ≥ 1");
    if (json_is_array(ids))
        return parse_ids(sequence, ids, err);
    if (!json_is_string(prompt))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "request: has neither \"prompt\" nor \"ids\"");
    sequence->prompt = json_string_value(prompt);
    sequence->n_prompt = json_string_length(prompt);
    return IFM_OK;
}

/* The elements of "sequences", or the request itself, which is then its only one. */
static ifm_status parse_sequences(ifm_worker_request *request, const json_t *json,
                                  ifm_error *err)
{
    const json_t *array = json_object_get(json, "sequences");
    const int32_t tokens = small(json, "max_new_tokens", 0);
    ifm_status st = IFM_OK;
    request->is_batch = json_is_array(array);
    request->n_sequences = request->is_batch ? json_array_size(array) : 1;
    if (request->n_sequences < 1 || request->n_sequences > IFM_SESSION_SEQUENCES_MAX)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "request: %zu sequences, expected 1 … %d",
                        request->n_sequences, IFM_SESSION_SEQUENCES_MAX);
    request->sequences = calloc(request->n_sequences, sizeof *request->sequences);
    if (request->sequences == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory");
    for (size_t i = 0; i < request->n_sequences && st == IFM_OK; i++) {
        const json_t *one = request->is_batch ? json_array_get(array, i) : json;
        st = parse_sequence(&request->sequences[i], one, tokens, err);
    }
    return st;
}

static ifm_status parse_padding(ifm_worker_request *request, const json_t *padding,
                                ifm_error *err)
{
    static const char *const names[] = {"none", "left", "right"};
    const char *name = json_string_value(padding);
    if (padding == NULL || json_is_null(padding))
        return IFM_OK;
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            request->padded = i > 0;
            return IFM_OK;
        }
    }
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "request: \"padding\" must be \"none\", \"left\" or \"right\"");
}

ifm_status ifm_worker_request_parse(ifm_worker_request *request, const json_t *json,
                                    ifm_error *err)
{
    *request = (ifm_worker_request){
        .number = small(json, "request", 0),
        .logprobs = small(json, "logprobs", 0),
        .ignore_eos = json_is_true(json_object_get(json, "ignore_eos")),
        .stream = json_is_true(json_object_get(json, "stream")),
    };
    parse_sampling(&request->sampling, json_object_get(json, "sampling"));
    ifm_status st = parse_padding(request, json_object_get(json, "padding"), err);
    if (st == IFM_OK)
        st = parse_sequences(request, json, err);
    if (st == IFM_OK)
        st = parse_stop(request, json_object_get(json, "stop"), err);
    return st;
}

void ifm_worker_request_deinit(ifm_worker_request *request)
{
    for (size_t i = 0; request->sequences != NULL && i < request->n_sequences; i++)
        free(request->sequences[i].ids);
    free(request->sequences);
    free(request->stop);
    *request = (ifm_worker_request){0};
}
