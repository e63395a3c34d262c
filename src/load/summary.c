/*
 * The spool is read in passes:
 *
 *   first    counts, outcomes, extremes; values of series that are short (load/series.h);
 *            requests in flight over time
 *   second   rates in the steady part, which is known by now; medians of the seconds
 *   more     only for series of more than 65,536 values: two to four for order statistics,
 *            one for outliers
 *
 * Memory: at most 17 series × 512 KiB, 8 MiB for medians of seconds, 256 KiB for requests in
 * flight, one record: under 20 MiB, whatever the number of requests.
 */
#include "load/summary.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "load/seconds.h"
#include "load/series.h"
#include "load/steady.h"
#include "load/value.h"

bool ifm_slo_given(const ifm_slo *slo)
{
    return !isnan(slo->ttft_ms) || !isnan(slo->tpot_ms) || !isnan(slo->e2el_ms);
}

/* False only for a value over a limit that was given. */
static bool within(double limit_ms, double ns)
{
    return !(ns > limit_ms * 1e6);
}

bool ifm_slo_kept(const ifm_slo *slo, const ifm_metrics *m)
{
    return m->has_ttft && within(slo->ttft_ms, (double)m->ttft_ns) &&
           within(slo->e2el_ms, (double)m->e2el_ns) &&
           (!m->has_tpot || within(slo->tpot_ms, m->tpot_ns));
}

/* What was done from `begin` on until `end`: in shares of requests, since one that spans an
 * end of the window is partly outside. */
typedef struct window {
    int64_t begin_ns, end_ns;
    double requests, good, input_tokens, in_flight_ns;
    int64_t output_tokens;
} window;

typedef struct passes {
    const ifm_load_run *load;
    ifm_load_summary *out;
    ifm_series metric[IFM_LOAD_METRIC_COUNT], input, output;
    ifm_seconds seconds;
    ifm_steady steady;
    window in_steady;
    int pass;
    bool gated, slo, input_known, tokens_known;
    int64_t pieces, shared, token_pieces; /* of requests that ended well */
    int64_t first_due_ns, last_end_ns;
    double in_flight_ns;
    int64_t tokens_of_pieces; /* output tokens of those whose tokens somebody counted */
} passes;

static bool is_good(const passes *self, const ifm_record *r)
{
    const ifm_trace trace = ifm_record_trace(r);
    const ifm_metrics m = ifm_metrics_of(&trace);
    return ifm_slo_kept(&self->load->plan.slo, &m);
}

static void count_well_ended(passes *self, const ifm_record *r)
{
    ifm_load_summary *out = self->out;
    const ifm_wire *w = r->wire;
    const int64_t input = ifm_load_input_tokens(r);
    out->n_ok++;
    out->n_good += self->slo && is_good(self, r);
    out->n_cached += w->usage.cached_tokens > 0;
    out->n_sent_again += w->attempts > 1;
    out->itl_per_event = out->itl_per_event || w->event_ns != NULL;
    out->sum_output_tokens += (int64_t)r->n_tokens;
    out->sum_input_tokens += input > 0 ? input : 0;
    self->input_known = self->input_known || input >= 0;
    if (out->n_ok == 1 || w->token_source < out->token_source)
        out->token_source = w->token_source;
    self->pieces += (int64_t)w->n_pieces;
    self->shared += (int64_t)ifm_wire_shared_pieces(w);
    if (w->token_source != IFM_TOKENS_EVENTS) {
        self->token_pieces += (int64_t)ifm_wire_token_pieces(w);
        self->tokens_of_pieces += (int64_t)r->n_tokens;
    }
}

static void count(passes *self, const ifm_record *r)
{
    const ifm_wire *w = r->wire;
    const int64_t begin = w->service_start_ns >= 0 ? w->service_start_ns : 0;
    const int64_t end = w->end_ns >= begin ? w->end_ns : begin;
    const bool counts = r->start != IFM_START_WARMUP;
    ifm_steady_add(&self->steady, w->due_at_ns, w->due_at_ns + begin, w->due_at_ns + end,
                   counts);
    if (!counts) {
        self->out->n_warmup++;
        return;
    }
    self->out->n++;
    self->out->outcome[w->outcome]++;
    self->in_flight_ns += (double)(end - begin);
    if (w->due_at_ns < self->first_due_ns)
        self->first_due_ns = w->due_at_ns;
    if (w->due_at_ns + end > self->last_end_ns)
        self->last_end_ns = w->due_at_ns + end;
    if (r->ok)
        count_well_ended(self, r);
}

static void add_values(passes *self, const ifm_record *r)
{
    double values[IFM_LOAD_METRIC_COUNT];
    ifm_load_values(r, self->gated, values);
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++)
        if (!isnan(values[m]))
            ifm_series_add(&self->metric[m], values[m]);
    ifm_series *itl = &self->metric[IFM_LOAD_ITL];
    const size_t n = ifm_series_done(itl) ? 0 : ifm_load_gaps(r);
    for (size_t i = 0; i < n; i++)
        ifm_series_add(itl, ifm_load_gap(r, i));
    const int64_t input = ifm_load_input_tokens(r);
    if (input >= 0)
        ifm_series_add(&self->input, (double)input);
    ifm_series_add(&self->output, (double)r->n_tokens);
}

/* Adds a request to the window: its share by time in flight, its tokens by their own. */
static void add_to_window(const passes *self, window *in, const ifm_record *r)
{
    const ifm_wire *w = r->wire;
    const int64_t begin =
        w->due_at_ns + (w->service_start_ns >= 0 ? w->service_start_ns : 0);
    const int64_t end = w->due_at_ns + w->end_ns;
    const int64_t from = begin > in->begin_ns ? begin : in->begin_ns;
    const int64_t to = end < in->end_ns ? end : in->end_ns;
    if (end < begin || to < from || begin >= in->end_ns || end < in->begin_ns)
        return;
    const double share = end > begin ? (double)(to - from) / (double)(end - begin) : 1.0;
    in->in_flight_ns += (double)(to - from);
    if (!r->ok)
        return;
    const int64_t input = ifm_load_input_tokens(r);
    in->requests += share;
    in->good += self->slo && is_good(self, r) ? share : 0;
    in->input_tokens += input > 0 ? share * (double)input : 0;
    for (size_t i = 0; i < r->n_tokens; i++) {
        int64_t t = w->due_at_ns + r->token_ns[i];
        in->output_tokens += t >= in->begin_ns && t < in->end_ns;
    }
}

static void take(passes *self, const ifm_record *r)
{
    if (self->pass == 0)
        count(self, r);
    if (self->pass == 1 && self->out->steady_found)
        add_to_window(self, &self->in_steady, r);
    ifm_seconds_add(&self->seconds, r);
    if (r->ok && r->start != IFM_START_WARMUP)
        add_values(self, r);
}

static void find_steady(passes *self)
{
    const ifm_load_plan *plan = &self->load->plan;
    const int64_t places = plan->arrival == IFM_ARRIVAL_CLOSED ? plan->concurrency : 0;
    int64_t from = self->first_due_ns;
    from = self->load->warm_ns > from ? self->load->warm_ns : from;
    from += self->out->n > 0 ? (int64_t)(plan->ramp_s * 1e9) : 0;
    window *in = &self->in_steady;
    ifm_load_summary *out = self->out;
    out->steady_found =
        ifm_steady_find(&self->steady, places, from, &in->begin_ns, &in->end_ns);
    out->steady_begin_ns = out->steady_found ? in->begin_ns : 0;
    out->steady_end_ns = out->steady_found ? in->end_ns : 0;
}

/* True: the spool is to be read again. */
static bool end_pass(passes *self, bool *no_memory)
{
    bool more = self->pass == 0;
    if (self->pass == 0)
        find_steady(self);
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++) {
        more |= ifm_series_pass(&self->metric[m]);
        *no_memory |= self->metric[m].no_memory;
    }
    more |= ifm_series_pass(&self->input);
    more |= ifm_series_pass(&self->output);
    *no_memory |= self->input.no_memory | self->output.no_memory;
    more |= ifm_seconds_pass(&self->seconds, no_memory);
    self->pass++;
    return more;
}

static ifm_status read_once(passes *self, ifm_error *err)
{
    ifm_spool_reader *reader = NULL;
    const ifm_record *record;
    ifm_status st = ifm_spool_reader_new(self->load->spool, &reader, err);
    while (st == IFM_OK) {
        st = ifm_spool_next(reader, &record, err);
        if (st != IFM_OK || record == NULL)
            break;
        take(self, record);
    }
    ifm_spool_reader_free(reader);
    return st;
}

static ifm_load_rates no_rates(void)
{
    return (ifm_load_rates){NAN, NAN, NAN, NAN, NAN};
}

static ifm_load_rates rates_of(const passes *self, const window *in)
{
    const double s = (double)(in->end_ns - in->begin_ns) * 1e-9;
    ifm_load_rates rates = no_rates();
    if (!(s > 0))
        return rates;
    rates.requests_per_s = in->requests / s;
    if (self->input_known)
        rates.input_tokens_per_s = in->input_tokens / s;
    if (self->out->n_ok > 0 && self->out->token_source != IFM_TOKENS_EVENTS)
        rates.output_tokens_per_s = (double)in->output_tokens / s;
    if (self->slo)
        rates.good_requests_per_s = in->good / s;
    rates.concurrency = in->in_flight_ns * 1e-9 / s;
    return rates;
}

static void conclude_rates(passes *self)
{
    ifm_load_summary *out = self->out;
    const window whole = {
        .begin_ns = self->first_due_ns,
        .end_ns = self->last_end_ns,
        .requests = (double)out->n_ok,
        .good = (double)out->n_good,
        .input_tokens = (double)out->sum_input_tokens,
        .output_tokens = out->sum_output_tokens,
        .in_flight_ns = self->in_flight_ns,
    };
    out->whole = out->n > 0 ? rates_of(self, &whole) : no_rates();
    /* Requests that failed may be all there is in it. */
    out->steady_found =
        out->steady_found && self->in_steady.requests >= IFM_STEADY_REQUESTS;
    out->steady = out->steady_found ? rates_of(self, &self->in_steady) : no_rates();
}

static void conclude(passes *self)
{
    ifm_load_summary *out = self->out;
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++)
        out->metric[m] = self->metric[m].stats;
    out->input_tokens = self->input.stats;
    out->output_tokens = self->output.stats;
    ifm_seconds_take(&self->seconds, out);
    conclude_rates(self);
    if (!self->slo)
        out->n_good = -1;
    out->tokens_per_event = self->token_pieces > 0 ? (double)self->tokens_of_pieces /
                                                         (double)self->token_pieces
                                                   : NAN;
    out->read_share_frac =
        self->pieces > 0 ? (double)self->shared / (double)self->pieces : 0;
    /* What a process that died had begun is not in the spool: it never told. */
    for (size_t i = 0; i < self->load->n_ranks; i++) {
        out->n += self->load->ranks[i].lost_requests;
        out->outcome[IFM_OUTCOME_LOST] += self->load->ranks[i].lost_requests;
    }
}

static ifm_status prepare(passes *self, ifm_error *err)
{
    const ifm_load_plan *plan = &self->load->plan;
    self->slo = ifm_slo_given(&plan->slo);
    self->gated = plan->arrival != IFM_ARRIVAL_CLOSED && plan->concurrency > 0;
    self->first_due_ns = INT64_MAX;
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++)
        ifm_series_init(&self->metric[m]);
    ifm_series_init(&self->input);
    ifm_series_init(&self->output);
    return ifm_seconds_init(&self->seconds, self->load->ended_ns) &&
                   ifm_steady_init(&self->steady, self->load->ended_ns)
               ? IFM_OK
               : ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to summarize the load");
}

static void release(passes *self)
{
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++)
        ifm_series_deinit(&self->metric[m]);
    ifm_series_deinit(&self->input);
    ifm_series_deinit(&self->output);
    ifm_seconds_deinit(&self->seconds);
    ifm_steady_deinit(&self->steady);
}

ifm_status ifm_load_summary_of(const ifm_load_run *load, ifm_load_summary *out,
                               ifm_error *err)
{
    passes self = {.load = load, .out = out};
    *out = (ifm_load_summary){0};
    ifm_status st = prepare(&self, err);
    bool more = true, no_memory = false;
    while (st == IFM_OK && more) {
        st = read_once(&self, err);
        if (st != IFM_OK)
            break;
        more = end_pass(&self, &no_memory);
        if (no_memory)
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to summarize the load");
    }
    if (st == IFM_OK)
        conclude(&self);
    release(&self);
    return st;
}

void ifm_load_summary_deinit(ifm_load_summary *self)
{
    free(self->seconds);
    *self = (ifm_load_summary){0};
}
