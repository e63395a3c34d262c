/* Loads that tests make by hand: requests of known times, put into a spool. */
#ifndef LOAD_MADE_H
#define LOAD_MADE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load/summary.h"

enum { MS = 1000000 };
static const int64_t second = 1000 * (int64_t)MS;

static inline ifm_load_run made_load(ifm_arrival arrival, int64_t places)
{
    ifm_load_run load = {
        .plan = {.arrival = arrival,
                 .concurrency = places,
                 .stream = true,
                 .slo = {NAN, NAN, NAN}},
    };
    ifm_error err = {0};
    if (ifm_spool_new(NULL, &load.spool, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return load;
}

/* A request that was due at due_ns, taken up at once, and has no outcome yet. */
static inline ifm_record made_request(int32_t id, int64_t due_ns)
{
    ifm_record r = ifm_record_empty();
    r.id = id;
    r.start = IFM_START_WARM;
    r.wire = malloc(sizeof *r.wire);
    *r.wire = ifm_wire_unknown();
    snprintf(r.wire->request_id, sizeof r.wire->request_id, "made-%d", id);
    r.wire->due_at_ns = due_ns;
    r.wire->service_start_ns = 0;
    r.wire->attempts = 1;
    r.wire->session = -1;
    return r;
}

/* n tokens: the first ttft_ns after it was due, the others itl_ns apart; each an event of
 * its own, in a read of its own. */
static inline ifm_record made_answer(int32_t id, int64_t due_ns, int64_t ttft_ns,
                                     int64_t itl_ns, size_t n)
{
    ifm_record r = made_request(id, due_ns);
    ifm_wire *w = r.wire;
    r.ok = true;
    r.finish_reason = strdup("length");
    r.n_tokens = n;
    r.token_ns = calloc(n, sizeof *r.token_ns);
    r.text = calloc(2 * n + 1, 1);
    r.n_text = 2 * n;
    r.text_events = calloc(n, sizeof *r.text_events);
    r.n_text_events = n;
    w->pieces = calloc(n, sizeof *w->pieces);
    w->n_pieces = n;
    for (size_t i = 0; i < n; i++) {
        int64_t t = ttft_ns + (int64_t)i * itl_ns;
        r.token_ns[i] = t;
        memcpy(r.text + 2 * i, " w", 2);
        r.text_events[i] = (ifm_text_event){t, r.text + 2 * i, 2};
        w->pieces[i] = (ifm_piece){t, 1, 180, (int32_t)i, IFM_PIECE_CONTENT};
    }
    w->outcome = IFM_OUTCOME_OK;
    w->status = 200;
    w->http_version = 11;
    w->reused = true;
    w->ttfo_ns = w->first_event_ns = ttft_ns;
    w->headers_ns = ttft_ns;
    w->end_ns = r.token_ns[n - 1];
    w->usage = (ifm_usage){100, (int64_t)n, -1, -1};
    w->token_source = IFM_TOKENS_PER_EVENT;
    w->asked_input_tokens = 100;
    w->asked_output_tokens = (int32_t)n;
    return r;
}

static inline ifm_record made_failure(int32_t id, int64_t due_ns, int64_t end_ns,
                                      ifm_outcome outcome)
{
    ifm_record r = made_request(id, due_ns);
    r.error = strdup("made to fail");
    r.sent_ns = -1;
    r.wire->outcome = outcome;
    r.wire->end_ns = end_ns;
    return r;
}

/* Takes the record; the load ends with the last request. */
static inline void made_add(ifm_load_run *load, ifm_record r)
{
    ifm_error err = {0};
    if (ifm_spool_append(load->spool, &r, &err) != IFM_OK)
        fail_msg("%s", err.message);
    int64_t end = r.wire->due_at_ns + r.wire->end_ns;
    load->ended_ns = end > load->ended_ns ? end : load->ended_ns;
    load->n_events += (int64_t)r.wire->n_pieces;
    ifm_record_deinit(&r);
}

static inline ifm_load_summary made_summary(const ifm_load_run *load)
{
    ifm_load_summary s;
    ifm_error err = {0};
    if (ifm_load_summary_of(load, &s, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return s;
}

#endif
