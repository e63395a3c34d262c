/* The report in the terminal: one unit a block. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "inferometer/inferometer.h"
#include "report/page.h"
#include "report/parts.h"

enum { BAR = 18 };

void ifm_page_workload(ifm_page *p)
{
    const ifm_workload *w = &p->run->workload;
    ifm_page_label(p, "host");
    ifm_text_one_line(&p->out, ifm_or_unknown(p->run->host.cpu),
                      strlen(ifm_or_unknown(p->run->host.cpu)), (size_t)(p->width - 40),
                      p->unicode);
    ifm_buffer_printf(&p->out, "%s%d core%s%s%s\n", ifm_page_dot(p), p->run->host.cores,
                      p->run->host.cores == 1 ? "" : "s", ifm_page_dot(p),
                      ifm_or_unknown(p->run->host.kernel));
    ifm_page_label(p, "new tokens");
    ifm_buffer_printf(&p->out, "at most %d%s", w->max_new_tokens, ifm_page_dot(p));
    ifm_text_sampling(&p->out, &w->sampling);
    if (p->run->target.url != NULL) {
        ifm_page_end(p);
        return;
    }
    ifm_buffer_printf(&p->out, "%s%s load%spage cache %s\n", ifm_page_dot(p),
                      w->load_eager ? "eager" : "lazy", ifm_page_dot(p),
                      w->evict ? "evicted" : "kept");
}

/* "http://localhost:8000 · completions · HTTP/1.1" */
static void put_server(ifm_page *p)
{
    const ifm_target_facts *t = &p->run->target;
    const int32_t version = ifm_report_http_version(p->run);
    ifm_page_label(p, "server");
    ifm_text_one_line(&p->out, t->url, strlen(t->url), (size_t)(p->width - 45),
                      p->unicode);
    ifm_buffer_printf(&p->out, "%s%s", ifm_page_dot(p), ifm_or_unknown(t->endpoint));
    if (version > 0)
        ifm_buffer_printf(&p->out, "%sHTTP/%d.%d", ifm_page_dot(p), version / 10,
                          version % 10);
    if (t->insecure)
        ifm_buffer_printf(&p->out, "%snot verified", ifm_page_dot(p));
    ifm_page_end(p);
}

static void put_configuration(ifm_page *p)
{
    const ifm_target_facts *t = &p->run->target;
    ifm_page_label(p, "model");
    ifm_buffer_puts(&p->out, ifm_page_bold(p));
    ifm_text_one_line(&p->out, ifm_or_unknown(t->model_name),
                      strlen(ifm_or_unknown(t->model_name)),
                      (size_t)(p->width - IFM_PAGE_LABEL - 2), p->unicode);
    ifm_buffer_printf(&p->out, "%s\n", ifm_page_plain(p));
    if (t->url != NULL) {
        put_server(p);
        ifm_page_workload(p);
        return;
    }
    ifm_page_label(p, "weights");
    ifm_buffer_printf(&p->out, "%s%s%s parameters%s%s%s%s\n",
                      ifm_or_unknown(t->model_family), ifm_page_dot(p),
                      ifm_word_count((double)t->parameters).text, ifm_page_dot(p),
                      ifm_or_unknown(t->model_dtype), ifm_page_dot(p),
                      ifm_word_bytes((double)t->weight_bytes).text);
    ifm_page_label(p, "engine");
    ifm_buffer_printf(&p->out, "%s on %s%s%d thread%s%s%s kernels",
                      ifm_or_unknown(t->kind), ifm_or_unknown(t->device), ifm_page_dot(p),
                      t->threads, t->threads == 1 ? "" : "s", ifm_page_dot(p),
                      ifm_or_unknown(t->kernels));
    if (t->exact > 0)
        ifm_buffer_printf(&p->out, "%sexact", ifm_page_dot(p));
    ifm_buffer_puts(&p->out, "\n");
    ifm_page_workload(p);
}

void ifm_page_input(ifm_page *p)
{
    const ifm_workload *w = &p->run->workload;
    ifm_page_end(p);
    ifm_page_label(p, "prompt");
    if (w->n_prompts > 1)
        ifm_buffer_printf(&p->out, "%zu of them, the first: ", w->n_prompts);
    if (w->n_prompts > 0 && w->prompts[0] != NULL)
        ifm_text_one_line(
            &p->out, w->prompts[0], w->prompt_bytes[0],
            (size_t)(p->width - IFM_PAGE_LABEL - (w->n_prompts > 1 ? 30 : 2)),
            p->unicode);
    else
        ifm_buffer_puts(&p->out, "given as token ids");
    ifm_page_end(p);
    int32_t lengths[IFM_BATCH_MAX];
    const ifm_input_tokens n = ifm_run_input_tokens(p->run, lengths, IFM_BATCH_MAX);
    if (n.batch_size == 0)
        return;
    ifm_buffer line = {0};
    ifm_page_label(p, "input");
    ifm_buffer_printf(&line, "batch size %zu%stokens per sequence ", n.batch_size,
                      ifm_page_dot(p));
    ifm_text_lengths(&line, lengths, n.batch_size);
    ifm_page_wrapped(p, ifm_buffer_text(&line), IFM_PAGE_LABEL + 2);
    ifm_buffer_deinit(&line);
    ifm_page_label(p, "");
    ifm_buffer_printf(&p->out,
                      "total input tokens, padding included %lld%sreal input tokens %lld",
                      (long long)n.total, ifm_page_dot(p), (long long)n.real);
    if (n.total > n.real)
        ifm_buffer_printf(&p->out, "%swaste %.0f%%", ifm_page_dot(p),
                          100 * (1 - (double)n.real / (double)n.total));
    ifm_page_end(p);
}

/* What the last request that went well said: with a seed all say the same. */
static const ifm_record *spokesman(const ifm_run *run)
{
    for (size_t i = run->n_records; i > 0; i--)
        if (run->records[i - 1].ok && run->records[i - 1].n_tokens > 0)
            return &run->records[i - 1];
    return NULL;
}

/* Who counted the tokens of a server, and how they came. */
static void put_source(ifm_page *p, ifm_buffer *line, const ifm_record *r)
{
    static const char *const words[] = {
        [IFM_TOKENS_EVENTS] = "events: nobody counted tokens",
        [IFM_TOKENS_TOKENIZER] = "counted by our tokenizer",
        [IFM_TOKENS_USAGE] = "counted by the server, spread over its events",
        [IFM_TOKENS_PER_EVENT] = "counted by the server",
    };
    if (r->wire == NULL)
        return;
    ifm_buffer_printf(line, "%s%s%sin %zu events", ifm_page_dot(p),
                      words[r->wire->token_source], ifm_page_dot(p),
                      ifm_wire_token_pieces(r->wire));
}

static void put_generated(ifm_page *p)
{
    const ifm_record *r = spokesman(p->run);
    if (r == NULL)
        return;
    size_t columns = (size_t)(p->width - IFM_PAGE_LABEL - 2);
    ifm_page_end(p);
    ifm_page_label(p, "text");
    ifm_text_one_line(&p->out, r->text != NULL ? r->text : "", r->n_text, 4 * columns,
                      p->unicode);
    ifm_page_end(p);
    ifm_page_label(p, "tokens");
    ifm_buffer ids = {0};
    const size_t n = r->output_ids != NULL ? r->n_tokens : 0;
    for (size_t i = 0; i < n && i < 64; i++)
        ifm_buffer_printf(&ids, "%s%d", i > 0 ? " " : "", r->output_ids[i]);
    if (n > 64)
        ifm_buffer_puts(&ids, p->unicode ? " …" : " ...");
    ifm_buffer_printf(&ids, n > 0 ? " (%zu, ended by %s)" : "%zu, ended by %s",
                      r->n_tokens, r->finish_reason != NULL ? r->finish_reason : "?");
    put_source(p, &ids, r);
    ifm_page_wrapped(p, ifm_buffer_text(&ids), IFM_PAGE_LABEL + 2);
    ifm_buffer_deinit(&ids);
}

static void put_row(ifm_page *p, const char *title, const ifm_stats *s,
                    const ifm_scale *scale)
{
    ifm_buffer_puts(&p->out, "  ");
    ifm_page_padded(p, title, 22, false);
    ifm_buffer_puts(&p->out, ifm_page_bold(p));
    ifm_page_padded(p, ifm_word_duration(s->p50, scale, p->unicode).text, 10, true);
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
    ifm_page_padded(p, ifm_word_interval(s->median_ci95, scale, p->unicode).text, 20,
                    true);
    ifm_page_padded(p, ifm_word_duration(s->min, scale, p->unicode).text, 10, true);
    ifm_page_padded(p, ifm_word_duration(s->max, scale, p->unicode).text, 10, true);
    ifm_buffer_printf(&p->out, "%6zu\n", s->n);
}

static void put_rate_row(ifm_page *p, const char *title, const ifm_stats *s)
{
    ifm_buffer_puts(&p->out, "  ");
    ifm_page_padded(p, title, 22, false);
    ifm_page_padded(p, ifm_word_rate(s->p50, p->unicode).text, 10, true);
    char interval[128] = "";
    snprintf(interval, sizeof interval, "%s", p->unicode ? "—" : "-");
    if (!isnan(s->median_ci95[0]))
        snprintf(interval, sizeof interval, "%s %s %s",
                 ifm_word_rate(s->median_ci95[0], p->unicode).text,
                 p->unicode ? "…" : "..",
                 ifm_word_rate(s->median_ci95[1], p->unicode).text);
    ifm_page_padded(p, interval, 20, true);
    ifm_page_padded(p, ifm_word_rate(s->min, p->unicode).text, 10, true);
    ifm_page_padded(p, ifm_word_rate(s->max, p->unicode).text, 10, true);
    ifm_buffer_printf(&p->out, "%6zu\n", s->n);
}

/* What is missing in a table, and why. */
static void put_table_notes(ifm_page *p, const ifm_summary *s)
{
    enum { LEAST = 6 }; /* ifm_median_rank95: with fewer there is no interval */
    if (s->metric[IFM_METRIC_TPOT].n == 0)
        ifm_buffer_printf(
            &p->out, "  %s%s has no TPOT and no ITL: both need two%s\n", ifm_page_dim(p),
            p->run->target.url != NULL ? "an answer in one piece" : "one token",
            ifm_page_plain(p));
    if (s->n_ok < LEAST)
        ifm_buffer_printf(&p->out,
                          "  %sa 95%% interval of a median needs %d runs: %zu more%s\n",
                          ifm_page_dim(p), LEAST, LEAST - s->n_ok, ifm_page_plain(p));
    if (s->n_failed > 0)
        ifm_buffer_printf(&p->out, "  %zu more failed and %s not count\n", s->n_failed,
                          s->n_failed == 1 ? "does" : "do");
}

/* Runs that were made and of which none went well must not vanish. */
static void put_all_failed(ifm_page *p, ifm_start start, const ifm_summary *s,
                           const char *title)
{
    if (s->n_failed == 0)
        return;
    ifm_page_end(p);
    ifm_buffer_printf(&p->out, "%s%s%s: %s%zu failed", ifm_page_bold(p), title,
                      ifm_page_plain(p), s->n_failed == 1 ? "" : "all ", s->n_failed);
    for (size_t i = 0; i < p->run->n_records; i++) {
        const ifm_record *r = &p->run->records[i];
        if (r->start != start || r->ok || r->error == NULL)
            continue;
        ifm_buffer_puts(&p->out, "\n  ");
        ifm_text_one_line(&p->out, r->error, strlen(r->error), (size_t)(p->width - 2),
                          p->unicode);
        break;
    }
    ifm_page_end(p);
}

/* "10 runs", or "3 requests of 4 sequences", each of which has its metrics. */
static void put_count(ifm_page *p, const ifm_summary *s)
{
    const int32_t batch = p->run->workload.batch_size;
    if (batch > 1)
        ifm_buffer_printf(&p->out, "%zu request%s of %d sequences",
                          s->batch_tokens_per_s.n,
                          s->batch_tokens_per_s.n == 1 ? "" : "s", batch);
    else
        ifm_buffer_printf(&p->out, "%zu run%s", s->n_ok, s->n_ok == 1 ? "" : "s");
}

static void put_table(ifm_page *p, ifm_start start, const char *title, const char *what)
{
    const ifm_summary *s = start == IFM_START_COLD ? &p->cold : &p->warm;
    if (s->n_ok == 0) {
        put_all_failed(p, start, s, title);
        return;
    }
    ifm_scale scale = ifm_scale_of(s);
    ifm_page_end(p);
    ifm_buffer_printf(&p->out, "%s%s%s%s%s, ", ifm_page_bold(p), title, ifm_page_plain(p),
                      ifm_page_dim(p), what);
    put_count(p, s);
    ifm_buffer_printf(&p->out, ", in %s%s\n", ifm_page_unit(p, &scale),
                      ifm_page_plain(p));
    ifm_buffer_printf(&p->out, "%s  %-22s%10s%20s%10s%10s%6s%s\n", ifm_page_dim(p), "",
                      "median", "95% interval", "min", "max", "n", ifm_page_plain(p));
    for (int m = 0; m < IFM_METRIC_TEXT_TTFT; m++)
        put_row(p, ifm_metric_title((ifm_metric)m), &s->metric[m], &scale);
    put_rate_row(p, "Tokens per second", &s->tokens_per_s);
    if (p->run->workload.batch_size > 1)
        put_rate_row(p, "  of the whole batch", &s->batch_tokens_per_s);
    put_table_notes(p, s);
}

/* share of BAR columns, in eighths where blocks of that width exist. */
static void put_bar(ifm_page *p, double share)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int steps = (int)lround(fmin(fmax(share, 0), 1) * BAR * 8);
    if (steps == 0 && share > 0)
        steps = 1;
    char bar[BAR * 3 + 4] = "";
    for (int i = 0; i < steps / 8; i++)
        strcat(bar, p->unicode ? "█" : "#");
    if (steps % 8 > 0)
        strcat(bar, p->unicode ? eighths[steps % 8] : steps < 8 ? "." : "");
    ifm_page_padded(p, bar, BAR, false);
}

static void put_phase(ifm_page *p, const ifm_record *r, int part, const ifm_scale *scale)
{
    if (r == NULL)
        return;
    double x = (double)ifm_report_part_ns(r, part);
    ifm_page_padded(p, ifm_word_duration(x > 0 ? x : NAN, scale, p->unicode).text, 10,
                    true);
    ifm_buffer_puts(&p->out, "  ");
    put_bar(p, r->token_ns[0] > 0 ? x / (double)r->token_ns[0] : 0);
}

static ifm_scale phase_scale(const ifm_record *r)
{
    ifm_scale scale =
        r != NULL ? ifm_scale_for((double)r->token_ns[0] / 10, (double)r->token_ns[0])
                  : (ifm_scale){1e6, "ms", 0};
    return scale;
}

static void put_phase_head(ifm_page *p, const char *name, const ifm_record *r,
                           const ifm_scale *scale)
{
    if (r == NULL)
        return;
    char head[32];
    snprintf(head, sizeof head, "%s, %s", name, ifm_page_unit(p, scale));
    ifm_page_padded(p, head, 10, true);
    ifm_buffer_printf(&p->out, "  %*s", BAR, "");
}

static void put_phases(ifm_page *p)
{
    const ifm_record *cold = ifm_report_median_request(p->run, IFM_START_COLD);
    const ifm_record *warm = ifm_report_median_request(p->run, IFM_START_WARM);
    if (cold == NULL && warm == NULL)
        return;
    ifm_scale cold_scale = phase_scale(cold), warm_scale = phase_scale(warm);
    ifm_page_end(p);
    ifm_buffer_printf(&p->out, "%sWhere TTFT went%s%s in the median request%s\n",
                      ifm_page_bold(p), ifm_page_plain(p), ifm_page_dim(p),
                      ifm_page_plain(p));
    ifm_buffer_printf(&p->out, "%s  %-12s", ifm_page_dim(p), "");
    put_phase_head(p, "cold", cold, &cold_scale);
    put_phase_head(p, "warm", warm, &warm_scale);
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
    ifm_page_end(p);
    for (int i = 0; i < IFM_REPORT_PARTS; i++) {
        bool some = ifm_report_part_ns(cold, i) != 0 || ifm_report_part_ns(warm, i) != 0;
        bool may = ifm_report_part_exists(cold, i) || ifm_report_part_exists(warm, i);
        if (!may || (!some && (i == IFM_PHASE_OTHER || i == IFM_PHASE_IMPORT ||
                               i == IFM_PHASE_PLACE || i >= IFM_PHASE_COUNT)))
            continue;
        ifm_buffer_printf(&p->out, "  %-12s", ifm_report_part_name(i));
        put_phase(p, cold, i, &cold_scale);
        put_phase(p, warm, i, &warm_scale);
        ifm_page_end(p);
    }
    ifm_buffer_printf(&p->out, "  %-12s", "TTFT");
    if (cold != NULL)
        ifm_page_padded(
            p, ifm_word_duration((double)cold->token_ns[0], &cold_scale, p->unicode).text,
            10, true);
    if (cold != NULL && warm != NULL)
        ifm_buffer_printf(&p->out, "  %*s", BAR, "");
    if (warm != NULL)
        ifm_page_padded(
            p, ifm_word_duration((double)warm->token_ns[0], &warm_scale, p->unicode).text,
            10, true);
    ifm_page_end(p);
}

/* What the operating system did during the median cold start. */
static void put_faults(ifm_page *p)
{
    const ifm_record *r = ifm_report_median_request(p->run, IFM_START_COLD);
    int64_t major = 0, minor = 0, bytes = 0;
    for (int i = 0; r != NULL && i < IFM_PHASE_COUNT; i++) {
        major += r->phase_io[i].major_faults > 0 ? r->phase_io[i].major_faults : 0;
        minor += r->phase_io[i].minor_faults > 0 ? r->phase_io[i].minor_faults : 0;
        bytes += r->phase_io[i].read_bytes > 0 ? r->phase_io[i].read_bytes : 0;
    }
    if (minor == 0)
        return;
    ifm_buffer_printf(&p->out,
                      "  %scold: %lld major and %lld minor page faults, %s read from "
                      "storage%s\n",
                      ifm_page_dim(p), (long long)major, (long long)minor,
                      ifm_word_bytes((double)bytes).text, ifm_page_plain(p));
}

static void put_decode(ifm_page *p)
{
    const ifm_run *run = p->run;
    double speed = ifm_summary_decode_bandwidth(run, &p->cold, &p->warm);
    double limit = run->host.read_bandwidth_bytes_per_s;
    if (isnan(speed))
        return;
    const ifm_stats *tpot = &p->warm.metric[IFM_METRIC_TPOT];
    if (tpot->n == 0)
        tpot = &p->cold.metric[IFM_METRIC_TPOT];
    char text[256];
    int n = snprintf(text, sizeof text, "%s of weights per token ÷ TPOT %s = %s/s",
                     ifm_word_bytes((double)run->target.decode_bytes).text,
                     ifm_word_duration_alone(tpot->p50, p->unicode).text,
                     ifm_word_bytes(speed).text);
    if (limit > 0 && n > 0 && n < (int)sizeof text)
        snprintf(text + n, sizeof text - (size_t)n,
                 ": %.0f%% of the %s/s that %d thread%s can read here over as many bytes",
                 100 * speed / limit, ifm_word_bytes(limit).text, run->target.threads,
                 run->target.threads == 1 ? "" : "s");
    if (!p->unicode) {
        char *sign = strstr(text, "÷");
        if (sign != NULL) {
            sign[0] = '/';
            memmove(sign + 1, sign + 2, strlen(sign + 2) + 1);
        }
    }
    ifm_page_end(p);
    ifm_page_label(p, "decode");
    ifm_page_wrapped(p, text, IFM_PAGE_LABEL + 2);
}

void ifm_page_warning(ifm_page *p, const ifm_warning *warning, const char *name)
{
    const char *colour = !p->colour ? "" : warning->spoils ? "\x1b[31m" : "\x1b[33m";
    ifm_buffer line = {0};
    ifm_buffer_printf(&p->out, "  %s", colour);
    ifm_page_padded(p, warning->spoils ? "spoiled" : "warning", IFM_PAGE_LABEL, false);
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
    if (name != NULL)
        ifm_buffer_printf(&line, "%s: ", name);
    ifm_text_one_line(&line, warning->message, strlen(warning->message), 2000,
                      p->unicode);
    ifm_page_wrapped(p, ifm_buffer_text(&line), IFM_PAGE_LABEL + 2);
    ifm_buffer_deinit(&line);
}

void ifm_page_verdict(ifm_page *p, bool trusted)
{
    ifm_page_label(p, "verdict");
    ifm_buffer_printf(&p->out, "%s%s%s\n",
                      !p->colour ? ""
                      : trusted  ? "\x1b[1;32m"
                                 : "\x1b[1;31m",
                      trusted ? "trustworthy" : "not trustworthy", ifm_page_plain(p));
}

/* The page of one target. */
static ifm_status put_one(ifm_page *p, ifm_error *err)
{
    ifm_status st = ifm_summary_of(p->run, IFM_START_COLD, &p->cold, err);
    if (st == IFM_OK)
        st = ifm_summary_of(p->run, IFM_START_WARM, &p->warm, err);
    if (st != IFM_OK)
        return st;
    put_configuration(p);
    ifm_page_input(p);
    put_generated(p);
    put_table(p, IFM_START_COLD, "Cold start",
              p->unicode ? " — a fresh process each" : " - a fresh process each");
    const bool server = p->run->target.url != NULL;
    put_table(p, IFM_START_WARM, server ? "Server" : "Warm start",
              server       ? ""
              : p->unicode ? " — the model is resident"
                           : " - the model is resident");
    put_phases(p);
    put_faults(p);
    put_decode(p);
    ifm_page_end(p);
    for (size_t i = 0; i < p->run->n_warnings; i++)
        ifm_page_warning(p, &p->run->warnings[i], NULL);
    ifm_page_verdict(p, ifm_run_trustworthy(p->run));
    return IFM_OK;
}

ifm_status ifm_report_terminal(const ifm_run *runs, size_t n, FILE *out,
                               const ifm_report_style *style, ifm_error *err)
{
    ifm_page p = {
        .run = &runs[0],
        .colour = style->colour,
        .unicode = style->unicode,
        .width = style->width < 80    ? 80
                 : style->width > 120 ? 120
                                      : style->width,
    };
    ifm_status st = n > 1 ? ifm_page_side_by_side(&p, runs, n, err) : put_one(&p, err);
    if (st == IFM_OK && p.out.failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the report");
    else if (st == IFM_OK && (fwrite(p.out.data, 1, p.out.length, out) != p.out.length ||
                              fflush(out) != 0))
        st = ifm_fail_errno(err, errno, "cannot print the report");
    ifm_buffer_deinit(&p.out);
    return st;
}
