#include "result/request.h"

#include <math.h>

#define KEY(name) ifm_writer_key(w, name)

static void put_text(ifm_writer *w, const char *key, const char *text)
{
    KEY(key);
    ifm_writer_text(w, text);
}

static void put_int(ifm_writer *w, const char *key, int64_t value)
{
    KEY(key);
    ifm_writer_int(w, value);
}

static void put_known(ifm_writer *w, const char *key, int64_t value)
{
    KEY(key);
    ifm_writer_known(w, value);
}

static void put_bool(ifm_writer *w, const char *key, bool value)
{
    KEY(key);
    ifm_writer_bool(w, value);
}

static void put_if(ifm_writer *w, const char *key, bool there, int64_t value)
{
    KEY(key);
    if (there)
        ifm_writer_int(w, value);
    else
        ifm_writer_null(w);
}

static void put_text_events(ifm_writer *w, const ifm_record *r)
{
    KEY("text_events");
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < r->n_text_events; i++) {
        const ifm_text_event *event = &r->text_events[i];
        ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
        put_int(w, "t_ns", event->t_ns);
        KEY("text");
        ifm_writer_text_n(w, event->text, event->n_text);
        ifm_writer_close(w);
    }
    ifm_writer_close(w);
}

/* Per token, likeliest first: [[id, logprob], …]. */
static void put_top(ifm_writer *w, const ifm_candidate *top, int32_t n)
{
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (int32_t k = 0; k < n; k++) {
        ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
        ifm_writer_int(w, top[k].id);
        ifm_writer_real(w, (double)top[k].logprob);
        ifm_writer_close(w);
    }
    ifm_writer_close(w);
}

static void put_logprobs(ifm_writer *w, const ifm_record *r)
{
    if (r->n_logprobs <= 0 || r->logprobs == NULL || r->top == NULL)
        return;
    KEY("logprobs");
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < r->n_tokens; i++)
        ifm_writer_real(w, (double)r->logprobs[i]);
    ifm_writer_close(w);
    KEY("top_logprobs");
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < r->n_tokens; i++)
        put_top(w, r->top + i * (size_t)r->n_logprobs, r->n_logprobs);
    ifm_writer_close(w);
}

static void put_phases_io(ifm_writer *w, const ifm_record *r)
{
    KEY("phases_io");
    ifm_writer_open(w, '{', IFM_WRITER_LINES);
    for (int p = 0; p < IFM_PHASE_COUNT; p++) {
        const ifm_phase_io *io = &r->phase_io[p];
        KEY(ifm_phase_name((ifm_phase)p));
        ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
        put_known(w, "major_faults", io->major_faults);
        put_known(w, "minor_faults", io->minor_faults);
        put_known(w, "read_bytes", io->read_bytes);
        ifm_writer_close(w);
    }
    ifm_writer_close(w);
}

/* Of an engine here; of one behind a network nobody sees them: null. */
static void put_phases(ifm_writer *w, const ifm_record *r)
{
    KEY("phases_ns");
    if (r->wire != NULL) {
        ifm_writer_null(w);
        KEY("phases_io");
        ifm_writer_null(w);
        return;
    }
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        put_int(w, ifm_phase_name((ifm_phase)p), r->phases_ns[p]);
    ifm_writer_close(w);
    put_phases_io(w, r);
}

/* As ifm_metrics_itl, without an array. */
static void put_gaps(ifm_writer *w, const ifm_trace *trace)
{
    const int64_t *at = trace->event_ns != NULL ? trace->event_ns : trace->token_ns;
    const size_t n = trace->event_ns != NULL ? trace->n_events : trace->n_tokens;
    KEY("itl_ns");
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 1; i < n; i++)
        ifm_writer_int(w, at[i] - at[i - 1]);
    ifm_writer_close(w);
}

static void put_metrics(ifm_writer *w, const ifm_record *r)
{
    ifm_trace trace = ifm_record_trace(r);
    ifm_metrics m = ifm_metrics_of(&trace);
    put_if(w, "ttft_ns", m.has_ttft, m.ttft_ns);
    put_if(w, "text_ttft_ns", m.has_text_ttft, m.text_ttft_ns);
    put_if(w, "e2el_ns", m.has_ttft, m.e2el_ns);
    put_if(w, "generation_ns", m.has_ttft, m.generation_ns);
    put_if(w, "tpot_ns", m.has_tpot, m.has_tpot ? llround(m.tpot_ns) : 0);
    put_gaps(w, &trace);
}

/* What a script would print that takes the streamer's items for tokens: its clock starts
 * after loading and tokenization, its last item is a flush, and it divides by what it calls
 * tokens less one. null where there is no streamer. */
static void put_streamer(ifm_writer *w, const ifm_streamer *s)
{
    KEY("streamer");
    if (s->items == 0) {
        ifm_writer_null(w);
        return;
    }
    const int64_t generation = s->last_item_ns - s->first_item_ns;
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    put_int(w, "start_ns", s->start_ns);
    put_int(w, "first_item_ns", s->first_item_ns);
    put_int(w, "last_item_ns", s->last_item_ns);
    put_int(w, "items", s->items);
    put_int(w, "naive_ttft_ns", s->first_item_ns - s->start_ns);
    put_int(w, "naive_e2el_ns", s->last_item_ns - s->start_ns);
    put_if(w, "naive_tpot_ns", s->items > 1,
           s->items > 1 ? generation / (s->items - 1) : 0);
    ifm_writer_close(w);
}

static void put_events(ifm_writer *w, const ifm_wire *wire)
{
    KEY("events");
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < wire->n_pieces; i++) {
        const ifm_piece *piece = &wire->pieces[i];
        ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
        put_int(w, "t_ns", piece->t_ns);
        put_known(w, "tokens", piece->tokens);
        put_int(w, "bytes", piece->bytes);
        put_text(w, "kind", ifm_piece_kind_name((ifm_piece_kind)piece->kind));
        put_int(w, "read", piece->read);
        ifm_writer_close(w);
    }
    ifm_writer_close(w);
    KEY("read_share_frac");
    ifm_writer_real(w, wire->n_pieces > 0
                           ? (double)ifm_wire_shared_pieces(wire) / (double)wire->n_pieces
                           : NAN);
}

/* What the server says: its counts, its times. null where it said nothing at all. */
static void put_server(ifm_writer *w, const ifm_wire *wire)
{
    const ifm_usage *u = &wire->usage;
    const ifm_server_times *s = &wire->server;
    KEY("usage");
    if (u->prompt_tokens < 0 && u->completion_tokens < 0) {
        ifm_writer_null(w);
    } else {
        ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
        put_known(w, "prompt_tokens", u->prompt_tokens);
        put_known(w, "completion_tokens", u->completion_tokens);
        put_known(w, "reasoning_tokens", u->reasoning_tokens);
        ifm_writer_close(w);
    }
    put_known(w, "cached_tokens", u->cached_tokens);
    KEY("server");
    if (s->prompt_ns < 0 && s->generation_ns < 0 && s->total_ns < 0) {
        ifm_writer_null(w);
        return;
    }
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    put_known(w, "load_ns", s->load_ns);
    put_known(w, "prompt_ns", s->prompt_ns);
    put_known(w, "generation_ns", s->generation_ns);
    put_known(w, "total_ns", s->total_ns);
    put_known(w, "prompt_tokens", s->prompt_tokens);
    put_known(w, "generation_tokens", s->generation_tokens);
    ifm_writer_close(w);
}

/* NULL: unknown. */
static const char *http_version(int32_t version)
{
    switch (version) {
    case 10:
        return "1.0";
    case 11:
        return "1.1";
    case 20:
        return "2";
    case 30:
        return "3";
    default:
        return NULL;
    }
}

static void put_wire(ifm_writer *w, const ifm_wire *wire)
{
    put_text(w, "request_id", wire->request_id);
    put_text(w, "outcome", ifm_outcome_name(wire->outcome));
    put_if(w, "status", wire->status > 0, wire->status);
    put_text(w, "http_version", http_version(wire->http_version));
    put_int(w, "attempts", wire->attempts);
    put_known(w, "retry_after_ns", wire->retry_after_ns);
    put_bool(w, "reused_connection", wire->reused);
    put_bool(w, "missing_done", wire->missing_done);
    put_int(w, "due_at_ns", wire->due_at_ns);
    put_int(w, "gate_ns", wire->gate_ns);
    put_known(w, "service_start_ns", wire->service_start_ns);
    put_known(w, "dns_ns", wire->dns_ns);
    put_known(w, "connect_ns", wire->connect_ns);
    put_known(w, "tls_ns", wire->tls_ns);
    put_known(w, "headers_ns", wire->headers_ns);
    put_known(w, "first_event_ns", wire->first_event_ns);
    put_known(w, "ttfo_ns", wire->ttfo_ns);
    put_known(w, "end_ns", wire->end_ns);
    put_events(w, wire);
    put_int(w, "body_bytes", wire->body_bytes);
    put_text(w, "token_source", ifm_token_source_name(wire->token_source));
    put_server(w, wire);
    put_known(w, "asked_input_tokens", wire->asked_input_tokens);
    put_known(w, "asked_output_tokens", wire->asked_output_tokens);
    put_known(w, "session", wire->session);
    put_int(w, "turn", wire->turn);
    put_int(w, "rank", wire->rank);
}

/* A failure over a network has a name, and details for people; elsewhere only these. */
static void put_error(ifm_writer *w, const ifm_record *r)
{
    const bool named = r->wire != NULL && !r->ok;
    put_text(w, "error", named ? ifm_outcome_name(r->wire->outcome) : r->error);
    put_text(w, "error_detail", named ? r->error : NULL);
}

static void put_tokens(ifm_writer *w, const ifm_record *r)
{
    put_text(w, "finish_reason", r->finish_reason);
    KEY("input_ids");
    ifm_writer_ints32(w, r->input_ids, r->n_input);
    KEY("output_ids");
    ifm_writer_ints32(w, r->output_ids, r->n_tokens);
    KEY("text");
    ifm_writer_text_n(w, r->text, r->n_text);
    KEY("token_ns");
    ifm_writer_ints64(w, r->token_ns, r->n_tokens);
    put_text_events(w, r);
    put_logprobs(w, r);
}

void ifm_result_write_request(ifm_writer *w, const ifm_record *r, const char *target)
{
    ifm_writer_open(w, '{', IFM_WRITER_LINES);
    put_int(w, "id", r->id);
    put_text(w, "target", target);
    put_text(w, "start", ifm_start_name(r->start));
    put_int(w, "sequence", r->sequence);
    put_int(w, "prompt", r->prompt);
    put_bool(w, "ok", r->ok);
    put_error(w, r);
    put_int(w, "due_ns", r->due_ns);
    put_known(w, "sent_ns", r->sent_ns);
    put_tokens(w, r);
    put_phases(w, r);
    put_metrics(w, r);
    KEY("handover_ns");
    if (r->handover_ns != NULL)
        ifm_writer_ints64(w, r->handover_ns, r->n_tokens);
    else
        ifm_writer_null(w);
    KEY("resident_frac_before");
    ifm_writer_real(w, r->resident_frac_before < 0 ? NAN : r->resident_frac_before);
    put_known(w, "peak_rss_bytes", r->peak_rss_bytes);
    put_streamer(w, &r->streamer);
    if (r->wire != NULL)
        put_wire(w, r->wire);
    ifm_writer_close(w);
}
