/*
 * What `vllm bench serve --save-result --save-detailed` writes: one flat object, summary
 * in milliseconds, arrays in seconds.
 *
 * Its conventions, not ours: a request's clock starts when the client takes it up (the wait
 * for a place, and a late client, are lost); a percentile is given whatever n is; the standard
 * deviation is that of a population; without any answer all is 0. Arrays hold an element for
 * every request, also for those that failed, in the order of their ends.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "load/value.h"
#include "result/export.h"
#include "result/writer.h"

enum { FEW = 299 }; /* from so many values on our own statistics have a p99 */

/* What a request is measured by here. */
typedef enum metric { TTFT, TPOT, ITL, E2EL, N_METRICS } metric;

static const struct {
    const char *key;
    ifm_load_metric ours;
} metrics[N_METRICS] = {
    [TTFT] = {"ttft", IFM_LOAD_SERVICE_TTFT},
    [TPOT] = {"tpot", IFM_LOAD_TPOT},
    [ITL] = {"itl", IFM_LOAD_ITL},
    [E2EL] = {"e2el", IFM_LOAD_SERVICE_E2EL},
};

/* What is gathered in a pass before anything is written. */
typedef struct facts {
    double few[N_METRICS][FEW]; /* the values of metrics that have few */
    size_t n_few[N_METRICS];
    int64_t first_start_ns, last_end_ns, requests, good;
    bool slo;
} facts;

typedef void take_record(const ifm_record *record, void *user);

static bool counts(const ifm_record *r)
{
    return r->start != IFM_START_WARMUP;
}

static ifm_status each_record(const ifm_load_run *load, take_record *take, void *user,
                              ifm_error *err)
{
    ifm_spool_reader *reader = NULL;
    const ifm_record *record;
    ifm_status st = ifm_spool_reader_new(load->spool, &reader, err);
    while (st == IFM_OK) {
        st = ifm_spool_next(reader, &record, err);
        if (st != IFM_OK || record == NULL)
            break;
        if (counts(record))
            take(record, user);
    }
    ifm_spool_reader_free(reader);
    return st;
}

static int64_t start_of(const ifm_record *r)
{
    return r->wire->service_start_ns >= 0 ? r->wire->service_start_ns : 0;
}

typedef struct gathering {
    const ifm_load_run *load;
    facts *into;
} gathering;

static bool kept(const ifm_load_plan *plan, const ifm_record *r)
{
    const ifm_trace trace = ifm_record_trace(r);
    ifm_metrics m = ifm_metrics_of(&trace);
    m.ttft_ns -= start_of(r);
    m.e2el_ns -= start_of(r);
    return ifm_slo_kept(&plan->slo, &m);
}

static void add_few(facts *f, metric m, double value)
{
    if (!isnan(value) && f->n_few[m] < FEW)
        f->few[m][f->n_few[m]++] = value;
}

static void gather(const ifm_record *r, void *user)
{
    const gathering *g = user;
    facts *f = g->into;
    const int64_t start = r->wire->due_at_ns + start_of(r);
    const int64_t end = r->wire->due_at_ns + r->wire->end_ns;
    f->requests++;
    f->first_start_ns = start < f->first_start_ns ? start : f->first_start_ns;
    f->last_end_ns = end > f->last_end_ns ? end : f->last_end_ns;
    if (!r->ok)
        return;
    double values[IFM_LOAD_METRIC_COUNT];
    ifm_load_values(r, false, values);
    for (int m = 0; m < N_METRICS; m++)
        add_few(f, (metric)m, values[metrics[m].ours]);
    for (size_t i = 0; i < ifm_load_gaps(r) && f->n_few[ITL] < FEW; i++)
        add_few(f, ITL, ifm_load_gap(r, i));
    f->good += f->slo && kept(&g->load->plan, r);
}

/* ---- writing ---- */

static void put_ms(ifm_writer *w, const char *what, const char *key, double ns)
{
    char name[32];
    snprintf(name, sizeof name, "%s_%s_ms", what, key);
    ifm_writer_key(w, name);
    ifm_writer_real(w, isnan(ns) ? 0 : ns / 1e6);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of a sample of one there is no deviation for us; of a population of one it is 0. */
static void put_metric(ifm_writer *w, const ifm_load_summary *s, facts *f, metric m)
{
    const ifm_stats *stats = &s->metric[metrics[m].ours];
    const char *key = metrics[m].key;
    const double n = (double)stats->n;
    double p99 = stats->p99;
    if (isnan(p99) && f->n_few[m] > 0) {
        qsort(f->few[m], f->n_few[m], sizeof(double), ascending);
        p99 = ifm_quantile(f->few[m], f->n_few[m], 0.99);
    }
    put_ms(w, "mean", key, stats->mean);
    put_ms(w, "median", key, stats->p50);
    put_ms(w, "std", key, n > 1 ? stats->sd * sqrt((n - 1) / n) : 0);
    put_ms(w, "p99", key, p99);
}

static void put_int(ifm_writer *w, const char *key, int64_t value)
{
    ifm_writer_key(w, key);
    ifm_writer_int(w, value);
}

static void put_real(ifm_writer *w, const char *key, double value)
{
    ifm_writer_key(w, key);
    ifm_writer_real(w, value);
}

static void put_text(ifm_writer *w, const char *key, const char *text)
{
    ifm_writer_key(w, key);
    ifm_writer_text(w, text);
}

/* "2026-01-31T12:00:00.123Z" → "20260131-120000" */
static void put_date(ifm_writer *w, const char *at)
{
    char date[24];
    snprintf(date, sizeof date, "%.4s%.2s%.2s-%.2s%.2s%.2s", at, at + 5, at + 8, at + 11,
             at + 14, at + 17);
    put_text(w, "date", strlen(at) >= 19 ? date : "");
}

static void put_plan(ifm_writer *w, const ifm_load_run *load, const facts *f)
{
    const ifm_load_plan *plan = &load->plan;
    const char *kind = plan->endpoint == IFM_ENDPOINT_CHAT ? "openai-chat" : "openai";
    put_date(w, load->run.started_at);
    put_text(w, "endpoint_type", kind);
    put_text(w, "backend", kind);
    put_text(w, "label", NULL);
    put_text(w, "model_id", plan->model);
    put_text(w, "tokenizer_id", plan->model);
    put_int(w, "num_prompts", f->requests);
    if (plan->request_rate > 0 && isfinite(plan->request_rate))
        put_real(w, "request_rate", plan->request_rate);
    else
        put_text(w, "request_rate", "inf"); /* a closed loop is that with a gate */
    put_real(w, "burstiness", plan->burstiness > 0 ? plan->burstiness : 1);
    ifm_writer_key(w, "max_concurrency");
    ifm_writer_known(w, plan->concurrency > 0 ? plan->concurrency : -1);
}

static int64_t most_tokens_per_s(const ifm_load_summary *s)
{
    int64_t most = 0;
    for (size_t i = 0; i < s->n_seconds; i++)
        if (s->seconds[i].output_tokens > most)
            most = s->seconds[i].output_tokens;
    return s->second_s > 0 ? llround((double)most / s->second_s) : 0;
}

static void put_totals(ifm_writer *w, const ifm_load_run *load, const ifm_load_summary *s,
                       const facts *f)
{
    const double seconds =
        f->requests > 0 ? (double)(f->last_end_ns - f->first_start_ns) / 1e9 : 0;
    const double per = seconds > 0 ? 1 / seconds : 0;
    const double in = (double)s->sum_input_tokens, out = (double)s->sum_output_tokens;
    put_real(w, "duration", seconds);
    put_int(w, "completed", s->n_ok);
    put_int(w, "failed", f->requests - s->n_ok);
    put_int(w, "total_input_tokens", s->sum_input_tokens);
    put_int(w, "total_output_tokens", s->sum_output_tokens);
    put_real(w, "request_throughput", (double)s->n_ok * per);
    put_real(w, "request_goodput", f->slo ? (double)f->good * per : NAN);
    put_real(w, "output_throughput", out * per);
    put_real(w, "total_token_throughput", (in + out) * per);
    put_int(w, "max_output_tokens_per_s", most_tokens_per_s(s));
    put_int(w, "max_concurrent_requests", load->peak_in_flight);
    put_real(w, "rtfx", 0);
}

/* ---- arrays: an element for each request ---- */

static void put_input_len(const ifm_record *r, void *w)
{
    int64_t n = ifm_load_input_tokens(r);
    ifm_writer_int(w, n > 0 ? n : 0);
}

static void put_output_len(const ifm_record *r, void *w)
{
    ifm_writer_int(w, r->ok ? (int64_t)r->n_tokens : 0);
}

static void put_ttft(const ifm_record *r, void *w)
{
    ifm_writer_seconds(w, r->ok ? r->token_ns[0] - start_of(r) : 0);
}

static void put_latency(const ifm_record *r, void *w)
{
    ifm_writer_seconds(w, r->ok ? r->token_ns[r->n_tokens - 1] - start_of(r) : 0);
}

static void put_itl(const ifm_record *r, void *w)
{
    const size_t n = r->ok ? ifm_load_gaps(r) : 0;
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < n; i++)
        ifm_writer_seconds(w, (int64_t)ifm_load_gap(r, i));
    ifm_writer_close(w);
}

static void put_start(const ifm_record *r, void *w)
{
    ifm_writer_seconds(w, r->wire->due_at_ns + start_of(r));
}

static void put_queue_time(const ifm_record *r, void *w)
{
    ifm_writer_seconds(w, start_of(r));
}

static void put_generated(const ifm_record *r, void *w)
{
    ifm_writer_text_n(w, r->text != NULL ? r->text : "", r->text != NULL ? r->n_text : 0);
}

static void put_error(const ifm_record *r, void *w)
{
    ifm_writer_text(w, r->ok ? "" : ifm_outcome_name(r->wire->outcome));
}

static const struct {
    const char *key;
    take_record *put;
} arrays[] = {
    {"input_lens", put_input_len},
    {"output_lens", put_output_len},
    {"ttfts", put_ttft},
    {"itls", put_itl},
    {"start_times", put_start},
    {"latencies", put_latency},
    {"queue_times", put_queue_time},
    {"generated_texts", put_generated},
    {"errors", put_error},
};

ifm_status ifm_export_vllm(const ifm_export_source *source, FILE *out, ifm_error *err)
{
    const ifm_load_run *load = source->load;
    facts f = {.first_start_ns = INT64_MAX, .slo = ifm_slo_given(&load->plan.slo)};
    gathering g = {load, &f};
    ifm_writer writer, *w = &writer;
    ifm_status st = each_record(load, gather, &g, err);
    if (st == IFM_OK)
        st = ifm_writer_init(w, out, err);
    if (st != IFM_OK)
        return st;
    ifm_writer_open(w, '{', IFM_WRITER_LINES);
    put_plan(w, load, &f);
    put_totals(w, load, source->summary, &f);
    for (int m = 0; m < N_METRICS; m++)
        put_metric(w, source->summary, &f, (metric)m);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && st == IFM_OK; i++) {
        ifm_writer_key(w, arrays[i].key);
        ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
        st = each_record(load, arrays[i].put, w, err);
        ifm_writer_close(w);
    }
    ifm_writer_close(w);
    ifm_writer_line(w);
    ifm_status written = ifm_writer_end(w, "the vLLM result", st == IFM_OK ? err : NULL);
    return st != IFM_OK ? st : written;
}
