#include "result/parts.h"

#include <math.h>
#include <string.h>

#include "inferometer/inferometer.h"
#include "result/fields.h"
#include "result/json.h"
#include "result_commit.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

const char *ifm_result_commit(void)
{
    return IFM_COMMIT;
}

const char *ifm_result_compiler(void)
{
    return COMPILER;
}

static json_t *tool(const ifm_run *run)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "name", "inferometer");
    ifm_fields_text(&f, "version", IFM_VERSION);
    ifm_fields_text(&f, "commit", IFM_COMMIT);
    ifm_fields_text(&f, "compiler", COMPILER);
    ifm_fields_text(&f, "kernels", run->target.kernels);
    return ifm_fields_take(&f);
}

static json_t *command(const ifm_run *run)
{
    json_t *words = json_array();
    for (size_t i = 0; i < run->n_command; i++)
        json_array_append_new(words,
                              ifm_json_text(run->command[i], strlen(run->command[i])));
    return ifm_json_whole(words, run->n_command);
}

static json_t *clock_facts(const ifm_run *run)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "name", run->clock_name);
    ifm_fields_int(&f, "resolution_ns", run->clock_resolution_ns);
    ifm_fields_int(&f, "read_cost_ns", run->clock_read_cost_ns);
    return ifm_fields_take(&f);
}

static json_t *host(const ifm_run *run, double decode_bandwidth)
{
    const ifm_host *h = &run->host;
    double limit = h->read_bandwidth_bytes_per_s;
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "cpu", h->cpu);
    ifm_fields_int(&f, "cores", h->cores);
    ifm_fields_int(&f, "memory_bytes", h->memory_bytes);
    ifm_fields_text(&f, "governor", h->governor);
    ifm_fields_real(&f, "load_average", h->load_average < 0 ? NAN : h->load_average);
    ifm_fields_real(&f, "steal_frac", h->steal_frac < 0 ? NAN : h->steal_frac);
    ifm_fields_real(&f, "read_bandwidth_bytes_per_s", limit > 0 ? limit : NAN);
    ifm_fields_real(&f, "decode_bandwidth_bytes_per_s", decode_bandwidth);
    ifm_fields_real(&f, "decode_bandwidth_frac",
                    limit > 0 ? decode_bandwidth / limit : NAN);
    ifm_fields_text(&f, "os", h->os);
    ifm_fields_text(&f, "kernel", h->kernel);
    return ifm_fields_take(&f);
}

/* What is known of an engine here; of one behind a URL it is not: null. */
static void set_local(ifm_fields *f, const ifm_target_facts *t, const char *key,
                      int64_t value)
{
    ifm_fields_known(f, key, t->url != NULL ? -1 : value);
}

static json_t *model(const ifm_target_facts *t)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "name", t->model_name);
    ifm_fields_text(&f, "family", t->model_family);
    ifm_fields_text(&f, "path", t->model_path);
    ifm_fields_text(&f, "dtype", t->model_dtype);
    set_local(&f, t, "parameters", t->parameters);
    set_local(&f, t, "bytes", t->file_bytes);
    set_local(&f, t, "weight_bytes", t->weight_bytes);
    set_local(&f, t, "decode_bytes", t->decode_bytes);
    set_local(&f, t, "context_length", t->n_positions);
    set_local(&f, t, "vocabulary", t->n_vocab);
    ifm_fields_known(&f, "nan_weights", t->nan_weights);
    return ifm_fields_take(&f);
}

json_t *ifm_result_target(const ifm_run *run)
{
    const ifm_target_facts *t = &run->target;
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "kind", t->kind);
    ifm_fields_text(&f, "engine", t->engine);
    if (t->url != NULL) {
        ifm_fields_text(&f, "url", t->url);
        ifm_fields_text(&f, "endpoint", t->endpoint);
        ifm_fields_bool(&f, "insecure", t->insecure);
    }
    ifm_fields_text(&f, "device", t->device);
    set_local(&f, t, "threads", t->threads);
    ifm_fields_set(&f, "exact", t->exact < 0 ? json_null() : json_boolean(t->exact));
    set_local(&f, t, "session_bytes", t->session_bytes);
    ifm_fields_text(&f, "kernels", t->kernels);
    ifm_fields_bool(&f, "synchronized", t->synchronized);
    ifm_fields_set(&f, "model", model(t));
    return ifm_fields_take(&f);
}

static json_t *prompts(const ifm_workload *w)
{
    json_t *array = json_array();
    for (size_t i = 0; i < w->n_prompts; i++)
        json_array_append_new(array,
                              w->prompts[i] != NULL
                                  ? ifm_json_text(w->prompts[i], w->prompt_bytes[i])
                                  : json_null());
    return ifm_json_whole(array, w->n_prompts);
}

/* What a file of prompts calls them; null where it says nothing. */
static json_t *prompt_names(const ifm_workload *w)
{
    json_t *array = json_array();
    for (size_t i = 0; i < w->n_prompts; i++) {
        const char *name = w->prompt_names != NULL ? w->prompt_names[i] : NULL;
        json_array_append_new(array, name != NULL ? ifm_json_text(name, strlen(name))
                                                  : json_null());
    }
    return ifm_json_whole(array, w->n_prompts);
}

static json_t *sampling(const ifm_sampling *s)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_real(&f, "temperature", (double)s->temperature);
    ifm_fields_int(&f, "top_k", s->top_k);
    /* Off is 1 in the document, whichever way it was said. */
    ifm_fields_real(&f, "top_p", s->top_p > 0 ? (double)s->top_p : 1.0);
    ifm_fields_real(&f, "min_p", (double)s->min_p);
    ifm_fields_real(&f, "repetition_penalty",
                    s->repetition_penalty > 0 ? (double)s->repetition_penalty : 1.0);
    ifm_fields_set(&f, "seed", json_integer((json_int_t)s->seed));
    return ifm_fields_take(&f);
}

/* The prompts' tokens as the first request saw them. */
static json_t *input_tokens(const ifm_run *run)
{
    int32_t lengths[IFM_BATCH_MAX];
    const ifm_input_tokens n = ifm_run_input_tokens(run, lengths, IFM_BATCH_MAX);
    if (n.batch_size == 0)
        return json_null();
    ifm_fields f = ifm_fields_new();
    ifm_fields_int(&f, "batch_size", (int64_t)n.batch_size);
    ifm_fields_set(&f, "per_sequence", ifm_json_ints32(lengths, n.batch_size));
    ifm_fields_int(&f, "padded_length", n.padded);
    ifm_fields_int(&f, "total_including_padding", n.total);
    ifm_fields_int(&f, "total_real", n.real);
    ifm_fields_real(&f, "padding_waste_frac", 1 - (double)n.real / (double)n.total);
    return ifm_fields_take(&f);
}

static json_t *workload(const ifm_run *run)
{
    const ifm_workload *w = &run->workload;
    ifm_fields f = ifm_fields_new();
    ifm_fields_set(&f, "prompts", prompts(w));
    ifm_fields_set(&f, "max_new_tokens",
                   w->max_new_tokens > 0 ? json_integer(w->max_new_tokens) : json_null());
    ifm_fields_set(&f, "prompt_ids", prompt_names(w));
    ifm_fields_int(&f, "batch_size", w->batch_size > 0 ? w->batch_size : 1);
    ifm_fields_text(&f, "padding", ifm_padding_name(w->padding));
    ifm_fields_bool(&f, "ignore_eos", w->ignore_eos);
    ifm_fields_int(&f, "cold", w->n_cold);
    ifm_fields_int(&f, "warmup", w->n_warmup);
    ifm_fields_int(&f, "warm", w->n_warm);
    ifm_fields_text(&f, "load", w->load_eager ? "eager" : "lazy");
    ifm_fields_text(&f, "page_cache", w->evict ? "evict" : "keep");
    ifm_fields_set(&f, "sampling", sampling(&w->sampling));
    ifm_fields_set(&f, "input_tokens", input_tokens(run));
    return ifm_fields_take(&f);
}

json_t *ifm_result_interval(const double bounds[2], double divisor)
{
    if (isnan(bounds[0]))
        return json_null();
    json_t *pair = json_array();
    json_array_append_new(pair, ifm_json_number(bounds[0] / divisor));
    json_array_append_new(pair, ifm_json_number(bounds[1] / divisor));
    return ifm_json_whole(pair, 2);
}

/* How many samples a percentile is short of; empty when all are there. */
static json_t *missing(size_t n)
{
    static const struct {
        const char *key;
        double p;
    } guarded[] = {{"p90", 0.90}, {"p95", 0.95}, {"p99", 0.99}};
    ifm_fields f = ifm_fields_new();
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++) {
        size_t needs = ifm_quantile_needs(guarded[i].p);
        if (n < needs)
            ifm_fields_int(&f, guarded[i].key, (int64_t)(needs - n));
    }
    return ifm_fields_take(&f);
}

json_t *ifm_result_stats(const ifm_stats *s, const char *unit, double divisor)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "unit", unit);
    ifm_fields_int(&f, "n", (int64_t)s->n);
    ifm_fields_real(&f, "mean", s->mean / divisor);
    ifm_fields_real(&f, "sd", s->sd / divisor);
    ifm_fields_real(&f, "min", s->min / divisor);
    ifm_fields_real(&f, "p50", s->p50 / divisor);
    ifm_fields_real(&f, "p90", s->p90 / divisor);
    ifm_fields_real(&f, "p95", s->p95 / divisor);
    ifm_fields_real(&f, "p99", s->p99 / divisor);
    ifm_fields_real(&f, "max", s->max / divisor);
    ifm_fields_set(&f, "median_ci95", ifm_result_interval(s->median_ci95, divisor));
    ifm_fields_set(&f, "mean_ci95", ifm_result_interval(s->mean_ci95, divisor));
    ifm_fields_int(&f, "outliers", (int64_t)s->n_outliers);
    ifm_fields_set(&f, "samples_missing_for", missing(s->n));
    return ifm_fields_take(&f);
}

static void add_warnings(json_t *array, const ifm_run *run, bool several, size_t *all)
{
    for (size_t i = 0; i < run->n_warnings; i++) {
        const ifm_warning *w = &run->warnings[i];
        ifm_fields f = ifm_fields_new();
        ifm_fields_text(&f, "code", w->code);
        ifm_fields_text(&f, "message", w->message);
        ifm_fields_bool(&f, "spoils", w->spoils);
        if (several)
            ifm_fields_text(&f, "target", run->target.kind);
        json_array_append_new(array, ifm_fields_take(&f));
    }
    *all += run->n_warnings;
}

static json_t *warnings(const ifm_run *runs, size_t n)
{
    json_t *array = json_array();
    size_t all = 0;
    for (size_t k = 0; k < n; k++)
        add_warnings(array, &runs[k], n > 1, &all);
    return ifm_json_whole(array, all);
}

void ifm_result_write_head(ifm_writer *w, const ifm_run *run, double decode_bandwidth)
{
    ifm_writer_key(w, "schema");
    ifm_writer_text(w, "inferometer.result/1");
    ifm_writer_key(w, "tool");
    ifm_writer_tree(w, tool(run));
    ifm_writer_key(w, "command");
    ifm_writer_tree(w, command(run));
    ifm_writer_key(w, "started_at");
    ifm_writer_text(w, run->started_at);
    ifm_writer_key(w, "clock");
    ifm_writer_tree(w, clock_facts(run));
    ifm_writer_key(w, "host");
    ifm_writer_tree(w, host(run, decode_bandwidth));
    ifm_writer_key(w, "target");
    ifm_writer_tree(w, ifm_result_target(run));
    ifm_writer_key(w, "workload");
    ifm_writer_tree(w, workload(run));
}

static bool all_trustworthy(const ifm_run *runs, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (!ifm_run_trustworthy(&runs[k]))
            return false;
    return true;
}

void ifm_result_write_verdict(ifm_writer *w, const ifm_run *runs, size_t n)
{
    ifm_writer_key(w, "warnings");
    ifm_writer_tree(w, warnings(runs, n));
    ifm_writer_key(w, "incomplete");
    ifm_writer_bool(w, runs[0].incomplete);
    ifm_writer_key(w, "trustworthy");
    ifm_writer_bool(w, all_trustworthy(runs, n));
}
