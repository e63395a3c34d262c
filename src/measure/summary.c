#include "measure/summary.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

const char *ifm_metric_key(ifm_metric metric)
{
    static const char *const keys[IFM_METRIC_COUNT] = {
#define X(NAME, key, title) [IFM_METRIC_##NAME] = #key,
        IFM_METRIC_LIST(X)
#undef X
    };
    return (unsigned)metric < IFM_METRIC_COUNT ? keys[metric] : "unknown";
}

const char *ifm_metric_title(ifm_metric metric)
{
    static const char *const titles[IFM_METRIC_COUNT] = {
#define X(NAME, key, title) [IFM_METRIC_##NAME] = title,
        IFM_METRIC_LIST(X)
#undef X
    };
    return (unsigned)metric < IFM_METRIC_COUNT ? titles[metric] : "unknown";
}

static bool counts(const ifm_record *record, ifm_start start)
{
    return record->ok && record->start == start;
}

/* One value per request; NaN where the request does not have it. */
typedef double value_of(const ifm_record *record, const ifm_metrics *m, int which);

static double metric_value(const ifm_record *record, const ifm_metrics *m, int which)
{
    (void)record;
    switch ((ifm_metric)which) {
    case IFM_METRIC_TTFT:
        return m->has_ttft ? (double)m->ttft_ns : NAN;
    case IFM_METRIC_E2EL:
        return m->has_ttft ? (double)m->e2el_ns : NAN;
    case IFM_METRIC_GENERATION:
        return m->has_ttft ? (double)m->generation_ns : NAN;
    case IFM_METRIC_TPOT:
        return m->has_tpot ? m->tpot_ns : NAN;
    case IFM_METRIC_TEXT_TTFT:
        return m->has_text_ttft ? (double)m->text_ttft_ns : NAN;
    case IFM_METRIC_ITL: /* pooled, not one per request */
    case IFM_METRIC_COUNT:
        break;
    }
    return NAN;
}

static double phase_value(const ifm_record *record, const ifm_metrics *m, int which)
{
    return m->has_ttft ? (double)record->phases_ns[which] : NAN;
}

static double generating_rate(const ifm_record *record, const ifm_metrics *m, int which)
{
    (void)record, (void)which;
    return m->has_tpot && m->tpot_ns > 0 ? 1e9 / m->tpot_ns : NAN;
}

static double output_rate(const ifm_record *record, const ifm_metrics *m, int which)
{
    (void)record, (void)which;
    return m->has_ttft && m->e2el_ns > 0 ? 1e9 * (double)m->n_tokens / (double)m->e2el_ns
                                         : NAN;
}

static size_t gather(const ifm_run *run, ifm_start start, value_of *value, int which,
                     double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *record = &run->records[i];
        if (!counts(record, start))
            continue;
        ifm_trace trace = ifm_record_trace(record);
        ifm_metrics m = ifm_metrics_of(&trace);
        double x = value(record, &m, which);
        if (!isnan(x))
            out[n++] = x;
    }
    return n;
}

static ifm_stats per_request(const ifm_run *run, ifm_start start, value_of *value,
                             int which, double *scratch)
{
    return ifm_stats_of(scratch, gather(run, start, value, which, scratch));
}

static size_t gather_gaps(const ifm_run *run, ifm_start start, double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *record = &run->records[i];
        const int64_t *at;
        const size_t n_at = ifm_record_arrivals(record, &at);
        for (size_t t = 1; counts(record, start) && t < n_at; t++)
            out[n++] = (double)(at[t] - at[t - 1]);
    }
    return n;
}

static size_t gather_metric(const ifm_run *run, ifm_start start, ifm_metric metric,
                            double *out)
{
    return metric == IFM_METRIC_ITL ? gather_gaps(run, start, out)
                                    : gather(run, start, metric_value, (int)metric, out);
}

/* The most values that anything of a run has. */
static size_t most_values(const ifm_run *run)
{
    size_t n = 1;
    for (size_t i = 0; i < run->n_records; i++) {
        const int64_t *at;
        const size_t n_at = ifm_record_arrivals(&run->records[i], &at);
        const size_t n_tokens = run->records[i].n_tokens;
        n += 1 + (n_at > n_tokens ? n_at : n_tokens);
    }
    return n;
}

ifm_status ifm_summary_values(const ifm_run *run, ifm_start start, ifm_metric metric,
                              double **values, size_t *n, ifm_error *err)
{
    *values = calloc(most_values(run), sizeof **values);
    if (*values == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the values of %s",
                        ifm_metric_title(metric));
    *n = gather_metric(run, start, metric, *values);
    return IFM_OK;
}

static ifm_stats pooled_handovers(const ifm_run *run, ifm_start start, double *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *record = &run->records[i];
        if (!counts(record, start) || record->handover_ns == NULL)
            continue;
        for (size_t t = 0; t < record->n_tokens; t++)
            scratch[n++] = (double)record->handover_ns[t];
    }
    return ifm_stats_of(scratch, n);
}

/* Sequences of a request stand one after another and share its id. */
static ifm_stats per_batch(const ifm_run *run, ifm_start start, double *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < run->n_records;) {
        const int32_t id = run->records[i].id;
        int64_t tokens = 0, last = 0;
        bool ok = true;
        for (; i < run->n_records && run->records[i].id == id; i++) {
            const ifm_record *r = &run->records[i];
            ok = ok && counts(r, start) && r->n_tokens > 0;
            tokens += (int64_t)r->n_tokens;
            if (ok && r->token_ns[r->n_tokens - 1] > last)
                last = r->token_ns[r->n_tokens - 1];
        }
        if (ok && last > 0)
            scratch[n++] = 1e9 * (double)tokens / (double)last;
    }
    return ifm_stats_of(scratch, n);
}

ifm_status ifm_summary_of(const ifm_run *run, ifm_start start, ifm_summary *out,
                          ifm_error *err)
{
    const size_t n_values = most_values(run);
    *out = (ifm_summary){0};
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *record = &run->records[i];
        out->n_ok += counts(record, start);
        out->n_failed += record->start == start && !record->ok;
    }
    double *scratch = calloc(n_values, sizeof *scratch);
    if (scratch == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to summarize %zu values",
                        n_values);
    for (int m = 0; m < IFM_METRIC_COUNT; m++)
        out->metric[m] =
            ifm_stats_of(scratch, gather_metric(run, start, (ifm_metric)m, scratch));
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        out->phase[p] = per_request(run, start, phase_value, p, scratch);
    out->tokens_per_s = per_request(run, start, generating_rate, 0, scratch);
    out->output_tokens_per_s = per_request(run, start, output_rate, 0, scratch);
    out->batch_tokens_per_s = per_batch(run, start, scratch);
    out->handover = pooled_handovers(run, start, scratch);
    free(scratch);
    return IFM_OK;
}

double ifm_summary_decode_bandwidth(const ifm_run *run, const ifm_summary *cold,
                                    const ifm_summary *warm)
{
    const ifm_stats *tpot = &warm->metric[IFM_METRIC_TPOT];
    if (tpot->n == 0)
        tpot = &cold->metric[IFM_METRIC_TPOT];
    if (tpot->n == 0 || !(tpot->p50 > 0) || run->target.decode_bytes <= 0)
        return NAN;
    return (double)run->target.decode_bytes / (tpot->p50 * 1e-9);
}
