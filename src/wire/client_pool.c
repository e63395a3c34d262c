/*
 * The pool: exchanges are made when more are under way than ever before, and kept; the one
 * that was free last is taken first, for its connection is the likeliest to be open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/client_parts.h"

enum { KEPT_BODY_BYTES = 64 << 10 /* a larger one is not kept for the next request */ };

/* ---- ends -------------------------------------------------------------------------- */

static void put_back(ifm_client *self, ifm_exchange *e)
{
    ifm_exchange *last = self->alive[--self->n_alive];
    self->alive[e->alive_at] = last;
    last->alive_at = e->alive_at;
    e->state = IFM_EXCHANGE_FREE;
    e->record = ifm_record_empty();
    if (e->body_room > KEPT_BODY_BYTES) {
        free(e->body);
        e->body = NULL;
        e->body_room = 0;
    }
    self->idle[self->n_idle++] = e;
}

void ifm_client_hand_over(ifm_exchange *self)
{
    ifm_client *client = self->client;
    ifm_record record = self->record;
    void *request = self->request;
    client->n_ended++;
    client->life_ns += (record.wire->end_ns - client->life_ns) / 16;
    put_back(client, self);
    client->options.on_done(client->options.user, request, &record);
}

/* ---- requests ---------------------------------------------------------------------- */

static bool grow_lists(ifm_client *self)
{
    const size_t n = self->exchanges_room > 0 ? 2 * self->exchanges_room : 64;
    ifm_exchange ***lists[] = {&self->exchanges, &self->idle, &self->alive, &self->heap};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        ifm_exchange **grown = realloc(*lists[i], (n + 1) * sizeof *grown);
        if (grown == NULL)
            return false;
        *lists[i] = grown;
    }
    self->exchanges_room = n;
    return true;
}

static ifm_exchange *free_exchange(ifm_client *self)
{
    if (self->n_idle > 0)
        return self->idle[--self->n_idle];
    if (self->n_exchanges == self->exchanges_room && !grow_lists(self))
        return NULL;
    ifm_exchange *e = ifm_exchange_new(self);
    if (e != NULL)
        self->exchanges[self->n_exchanges++] = e;
    return e;
}

static bool keep_body(ifm_exchange *e, const ifm_call *call)
{
    if (call->n_body + 1 > e->body_room) {
        char *body = realloc(e->body, call->n_body + 1);
        if (body == NULL)
            return false;
        e->body = body;
        e->body_room = call->n_body + 1;
    }
    memcpy(e->body, call->body, call->n_body);
    e->body[call->n_body] = '\0';
    e->n_body = call->n_body;
    return true;
}

static bool make_answer(ifm_exchange *e)
{
    const ifm_client_options *o = &e->client->options;
    const ifm_answer_options options = {
        .secrets = {.api_key = o->api_key,
                    .headers = o->headers,
                    .n_headers = o->n_headers,
                    .authorization = e->client->authorization,
                    .password = e->client->url.password},
        .chat = o->chat,
        .stream = o->stream,
        .tokenizer = o->tokenizer,
        .on_piece = o->on_piece,
        .user = o->user,
        .request = e->request,
    };
    return ifm_answer_new(&options, &e->record, &e->answer, NULL) == IFM_OK;
}

/* No memory for as much as a request: its record says so. */
static void fail_outright(ifm_client *self, const ifm_call *call)
{
    ifm_wire wire = ifm_wire_unknown();
    ifm_record record = ifm_record_empty();
    wire.end_ns = ifm_time_between(call->due, ifm_time_now());
    record.wire = malloc(sizeof wire);
    if (record.wire == NULL)
        abort(); /* not even a record: the promise of one outcome each cannot be kept */
    *record.wire = wire;
    record.sent_ns = -1;
    self->n_ended++;
    self->options.on_done(self->options.user, call->request, &record);
}

void ifm_client_start(ifm_client *self, const ifm_call *call)
{
    const int64_t now = ifm_time_now().ns;
    ifm_exchange *e = free_exchange(self);
    ifm_wire *wire = e != NULL ? malloc(sizeof *wire) : NULL;
    if (wire == NULL) {
        if (e != NULL)
            self->idle[self->n_idle++] = e;
        fail_outright(self, call);
        return;
    }
    *wire = ifm_wire_unknown();
    e->record.wire = wire;
    e->request = call->request;
    e->due_ns = call->due.ns;
    e->start_ns = now;
    e->attempts = e->resends = e->turns = 0;
    e->renewed = false;
    ifm_exchange_reset(e);
    const char *id = call->request_id != NULL ? call->request_id : "";
    snprintf(wire->request_id, sizeof wire->request_id, "%s", id);
    snprintf(e->id_text, sizeof e->id_text, "X-Request-Id: %s", wire->request_id);
    e->alive_at = self->n_alive;
    self->alive[self->n_alive++] = e;
    if (keep_body(e, call) && make_answer(e))
        ifm_exchange_begin(e);
    else
        ifm_exchange_doom(e, IFM_OUTCOME_INTERNAL, "no memory");
}

size_t ifm_client_in_flight(const ifm_client *self)
{
    return self->n_alive;
}

void ifm_client_cancel(ifm_client *self)
{
    const int64_t now = ifm_time_now().ns;
    for (size_t n = self->n_alive; n > 0; n--)
        ifm_exchange_end(self->alive[self->n_alive - 1], IFM_OUTCOME_CANCELLED,
                         "the run was ended first", now);
}
