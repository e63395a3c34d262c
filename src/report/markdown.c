/* The report as Markdown: the same facts as in the terminal, for an issue or a wiki. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "inferometer/inferometer.h"
#include "measure/compare.h"
#include "report/parts.h"
#include "report/report.h"
#include "report/text.h"

/* Text in a table's cell: a bar would end it, a backtick the code. */
static void put_code(ifm_buffer *out, const char *text, size_t n, size_t columns)
{
    ifm_buffer line = {0};
    ifm_text_one_line(&line, text, n, columns, true);
    ifm_buffer_puts(out, "`");
    for (const char *c = ifm_buffer_text(&line); *c != '\0'; c++)
        ifm_buffer_printf(out, "%s%c", *c == '|' ? "\\" : "", *c == '`' ? '\'' : *c);
    ifm_buffer_puts(out, "`");
    ifm_buffer_deinit(&line);
}

static void put_number(ifm_buffer *out, int n, const char *thing)
{
    ifm_buffer_printf(out, "%d %s%s", n, thing, n == 1 ? "" : "s");
}

static void put_host(ifm_buffer *out, const ifm_run *run)
{
    ifm_buffer_puts(out, " |\n| host | ");
    ifm_text_markdown(out, run->host.cpu);
    ifm_buffer_puts(out, ", ");
    put_number(out, run->host.cores, "core");
    ifm_buffer_puts(out, ", ");
    ifm_text_markdown(out, run->host.kernel);
    ifm_buffer_puts(out, " |\n");
}

static void put_server(ifm_buffer *out, const ifm_run *run)
{
    const ifm_target_facts *t = &run->target;
    const int32_t version = ifm_report_http_version(run);
    ifm_buffer_printf(out, " |\n| client | Inferometer %s |\n| server | ", IFM_VERSION);
    ifm_text_markdown(out, t->url);
    ifm_buffer_puts(out, ", ");
    ifm_text_markdown(out, t->endpoint);
    if (version > 0)
        ifm_buffer_printf(out, ", HTTP/%d.%d", version / 10, version % 10);
    ifm_buffer_puts(out, t->insecure ? ", not verified" : "");
    put_host(out, run);
}

static void put_facts(ifm_buffer *out, const ifm_run *run)
{
    const ifm_target_facts *t = &run->target;
    ifm_buffer_puts(out, "| | |\n| --- | --- |\n| model | ");
    ifm_text_markdown(out, t->model_name);
    if (t->url != NULL) {
        put_server(out, run);
        return;
    }
    ifm_buffer_puts(out, ", ");
    ifm_text_markdown(out, t->model_family);
    ifm_buffer_printf(out, ", %s parameters, ",
                      ifm_word_count((double)t->parameters).text);
    ifm_text_markdown(out, t->model_dtype);
    ifm_buffer_printf(out, ", %s of weights |\n| engine | Inferometer %s, ",
                      ifm_word_bytes((double)t->weight_bytes).text, IFM_VERSION);
    ifm_text_markdown(out, t->kind);
    ifm_buffer_puts(out, " on ");
    ifm_text_markdown(out, t->device);
    ifm_buffer_puts(out, ", ");
    put_number(out, t->threads, "thread");
    ifm_buffer_puts(out, ", ");
    ifm_text_markdown(out, t->kernels);
    ifm_buffer_puts(out, t->exact > 0 ? " kernels, exact" : " kernels");
    put_host(out, run);
}

static void put_workload(ifm_buffer *out, const ifm_run *run)
{
    const ifm_workload *w = &run->workload;
    ifm_buffer_puts(out, "| prompt | ");
    if (w->n_prompts > 0 && w->prompts[0] != NULL)
        put_code(out, w->prompts[0], w->prompt_bytes[0], 200);
    else
        ifm_buffer_puts(out, "token ids");
    ifm_buffer_printf(out, " |\n| new tokens | at most %d, ", w->max_new_tokens);
    ifm_text_sampling(out, &w->sampling);
    if (run->target.url == NULL)
        ifm_buffer_printf(out, ", %s load, page cache %s",
                          w->load_eager ? "eager" : "lazy",
                          w->evict ? "evicted" : "kept");
    ifm_buffer_puts(out, " |\n");
    int32_t lengths[IFM_BATCH_MAX];
    const ifm_input_tokens n = ifm_run_input_tokens(run, lengths, IFM_BATCH_MAX);
    if (n.batch_size > 0) {
        ifm_buffer_printf(out, "| input | batch size %zu, tokens per sequence ",
                          n.batch_size);
        ifm_text_lengths(out, lengths, n.batch_size);
        ifm_buffer_printf(out, ", total with padding %lld, real %lld |\n",
                          (long long)n.total, (long long)n.real);
    }
    const ifm_record *r = ifm_report_median_request(run, IFM_START_WARM);
    if (r == NULL)
        r = ifm_report_median_request(run, IFM_START_COLD);
    if (r != NULL && r->text != NULL) {
        ifm_buffer_puts(out, "| text | ");
        put_code(out, r->text, r->n_text, 400);
        ifm_buffer_printf(out, " (%zu token%s) |\n", r->n_tokens,
                          r->n_tokens == 1 ? "" : "s");
    }
}

static void put_row(ifm_buffer *out, const char *title, const ifm_stats *s,
                    const ifm_scale *scale)
{
    ifm_buffer_printf(out, "| %s | %s | %s | %s | %s | %zu |\n", title,
                      ifm_word_duration(s->p50, scale, true).text,
                      ifm_word_interval(s->median_ci95, scale, true).text,
                      ifm_word_duration(s->min, scale, true).text,
                      ifm_word_duration(s->max, scale, true).text, s->n);
}

static void put_table(ifm_buffer *out, const char *title, const ifm_summary *s)
{
    if (s->n_ok == 0) {
        if (s->n_failed > 0)
            ifm_buffer_printf(out, "\n%s: none of %zu went well.\n", title, s->n_failed);
        return;
    }
    ifm_scale scale = ifm_scale_of(s);
    ifm_buffer_printf(out,
                      "\n| %s, %s | median | 95%% interval | min | max | n |\n"
                      "| --- | ---: | ---: | ---: | ---: | ---: |\n",
                      title, scale.unit);
    for (int m = 0; m < IFM_METRIC_TEXT_TTFT; m++)
        put_row(out, ifm_metric_title((ifm_metric)m), &s->metric[m], &scale);
    const ifm_stats *rate = &s->tokens_per_s;
    ifm_buffer_printf(out, "| Tokens per second | %s | ",
                      ifm_word_rate(rate->p50, true).text);
    if (isnan(rate->median_ci95[0]))
        ifm_buffer_puts(out, "—");
    else
        ifm_buffer_printf(out, "%s … %s", ifm_word_rate(rate->median_ci95[0], true).text,
                          ifm_word_rate(rate->median_ci95[1], true).text);
    ifm_buffer_printf(out, " | %s | %s | %zu |\n", ifm_word_rate(rate->min, true).text,
                      ifm_word_rate(rate->max, true).text, rate->n);
    if (s->n_failed > 0)
        ifm_buffer_printf(out, "\n%zu more failed and %s not count.\n", s->n_failed,
                          s->n_failed == 1 ? "does" : "do");
    if (s->metric[IFM_METRIC_TPOT].n == 0)
        ifm_buffer_puts(out, "\nOne token, or an answer in one piece, has no TPOT and no "
                             "ITL: both need two.\n");
}

static void put_phases(ifm_buffer *out, const ifm_run *run)
{
    const ifm_record *requests[2] = {ifm_report_median_request(run, IFM_START_COLD),
                                     ifm_report_median_request(run, IFM_START_WARM)};
    for (int k = 0; k < 2; k++) {
        const ifm_record *r = requests[k];
        if (r == NULL)
            continue;
        ifm_buffer_printf(
            out, "\nTTFT of the median %s request, %s: ", ifm_start_name(r->start),
            ifm_word_duration_alone((double)r->token_ns[0], true).text);
        const char *between = "";
        for (int p = 0; p < IFM_REPORT_PARTS; p++) {
            const int64_t ns = ifm_report_part_ns(r, p);
            if (ns == 0)
                continue;
            ifm_buffer_printf(out, "%s%s %s", between, ifm_report_part_name(p),
                              ifm_word_duration_alone((double)ns, true).text);
            between = " + ";
        }
        ifm_buffer_puts(out, ".\n");
    }
}

static void put_conclusion(ifm_buffer *out, const ifm_run *run, double speed)
{
    double limit = run->host.read_bandwidth_bytes_per_s;
    if (!isnan(speed) && limit > 0)
        ifm_buffer_printf(out,
                          "\nDecoding read %s/s of weights, %.0f%% of the %s/s that this "
                          "host can read.\n",
                          ifm_word_bytes(speed).text, 100 * speed / limit,
                          ifm_word_bytes(limit).text);
    ifm_buffer_puts(out, "\n");
    for (size_t i = 0; i < run->n_warnings; i++) {
        ifm_buffer_printf(out,
                          "- %s: ", run->warnings[i].spoils ? "**spoiled**" : "warning");
        ifm_text_markdown(out, run->warnings[i].message);
        ifm_buffer_puts(out, "\n");
    }
    ifm_buffer_printf(out, "- verdict: **%s**\n",
                      ifm_run_trustworthy(run) ? "trustworthy" : "not trustworthy");
}

static ifm_status put_run(ifm_buffer *out, const ifm_run *run, ifm_error *err)
{
    ifm_summary cold, warm;
    ifm_status st = ifm_summary_of(run, IFM_START_COLD, &cold, err);
    if (st == IFM_OK)
        st = ifm_summary_of(run, IFM_START_WARM, &warm, err);
    if (st != IFM_OK)
        return st;
    put_facts(out, run);
    put_workload(out, run);
    put_table(out, "Cold start", &cold);
    put_table(out, run->target.url != NULL ? "Server" : "Warm start", &warm);
    put_phases(out, run);
    put_conclusion(out, run, ifm_summary_decode_bandwidth(run, &cold, &warm));
    return IFM_OK;
}

/* Medians ÷ those of the first target. */
static void put_ratios(ifm_buffer *out, const ifm_run *base, const ifm_run *run)
{
    const ifm_agreement tokens = ifm_compare_tokens(base, run);
    ifm_buffer_puts(out, "\n## ");
    ifm_text_markdown(out, run->target.kind);
    ifm_buffer_puts(out, " ÷ ");
    ifm_text_markdown(out, base->target.kind);
    ifm_buffer_puts(out, "\n\n| | cold | 95% interval | warm | 95% interval |\n"
                         "| --- | ---: | ---: | ---: | ---: |\n");
    for (int m = 0; m < IFM_METRIC_COUNT; m++) {
        ifm_buffer_printf(out, "| %s |", ifm_metric_title((ifm_metric)m));
        for (int k = 0; k < 2; k++) {
            ifm_ratio r = {NAN, {NAN, NAN}};
            (void)ifm_compare_metric(base, run, k == 0 ? IFM_START_COLD : IFM_START_WARM,
                                     (ifm_metric)m, &r, NULL);
            ifm_buffer_printf(out, " %s |", ifm_word_rate(r.value, true).text);
            if (isnan(r.ci95[0]))
                ifm_buffer_puts(out, " — |");
            else
                ifm_buffer_printf(out, " %s … %s |", ifm_word_rate(r.ci95[0], true).text,
                                  ifm_word_rate(r.ci95[1], true).text);
        }
        ifm_buffer_puts(out, "\n");
    }
    if (tokens.known && tokens.same)
        ifm_buffer_printf(out, "\nBoth generated the same %zu tokens.\n", tokens.n_base);
    else if (tokens.known)
        ifm_buffer_printf(out, "\nThe generated tokens differ from number %zu on.\n",
                          tokens.n_same + 1);
}

ifm_status ifm_report_markdown(const ifm_run *runs, size_t n, FILE *out, ifm_error *err)
{
    ifm_buffer text = {0};
    ifm_status st = IFM_OK;
    for (size_t k = 0; k < n && st == IFM_OK; k++) {
        if (n > 1) {
            ifm_buffer_puts(&text, k > 0 ? "\n## " : "## ");
            ifm_text_markdown(&text, runs[k].target.kind);
            ifm_buffer_puts(&text, "\n\n");
        }
        st = put_run(&text, &runs[k], err);
    }
    for (size_t k = 1; k < n && st == IFM_OK; k++)
        put_ratios(&text, &runs[0], &runs[k]);
    if (st == IFM_OK && text.failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the report");
    else if (st == IFM_OK &&
             (fwrite(text.data, 1, text.length, out) != text.length || fflush(out) != 0))
        st = ifm_fail_errno(err, errno, "cannot write the Markdown");
    ifm_buffer_deinit(&text);
    return st;
}
