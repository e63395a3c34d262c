#include "result/request.h"

#include <math.h>
#include <stdlib.h>

#include "result/fields.h"

static json_t *text_events(const ifm_record *r)
{
    json_t *array = json_array();
    for (size_t i = 0; i < r->n_text_events; i++) {
        const ifm_text_event *event = &r->text_events[i];
        ifm_fields f = ifm_fields_new();
        ifm_fields_int(&f, "t_ns", event->t_ns);
        ifm_fields_text_n(&f, "text", event->text, event->n_text);
        json_array_append_new(array, ifm_fields_take(&f));
    }
    return ifm_json_whole(array, r->n_text_events);
}

static json_t *logprobs(const ifm_record *r)
{
    json_t *array = json_array();
    for (size_t i = 0; i < r->n_tokens; i++)
        json_array_append_new(array, ifm_json_number((double)r->logprobs[i]));
    return ifm_json_whole(array, r->n_tokens);
}

/* Per token, likeliest first: [[id, logprob], …]. */
static json_t *top_logprobs(const ifm_record *r)
{
    json_t *tokens = json_array();
    for (size_t i = 0; i < r->n_tokens; i++) {
        json_t *candidates = json_array();
        for (int32_t k = 0; k < r->n_logprobs; k++) {
            const ifm_candidate *c = &r->top[i * (size_t)r->n_logprobs + (size_t)k];
            json_t *pair = json_array();
            json_array_append_new(pair, json_integer(c->id));
            json_array_append_new(pair, ifm_json_number((double)c->logprob));
            json_array_append_new(candidates, ifm_json_whole(pair, 2));
        }
        json_array_append_new(tokens, ifm_json_whole(candidates, (size_t)r->n_logprobs));
    }
    return ifm_json_whole(tokens, r->n_tokens);
}

static json_t *phases(const ifm_record *r)
{
    ifm_fields f = ifm_fields_new();
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        ifm_fields_int(&f, ifm_phase_name((ifm_phase)p), r->phases_ns[p]);
    return ifm_fields_take(&f);
}

static json_t *phases_io(const ifm_record *r)
{
    ifm_fields f = ifm_fields_new();
    for (int p = 0; p < IFM_PHASE_COUNT; p++) {
        const ifm_phase_io *io = &r->phase_io[p];
        ifm_fields one = ifm_fields_new();
        ifm_fields_known(&one, "major_faults", io->major_faults);
        ifm_fields_known(&one, "minor_faults", io->minor_faults);
        ifm_fields_known(&one, "read_bytes", io->read_bytes);
        ifm_fields_set(&f, ifm_phase_name((ifm_phase)p), ifm_fields_take(&one));
    }
    return ifm_fields_take(&f);
}

static json_t *gaps(const ifm_record *r)
{
    ifm_trace trace = ifm_record_trace(r);
    int64_t *itl = calloc(r->n_tokens + trace.n_events + 1, sizeof *itl);
    if (itl == NULL)
        return NULL;
    json_t *array = ifm_json_ints64(itl, ifm_metrics_itl(&trace, itl));
    free(itl);
    return array;
}

static void set_metrics(ifm_fields *f, const ifm_record *r)
{
    ifm_trace trace = ifm_record_trace(r);
    ifm_metrics m = ifm_metrics_of(&trace);
    ifm_fields_set(f, "ttft_ns", m.has_ttft ? json_integer(m.ttft_ns) : json_null());
    ifm_fields_set(f, "text_ttft_ns",
                   m.has_text_ttft ? json_integer(m.text_ttft_ns) : json_null());
    ifm_fields_set(f, "e2el_ns", m.has_ttft ? json_integer(m.e2el_ns) : json_null());
    ifm_fields_set(f, "generation_ns",
                   m.has_ttft ? json_integer(m.generation_ns) : json_null());
    ifm_fields_set(f, "tpot_ns",
                   m.has_tpot ? json_integer(llround(m.tpot_ns)) : json_null());
    ifm_fields_set(f, "itl_ns", gaps(r));
}

/* What a script would print that takes the streamer's items for tokens: its clock starts
 * after loading and tokenization, its last item is a flush, and it divides by what it calls
 * tokens less one. null where there is no streamer. */
static json_t *streamer(const ifm_streamer *s)
{
    if (s->items == 0)
        return json_null();
    const int64_t generation = s->last_item_ns - s->first_item_ns;
    ifm_fields f = ifm_fields_new();
    ifm_fields_int(&f, "start_ns", s->start_ns);
    ifm_fields_int(&f, "first_item_ns", s->first_item_ns);
    ifm_fields_int(&f, "last_item_ns", s->last_item_ns);
    ifm_fields_int(&f, "items", s->items);
    ifm_fields_int(&f, "naive_ttft_ns", s->first_item_ns - s->start_ns);
    ifm_fields_int(&f, "naive_e2el_ns", s->last_item_ns - s->start_ns);
    ifm_fields_set(&f, "naive_tpot_ns",
                   s->items > 1 ? json_integer(generation / (s->items - 1))
                                : json_null());
    return ifm_fields_take(&f);
}

json_t *ifm_result_request(const ifm_record *r, const char *target)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_int(&f, "id", r->id);
    ifm_fields_text(&f, "target", target);
    ifm_fields_text(&f, "start", ifm_start_name(r->start));
    ifm_fields_int(&f, "sequence", r->sequence);
    ifm_fields_int(&f, "prompt", r->prompt);
    ifm_fields_bool(&f, "ok", r->ok);
    ifm_fields_text(&f, "error", r->error);
    ifm_fields_int(&f, "due_ns", r->due_ns);
    ifm_fields_int(&f, "sent_ns", r->sent_ns);
    ifm_fields_text(&f, "finish_reason", r->finish_reason);
    ifm_fields_set(&f, "input_ids", ifm_json_ints32(r->input_ids, r->n_input));
    ifm_fields_set(&f, "output_ids", ifm_json_ints32(r->output_ids, r->n_tokens));
    ifm_fields_text_n(&f, "text", r->text, r->n_text);
    ifm_fields_set(&f, "token_ns", ifm_json_ints64(r->token_ns, r->n_tokens));
    ifm_fields_set(&f, "text_events", text_events(r));
    if (r->n_logprobs > 0 && r->logprobs != NULL && r->top != NULL) {
        ifm_fields_set(&f, "logprobs", logprobs(r));
        ifm_fields_set(&f, "top_logprobs", top_logprobs(r));
    }
    ifm_fields_set(&f, "phases_ns", phases(r));
    ifm_fields_set(&f, "phases_io", phases_io(r));
    set_metrics(&f, r);
    ifm_fields_set(&f, "handover_ns",
                   r->handover_ns != NULL ? ifm_json_ints64(r->handover_ns, r->n_tokens)
                                          : json_null());
    ifm_fields_real(&f, "resident_frac_before",
                    r->resident_frac_before < 0 ? NAN : r->resident_frac_before);
    ifm_fields_known(&f, "peak_rss_bytes", r->peak_rss_bytes);
    ifm_fields_set(&f, "streamer", streamer(&r->streamer));
    return ifm_fields_take(&f);
}
