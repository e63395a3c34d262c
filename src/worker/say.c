#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include <errno.h>

#include "worker/worker.h"

/* Takes `json` and appends it as a line. */
static void say(ifm_worker_state *self, json_t *json)
{
    char *line = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (line == NULL) {
        self->out.failed = true;
        return;
    }
    ifm_buffer_puts(&self->out, line);
    ifm_buffer_puts(&self->out, "\n");
    free(line);
}

static void say_hello(ifm_worker_state *self)
{
    say(self,
        json_pack("{s:s, s:i, s:s, s:s, s:I, s:[s, s, s, s, s, s, s]}", "event", "hello",
                  "protocol", 1, "engine", "inferometer", "version", IFM_VERSION, "t_ns",
                  (json_int_t)self->main_at.ns, "capabilities", "ids", "text", "logprobs",
                  "phases", "faults", "sequences", "padding"));
}

static void say_loaded(ifm_worker_state *self)
{
    const ifm_model_info *info = ifm_model_describe(self->model);
    json_t *model = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:i}", "name", info->name,
        "family", info->family, "path", info->path, "dtype", info->dtype, "parameters",
        (json_int_t)info->parameters, "file_bytes", (json_int_t)info->file_bytes,
        "weight_bytes", (json_int_t)info->weight_bytes, "decode_bytes",
        (json_int_t)info->decode_bytes, "n_positions", info->n_positions, "n_vocab",
        info->n_vocab);
    say(self, json_pack("{s:s, s:I, s:s, s:s, s:b, s:o}", "event", "loaded", "t_ns",
                        (json_int_t)self->loading.opened.ns, "device", "cpu", "kernels",
                        info->kernels, "exact", self->exact, "model", model));
}

void ifm_worker_say_error(ifm_worker_state *self, int32_t request, const ifm_error *err)
{
    json_t *json = json_pack("{s:s, s:s, s:s}", "event", "error", "code",
                             ifm_status_name(err->status), "message", err->message);
    if (request >= 0)
        json_object_set_new(json, "request", json_integer(request));
    say(self, json);
}

void ifm_worker_say_phase(ifm_worker_state *self, int32_t request, ifm_phase phase,
                          ifm_time from, ifm_time to, const ifm_usage *did)
{
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:I}", "event", "phase", "name", ifm_phase_name(phase),
                  "start_ns", (json_int_t)from.ns, "end_ns", (json_int_t)to.ns);
    if (request >= 0)
        json_object_set_new(json, "request", json_integer(request));
    if (did != NULL) {
        json_object_set_new(json, "major_faults", json_integer(did->major_faults));
        json_object_set_new(json, "minor_faults", json_integer(did->minor_faults));
        if (did->read_bytes >= 0)
            json_object_set_new(json, "read_bytes", json_integer(did->read_bytes));
    }
    say(self, json);
}

void ifm_worker_say_opening(ifm_worker_state *self)
{
    const ifm_worker_loading *loading = &self->loading;
    if (!self->greeted)
        say_hello(self);
    self->greeted = true;
    if (!loading->pending)
        return;
    ifm_worker_say_phase(self, -1, IFM_PHASE_LOAD, loading->from, loading->loaded,
                         &loading->did_load);
    ifm_worker_say_phase(self, -1, IFM_PHASE_TOKENIZER, loading->loaded, loading->opened,
                         &loading->did_open);
    say_loaded(self);
    self->loading.pending = false;
}

void ifm_worker_say_start(ifm_worker_state *self, int32_t request, ifm_time at)
{
    say(self, json_pack("{s:s, s:i, s:I}", "event", "start", "request", request, "t_ns",
                        (json_int_t)at.ns));
}

/* Takes `json`, an event of one sequence of the request, and says it. */
static void say_of(ifm_worker_state *self, const ifm_worker_request *request,
                   int32_t sequence, json_t *json)
{
    if (request->is_batch)
        json_object_set_new(json, "sequence", json_integer(sequence));
    say(self, json);
}

void ifm_worker_say_input(ifm_worker_state *self, const ifm_worker_request *request)
{
    for (size_t s = 0; s < request->n_sequences; s++) {
        const ifm_worker_sequence *sequence = &request->sequences[s];
        json_t *ids = json_array();
        for (size_t i = 0; i < sequence->n_ids; i++)
            json_array_append_new(ids, json_integer(sequence->ids[i]));
        say_of(self, request, (int32_t)s,
               json_pack("{s:s, s:i, s:o}", "event", "input", "request", request->number,
                         "ids", ids));
    }
}

void ifm_worker_say_token(ifm_worker_state *self, const ifm_worker_request *request,
                          const ifm_token *token, ifm_time got)
{
    json_t *json = json_pack("{s:s, s:i, s:i, s:I, s:I}", "event", "token", "request",
                             request->number, "id", token->id, "t_ns", (json_int_t)got.ns,
                             "pushed_ns", (json_int_t)token->pushed_at.ns);
    if (request->logprobs > 0) {
        json_t *top = json_array();
        for (int32_t i = 0; i < request->logprobs; i++)
            json_array_append_new(top, json_pack("[i, f]", token->top[i].id,
                                                 (double)token->top[i].logprob));
        json_object_set_new(json, "logprob", json_real((double)token->logprob));
        json_object_set_new(json, "top", top);
    }
    say_of(self, request, token->sequence, json);
    if (token->n_text > 0)
        say_of(self, request, token->sequence,
               json_pack("{s:s, s:i, s:I, s:o}", "event", "text", "request",
                         request->number, "t_ns", (json_int_t)got.ns, "text",
                         json_stringn(token->text, token->n_text)));
}

void ifm_worker_say_finish(ifm_worker_state *self, int32_t request, int32_t sequence,
                           ifm_finish finish)
{
    say(self, json_pack("{s:s, s:i, s:i, s:s}", "event", "finish", "request", request,
                        "sequence", sequence, "finish", ifm_finish_name(finish)));
}

void ifm_worker_say_done(ifm_worker_state *self, int32_t request, ifm_finish finish,
                         ifm_time at)
{
    const ifm_session_options options = {
        .positions = self->positions,
        .threads = self->threads,
        .exact = self->exact,
        .sequences = self->sequences,
    };
    say(self,
        json_pack("{s:s, s:i, s:I, s:s, s:i, s:I, s:I}", "event", "done", "request",
                  request, "t_ns", (json_int_t)at.ns, "finish", ifm_finish_name(finish),
                  "threads", ifm_session_threads(self->session), "session_bytes",
                  (json_int_t)ifm_session_bytes(self->model, &options), "peak_rss_bytes",
                  (json_int_t)ifm_usage_peak_rss_bytes()));
}

bool ifm_worker_flush(ifm_worker_state *self)
{
    size_t sent = 0;
    bool ok = !self->out.failed;
    while (ok && sent < self->out.length) {
        ssize_t n = write(STDOUT_FILENO, self->out.data + sent, self->out.length - sent);
        if (n > 0)
            sent += (size_t)n;
        else
            ok = n < 0 && errno == EINTR;
    }
    ifm_buffer_clear(&self->out);
    return ok;
}
