#include "report/load_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "load/floor.h"

ifm_word ifm_word_whole(int64_t n)
{
    char digits[32];
    ifm_word word = {{0}};
    const int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
    size_t out = 0;
    for (int i = 0; i < length && out + 2 < sizeof word.text; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            word.text[out++] = ',';
        word.text[out++] = digits[i];
    }
    return word;
}

ifm_word ifm_word_share(int64_t n, int64_t of, bool unicode)
{
    ifm_word word;
    if (of <= 0)
        snprintf(word.text, sizeof word.text, "%s", unicode ? "—" : "-");
    else if (n >= of)
        snprintf(word.text, sizeof word.text, "100%%");
    else
        snprintf(word.text, sizeof word.text, "%.1f%%",
                 floor(1000 * (double)n / (double)of) / 10);
    return word;
}

ifm_word ifm_word_span(int64_t ns)
{
    ifm_word word;
    const double s = (double)ns / 1e9;
    const long long whole = (long long)(s + 0.5);
    if (whole >= 3600)
        snprintf(word.text, sizeof word.text, "%lld h %02lld min", whole / 3600,
                 whole / 60 % 60);
    else if (whole >= 600)
        snprintf(word.text, sizeof word.text, "%lld min %02lld s", whole / 60,
                 whole % 60);
    else if (fabs(s - round(s)) < 0.05)
        snprintf(word.text, sizeof word.text, "%.0f s", s);
    else
        snprintf(word.text, sizeof word.text, s < 1 ? "%.2f s" : "%.1f s", s);
    return word;
}

/* ---- what was asked --------------------------------------------------------------- */

static const char *many(int64_t n)
{
    return n == 1 ? "" : "s";
}

void ifm_load_text_arrival(ifm_buffer *out, const ifm_load_plan *plan, bool unicode)
{
    const ifm_word places = ifm_word_whole(plan->concurrency);
    ifm_word rate = ifm_word_rate(plan->request_rate, unicode);
    if (plan->request_rate < 1000)
        snprintf(rate.text, sizeof rate.text, "%.6g", plan->request_rate);
    switch (plan->arrival) {
    case IFM_ARRIVAL_CLOSED:
        ifm_buffer_printf(out, "%s at a time, the next when one ends", places.text);
        break;
    case IFM_ARRIVAL_CONSTANT:
        ifm_buffer_printf(out, "%s requests/s, evenly spaced", rate.text);
        break;
    case IFM_ARRIVAL_POISSON:
        ifm_buffer_printf(out, "%s requests/s, Poisson arrivals", rate.text);
        break;
    case IFM_ARRIVAL_GAMMA:
        ifm_buffer_printf(out, "%s requests/s, gamma arrivals (burstiness %g)", rate.text,
                          plan->burstiness);
        break;
    case IFM_ARRIVAL_BURST:
        ifm_buffer_puts(out, "all at once");
        break;
    case IFM_ARRIVAL_TRACE:
        ifm_buffer_puts(out, "when the file says");
        break;
    }
    if (plan->arrival != IFM_ARRIVAL_CLOSED && plan->concurrency > 0)
        ifm_buffer_printf(out, ", at most %s at a time", places.text);
    if (plan->ramp_s > 0)
        ifm_buffer_printf(out, ", rising over %s",
                          ifm_word_span((int64_t)(plan->ramp_s * 1e9)).text);
}

void ifm_load_text_size(ifm_buffer *out, const ifm_load_plan *plan)
{
    if (plan->n_prompts > 0)
        ifm_buffer_printf(out, "%s request%s", ifm_word_whole(plan->n_prompts).text,
                          many(plan->n_prompts));
    if (plan->duration_ns > 0)
        ifm_buffer_printf(out, plan->n_prompts > 0 ? " in %s at most" : "for %s",
                          ifm_word_span(plan->duration_ns).text);
    if (plan->n_prompts <= 0 && plan->duration_ns <= 0)
        ifm_buffer_puts(out, "all requests");
    if (plan->n_warmup > 0)
        ifm_buffer_printf(out, ", after %s for warm-up",
                          ifm_word_whole(plan->n_warmup).text);
}

static void put_part(ifm_buffer *out, size_t begin, const char *between)
{
    if (out->length > begin)
        ifm_buffer_puts(out, between);
}

/* A text of the command line: what it may hold is shown, not obeyed. */
static void put_given(ifm_buffer *out, const char *text)
{
    ifm_text_one_line(out, text, strlen(text), 60, true);
}

void ifm_load_text_workload(ifm_buffer *out, const ifm_load_plan *plan,
                            const char *between)
{
    const size_t begin = out->length;
    if (plan->prompts_path != NULL) {
        ifm_buffer_puts(out, "prompts of ");
        if (strcmp(plan->prompts_path, "-") == 0)
            ifm_buffer_puts(out, "standard input");
        else
            put_given(out, plan->prompts_path);
    }
    if (plan->input_len != NULL) {
        put_part(out, begin, between);
        ifm_buffer_puts(out, "input ");
        put_given(out, plan->input_len);
        ifm_buffer_puts(out, " tokens");
    }
    if (plan->shared_prefix_tokens > 0)
        ifm_buffer_printf(out, ", %s of them shared by all",
                          ifm_word_whole(plan->shared_prefix_tokens).text);
    if (plan->output_len != NULL) {
        put_part(out, begin, between);
        ifm_buffer_puts(out, "output ");
        put_given(out, plan->output_len);
        ifm_buffer_puts(out, " tokens");
    }
    put_part(out, begin, between);
    ifm_buffer_printf(out, "seed %llu", (unsigned long long)plan->seed);
}

void ifm_load_text_slo(ifm_buffer *out, const ifm_slo *slo, bool unicode)
{
    const struct {
        const char *name;
        double ms;
    } parts[] = {{"TTFT", slo->ttft_ms}, {"TPOT", slo->tpot_ms}, {"E2EL", slo->e2el_ms}};
    const char *between = "";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!isnan(parts[i].ms)) {
            ifm_buffer_printf(out, "%s%s %s %g ms", between, parts[i].name,
                              unicode ? "≤" : "<=", parts[i].ms);
            between = ", ";
        }
}

void ifm_load_text_protocol(ifm_buffer *out, const ifm_load_plan *plan,
                            const char *between)
{
    ifm_buffer_printf(out, "%s%s%s", ifm_endpoint_name(plan->endpoint), between,
                      plan->stream ? "streamed" : "not streamed");
    if (plan->http2)
        ifm_buffer_printf(out, "%sHTTP/2", between);
    if (plan->new_connection)
        ifm_buffer_printf(out, "%sa new connection each", between);
    if (plan->insecure)
        ifm_buffer_printf(out, "%scertificate not verified", between);
    if (plan->retries > 0)
        ifm_buffer_printf(out, "%sup to %lld retr%s", between, (long long)plan->retries,
                          plan->retries == 1 ? "y" : "ies");
}

/* ---- rows of tables --------------------------------------------------------------- */

/* Whether two metrics are the same numbers. */
static bool same_stats(const ifm_stats *a, const ifm_stats *b)
{
    return a->n == b->n && fabs(a->min - b->min) < 0.5 && fabs(a->p50 - b->p50) < 0.5 &&
           fabs(a->max - b->max) < 0.5;
}

size_t ifm_load_rows(const ifm_load_summary *s, ifm_load_row rows[IFM_LOAD_ROWS])
{
    const ifm_load_row all[IFM_LOAD_ROWS] = {
        {IFM_LOAD_TTFT, "TTFT"},
        {IFM_LOAD_TTFO, "TTFO"},
        {IFM_LOAD_TEXT_TTFT, "Text TTFT"},
        {IFM_LOAD_E2EL, "E2EL"},
        {IFM_LOAD_GENERATION, "Generation"},
        {IFM_LOAD_TPOT, "TPOT"},
        {IFM_LOAD_ITL, s->itl_per_event ? "ITL, per event" : "ITL"},
        {IFM_LOAD_SERVER_TTFT, "Server's TTFT"},
        {IFM_LOAD_SERVICE_TTFT, "Service TTFT"},
        {IFM_LOAD_SERVICE_E2EL, "Service E2EL"},
    };
    const ifm_stats *ttft = &s->metric[IFM_LOAD_TTFT];
    size_t n = 0;
    for (size_t i = 0; i < IFM_LOAD_ROWS && all[i].title != NULL; i++) {
        const ifm_load_metric m = all[i].metric;
        const bool derived = m == IFM_LOAD_TTFO || m == IFM_LOAD_TEXT_TTFT;
        if (s->metric[m].n > 0 && !(derived && same_stats(&s->metric[m], ttft)))
            rows[n++] = all[i];
    }
    return n;
}

size_t ifm_load_parts(const ifm_load_summary *s, ifm_load_row rows[IFM_LOAD_PARTS])
{
    static const ifm_load_row all[IFM_LOAD_PARTS] = {
        {IFM_LOAD_CLIENT_LAG, "Client lag"}, {IFM_LOAD_QUEUE, "For a place"},
        {IFM_LOAD_CONNECT, "Connecting"},    {IFM_LOAD_SEND, "Sending"},
        {IFM_LOAD_HEADERS, "Headers"},
    };
    size_t n = 0;
    for (size_t i = 0; i < IFM_LOAD_PARTS; i++) {
        const ifm_stats *x = &s->metric[all[i].metric];
        if (x->n > 0 && (all[i].metric != IFM_LOAD_QUEUE || x->max > 0))
            rows[n++] = all[i];
    }
    return n;
}

ifm_scale ifm_load_scale(const ifm_load_summary *s, const ifm_load_row *rows, size_t n)
{
    double smallest = INFINITY, largest = 0;
    for (size_t i = 0; i < n; i++) {
        const ifm_stats *x = &s->metric[rows[i].metric];
        if (x->n > 0 && x->p50 > 0) {
            smallest = fmin(smallest, x->p50);
            largest = fmax(largest, x->max);
        }
    }
    return ifm_scale_for(isfinite(smallest) ? smallest : 1e6, largest);
}

ifm_scale ifm_load_row_scale(const ifm_stats *stats, const ifm_scale *scale)
{
    ifm_scale row = *scale;
    const double x = stats->p50 / scale->ns_per_unit;
    const double most = stats->max / scale->ns_per_unit;
    row.decimals = x < 1 ? 3 : x < 100 ? 2 : x < 1000 ? 1 : 0;
    if (row.decimals > 0 && most >= 1000) /* seven columns hold no more */
        row.decimals = most < 10000 ? 1 : 0;
    else if (row.decimals > 2 && most >= 100)
        row.decimals = 2;
    return row;
}

void ifm_load_text_missing(ifm_buffer *out, const ifm_load_summary *s,
                           const ifm_load_row *rows, size_t n)
{
    static const struct {
        const char *name;
        double p;
    } quantiles[] = {{"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}};
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < n; i++)
        if (s->metric[rows[i].metric].n < fewest)
            fewest = s->metric[rows[i].metric].n;
    const char *between = "";
    for (size_t i = 0; i < 3; i++) {
        const size_t needs = ifm_quantile_needs(quantiles[i].p);
        if (fewest < needs) {
            ifm_buffer_printf(out,
                              *between == '\0' ? "%s%s needs %zu values" : "%s%s %zu",
                              between, quantiles[i].name, needs);
            between = ", ";
        }
    }
}

/* ---- what came of it -------------------------------------------------------------- */

double ifm_load_second_rate(const ifm_load_run *load, const ifm_load_summary *s, size_t i)
{
    const double rest = (double)load->ended_ns / 1e9 - (double)i * s->second_s;
    double length = s->second_s;
    if (i + 1 == s->n_seconds && rest < length)
        length = fmax(rest, length / 4); /* of less a rate says nothing */
    return (double)s->seconds[i].output_tokens / length;
}

/* What is shorter is no ramp-up. */
static const int64_t noticeable_ns = 50000000;

void ifm_load_text_steady(ifm_buffer *out, const ifm_load_run *load,
                          const ifm_load_summary *s)
{
    if (!s->steady_found) {
        ifm_buffer_puts(out, "no steady stretch was found: ramp-up and drain are in "
                             "these rates");
        return;
    }
    /* Warm-up ended before what is measured began. */
    const int64_t rise = s->steady_begin_ns - load->warm_ns,
                  fall = load->ended_ns - s->steady_end_ns;
    if (rise < noticeable_ns && fall < noticeable_ns)
        ifm_buffer_puts(out, "there was no ramp-up and no drain: all of it is steady");
    else
        ifm_buffer_printf(out,
                          "ramp-up (the first %s) and drain (the last %s) are left out "
                          "of the steady rates",
                          ifm_word_span(rise > 0 ? rise : 0).text,
                          ifm_word_span(fall > 0 ? fall : 0).text);
}

/* "512 a request (498 to 530), 609,280 in all". */
static void put_tokens(ifm_buffer *out, const ifm_stats *s, int64_t sum)
{
    ifm_buffer_printf(out, "%.4g a request", s->mean);
    if (s->max > s->min)
        ifm_buffer_printf(out, " (%.0f to %.0f)", s->min, s->max);
    ifm_buffer_printf(out, ", %s in all", ifm_word_whole(sum).text);
}

void ifm_load_text_tokens(ifm_buffer *out, const ifm_load_summary *s, const char *between)
{
    const size_t begin = out->length;
    if (s->input_tokens.n > 0 && s->sum_input_tokens > 0) {
        ifm_buffer_puts(out, "input ");
        put_tokens(out, &s->input_tokens, s->sum_input_tokens);
    }
    if (s->output_tokens.n > 0 && s->token_source != IFM_TOKENS_EVENTS) {
        put_part(out, begin, between);
        ifm_buffer_puts(out, "output ");
        put_tokens(out, &s->output_tokens, s->sum_output_tokens);
    }
}

void ifm_load_text_stream(ifm_buffer *out, const ifm_load_summary *s, const char *between)
{
    static const char *const sources[] = {
        [IFM_TOKENS_EVENTS] = "nobody counts tokens: these are events",
        [IFM_TOKENS_TOKENIZER] = "counted by our tokenizer",
        [IFM_TOKENS_USAGE] = "counted by the server, in total",
        [IFM_TOKENS_PER_EVENT] = "counted by the server, event by event",
    };
    const size_t begin = out->length;
    if (!isnan(s->tokens_per_event))
        ifm_buffer_printf(out, "%.2f tokens an event", s->tokens_per_event);
    put_part(out, begin, between);
    ifm_buffer_printf(out, "%s", sources[s->token_source]);
    if (!isnan(s->read_share_frac))
        ifm_buffer_printf(out, "%s%.1f%% of events came in one read with the one before",
                          between, 100 * s->read_share_frac);
    if (s->n_cached > 0)
        ifm_buffer_printf(out, "%s%s request%s partly from the server's cache", between,
                          ifm_word_whole(s->n_cached).text, many(s->n_cached));
}

void ifm_load_text_client(ifm_buffer *out, const ifm_load_run *load,
                          const ifm_load_summary *s, const char *between, bool unicode)
{
    const size_t begin = out->length;
    const ifm_stats *lag = &s->metric[IFM_LOAD_CLIENT_LAG];
    if (lag->n > 0) {
        ifm_buffer_printf(out, "lag %s (p50), ",
                          ifm_word_duration_alone(lag->p50, unicode).text);
        if (!isnan(lag->p99))
            ifm_buffer_printf(out, "%s (p99), ",
                              ifm_word_duration_alone(lag->p99, unicode).text);
        ifm_buffer_printf(out, "%s (max)",
                          ifm_word_duration_alone(lag->max, unicode).text);
    }
    if (load->n_events > 0) {
        put_part(out, begin, between);
        ifm_buffer_printf(out, "%.2g CPU s per 1,000 events",
                          (double)load->client_cpu_ns / 1e6 / (double)load->n_events);
    }
    if (load->memory_bytes > 0) {
        put_part(out, begin, between);
        ifm_buffer_printf(out, "%s of memory",
                          ifm_word_bytes((double)load->memory_bytes).text);
    }
}

void ifm_load_text_floor(ifm_buffer *out, const ifm_load_run *load, bool unicode)
{
    const ifm_floor *f = ifm_floor_for(load, load->peak_in_flight);
    if (f == NULL) {
        ifm_buffer_puts(out, "not measured on this host: `inferometer load --self-test` "
                             "tells how far off this client's times are");
        return;
    }
    ifm_buffer_printf(out, "with %s stream%s on this host TTFT is off by %s (p50), ",
                      ifm_word_whole(f->streams).text, many(f->streams),
                      ifm_word_duration_alone(f->ttft_p50_ns, unicode).text);
    ifm_buffer_printf(out, "%s (p99), ITL by ",
                      ifm_word_duration_alone(f->ttft_p99_ns, unicode).text);
    ifm_buffer_printf(out, "%s, %s", ifm_word_duration_alone(f->itl_p50_ns, unicode).text,
                      ifm_word_duration_alone(f->itl_p99_ns, unicode).text);
    if (load->floors_measured_at[0] != '\0')
        ifm_buffer_printf(out, ", measured %.10s", load->floors_measured_at);
}

size_t ifm_load_failures(const int64_t outcome[IFM_OUTCOME_COUNT],
                         ifm_outcome order[IFM_OUTCOME_COUNT])
{
    size_t n = 0;
    for (size_t o = 0; o < IFM_OUTCOME_COUNT; o++) {
        if (o == IFM_OUTCOME_OK || outcome[o] <= 0)
            continue;
        size_t at = n++;
        for (; at > 0 && outcome[order[at - 1]] < outcome[o]; at--)
            order[at] = order[at - 1];
        order[at] = (ifm_outcome)o;
    }
    return n;
}
