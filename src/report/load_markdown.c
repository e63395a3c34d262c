/* The report of a load as Markdown: the same facts as in the terminal, and the means. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "inferometer/inferometer.h"
#include "report/load_report.h"
#include "report/load_search.h"
#include "report/load_text.h"

/* A row of facts; the buffer is emptied. */
static void put_fact(ifm_buffer *out, const char *name, ifm_buffer *text)
{
    ifm_buffer_printf(out, "| %s | ", name);
    ifm_text_markdown(out, ifm_buffer_text(text));
    ifm_buffer_puts(out, " |\n");
    out->failed = out->failed || text->failed;
    ifm_buffer_deinit(text);
}

static void put_facts(ifm_buffer *out, const ifm_load_run *load)
{
    const ifm_load_plan *plan = &load->plan;
    ifm_buffer text = {0};
    ifm_buffer_puts(out, "| | |\n| --- | --- |\n| server | ");
    ifm_text_markdown(out, plan->url);
    ifm_buffer_puts(out, " |\n| model | ");
    ifm_text_markdown(out, plan->model);
    ifm_buffer_puts(out, " |\n");
    ifm_load_text_arrival(&text, plan, true);
    put_fact(out, "load", &text);
    ifm_load_text_size(&text, plan);
    ifm_buffer_puts(&text, ", ");
    ifm_load_text_protocol(&text, plan, ", ");
    put_fact(out, "requests", &text);
    ifm_load_text_workload(&text, plan, ", ");
    put_fact(out, "prompts", &text);
    ifm_buffer_printf(&text, "Inferometer %s on ", IFM_VERSION);
    const char *cpu = load->run.host.cpu != NULL ? load->run.host.cpu : "unknown";
    ifm_text_one_line(&text, cpu, strlen(cpu), 200, true);
    ifm_buffer_printf(&text, ", %d core%s", load->run.host.cores,
                      load->run.host.cores == 1 ? "" : "s");
    put_fact(out, "client", &text);
    if (load->n_ranks > 1) {
        size_t lost = 0;
        for (size_t i = 0; i < load->n_ranks; i++)
            lost += load->ranks[i].lost;
        ifm_buffer_printf(&text, "%zu, of which %zu died", load->n_ranks, lost);
        put_fact(out, "processes", &text);
    }
}

static void put_outcome(ifm_buffer *out, const ifm_load_summary *s)
{
    ifm_outcome failures[IFM_OUTCOME_COUNT];
    const size_t n = ifm_load_failures(s->outcome, failures);
    ifm_buffer_printf(out, "\n**%s of %s answered** (%s)", ifm_word_whole(s->n_ok).text,
                      ifm_word_whole(s->n).text,
                      ifm_word_share(s->n_ok, s->n, true).text);
    for (size_t i = 0; i < n; i++)
        ifm_buffer_printf(out, "%s%s %s (%s)", i == 0 ? "; failed: " : ", ",
                          ifm_word_whole(s->outcome[failures[i]]).text,
                          ifm_outcome_name(failures[i]),
                          ifm_outcome_meaning(failures[i]));
    ifm_buffer_puts(out, ".\n");
}

static void put_row(ifm_buffer *out, const ifm_load_row *row, const ifm_stats *s,
                    const ifm_scale *unit)
{
    const ifm_scale scale = ifm_load_row_scale(s, unit);
    const double tail[] = {s->p90, s->p95, s->p99, s->max};
    ifm_buffer_printf(out, "| %s | %s | %s | %s |", row->title,
                      ifm_word_duration(s->mean, &scale, true).text,
                      ifm_word_duration(s->p50, &scale, true).text,
                      ifm_word_interval(s->median_ci95, &scale, true).text);
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++)
        ifm_buffer_printf(out, " %s |", ifm_word_duration(tail[i], &scale, true).text);
    ifm_buffer_printf(out, " %s |\n", ifm_word_whole((int64_t)s->n).text);
}

static void put_table(ifm_buffer *out, const char *title, const ifm_load_summary *s,
                      const ifm_load_row *rows, size_t n)
{
    if (n == 0)
        return;
    const ifm_scale scale = ifm_load_scale(s, rows, n);
    ifm_buffer_printf(out,
                      "\n| %s, %s | mean | p50 | 95%% interval | p90 | p95 | p99 | max | "
                      "n |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | "
                      "---: |\n",
                      title, scale.unit);
    for (size_t i = 0; i < n; i++)
        put_row(out, &rows[i], &s->metric[rows[i].metric], &scale);
}

static void put_tables(ifm_buffer *out, const ifm_load_summary *s)
{
    ifm_load_row rows[IFM_LOAD_ROWS], parts[IFM_LOAD_PARTS];
    const size_t n = ifm_load_rows(s, rows), n_parts = ifm_load_parts(s, parts);
    ifm_buffer text = {0};
    put_table(out, "Latency from due", s, rows, n);
    if (n > 0)
        ifm_load_text_missing(&text, s, rows, n);
    if (text.length > 0)
        ifm_buffer_printf(out, "\n%s.\n", ifm_buffer_text(&text));
    ifm_buffer_deinit(&text);
    put_table(out, "On the way", s, parts, n_parts);
}

static void put_rate(ifm_buffer *out, const ifm_load_summary *s, const char *title,
                     double steady, double whole)
{
    if (isnan(whole))
        return;
    ifm_buffer_printf(out, "| %s | %s | %s |\n", title,
                      s->steady_found ? ifm_word_rate(steady, true).text : "—",
                      ifm_word_rate(whole, true).text);
}

static void put_throughput(ifm_buffer *out, const ifm_load_run *load,
                           const ifm_load_summary *s)
{
    const bool tokens = s->token_source != IFM_TOKENS_EVENTS;
    ifm_buffer text = {0};
    if (s->n == 0)
        return;
    ifm_buffer_printf(out,
                      "\n| Throughput over %s | steady | whole |\n| --- | ---: | "
                      "---: |\n",
                      ifm_word_span(load->ended_ns).text);
    put_rate(out, s, "Requests/s", s->steady.requests_per_s, s->whole.requests_per_s);
    put_rate(out, s, "Good requests/s", s->steady.good_requests_per_s,
             s->whole.good_requests_per_s);
    put_rate(out, s, "Input tokens/s", s->steady.input_tokens_per_s,
             s->whole.input_tokens_per_s);
    put_rate(out, s, tokens ? "Output tokens/s" : "Output events/s",
             s->steady.output_tokens_per_s, s->whole.output_tokens_per_s);
    put_rate(out, s, "In flight, mean", s->steady.concurrency, s->whole.concurrency);
    ifm_load_text_steady(&text, load, s);
    ifm_buffer_printf(out, "\nRates: %s.\n", ifm_buffer_text(&text));
    ifm_buffer_deinit(&text);
}

static void put_item(ifm_buffer *out, const char *name, ifm_buffer *text)
{
    if (text->length > 0) {
        ifm_buffer_printf(out, "- %s: ", name);
        ifm_text_markdown(out, ifm_buffer_text(text));
        ifm_buffer_puts(out, "\n");
    }
    out->failed = out->failed || text->failed;
    ifm_buffer_deinit(text);
}

static void put_end(ifm_buffer *out, const ifm_load_run *load, const ifm_load_summary *s)
{
    ifm_buffer text = {0};
    ifm_buffer_puts(out, "\n");
    if (s->n_good >= 0) {
        ifm_buffer_printf(&text, "%s of %s requests (%s) kept ",
                          ifm_word_whole(s->n_good).text, ifm_word_whole(s->n).text,
                          ifm_word_share(s->n_good, s->n, true).text);
        ifm_load_text_slo(&text, &load->plan.slo, true);
    }
    put_item(out, "promise", &text);
    ifm_load_text_tokens(&text, s, ", ");
    put_item(out, "tokens", &text);
    if (s->n_ok > 0)
        ifm_load_text_stream(&text, s, ", ");
    put_item(out, "stream", &text);
    ifm_load_text_client(&text, load, s, ", ", true);
    put_item(out, "client", &text);
    ifm_load_text_floor(&text, load, true);
    put_item(out, "its floor", &text);
    for (size_t i = 0; i < load->run.n_warnings; i++) {
        const ifm_warning *w = &load->run.warnings[i];
        ifm_buffer_printf(out, "- %s: ", w->spoils ? "**spoiled**" : "warning");
        ifm_text_markdown(out, w->message);
        ifm_buffer_puts(out, "\n");
    }
    if (load->run.incomplete)
        ifm_buffer_puts(out, "- **incomplete**: it was ended before all requests were "
                             "made\n");
    ifm_buffer_printf(out, "- verdict: **%s**\n",
                      ifm_run_trustworthy(&load->run) ? "trustworthy"
                                                      : "not trustworthy");
}

ifm_status ifm_report_load_markdown(const ifm_load_run *load,
                                    const ifm_load_summary *summary, FILE *out,
                                    ifm_error *err)
{
    ifm_buffer text = {0};
    ifm_status st = IFM_OK;
    put_facts(&text, load);
    ifm_load_search_markdown(&text, load);
    put_outcome(&text, summary);
    put_tables(&text, summary);
    put_throughput(&text, load, summary);
    put_end(&text, load, summary);
    if (text.failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the report");
    else if (fwrite(text.data, 1, text.length, out) != text.length || fflush(out) != 0)
        st = ifm_fail_errno(err, errno, "cannot write the Markdown");
    ifm_buffer_deinit(&text);
    return st;
}
