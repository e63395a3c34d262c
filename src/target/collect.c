#include "target/collect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory for its events");
}

ifm_status ifm_collector_init(ifm_collector *self, ifm_record *records,
                              const ifm_target_request *request, int32_t number,
                              bool cold, ifm_time earliest, ifm_error *err)
{
    const size_t n = ifm_target_records(request);
    *self = (ifm_collector){
        .sequences = calloc(n, sizeof *self->sequences),
        .n_sequences = n,
        .request = number,
        .logprobs = request->logprobs,
        .origin_ns = cold ? earliest.ns : 0,
        .earliest_ns = earliest.ns,
        .cold = cold,
        .latest_ns = earliest.ns,
    };
    if (self->sequences == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        self->sequences[i] = (ifm_collected){
            .record = &records[i],
            .max_tokens = request->n_sequences > 0 ? request->sequences[i].max_new_tokens
                                                   : request->max_new_tokens,
            .handover_known = true,
        };
        records[i].n_logprobs = request->logprobs;
    }
    return IFM_OK;
}

void ifm_collector_deinit(ifm_collector *self)
{
    for (size_t i = 0; self->sequences != NULL && i < self->n_sequences; i++)
        ifm_buffer_deinit(&self->sequences[i].text);
    free(self->sequences);
    *self = (ifm_collector){0};
}

/* A stamp of an event that must come in order. */
static ifm_status check_order(ifm_collector *self, const char *what, int64_t t_ns,
                              ifm_time now, ifm_error *err)
{
    if (t_ns < self->latest_ns)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "time stamps run backwards: \"%s\" is stamped %" PRId64
                        " ns before what came earlier",
                        what, self->latest_ns - t_ns);
    if (t_ns > now.ns)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "\"%s\" is stamped %" PRId64 " ns in the future: is the worker's "
                        "clock the machine's monotonic clock?",
                        what, t_ns - now.ns);
    self->latest_ns = t_ns;
    return IFM_OK;
}

/* A cold request begins before its process: main runs when "spawn" ends. */
static ifm_status take_hello(ifm_collector *self, const ifm_event *event, ifm_time now,
                             ifm_error *err)
{
    if (!self->cold || self->started)
        return ifm_fail(err, IFM_ERR_CHILD, "\"hello\" inside a request");
    ifm_status st = check_order(self, "hello", event->t_ns, now, err);
    for (size_t i = 0; i < self->n_sequences; i++)
        self->sequences[i].record->phases_ns[IFM_PHASE_SPAWN] =
            event->t_ns - self->origin_ns;
    return st;
}

/* A worker's own error, by its own name if it is one of ours. */
static ifm_status take_error(const ifm_event *event, ifm_error *err)
{
    ifm_status status = IFM_ERR_CHILD;
#define X(name, meaning)                                                                 \
    if (IFM_##name != IFM_OK && strcmp(event->code, #name) == 0)                         \
        status = IFM_##name;
    IFM_STATUS_LIST(X)
#undef X
    bool silent = *event->message == '\0';
    return ifm_fail(err, status, "%s%s",
                    silent ? "it failed without a message, code " : "",
                    silent ? event->code : event->message);
}

static ifm_status take_start(ifm_collector *self, const ifm_event *event, ifm_time now,
                             ifm_error *err)
{
    if (self->started)
        return ifm_fail(err, IFM_ERR_CHILD, "\"start\" came twice for one request");
    ifm_status st = check_order(self, "start", event->t_ns, now, err);
    if (st != IFM_OK)
        return st;
    self->started = true;
    if (self->origin_ns == 0)
        self->origin_ns = event->t_ns;
    return IFM_OK;
}

static ifm_status take_input(ifm_collected *self, const ifm_event *event, ifm_error *err)
{
    ifm_record *record = self->record;
    size_t n = json_array_size(event->ids);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    if (ids == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(event->ids, i));
    free(record->input_ids);
    record->input_ids = ids;
    record->n_input = n;
    return IFM_OK;
}

static void add_known(int64_t *sum, int64_t count)
{
    if (count >= 0)
        *sum = (*sum < 0 ? 0 : *sum) + count;
}

static ifm_status take_phase(ifm_collector *self, const ifm_event *event, ifm_time now,
                             ifm_error *err)
{
    if (event->phase == IFM_PHASE_COUNT || event->phase == IFM_PHASE_OTHER)
        return IFM_OK; /* it stays part of "other" */
    if (event->end_ns < event->start_ns || event->end_ns > now.ns ||
        event->start_ns < self->earliest_ns)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "phase \"%s\" does not lie between the request's start and now",
                        ifm_phase_name(event->phase));
    /* What is done for a batch at once, each of its sequences waits for. */
    for (size_t i = 0; i < self->n_sequences; i++) {
        ifm_record *record = self->sequences[i].record;
        record->phases_ns[event->phase] += event->end_ns - event->start_ns;
        ifm_phase_io *io = &record->phase_io[event->phase];
        add_known(&io->major_faults, event->major_faults);
        add_known(&io->minor_faults, event->minor_faults);
        add_known(&io->read_bytes, event->read_bytes);
    }
    return IFM_OK;
}

static bool grow(void *array, size_t n, size_t element)
{
    void *grown = realloc(*(void **)array, n * element);
    if (grown == NULL)
        return false;
    *(void **)array = grown;
    return true;
}

static bool room_for_token(ifm_collected *self, int32_t logprobs)
{
    ifm_record *record = self->record;
    if (record->n_tokens < self->capacity_tokens)
        return true;
    size_t n = self->capacity_tokens == 0 ? 64 : self->capacity_tokens * 2;
    size_t top = (size_t)logprobs;
    bool ok = grow(&record->output_ids, n, sizeof *record->output_ids) &&
              grow(&record->token_ns, n, sizeof *record->token_ns) &&
              grow(&record->handover_ns, n, sizeof *record->handover_ns);
    if (ok && top > 0)
        ok = grow(&record->logprobs, n, sizeof *record->logprobs) &&
             grow(&record->top, n * top, sizeof *record->top);
    if (ok)
        self->capacity_tokens = n;
    return ok;
}

static ifm_status take_token(ifm_collector *self, ifm_collected *own,
                             const ifm_event *event, ifm_time now, ifm_error *err)
{
    ifm_record *record = own->record;
    if (record->n_tokens >= (size_t)own->max_tokens)
        return ifm_fail(err, IFM_ERR_CHILD, "more than the %d tokens that were asked for",
                        own->max_tokens);
    ifm_status st = check_order(self, "token", event->t_ns, now, err);
    if (st != IFM_OK)
        return st;
    if (event->n_top != (size_t)self->logprobs)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "a token carries %zu candidates, %d were asked", event->n_top,
                        self->logprobs);
    if (!room_for_token(own, self->logprobs))
        return no_memory(err);
    size_t i = record->n_tokens++;
    record->output_ids[i] = event->id;
    record->token_ns[i] = event->t_ns - self->origin_ns;
    bool pushed = event->pushed_ns > 0 && event->pushed_ns <= event->t_ns;
    own->handover_known = own->handover_known && pushed;
    record->handover_ns[i] = pushed ? event->t_ns - event->pushed_ns : 0;
    if (self->logprobs > 0) {
        record->logprobs[i] = event->logprob;
        memcpy(&record->top[i * event->n_top], event->top,
               event->n_top * sizeof *event->top);
    }
    return IFM_OK;
}

/* Texts are gathered in one buffer that may move; their pointers are set at the end. */
static ifm_status take_text(ifm_collector *self, ifm_collected *own,
                            const ifm_event *event, ifm_time now, ifm_error *err)
{
    ifm_record *record = own->record;
    ifm_status st = check_order(self, "text", event->t_ns, now, err);
    if (st != IFM_OK || event->n_text == 0)
        return st;
    if (record->n_text_events >= 2 * (size_t)own->max_tokens + 16)
        return ifm_fail(err, IFM_ERR_CHILD, "a flood of texts: %zu for at most %d tokens",
                        record->n_text_events, own->max_tokens);
    if (record->n_text_events == own->capacity_texts) {
        size_t n = own->capacity_texts == 0 ? 64 : own->capacity_texts * 2;
        if (!grow(&record->text_events, n, sizeof *record->text_events))
            return no_memory(err);
        own->capacity_texts = n;
    }
    ifm_buffer_append(&own->text, event->text, event->n_text);
    record->text_events[record->n_text_events++] =
        (ifm_text_event){event->t_ns - self->origin_ns, NULL, event->n_text};
    return own->text.failed ? no_memory(err) : IFM_OK;
}

static ifm_status attach_text(ifm_collected *own, ifm_error *err)
{
    ifm_record *record = own->record;
    record->n_text = own->text.length;
    ifm_buffer_append(&own->text, "", 0);
    record->text = own->text.length > 0 ? ifm_buffer_take(&own->text) : strdup("");
    if (record->text == NULL)
        return no_memory(err);
    size_t offset = 0;
    for (size_t i = 0; i < record->n_text_events; i++) {
        record->text_events[i].text = record->text + offset;
        offset += record->text_events[i].n_text;
    }
    return IFM_OK;
}

/* Σ phases = TTFT: what no phase covers is "other", and cannot be negative. */
static ifm_status close_phases(ifm_record *record, ifm_error *err)
{
    int64_t sum = 0;
    for (int p = 0; p < IFM_PHASE_OTHER; p++)
        sum += record->phases_ns[p];
    int64_t ttft = record->n_tokens > 0 ? record->token_ns[0] : sum;
    if (sum > ttft)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "the phases add up to %" PRId64
                        " ns, more than the TTFT of %" PRId64 " ns: do they overlap?",
                        sum, ttft);
    record->phases_ns[IFM_PHASE_OTHER] = ttft - sum;
    return IFM_OK;
}

/* What the worker's streamer showed a naive reader, if it tells. */
static void take_streamer(ifm_collector *self, const ifm_event *event)
{
    json_int_t start = 0, first = 0, last = 0, items = 0;
    json_t *said = json_object_get(event->json, "streamer");
    if (json_unpack(said, "{s:I, s:I, s:I, s:I}", "start_ns", &start, "first_item_ns",
                    &first, "last_item_ns", &last, "items", &items) != 0)
        return;
    if (start < self->origin_ns || first < start || last < first || items < 1)
        return;
    self->sequences[0].record->streamer = (ifm_streamer){
        start - self->origin_ns, first - self->origin_ns, last - self->origin_ns, items};
}

/* Why a sequence of a batch ended; of a single one "done" says it. */
static ifm_status take_finish(ifm_collected *own, const char *finish, ifm_error *err)
{
    free(own->record->finish_reason);
    own->record->finish_reason = strdup(finish);
    return own->record->finish_reason != NULL ? IFM_OK : no_memory(err);
}

static ifm_status close_sequence(ifm_collected *own, const ifm_event *event,
                                 ifm_error *err)
{
    ifm_record *record = own->record;
    ifm_status st = close_phases(record, err);
    if (st == IFM_OK)
        st = attach_text(own, err);
    if (st == IFM_OK && record->finish_reason == NULL)
        st = take_finish(own, event->finish, err);
    record->peak_rss_bytes = event->peak_rss_bytes;
    if (!own->handover_known) {
        free(record->handover_ns);
        record->handover_ns = NULL;
    }
    record->ok = st == IFM_OK;
    return st;
}

static ifm_status take_done(ifm_collector *self, const ifm_event *event, ifm_time now,
                            ifm_error *err)
{
    ifm_status st = check_order(self, "done", event->t_ns, now, err);
    for (size_t i = 0; i < self->n_sequences && st == IFM_OK; i++)
        st = close_sequence(&self->sequences[i], event, err);
    if (st == IFM_OK)
        take_streamer(self, event);
    self->done = st == IFM_OK;
    return st;
}

static ifm_status take_by_kind(ifm_collector *self, const ifm_event *event, ifm_time now,
                               ifm_error *err)
{
    if (event->sequence >= (int64_t)self->n_sequences)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "an event belongs to sequence %" PRId64 " of a request of %zu",
                        event->sequence, self->n_sequences);
    ifm_collected *own = &self->sequences[event->sequence];
    switch (event->kind) {
    case IFM_EVENT_HELLO:
        return take_hello(self, event, now, err);
    case IFM_EVENT_START:
        return take_start(self, event, now, err);
    case IFM_EVENT_INPUT:
        return take_input(own, event, err);
    case IFM_EVENT_PHASE:
        return take_phase(self, event, now, err);
    case IFM_EVENT_TOKEN:
        return take_token(self, own, event, now, err);
    case IFM_EVENT_TEXT:
        return take_text(self, own, event, now, err);
    case IFM_EVENT_FINISH:
        return take_finish(own, event->finish, err);
    case IFM_EVENT_DONE:
        return take_done(self, event, now, err);
    case IFM_EVENT_LOADED:
    case IFM_EVENT_ERROR:
    case IFM_EVENT_UNKNOWN:
        break;
    }
    return IFM_OK;
}

ifm_status ifm_collector_take(ifm_collector *self, const ifm_event *event, ifm_time now,
                              ifm_error *err)
{
    bool starting = event->kind == IFM_EVENT_HELLO || event->kind == IFM_EVENT_LOADED;
    bool loading = event->kind == IFM_EVENT_PHASE && event->request < 0;
    if (event->kind == IFM_EVENT_UNKNOWN || event->kind == IFM_EVENT_LOADED)
        return IFM_OK;
    if (event->kind == IFM_EVENT_ERROR)
        return take_error(event, err);
    if (self->done)
        return ifm_fail(err, IFM_ERR_CHILD, "events go on after \"done\"");
    if (!starting && !loading && event->request != self->request)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "an event belongs to request %" PRId64 ", expected %d",
                        event->request, self->request);
    if (loading && !self->cold)
        return IFM_OK;
    if (!self->started && !starting && !loading && event->kind != IFM_EVENT_START)
        return ifm_fail(err, IFM_ERR_CHILD, "a request's events begin with \"start\"");
    return take_by_kind(self, event, now, err);
}

/* ---- facts ------------------------------------------------------------------------ */

static bool replace_text(char **field, const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (value == NULL)
        return true;
    char *copy = strdup(value);
    if (copy == NULL)
        return false;
    free(*field);
    *field = copy;
    return true;
}

static void replace_count(int64_t *field, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        *field = json_integer_value(value);
}

static void replace_small(int32_t *field, const json_t *object, const char *key)
{
    int64_t count = *field;
    replace_count(&count, object, key);
    if (count <= INT32_MAX)
        *field = (int32_t)count;
}

ifm_status ifm_collect_facts(ifm_target_facts *facts, const ifm_event *event,
                             ifm_error *err)
{
    const json_t *model = json_object_get(event->json, "model");
    bool ok = replace_text(&facts->engine, event->json, "engine") &&
              replace_text(&facts->device, event->json, "device") &&
              replace_text(&facts->kernels, event->json, "kernels") &&
              replace_text(&facts->model_name, model, "name") &&
              replace_text(&facts->model_family, model, "family") &&
              replace_text(&facts->model_path, model, "path") &&
              replace_text(&facts->model_dtype, model, "dtype");
    if (json_is_boolean(json_object_get(event->json, "exact")))
        facts->exact = json_is_true(json_object_get(event->json, "exact"));
    facts->synchronized =
        facts->synchronized || json_is_true(json_object_get(event->json, "synchronized"));
    replace_small(&facts->threads, event->json, "threads");
    replace_count(&facts->session_bytes, event->json, "session_bytes");
    replace_count(&facts->parameters, model, "parameters");
    replace_count(&facts->file_bytes, model, "file_bytes");
    replace_count(&facts->weight_bytes, model, "weight_bytes");
    replace_count(&facts->decode_bytes, model, "decode_bytes");
    replace_count(&facts->nan_weights, model, "nan_weights");
    replace_small(&facts->n_positions, model, "n_positions");
    replace_small(&facts->n_vocab, model, "n_vocab");
    return ok ? IFM_OK : no_memory(err);
}
