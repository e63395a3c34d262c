#include "result/load_json.h"

#include <math.h>

#include "base/error.h"
#include "result/fields.h"
#include "result/parts.h"
#include "result/request.h"
#include "result/writer.h"

static const double ms = 1e6; /* a divisor: ns × 1e-6 would not be the nearest double */

/* 0 means "not given" in a plan: null. */
static void set_given(ifm_fields *f, const char *key, int64_t value)
{
    ifm_fields_set(f, key, value > 0 ? json_integer(value) : json_null());
}

static json_t *slo(const ifm_slo *s)
{
    if (!ifm_slo_given(s))
        return json_null();
    ifm_fields f = ifm_fields_new();
    ifm_fields_real(&f, "ttft_ms", s->ttft_ms);
    ifm_fields_real(&f, "tpot_ms", s->tpot_ms);
    ifm_fields_real(&f, "e2el_ms", s->e2el_ms);
    return ifm_fields_take(&f);
}

static json_t *request_rate(double rate)
{
    if (isinf(rate))
        return json_string("inf");
    return rate > 0 ? json_real(rate) : json_null();
}

static json_t *plan(const ifm_load_plan *p)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "url", p->url);
    ifm_fields_text(&f, "model", p->model);
    ifm_fields_text(&f, "endpoint", ifm_endpoint_name(p->endpoint));
    ifm_fields_bool(&f, "stream", p->stream);
    ifm_fields_text(&f, "arrival", ifm_arrival_name(p->arrival));
    set_given(&f, "concurrency", p->concurrency);
    ifm_fields_set(&f, "request_rate", request_rate(p->request_rate));
    ifm_fields_real(&f, "burstiness", p->burstiness > 0 ? p->burstiness : NAN);
    ifm_fields_real(&f, "ramp_s", p->ramp_s);
    set_given(&f, "num_prompts", p->n_prompts);
    set_given(&f, "duration_ns", p->duration_ns);
    ifm_fields_int(&f, "warmup", p->n_warmup);
    ifm_fields_text(&f, "input_len", p->input_len);
    ifm_fields_text(&f, "output_len", p->output_len);
    ifm_fields_text(&f, "prompts", p->prompts_path);
    ifm_fields_int(&f, "shared_prefix_tokens", p->shared_prefix_tokens);
    ifm_fields_set(&f, "seed", json_integer((json_int_t)p->seed));
    set_given(&f, "timeout_ns", p->timeout_ns);
    set_given(&f, "idle_timeout_ns", p->idle_timeout_ns);
    ifm_fields_int(&f, "retries", p->retries);
    ifm_fields_bool(&f, "new_connection", p->new_connection);
    ifm_fields_bool(&f, "insecure", p->insecure);
    ifm_fields_bool(&f, "http2", p->http2);
    ifm_fields_bool(&f, "libcurl", p->libcurl);
    ifm_fields_set(&f, "slo", slo(&p->slo));
    return ifm_fields_take(&f);
}

static json_t *outcomes(const ifm_load_summary *s)
{
    ifm_fields f = ifm_fields_new();
    for (int o = 0; o < IFM_OUTCOME_COUNT; o++)
        if (s->outcome[o] > 0)
            ifm_fields_int(&f, ifm_outcome_name((ifm_outcome)o), s->outcome[o]);
    return ifm_fields_take(&f);
}

static void set_rates(ifm_fields *f, const ifm_load_rates *r)
{
    ifm_fields_real(f, "requests_per_s", r->requests_per_s);
    ifm_fields_real(f, "good_requests_per_s", r->good_requests_per_s);
    ifm_fields_real(f, "input_tokens_per_s", r->input_tokens_per_s);
    ifm_fields_real(f, "output_tokens_per_s", r->output_tokens_per_s);
    ifm_fields_real(f, "concurrency", r->concurrency);
}

static json_t *whole(const ifm_load_summary *s)
{
    ifm_fields f = ifm_fields_new();
    set_rates(&f, &s->whole);
    return ifm_fields_take(&f);
}

static json_t *steady(const ifm_load_summary *s)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_bool(&f, "found", s->steady_found);
    ifm_fields_known(&f, "begin_ns", s->steady_found ? s->steady_begin_ns : -1);
    ifm_fields_known(&f, "end_ns", s->steady_found ? s->steady_end_ns : -1);
    set_rates(&f, &s->steady);
    return ifm_fields_take(&f);
}

static json_t *one_second(const ifm_load_summary *s, size_t i)
{
    const ifm_load_second *t = &s->seconds[i];
    ifm_fields f = ifm_fields_new();
    ifm_fields_real(&f, "t_s", (double)i * s->second_s);
    ifm_fields_int(&f, "due", t->due);
    ifm_fields_int(&f, "completed", t->completed);
    ifm_fields_int(&f, "failed", t->failed);
    ifm_fields_int(&f, "in_flight", t->in_flight);
    ifm_fields_int(&f, "output_tokens", t->output_tokens);
    ifm_fields_real(&f, "ttft_p50_ms", t->ttft_p50_ns / ms);
    ifm_fields_real(&f, "ttft_max_ms", t->ttft_max_ns / ms);
    ifm_fields_real(&f, "lag_max_ms", t->lag_max_ns / ms);
    return ifm_fields_take(&f);
}

static json_t *seconds(const ifm_load_summary *s)
{
    json_t *array = json_array();
    for (size_t i = 0; i < s->n_seconds; i++)
        json_array_append_new(array, one_second(s, i));
    return ifm_json_whole(array, s->n_seconds);
}

/* What the client itself took and did. */
static json_t *client(const ifm_load_run *load)
{
    const double cpu_s = (double)load->client_cpu_ns * 1e-9;
    ifm_fields f = ifm_fields_new();
    ifm_fields_int(&f, "warm_ns", load->warm_ns);
    ifm_fields_int(&f, "ended_ns", load->ended_ns);
    ifm_fields_int(&f, "peak_in_flight", load->peak_in_flight);
    ifm_fields_int(&f, "cpu_ns", load->client_cpu_ns);
    ifm_fields_int(&f, "events", load->n_events);
    ifm_fields_int(&f, "body_bytes", load->n_body_bytes);
    ifm_fields_real(&f, "cpu_s_per_1000_events",
                    load->n_events > 0 ? 1000 * cpu_s / (double)load->n_events : NAN);
    ifm_fields_int(&f, "memory_bytes", load->memory_bytes);
    ifm_fields_int(&f, "spool_bytes", ifm_spool_bytes(load->spool));
    ifm_fields_int(&f, "spool_memory_bytes",
                   (int64_t)ifm_spool_memory_bytes(load->spool));
    ifm_fields_int(&f, "spool_waits", ifm_spool_waits(load->spool));
    return ifm_fields_take(&f);
}

static json_t *floor_row(const ifm_floor *row)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_int(&f, "streams", row->streams);
    ifm_fields_real(&f, "ttft_error_p50_ms", row->ttft_p50_ns / ms);
    ifm_fields_real(&f, "ttft_error_p99_ms", row->ttft_p99_ns / ms);
    ifm_fields_real(&f, "ttft_error_max_ms", row->ttft_max_ns / ms);
    ifm_fields_real(&f, "itl_error_p50_ms", row->itl_p50_ns / ms);
    ifm_fields_real(&f, "itl_error_p99_ms", row->itl_p99_ns / ms);
    ifm_fields_real(&f, "itl_error_max_ms", row->itl_max_ns / ms);
    ifm_fields_real(&f, "events_per_s_per_core", row->events_per_s_per_core);
    ifm_fields_real(&f, "bytes_per_event", row->bytes_per_event);
    ifm_fields_real(&f, "cpu_s_per_1000_events", row->cpu_s_per_1000_events);
    return ifm_fields_take(&f);
}

/* null: this host's floor was never measured. */
static json_t *floors(const ifm_load_run *load)
{
    if (load->n_floors == 0)
        return json_null();
    json_t *rows = json_array();
    for (size_t i = 0; i < load->n_floors; i++)
        json_array_append_new(rows, floor_row(&load->floors[i]));
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "measured_at", load->floors_measured_at);
    ifm_fields_set(&f, "rows", ifm_json_whole(rows, load->n_floors));
    return ifm_fields_take(&f);
}

static json_t *ranks(const ifm_load_run *load)
{
    json_t *array = json_array();
    for (size_t i = 0; i < load->n_ranks; i++) {
        const ifm_load_rank *rank = &load->ranks[i];
        ifm_fields f = ifm_fields_new();
        ifm_fields_int(&f, "rank", rank->rank);
        ifm_fields_text(&f, "host", rank->host);
        ifm_fields_bool(&f, "lost", rank->lost);
        ifm_fields_int(&f, "requests", rank->requests);
        ifm_fields_int(&f, "lost_requests", rank->lost_requests);
        ifm_fields_int(&f, "clock_offset_ns", rank->clock_offset_ns);
        ifm_fields_int(&f, "clock_uncertainty_ns", rank->clock_uncertainty_ns);
        json_array_append_new(array, ifm_fields_take(&f));
    }
    return ifm_json_whole(array, load->n_ranks);
}

static void set_tokens(ifm_fields *f, const ifm_load_summary *s)
{
    ifm_fields_int(f, "sum_input_tokens", s->sum_input_tokens);
    ifm_fields_int(f, "sum_output_tokens", s->sum_output_tokens);
    ifm_fields_set(f, "input_tokens", ifm_result_stats(&s->input_tokens, "tokens", 1));
    ifm_fields_set(f, "output_tokens", ifm_result_stats(&s->output_tokens, "tokens", 1));
    ifm_fields_text(f, "token_source",
                    s->n_ok > 0 ? ifm_token_source_name(s->token_source) : NULL);
    ifm_fields_real(f, "tokens_per_event", s->tokens_per_event);
    ifm_fields_real(f, "read_share_frac", s->read_share_frac);
    ifm_fields_bool(f, "itl_per_event", s->itl_per_event);
    ifm_fields_int(f, "cached_requests", s->n_cached);
}

/* ---- the search for a rate --------------------------------------------------------- */

static json_t *rate_step(const ifm_rate_step *step)
{
    ifm_fields f = ifm_fields_new();
    json_t *bounds = json_array();
    json_array_append_new(bounds, json_real(step->bounds[0]));
    json_array_append_new(bounds, json_real(step->bounds[1]));
    ifm_fields_real(&f, "rate", step->rate);
    ifm_fields_int(&f, "requests", step->n);
    ifm_fields_int(&f, "good_requests", step->n_good);
    ifm_fields_real(&f, "effective_requests", step->n_effective);
    ifm_fields_set(&f, "good_share_interval", ifm_json_whole(bounds, 2));
    ifm_fields_int(&f, "looks", step->looks);
    ifm_fields_text(&f, "verdict", ifm_rate_verdict_name(step->verdict));
    ifm_fields_real(&f, "ttft_p95_ms", step->ttft_p95_ns / ms);
    ifm_fields_real(&f, "tpot_p95_ms", step->tpot_p95_ns / ms);
    ifm_fields_real(&f, "e2el_p95_ms", step->e2el_p95_ns / ms);
    return ifm_fields_take(&f);
}

/* null: no rate was searched. */
static json_t *find_rate(const ifm_rate_search *s)
{
    if (s == NULL)
        return json_null();
    json_t *steps = json_array();
    for (size_t i = 0; i < s->n_steps; i++)
        json_array_append_new(steps, rate_step(&s->steps[i]));
    ifm_fields f = ifm_fields_new();
    ifm_fields_real(&f, "rate", s->low);
    ifm_fields_real(&f, "rate_not_kept", s->high);
    ifm_fields_text(&f, "end", ifm_rate_search_end(s));
    ifm_fields_real(&f, "share", s->options.share);
    ifm_fields_real(&f, "precision", s->options.precision);
    ifm_fields_real(&f, "confidence", s->options.confidence);
    ifm_fields_set(&f, "steps", ifm_json_whole(steps, s->n_steps));
    return ifm_fields_take(&f);
}

static json_t *load_facts(const ifm_load_run *load, const ifm_load_summary *s)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_set(&f, "plan", plan(&load->plan));
    ifm_fields_int(&f, "requests", s->n);
    ifm_fields_int(&f, "warmup_requests", s->n_warmup);
    ifm_fields_set(&f, "outcomes", outcomes(s));
    ifm_fields_known(&f, "good_requests", s->n_good);
    set_tokens(&f, s);
    ifm_fields_set(&f, "steady", steady(s));
    ifm_fields_set(&f, "whole", whole(s));
    ifm_fields_real(&f, "second_s", s->second_s);
    ifm_fields_set(&f, "seconds", seconds(s));
    ifm_fields_set(&f, "client", client(load));
    ifm_fields_set(&f, "floors", floors(load));
    ifm_fields_set(&f, "ranks", ranks(load));
    ifm_fields_int(&f, "prompt_mismatches", load->prompt_mismatches);
    ifm_fields_bool(&f, "server_cached", load->server_cached);
    ifm_fields_set(&f, "find_rate", find_rate(load->search));
    return ifm_fields_take(&f);
}

static json_t *warm_summary(const ifm_load_summary *s)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_int(&f, "ok", s->n_ok);
    ifm_fields_int(&f, "failed", s->n - s->n_ok);
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++)
        ifm_fields_set(&f, ifm_load_metric_key((ifm_load_metric)m),
                       ifm_result_stats(&s->metric[m], "ms", ms));
    return ifm_fields_take(&f);
}

static json_t *summaries(const ifm_load_summary *s)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_set(&f, "cold", json_object());
    ifm_fields_set(&f, "warm", warm_summary(s));
    return ifm_fields_take(&f);
}

static ifm_status write_requests(ifm_writer *w, const ifm_load_run *load, ifm_error *err)
{
    ifm_spool_reader *reader = NULL;
    const ifm_record *record = NULL;
    ifm_status st = ifm_spool_reader_new(load->spool, &reader, err);
    ifm_writer_open(w, '[', IFM_WRITER_LINES);
    while (st == IFM_OK && !w->failed) {
        st = ifm_spool_next(reader, &record, err);
        if (st != IFM_OK || record == NULL)
            break;
        ifm_result_write_request(w, record, load->run.target.kind);
    }
    ifm_writer_close(w);
    ifm_spool_reader_free(reader);
    return st;
}

ifm_status ifm_result_write_load_json(const ifm_load_run *load,
                                      const ifm_load_summary *summary, FILE *out,
                                      ifm_error *err)
{
    ifm_writer writer, *w = &writer;
    ifm_status st = ifm_writer_init(w, out, err);
    if (st != IFM_OK)
        return st;
    ifm_writer_open(w, '{', IFM_WRITER_LINES);
    ifm_result_write_head(w, &load->run, NAN);
    ifm_writer_key(w, "load");
    ifm_writer_tree(w, load_facts(load, summary));
    ifm_writer_key(w, "summary");
    ifm_writer_tree(w, summaries(summary));
    ifm_result_write_verdict(w, &load->run, 1);
    ifm_writer_key(w, "requests");
    st = write_requests(w, load, err);
    ifm_writer_close(w);
    ifm_writer_line(w);
    ifm_status written = ifm_writer_end(w, "the result", st == IFM_OK ? err : NULL);
    return st != IFM_OK ? st : written;
}
