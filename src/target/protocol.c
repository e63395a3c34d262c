#include "target/protocol.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* ---- fields ---------------------------------------------------------------------- */

/* Reads fields of one object; the first thing that is wrong is kept as the error. */
typedef struct fields {
    const json_t *object;
    const char *event;
    ifm_status status;
    ifm_error *err;
} fields;

static void wrong(fields *self, const char *key, const char *expected)
{
    if (self->status == IFM_OK)
        self->status = ifm_fail(self->err, IFM_ERR_CHILD,
                                "event \"%s\": \"%s\" is missing or not %s", self->event,
                                key, expected);
}

static int64_t integer(fields *self, const char *key, int64_t min, int64_t max)
{
    const json_t *value = json_object_get(self->object, key);
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max) {
        wrong(self, key, "an integer in its range");
        return 0;
    }
    return json_integer_value(value);
}

/* The same for a field that may be missing or null. */
static int64_t optional(fields *self, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(self->object, key);
    if (value == NULL || json_is_null(value))
        return otherwise;
    return integer(self, key, 0, INT64_MAX);
}

static const char *text(fields *self, const char *key, size_t *n)
{
    const json_t *value = json_object_get(self->object, key);
    if (!json_is_string(value)) {
        wrong(self, key, "a text");
        return "";
    }
    if (n != NULL)
        *n = json_string_length(value);
    return json_string_value(value);
}

static int64_t time_stamp(fields *self, const char *key)
{
    return integer(self, key, 1, INT64_MAX);
}

/* ---- one function per event with more than a field or two ------------------------- */

static void parse_input(fields *self, ifm_event *event)
{
    event->ids = json_object_get(self->object, "ids");
    if (!json_is_array(event->ids)) {
        wrong(self, "ids", "an array of token ids");
        return;
    }
    size_t i;
    const json_t *id;
    json_array_foreach((json_t *)(uintptr_t)event->ids, i, id)
    {
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT32_MAX) {
            wrong(self, "ids", "an array of token ids");
            return;
        }
    }
}

static void parse_phase(fields *self, ifm_event *event)
{
    const char *name = text(self, "name", NULL);
    event->phase = IFM_PHASE_COUNT;
#define X(NAME, name_)                                                                   \
    if (strcmp(name, #name_) == 0)                                                       \
        event->phase = IFM_PHASE_##NAME;
    IFM_PHASE_LIST(X)
#undef X
    event->start_ns = time_stamp(self, "start_ns");
    event->end_ns = time_stamp(self, "end_ns");
    event->major_faults = optional(self, "major_faults", -1);
    event->minor_faults = optional(self, "minor_faults", -1);
    event->read_bytes = optional(self, "read_bytes", -1);
}

static void parse_top(fields *self, ifm_event *event)
{
    json_t *top = json_object_get(self->object, "top");
    if (top == NULL || json_is_null(top))
        return;
    event->n_top = json_array_size(top);
    if (!json_is_array(top) || event->n_top > IFM_PROTOCOL_TOP_LIMIT) {
        event->n_top = 0;
        wrong(self, "top", "an array of at most 20 pairs [id, logprob]");
        return;
    }
    for (size_t i = 0; i < event->n_top; i++) {
        const json_t *pair = json_array_get(top, i);
        const json_t *id = json_array_get(pair, 0), *logprob = json_array_get(pair, 1);
        if (json_array_size(pair) != 2 || !json_is_integer(id) ||
            !json_is_number(logprob))
            wrong(self, "top", "an array of at most 20 pairs [id, logprob]");
        event->top[i] = (ifm_candidate){(int32_t)json_integer_value(id),
                                        (float)json_number_value(logprob)};
    }
}

static void parse_token(fields *self, ifm_event *event)
{
    event->t_ns = time_stamp(self, "t_ns");
    event->id = (int32_t)integer(self, "id", 0, INT32_MAX);
    event->pushed_ns = optional(self, "pushed_ns", 0);
    const json_t *logprob = json_object_get(self->object, "logprob");
    if (logprob != NULL && !json_is_number(logprob) && !json_is_null(logprob))
        wrong(self, "logprob", "a number");
    event->logprob = (float)json_number_value(logprob);
    parse_top(self, event);
}

static void parse_fields(fields *self, ifm_event *event)
{
    switch (event->kind) {
    case IFM_EVENT_HELLO:
        event->protocol = integer(self, "protocol", 0, INT32_MAX);
        event->engine = text(self, "engine", NULL);
        event->t_ns = time_stamp(self, "t_ns");
        break;
    case IFM_EVENT_LOADED:
        event->t_ns = time_stamp(self, "t_ns");
        if (!json_is_object(json_object_get(self->object, "model")))
            wrong(self, "model", "an object");
        break;
    case IFM_EVENT_START:
        event->t_ns = time_stamp(self, "t_ns");
        break;
    case IFM_EVENT_INPUT:
        parse_input(self, event);
        break;
    case IFM_EVENT_PHASE:
        parse_phase(self, event);
        break;
    case IFM_EVENT_TOKEN:
        parse_token(self, event);
        break;
    case IFM_EVENT_TEXT:
        event->t_ns = time_stamp(self, "t_ns");
        event->text = text(self, "text", &event->n_text);
        break;
    case IFM_EVENT_FINISH:
        event->finish = text(self, "finish", NULL);
        break;
    case IFM_EVENT_DONE:
        event->t_ns = time_stamp(self, "t_ns");
        event->finish = text(self, "finish", NULL);
        event->peak_rss_bytes = optional(self, "peak_rss_bytes", -1);
        break;
    case IFM_EVENT_ERROR:
        event->code = text(self, "code", NULL);
        event->message = text(self, "message", NULL);
        break;
    case IFM_EVENT_UNKNOWN:
        break;
    }
}

static ifm_event_kind kind_of(const char *name)
{
#define X(NAME, name_)                                                                   \
    if (strcmp(name, #name_) == 0)                                                       \
        return IFM_EVENT_##NAME;
    IFM_EVENT_LIST(X)
#undef X
    return IFM_EVENT_UNKNOWN;
}

ifm_status ifm_event_parse(ifm_event *event, const char *line, size_t n, ifm_error *err)
{
    *event = (ifm_event){.request = -1, .peak_rss_bytes = -1};
    json_error_t where;
    json_t *json = json_loadb(line, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(json)) {
        json_decref(json);
        return ifm_fail(err, IFM_ERR_CHILD,
                        "expected one JSON object a line, got \"%.*s\"%s",
                        n > 60 ? 60 : (int)n, line, n > 60 ? " …" : "");
    }
    event->json = json;
    const char *name = json_string_value(json_object_get(json, "event"));
    fields f = {json, name != NULL ? name : "", IFM_OK, err};
    if (name == NULL)
        wrong(&f, "event", "a text");
    event->kind = kind_of(f.event);
    event->request = optional(&f, "request", -1);
    event->sequence = optional(&f, "sequence", 0);
    parse_fields(&f, event);
    if (f.status != IFM_OK)
        ifm_event_deinit(event);
    return f.status;
}

void ifm_event_deinit(ifm_event *event)
{
    json_decref(event->json);
    *event = (ifm_event){0};
}

/* ---- lines to the worker ---------------------------------------------------------- */

/* Takes `json` and appends it as a line. */
static ifm_status append_line(ifm_buffer *out, json_t *json, ifm_error *err)
{
    char *line = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (line == NULL)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "request: not valid UTF-8, or out of memory");
    ifm_buffer_puts(out, line);
    ifm_buffer_puts(out, "\n");
    free(line);
    return out->failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory") : IFM_OK;
}

ifm_status ifm_protocol_write_load(ifm_buffer *out, const ifm_worker_model *model,
                                   ifm_error *err)
{
    return append_line(
        out,
        json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:i, s:b}", "op", "load", "model",
                  model->path, "load", model->eager ? "eager" : "lazy", "kernels",
                  model->kernels, "device", model->device, "dtype", model->dtype,
                  "threads", model->threads, "exact", model->exact),
        err);
}

static json_t *sampling_to_json(const ifm_sampling *s)
{
    return json_pack("{s:f, s:i, s:f, s:f, s:f, s:I}", "temperature",
                     (double)s->temperature, "top_k", s->top_k, "top_p", (double)s->top_p,
                     "min_p", (double)s->min_p, "repetition_penalty",
                     (double)s->repetition_penalty, "seed", (json_int_t)s->seed);
}

static json_t *ids_to_json(const int32_t *ids, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_integer(ids[i]));
    return array;
}

/* Sets "ids" or "prompt"; false when the text is not valid UTF-8. */
static bool set_input(json_t *json, const char *prompt, size_t n_prompt,
                      const int32_t *ids, size_t n_ids)
{
    json_t *input = n_ids > 0 ? ids_to_json(ids, n_ids) : json_stringn(prompt, n_prompt);
    /* Setting a NULL, or in a NULL, fails, and takes what was to be set. */
    return json_object_set_new(json, n_ids > 0 ? "ids" : "prompt", input) == 0;
}

static bool set_sequences(json_t *json, const ifm_target_request *request)
{
    static const char *const paddings[] = {"none", "left", "right"};
    json_t *array = json_array();
    bool ok = array != NULL;
    for (size_t i = 0; i < request->n_sequences; i++) {
        const ifm_sequence *s = &request->sequences[i];
        json_t *one = json_pack("{s:i}", "max_new_tokens", s->max_new_tokens);
        ok = set_input(one, s->prompt, s->n_prompt, s->ids, s->n_ids) && ok;
        ok = json_array_append_new(array, one) == 0 && ok;
    }
    ok = json_object_set_new(json, "padding", json_string(paddings[request->padding])) ==
             0 &&
         ok;
    return json_object_set_new(json, "sequences", array) == 0 && ok;
}

/* The stop texts; NULL when one of them is not valid UTF-8. */
static json_t *stop_to_json(const ifm_target_request *request)
{
    json_t *stop = json_array();
    for (size_t i = 0; i < request->n_stop; i++) {
        if (json_array_append_new(stop, json_string(request->stop[i])) != 0) {
            json_decref(stop);
            return NULL;
        }
    }
    return stop;
}

ifm_status ifm_protocol_write_request(ifm_buffer *out, const ifm_target_request *request,
                                      int32_t number, bool stream, ifm_error *err)
{
    json_t *json =
        json_pack("{s:s, s:i, s:i, s:o, s:b, s:i, s:b}", "op", "request", "request",
                  number, "max_new_tokens", request->max_new_tokens, "sampling",
                  sampling_to_json(&request->sampling), "ignore_eos", request->ignore_eos,
                  "logprobs", request->logprobs, "stream", stream);
    bool ok = request->n_sequences > 0
                  ? set_sequences(json, request)
                  : set_input(json, request->prompt, request->n_prompt, request->ids,
                              request->n_ids);
    ok = json_object_set_new(json, "stop", stop_to_json(request)) == 0 && ok;
    if (!ok) {
        json_decref(json);
        json = NULL;
    }
    return append_line(out, json, err);
}
