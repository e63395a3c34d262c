#include "result/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "measure/compare.h"
#include "measure/summary.h"
#include "result/fields.h"
#include "result/parts.h"
#include "result/request.h"
#include "result/writer.h"

static void write_requests(ifm_writer *w, const ifm_run *runs, size_t n)
{
    ifm_writer_open(w, '[', IFM_WRITER_LINES);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < runs[k].n_records; i++)
            ifm_result_write_request(w, &runs[k].records[i], runs[k].target.kind);
    ifm_writer_close(w);
}

static json_t *summary(const ifm_summary *s)
{
    const double ms = 1e6; /* a divisor: ns × 1e-6 would not be the nearest double */
    ifm_fields f = ifm_fields_new();
    if (s->n_ok == 0 && s->n_failed == 0)
        return ifm_fields_take(&f);
    ifm_fields_int(&f, "ok", (int64_t)s->n_ok);
    ifm_fields_int(&f, "failed", (int64_t)s->n_failed);
    for (int m = 0; m < IFM_METRIC_COUNT; m++)
        ifm_fields_set(&f, ifm_metric_key((ifm_metric)m),
                       ifm_result_stats(&s->metric[m], "ms", ms));
    ifm_fields_set(&f, "tokens_per_s", ifm_result_stats(&s->tokens_per_s, "tokens/s", 1));
    ifm_fields_set(&f, "output_tokens_per_s",
                   ifm_result_stats(&s->output_tokens_per_s, "tokens/s", 1));
    ifm_fields_set(&f, "batch_tokens_per_s",
                   ifm_result_stats(&s->batch_tokens_per_s, "tokens/s", 1));
    ifm_fields_set(&f, "handover", ifm_result_stats(&s->handover, "ms", ms));
    ifm_fields phases = ifm_fields_new();
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        ifm_fields_set(&phases, ifm_phase_name((ifm_phase)p),
                       ifm_result_stats(&s->phase[p], "ms", ms));
    ifm_fields_set(&f, "phases", ifm_fields_take(&phases));
    return ifm_fields_take(&f);
}

static json_t *summaries(const ifm_summary *cold, const ifm_summary *warm)
{
    ifm_fields f = ifm_fields_new();
    ifm_fields_set(&f, "cold", summary(cold));
    ifm_fields_set(&f, "warm", summary(warm));
    return ifm_fields_take(&f);
}

/* Several targets: each with its summary, by its kind. */
static json_t *targets(const ifm_run *runs, size_t n, ifm_error *err)
{
    json_t *array = json_array();
    for (size_t k = 0; k < n; k++) {
        ifm_summary cold, warm;
        ifm_status st = ifm_summary_of(&runs[k], IFM_START_COLD, &cold, err);
        if (st == IFM_OK)
            st = ifm_summary_of(&runs[k], IFM_START_WARM, &warm, err);
        json_t *one = st == IFM_OK ? ifm_result_target(&runs[k]) : NULL;
        if (one != NULL)
            json_object_set_new(one, "summary", summaries(&cold, &warm));
        json_array_append_new(array, one);
    }
    return ifm_json_whole(array, n);
}

static json_t *ratio(const ifm_run *base, const ifm_run *run, ifm_start start,
                     ifm_metric metric)
{
    ifm_ratio r;
    if (ifm_compare_metric(base, run, start, metric, &r, NULL) != IFM_OK)
        return NULL;
    ifm_fields f = ifm_fields_new();
    ifm_fields_real(&f, "ratio", r.value);
    ifm_fields_set(&f, "ci95", ifm_result_interval(r.ci95, 1));
    return ifm_fields_take(&f);
}

static json_t *ratios(const ifm_run *base, const ifm_run *run, ifm_start start)
{
    ifm_fields f = ifm_fields_new();
    for (int m = 0; m < IFM_METRIC_COUNT; m++)
        ifm_fields_set(&f, ifm_metric_key((ifm_metric)m),
                       ratio(base, run, start, (ifm_metric)m));
    return ifm_fields_take(&f);
}

/* How the run stands beside the first: medians of its times ÷ those of the first. */
static json_t *beside(const ifm_run *base, const ifm_run *run)
{
    const ifm_agreement tokens = ifm_compare_tokens(base, run);
    ifm_fields f = ifm_fields_new();
    ifm_fields_text(&f, "base", base->target.kind);
    ifm_fields_text(&f, "target", run->target.kind);
    ifm_fields_set(&f, "cold", ratios(base, run, IFM_START_COLD));
    ifm_fields_set(&f, "warm", ratios(base, run, IFM_START_WARM));
    ifm_fields_set(&f, "same_input_ids",
                   tokens.known ? json_boolean(tokens.same_input) : json_null());
    ifm_fields_set(&f, "same_tokens",
                   tokens.known ? json_boolean(tokens.same) : json_null());
    ifm_fields_known(&f, "first_different_token",
                     tokens.known && !tokens.same ? (int64_t)tokens.n_same : -1);
    return ifm_fields_take(&f);
}

static json_t *comparison(const ifm_run *runs, size_t n)
{
    json_t *array = json_array();
    for (size_t k = 1; k < n; k++)
        json_array_append_new(array, beside(&runs[0], &runs[k]));
    return ifm_json_whole(array, n - 1);
}

static void write_document(ifm_writer *w, const ifm_run *runs, size_t n,
                           const ifm_summary *cold, const ifm_summary *warm)
{
    ifm_writer_open(w, '{', IFM_WRITER_LINES);
    ifm_result_write_head(w, &runs[0],
                          ifm_summary_decode_bandwidth(&runs[0], cold, warm));
    ifm_writer_key(w, "requests");
    write_requests(w, runs, n);
    ifm_writer_key(w, "summary");
    ifm_writer_tree(w, summaries(cold, warm));
    if (n > 1) {
        ifm_writer_key(w, "targets");
        ifm_writer_tree(w, targets(runs, n, NULL));
        ifm_writer_key(w, "comparison");
        ifm_writer_tree(w, comparison(runs, n));
    }
    ifm_result_write_verdict(w, runs, n);
    ifm_writer_close(w);
    ifm_writer_line(w);
}

ifm_status ifm_result_write_json(const ifm_run *runs, size_t n, FILE *out, ifm_error *err)
{
    ifm_summary cold, warm;
    ifm_writer writer;
    ifm_status st = ifm_summary_of(&runs[0], IFM_START_COLD, &cold, err);
    if (st == IFM_OK)
        st = ifm_summary_of(&runs[0], IFM_START_WARM, &warm, err);
    if (st == IFM_OK)
        st = ifm_writer_init(&writer, out, err);
    if (st != IFM_OK)
        return st;
    write_document(&writer, runs, n, &cold, &warm);
    return ifm_writer_end(&writer, "the result", err);
}
