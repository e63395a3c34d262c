#include "target/http.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "wire/body.h"

typedef struct server {
    ifm_target target;
    ifm_server_options options;
    ifm_client *client;
    char *model;
    uint64_t run; /* the run, in every request's id */
    int32_t asked;
    bool answered; /* once, by something that was an answer */
    bool done;
    ifm_record record;
} server;

static void on_done(void *user, void *request, ifm_record *record)
{
    server *self = user;
    (void)request;
    self->record = *record;
    self->done = true;
}

static bool cancelled(const server *self)
{
    struct pollfd fd = {.fd = self->options.cancel_fd, .events = POLLIN};
    return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

/* Before the first request: the model's name, and what is known of the server. */
static ifm_status meet(server *self, ifm_error *err)
{
    const ifm_server_options *o = &self->options;
    ifm_target_facts *facts = self->target.facts;
    ifm_status st = IFM_OK;
    if (o->model != NULL)
        self->model = strdup(o->model);
    else
        st = ifm_client_first_model(self->client, o->cancel_fd, &self->model, err);
    if (st != IFM_OK)
        return st;
    free(facts->model_name);
    facts->model_name = self->model != NULL ? strdup(self->model) : NULL;
    facts->url = strdup(o->shown_url);
    facts->endpoint = strdup(o->client.chat ? "chat" : "completions");
    facts->insecure = o->client.insecure;
    if (self->model == NULL || facts->model_name == NULL || facts->url == NULL ||
        facts->endpoint == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "server: no memory");
    return IFM_OK;
}

static ifm_status make_body(const server *self, const ifm_target_request *request,
                            char **text, size_t *n, ifm_error *err)
{
    const ifm_server_options *o = &self->options;
    if (request->n_sequences > 0)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED, "a server is asked for one sequence");
    if (request->n_ids > 0 && o->client.chat)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "the chat endpoint takes messages, not token ids");
    const ifm_body body = {
        .chat = o->client.chat,
        .stream = o->client.stream,
        .model = self->model,
        .prompt = request->prompt,
        .n_prompt = request->n_prompt,
        .ids = request->ids,
        .n_ids = request->n_ids,
        .system = o->system,
        .max_tokens = request->max_new_tokens,
        .sampling = request->sampling,
        .ignore_eos = request->ignore_eos,
        .stop = request->stop,
        .n_stop = request->n_stop,
        .extra = o->extra,
    };
    return ifm_body_make(&body, text, n, err);
}

/* The form of a UUID of version 8, as under load: servers that stand on Starlette's context
 * (llama-cpp-python's) refuse any other id with a bare status 400. */
static void make_id(const server *self, int32_t number, char id[64])
{
    snprintf(id, 64, "%08x-%04x-8%03x-8000-%012x", (unsigned)(self->run >> 28),
             (unsigned)(self->run >> 12) & 0xffff, (unsigned)self->run & 0xfff,
             (unsigned)number);
}

/* Sends it and waits for its end. */
static ifm_status ask(server *self, const char *body, size_t n, ifm_error *err)
{
    char id[64];
    make_id(self, self->asked++, id);
    const ifm_call call = {body, n, id, ifm_time_now(), self};
    self->done = false;
    ifm_client_start(self->client, &call);
    while (!self->done) {
        ifm_client_serve(self->client, (ifm_time){INT64_MAX}, self->options.cancel_fd);
        if (self->done || !cancelled(self))
            continue;
        ifm_client_cancel(self->client);
        ifm_record_deinit(&self->record);
        return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
    }
    return IFM_OK;
}

/* What the run knows of the request stays, the rest is what came of it. */
static void fill(ifm_record *record, ifm_record *got, int32_t asked_tokens)
{
    got->id = record->id;
    got->start = record->start;
    got->sequence = record->sequence;
    got->prompt = record->prompt;
    got->wire->asked_output_tokens = asked_tokens;
    if (got->wire->usage.prompt_tokens > 0)
        got->n_input = (size_t)got->wire->usage.prompt_tokens;
    if (got->n_tokens > 0)
        got->phases_ns[IFM_PHASE_OTHER] = got->token_ns[0]; /* no phase of an engine */
    ifm_record_deinit(record);
    *record = *got;
    *got = (ifm_record){0};
}

static ifm_status fail_first(const server *self, const ifm_record *record, ifm_error *err)
{
    const char *why = record->error != NULL ? record->error : "no answer";
    const char *url = self->options.shown_url;
    const bool named = strstr(why, url) != NULL;
    return ifm_fail(err, IFM_ERR_IO, "%s%s%s", named ? "" : url, named ? "" : ": ", why);
}

static ifm_status request_server(ifm_target *target, const ifm_target_request *request,
                                 ifm_start start, ifm_record *records, ifm_error *err)
{
    server *self = (server *)target;
    char *body = NULL;
    size_t n = 0;
    if (start == IFM_START_COLD)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "a server runs already: it has no cold starts");
    ifm_status st = self->model == NULL ? meet(self, err) : IFM_OK;
    if (st == IFM_OK)
        st = make_body(self, request, &body, &n, err);
    if (st == IFM_OK)
        st = ask(self, body, n, err);
    free(body);
    if (st != IFM_OK)
        return st;
    if (!self->record.ok && !self->answered) {
        st = fail_first(self, &self->record, err);
        ifm_record_deinit(&self->record);
        return st;
    }
    self->answered = true;
    fill(records, &self->record, request->max_new_tokens);
    if (target->on_text != NULL && records->n_text > 0)
        target->on_text(target->on_text_user, records->text, records->n_text);
    return IFM_OK;
}

static void free_server(ifm_target *target)
{
    server *self = (server *)target;
    ifm_client_free(self->client);
    ifm_record_deinit(&self->record);
    free(self->model);
    free(self);
}

static const ifm_target_ops server_ops = {request_server, free_server};

ifm_status ifm_server_new(const ifm_server_options *options, ifm_target_facts *facts,
                          ifm_target **out, ifm_error *err)
{
    server *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "server: no memory");
    self->target = (ifm_target){.ops = &server_ops, .facts = facts};
    self->options = *options;
    self->run = (uint64_t)ifm_time_now().ns;
    ifm_client_options client = options->client;
    client.libcurl = true; /* to look up the name is a phase of the request */
    client.connections = 1;
    client.on_piece = NULL;
    client.on_done = on_done;
    client.user = self;
    ifm_status st = ifm_client_new(&client, &self->client, err);
    if (st == IFM_OK)
        *out = &self->target;
    else
        free(self);
    return st;
}
