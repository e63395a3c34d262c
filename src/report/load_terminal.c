/*
 * The report of a load in the terminal: what was asked, how it ended, how long people
 * waited, how much came through, and whether the client itself can be believed.
 *
 * A table has one unit; the decimals are each row's own, since a first token and a gap
 * between tokens may lie three powers of ten apart.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "report/load_report.h"
#include "report/load_search.h"
#include "report/load_text.h"
#include "report/page.h"

typedef struct load_page {
    ifm_page page;
    const ifm_load_run *load;
    const ifm_load_summary *summary;
} load_page;

/* Columns: 17 + 8 + 16 + 4 × 8 + 7 = 80. */
enum { TITLE = 15, NUMBER = 8, INTERVAL = 16, COUNT = 7 };

/* A labelled paragraph; the buffer is emptied. */
static void put_paragraph(ifm_page *p, const char *label, ifm_buffer *text)
{
    ifm_page_label(p, label);
    ifm_page_wrapped(p, ifm_buffer_text(text), IFM_PAGE_LABEL + 2);
    p->out.failed = p->out.failed || text->failed;
    ifm_buffer_deinit(text);
}

static void put_given(ifm_page *p, const char *label, const char *text, bool bold)
{
    ifm_page_label(p, label);
    ifm_buffer_puts(&p->out, bold ? ifm_page_bold(p) : "");
    ifm_text_one_line(&p->out, ifm_or_unknown(text), strlen(ifm_or_unknown(text)),
                      (size_t)(p->width - IFM_PAGE_LABEL - 2), p->unicode);
    ifm_buffer_printf(&p->out, "%s\n", bold ? ifm_page_plain(p) : "");
}

static void put_head(load_page *l)
{
    ifm_page *p = &l->page;
    const ifm_load_plan *plan = &l->load->plan;
    const char *dot = ifm_page_dot(p);
    ifm_buffer text = {0};
    put_given(p, "server", plan->url, false);
    put_given(p, "model", plan->model, true);
    ifm_load_text_arrival(&text, plan, p->unicode);
    put_paragraph(p, "load", &text);
    ifm_load_text_size(&text, plan);
    ifm_buffer_puts(&text, dot);
    ifm_load_text_protocol(&text, plan, dot);
    put_paragraph(p, "requests", &text);
    ifm_load_text_workload(&text, plan, dot);
    put_paragraph(p, "prompts", &text);
    const char *cpu = ifm_or_unknown(l->load->run.host.cpu);
    ifm_text_one_line(&text, cpu, strlen(cpu), (size_t)(p->width - 40), p->unicode);
    ifm_buffer_printf(&text, "%s%d core%s%s%s", dot, l->load->run.host.cores,
                      l->load->run.host.cores == 1 ? "" : "s", dot,
                      ifm_or_unknown(l->load->run.host.kernel));
    put_paragraph(p, "client on", &text);
}

/* Several processes: how many, and what was lost with those that died. */
static void put_ranks(load_page *l)
{
    ifm_page *p = &l->page;
    const ifm_load_run *load = l->load;
    ifm_buffer text = {0};
    if (load->n_ranks < 2)
        return;
    size_t lost = 0;
    int64_t least = INT64_MAX, most = 0, uncertainty = 0;
    for (size_t i = 0; i < load->n_ranks; i++) {
        const ifm_load_rank *r = &load->ranks[i];
        lost += r->lost;
        least = r->requests < least ? r->requests : least;
        most = r->requests > most ? r->requests : most;
        if (r->clock_uncertainty_ns > uncertainty)
            uncertainty = r->clock_uncertainty_ns;
    }
    ifm_buffer_printf(&text, "%zu%s%s", load->n_ranks, ifm_page_dot(p),
                      ifm_word_whole(least).text);
    if (most > least)
        ifm_buffer_printf(&text, " to %s", ifm_word_whole(most).text);
    ifm_buffer_printf(&text, " requests each%sclocks agree within %s", ifm_page_dot(p),
                      ifm_word_duration_alone((double)uncertainty, p->unicode).text);
    put_paragraph(p, "processes", &text);
    for (size_t i = 0; i < load->n_ranks && lost > 0; i++) {
        const ifm_load_rank *r = &load->ranks[i];
        if (!r->lost)
            continue;
        ifm_buffer_printf(&text,
                          "rank %d on %.60s died: %s requests that it had begun are lost",
                          r->rank, r->host, ifm_word_whole(r->lost_requests).text);
        put_paragraph(p, "", &text);
    }
}

static const char *in_colour(const ifm_page *p, const char *escape)
{
    return p->colour ? escape : "";
}

static void put_outcome(load_page *l)
{
    ifm_page *p = &l->page;
    const ifm_load_summary *s = l->summary;
    ifm_outcome failures[IFM_OUTCOME_COUNT];
    const size_t n = ifm_load_failures(s->outcome, failures);
    ifm_page_end(p);
    ifm_page_label(p, "outcome");
    ifm_buffer_printf(
        &p->out, "%s%s of %s answered%s",
        in_colour(p, s->n_ok == s->n && s->n > 0 ? "\x1b[1;32m" : "\x1b[1m"),
        ifm_word_whole(s->n_ok).text, ifm_word_whole(s->n).text, ifm_page_plain(p));
    if (s->n_ok < s->n)
        ifm_buffer_printf(
            &p->out, " (%s)%s%s failed:", ifm_word_share(s->n_ok, s->n, p->unicode).text,
            ifm_page_dot(p), ifm_word_whole(s->n - s->n_ok).text);
    else if (s->n_warmup > 0)
        ifm_buffer_printf(&p->out, "%s%s more for warm-up do not count", ifm_page_dot(p),
                          ifm_word_whole(s->n_warmup).text);
    ifm_page_end(p);
    for (size_t i = 0; i < n; i++) {
        char line[128];
        ifm_page_label(p, "");
        snprintf(line, sizeof line, "%s", ifm_word_whole(s->outcome[failures[i]]).text);
        ifm_page_padded(p, line, 7, true);
        ifm_buffer_printf(&p->out, "  %s", in_colour(p, "\x1b[31m"));
        ifm_page_padded(p, ifm_outcome_name(failures[i]), 20, false);
        ifm_buffer_printf(&p->out, "%s  %s", ifm_page_plain(p), ifm_page_dim(p));
        ifm_page_wrapped(p, ifm_outcome_meaning(failures[i]), IFM_PAGE_LABEL + 33);
        if (p->colour) {
            p->out.length--; /* the line's end goes behind the escape */
            ifm_buffer_printf(&p->out, "%s\n", ifm_page_plain(p));
        }
    }
}

/* ---- tables ----------------------------------------------------------------------- */

static void put_table_head(ifm_page *p)
{
    ifm_buffer_printf(&p->out, "%s  %-*s%*s%*s%*s%*s%*s%*s%*s%s\n", ifm_page_dim(p),
                      TITLE, "", NUMBER, "p50", INTERVAL, "95% interval", NUMBER, "p90",
                      NUMBER, "p95", NUMBER, "p99", NUMBER, "max", COUNT, "n",
                      ifm_page_plain(p));
}

static void put_row(ifm_page *p, const ifm_load_row *row, const ifm_stats *s,
                    const ifm_scale *unit)
{
    const ifm_scale scale = ifm_load_row_scale(s, unit);
    const double tail[] = {s->p90, s->p95, s->p99, s->max};
    ifm_buffer_puts(&p->out, "  ");
    ifm_page_padded(p, row->title, TITLE, false);
    ifm_buffer_puts(&p->out, ifm_page_bold(p));
    ifm_page_padded(p, ifm_word_duration(s->p50, &scale, p->unicode).text, NUMBER, true);
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
    ifm_page_padded(p, ifm_word_interval(s->median_ci95, &scale, p->unicode).text,
                    INTERVAL, true);
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++)
        ifm_page_padded(p, ifm_word_duration(tail[i], &scale, p->unicode).text, NUMBER,
                        true);
    const ifm_word n =
        s->n < 100000 ? ifm_word_whole((int64_t)s->n) : ifm_word_count((double)s->n);
    ifm_page_padded(p, n.text, COUNT, true);
    ifm_page_end(p);
}

static void put_section(ifm_page *p, const char *title, const char *rest)
{
    ifm_page_end(p);
    ifm_buffer_printf(&p->out, "%s%s%s%s%s%s%s\n", ifm_page_bold(p), title,
                      ifm_page_plain(p), ifm_page_dim(p), p->unicode ? " — " : " - ",
                      rest, ifm_page_plain(p));
}

static void put_note(ifm_page *p, const char *text)
{
    ifm_buffer_printf(&p->out, "  %s", ifm_page_dim(p));
    ifm_page_wrapped(p, text, 2);
    if (p->colour && p->out.length > 0) {
        p->out.length--;
        ifm_buffer_printf(&p->out, "%s\n", ifm_page_plain(p));
    }
}

/* What a dash in the table above stands for. */
static void put_missing(load_page *l, const ifm_load_row *rows, size_t n)
{
    ifm_buffer text = {0};
    ifm_load_text_missing(&text, l->summary, rows, n);
    if (text.length > 0) {
        ifm_buffer_printf(&text, "; with fewer there is nothing to tell it from (%s)",
                          l->page.unicode ? "—" : "-");
        put_note(&l->page, ifm_buffer_text(&text));
    }
    ifm_buffer_deinit(&text);
}

static void put_table(load_page *l, const char *title, const char *what,
                      const ifm_load_row *rows, size_t n)
{
    ifm_page *p = &l->page;
    char rest[128];
    if (n == 0)
        return;
    const ifm_scale scale = ifm_load_scale(l->summary, rows, n);
    snprintf(rest, sizeof rest, "%s, in %s", what, ifm_page_unit(p, &scale));
    put_section(p, title, rest);
    put_table_head(p);
    for (size_t i = 0; i < n; i++)
        put_row(p, &rows[i], &l->summary->metric[rows[i].metric], &scale);
    put_missing(l, rows, n);
}

static void put_latency(load_page *l)
{
    ifm_page *p = &l->page;
    ifm_load_row rows[IFM_LOAD_ROWS], parts[IFM_LOAD_PARTS];
    const size_t n = ifm_load_rows(l->summary, rows),
                 n_parts = ifm_load_parts(l->summary, parts);
    put_table(l, "Latency", "from the moment a request was due", rows, n);
    if (n > 0 && l->summary->metric[IFM_LOAD_TPOT].n == 0)
        put_note(p, l->load->plan.stream
                        ? "one token has no TPOT and no ITL: both need two"
                        : "an answer that is not streamed comes in one piece: it has no "
                          "TPOT and no ITL");
    put_table(l, "On the way", "parts of the time to the first token", parts, n_parts);
}

/* ---- throughput ------------------------------------------------------------------- */

static void put_rate(load_page *l, const char *title, double steady, double whole)
{
    ifm_page *p = &l->page;
    if (isnan(whole))
        return;
    ifm_buffer_puts(&p->out, "  ");
    ifm_page_padded(p, title, 22, false);
    if (l->summary->steady_found) {
        ifm_buffer_puts(&p->out, ifm_page_bold(p));
        ifm_page_padded(p, ifm_word_rate(steady, p->unicode).text, 12, true);
        ifm_buffer_puts(&p->out, ifm_page_plain(p));
    }
    ifm_page_padded(p, ifm_word_rate(whole, p->unicode).text, 12, true);
    ifm_page_end(p);
}

/* The largest of so many neighbours stands for them in a column. */
static double column_of(const load_page *l, size_t column, size_t columns,
                        double (*value)(const load_page *, size_t))
{
    const ifm_load_summary *s = l->summary;
    size_t from = column * s->n_seconds / columns,
           to = (column + 1) * s->n_seconds / columns;
    double most = 0;
    for (size_t i = from; i < (to > from ? to : from + 1); i++)
        most = fmax(most, value(l, i));
    return most;
}

static double tokens_at(const load_page *l, size_t i)
{
    return ifm_load_second_rate(l->load, l->summary, i);
}

static double flight_at(const load_page *l, size_t i)
{
    return l->summary->seconds[i].in_flight;
}

/* A line of blocks as high as the value: how it went over time, at a glance. */
static void put_sparkline(load_page *l, const char *title,
                          double (*value)(const load_page *, size_t))
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = " .:-=+*#@";
    ifm_page *p = &l->page;
    const ifm_load_summary *s = l->summary;
    const size_t columns = s->n_seconds < 40 ? s->n_seconds : 40;
    double most = 0;
    for (size_t i = 0; i < columns; i++)
        most = fmax(most, column_of(l, i, columns, value));
    if (most <= 0)
        return;
    ifm_buffer_puts(&p->out, "  ");
    ifm_page_padded(p, title, 22, false);
    for (size_t i = 0; i < columns; i++) {
        const double x = column_of(l, i, columns, value);
        const int step = x > 0 ? (int)fmax(1, ceil(8 * x / most - 0.01)) : 0;
        if (p->unicode)
            ifm_buffer_puts(&p->out, blocks[step]);
        else
            ifm_buffer_printf(&p->out, "%c", ascii[step]);
    }
    ifm_buffer_printf(&p->out, "  %sto %s%s\n", ifm_page_dim(p),
                      ifm_word_rate(most, p->unicode).text, ifm_page_plain(p));
}

static void put_goodput(load_page *l)
{
    ifm_page *p = &l->page;
    const ifm_load_summary *s = l->summary;
    ifm_buffer text = {0};
    if (s->n_good < 0)
        return;
    ifm_buffer_printf(&text, "%s of all requests ",
                      ifm_word_share(s->n_good, s->n, p->unicode).text);
    ifm_buffer_printf(&text, "(%s of %s) kept ", ifm_word_whole(s->n_good).text,
                      ifm_word_whole(s->n).text);
    ifm_load_text_slo(&text, &l->load->plan.slo, p->unicode);
    ifm_page_end(p);
    put_paragraph(p, "promise", &text);
}

static void put_throughput(load_page *l)
{
    ifm_page *p = &l->page;
    const ifm_load_summary *s = l->summary;
    ifm_buffer text = {0};
    const bool tokens = s->token_source != IFM_TOKENS_EVENTS;
    char rest[128];
    if (s->n == 0)
        return;
    snprintf(rest, sizeof rest, "over %s", ifm_word_span(l->load->ended_ns).text);
    put_section(p, "Throughput", rest);
    ifm_buffer_printf(&p->out, "%s  %-22s", ifm_page_dim(p), "");
    if (s->steady_found)
        ifm_buffer_printf(&p->out, "%12s", "steady");
    ifm_buffer_printf(&p->out, "%12s%s\n", "whole", ifm_page_plain(p));
    put_rate(l, "Requests/s", s->steady.requests_per_s, s->whole.requests_per_s);
    put_rate(l, "Good requests/s", s->steady.good_requests_per_s,
             s->whole.good_requests_per_s);
    put_rate(l, "Input tokens/s", s->steady.input_tokens_per_s,
             s->whole.input_tokens_per_s);
    put_rate(l, tokens ? "Output tokens/s" : "Output events/s",
             s->steady.output_tokens_per_s, s->whole.output_tokens_per_s);
    put_rate(l, "In flight, mean", s->steady.concurrency, s->whole.concurrency);
    put_sparkline(l, tokens ? "Output over time" : "Events over time", tokens_at);
    put_sparkline(l, "In flight over time", flight_at);
    ifm_load_text_steady(&text, l->load, s);
    put_note(p, ifm_buffer_text(&text));
    ifm_buffer_deinit(&text);
}

/* ---- the end ---------------------------------------------------------------------- */

static void put_client(load_page *l)
{
    ifm_page *p = &l->page;
    ifm_buffer text = {0};
    const char *dot = ifm_page_dot(p);
    ifm_page_end(p);
    ifm_load_text_tokens(&text, l->summary, dot);
    if (text.length > 0)
        put_paragraph(p, "tokens", &text);
    if (l->summary->n_ok > 0) {
        ifm_load_text_stream(&text, l->summary, dot);
        put_paragraph(p, "stream", &text);
    }
    ifm_load_text_client(&text, l->load, l->summary, dot, p->unicode);
    if (text.length > 0)
        put_paragraph(p, "client", &text);
    ifm_load_text_floor(&text, l->load, p->unicode);
    put_paragraph(p, "its floor", &text);
}

static void put_report(load_page *l)
{
    ifm_page *p = &l->page;
    put_head(l);
    put_ranks(l);
    ifm_load_search_page(p, l->load);
    put_outcome(l);
    put_latency(l);
    put_throughput(l);
    put_goodput(l);
    put_client(l);
    ifm_page_end(p);
    for (size_t i = 0; i < l->load->run.n_warnings; i++)
        ifm_page_warning(p, &l->load->run.warnings[i], NULL);
    if (l->load->run.incomplete) {
        ifm_buffer text = {0};
        ifm_buffer_puts(&text, "it was ended before all requests were made: what is "
                               "above is of those that were");
        put_paragraph(p, "incomplete", &text);
    }
    ifm_page_verdict(p, ifm_run_trustworthy(&l->load->run));
}

ifm_status ifm_report_load_terminal(const ifm_load_run *load,
                                    const ifm_load_summary *summary, FILE *out,
                                    const ifm_report_style *style, ifm_error *err)
{
    load_page l = {
        .page = {.run = &load->run,
                 .colour = style->colour,
                 .unicode = style->unicode,
                 .width = style->width < 80    ? 80
                          : style->width > 120 ? 120
                                               : style->width},
        .load = load,
        .summary = summary,
    };
    ifm_buffer *text = &l.page.out;
    ifm_status st = IFM_OK;
    put_report(&l);
    if (text->failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the report");
    else if (fwrite(text->data, 1, text->length, out) != text->length || fflush(out) != 0)
        st = ifm_fail_errno(err, errno, "cannot print the report");
    ifm_buffer_deinit(text);
    return st;
}
