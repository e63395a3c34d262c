/* The page of several targets that got the same requests: their medians beside each other,
 * and how many times longer each takes than the first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/compare.h"
#include "report/page.h"
#include "report/parts.h"

enum { TITLE = 22, COLUMN = 14, RATIO = 26 };

typedef struct table {
    ifm_page *page;
    const ifm_run *runs;
    ifm_summary (*summaries)[2]; /* [n][cold, warm] */
    size_t n;
} table;

static const char *name_of(const ifm_run *run)
{
    return ifm_or_unknown(run->target.kind);
}

static const ifm_summary *summary_of(const table *t, size_t k, ifm_start start)
{
    return &t->summaries[k][start == IFM_START_WARM];
}

static void put_target(table *t, size_t k)
{
    ifm_page *p = t->page;
    const ifm_target_facts *f = &t->runs[k].target;
    ifm_buffer line = {0};
    ifm_page_label(p, name_of(&t->runs[k]));
    if (f->url != NULL)
        ifm_buffer_printf(&line, "%s at %s, %s%s", ifm_or_unknown(f->model_name), f->url,
                          ifm_or_unknown(f->endpoint),
                          f->insecure ? ", not verified" : "");
    else
        ifm_buffer_printf(
            &line, "%s, %s parameters, %s on %s, %d thread%s, %s",
            ifm_or_unknown(f->model_name), ifm_word_count((double)f->parameters).text,
            ifm_or_unknown(f->model_dtype), ifm_or_unknown(f->device), f->threads,
            f->threads == 1 ? "" : "s", ifm_or_unknown(f->kernels));
    if (f->synchronized)
        ifm_buffer_puts(&line, ", phases wait for the device");
    ifm_buffer clean = {0};
    ifm_text_one_line(&clean, ifm_buffer_text(&line), line.length, 400, p->unicode);
    ifm_page_wrapped(p, ifm_buffer_text(&clean), IFM_PAGE_LABEL + 2);
    ifm_buffer_deinit(&line);
    ifm_buffer_deinit(&clean);
}

/* One unit for all targets of a table: from the smallest median to the largest. */
static ifm_scale scale_of(const table *t, ifm_start start)
{
    double smallest = INFINITY, largest = 0;
    for (size_t k = 0; k < t->n; k++)
        for (int m = 0; m < IFM_METRIC_TEXT_TTFT; m++) {
            const double x = summary_of(t, k, start)->metric[m].p50;
            smallest = x > 0 ? fmin(smallest, x) : smallest;
            largest = x > 0 ? fmax(largest, x) : largest;
        }
    return ifm_scale_for(isinf(smallest) ? 1e6 : smallest, largest > 0 ? largest : 1e6);
}

static void put_ratio(table *t, size_t k, ifm_start start, ifm_metric metric)
{
    ifm_page *p = t->page;
    ifm_ratio r = {NAN, {NAN, NAN}};
    char text[192];
    (void)ifm_compare_metric(&t->runs[0], &t->runs[k], start, metric, &r, NULL);
    if (isnan(r.value))
        snprintf(text, sizeof text, "%s", p->unicode ? "—" : "-");
    else if (isnan(r.ci95[0]))
        snprintf(text, sizeof text, "%s", ifm_word_rate(r.value, p->unicode).text);
    else
        snprintf(text, sizeof text, "%s (%s %s %s)",
                 ifm_word_rate(r.value, p->unicode).text,
                 ifm_word_rate(r.ci95[0], p->unicode).text, p->unicode ? "…" : "..",
                 ifm_word_rate(r.ci95[1], p->unicode).text);
    ifm_page_padded(p, text, RATIO, true);
}

static void put_head(table *t, const char *title, const char *what, const char *unit)
{
    ifm_page *p = t->page;
    ifm_page_end(p);
    ifm_buffer_printf(&p->out, "%s%s%s%s%s, medians in %s%s\n", ifm_page_bold(p), title,
                      ifm_page_plain(p), ifm_page_dim(p), what, unit, ifm_page_plain(p));
    ifm_buffer_printf(&p->out, "%s  %*s", ifm_page_dim(p), TITLE, "");
    for (size_t k = 0; k < t->n; k++)
        ifm_page_padded(p, name_of(&t->runs[k]), COLUMN, true);
    for (size_t k = 1; k < t->n; k++) {
        char head[256];
        snprintf(head, sizeof head, "%s %s %s (95%%)", name_of(&t->runs[k]),
                 p->unicode ? "÷" : "/", name_of(&t->runs[0]));
        ifm_page_padded(p, t->n == 2 ? "ratio (95% interval)" : head, RATIO, true);
    }
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
    ifm_page_end(p);
}

static void put_counts(table *t, ifm_start start)
{
    ifm_page *p = t->page;
    ifm_buffer_printf(&p->out, "  %s", ifm_page_dim(p));
    ifm_page_padded(p, p->run->workload.batch_size > 1 ? "sequences" : "runs", TITLE,
                    false);
    for (size_t k = 0; k < t->n; k++) {
        char n[32];
        snprintf(n, sizeof n, "%zu", summary_of(t, k, start)->n_ok);
        ifm_page_padded(p, n, COLUMN, true);
    }
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
    ifm_page_end(p);
}

/* Tokens per second of whole batches: a rate, so that no ratio of times stands beside. */
static void put_batch_rates(table *t, ifm_start start)
{
    ifm_page *p = t->page;
    ifm_buffer_puts(&p->out, "  ");
    ifm_page_padded(p, "batch, tokens/s", TITLE, false);
    for (size_t k = 0; k < t->n; k++)
        ifm_page_padded(
            p,
            ifm_word_rate(summary_of(t, k, start)->batch_tokens_per_s.p50, p->unicode)
                .text,
            COLUMN, true);
    ifm_page_end(p);
}

static void put_table(table *t, ifm_start start, const char *title, const char *what)
{
    ifm_page *p = t->page;
    size_t some = 0;
    for (size_t k = 0; k < t->n; k++)
        some += summary_of(t, k, start)->n_ok;
    if (some == 0)
        return;
    const ifm_scale scale = scale_of(t, start);
    put_head(t, title, what, ifm_page_unit(p, &scale));
    for (int m = 0; m < IFM_METRIC_COUNT; m++) {
        ifm_buffer_puts(&p->out, "  ");
        ifm_page_padded(p, ifm_metric_title((ifm_metric)m), TITLE, false);
        for (size_t k = 0; k < t->n; k++) {
            const double x = summary_of(t, k, start)->metric[m].p50;
            ifm_page_padded(p, ifm_word_duration(x, &scale, p->unicode).text, COLUMN,
                            true);
        }
        for (size_t k = 1; k < t->n; k++)
            put_ratio(t, k, start, (ifm_metric)m);
        ifm_page_end(p);
    }
    if (p->run->workload.batch_size > 1)
        put_batch_rates(t, start);
    put_counts(t, start);
}

/* Where the median request's TTFT went, of every target. */
static void put_phases(table *t, ifm_start start, const char *title)
{
    ifm_page *p = t->page;
    const ifm_record *requests[16] = {NULL};
    double largest = 0;
    for (size_t k = 0; k < t->n && k < 16; k++) {
        requests[k] = ifm_report_median_request(&t->runs[k], start);
        if (requests[k] != NULL)
            largest = fmax(largest, (double)requests[k]->token_ns[0]);
    }
    if (largest == 0)
        return;
    const ifm_scale scale = ifm_scale_for(largest / 1000, largest);
    ifm_page_end(p);
    ifm_buffer_printf(&p->out,
                      "%sWhere TTFT went, %s%s%s in the median request, in %s%s\n",
                      ifm_page_bold(p), title, ifm_page_plain(p), ifm_page_dim(p),
                      ifm_page_unit(p, &scale), ifm_page_plain(p));
    for (int i = 0; i < IFM_REPORT_PARTS; i++) {
        bool some = false;
        for (size_t k = 0; k < t->n; k++)
            some = some || ifm_report_part_ns(requests[k], i) > 0;
        if (!some)
            continue;
        ifm_buffer_puts(&p->out, "  ");
        ifm_page_padded(p, ifm_report_part_name(i), TITLE, false);
        for (size_t k = 0; k < t->n; k++) {
            const double x = (double)ifm_report_part_ns(requests[k], i);
            ifm_page_padded(p,
                            ifm_word_duration(x > 0 ? x : NAN, &scale, p->unicode).text,
                            COLUMN, true);
        }
        ifm_page_end(p);
    }
}

static void put_agreement(table *t, size_t k)
{
    ifm_page *p = t->page;
    const ifm_agreement a = ifm_compare_tokens(&t->runs[0], &t->runs[k]);
    char text[256], of[40] = "";
    if (!a.known)
        return;
    if (p->run->workload.batch_size > 1)
        snprintf(of, sizeof of, " of sequence %d", a.sequence);
    if (!a.same_input)
        snprintf(text, sizeof text,
                 "%s and %s did not get the same prompt ids: their tokenizers differ",
                 name_of(&t->runs[0]), name_of(&t->runs[k]));
    else if (a.same)
        snprintf(text, sizeof text, "%s and %s generated the same %zu",
                 name_of(&t->runs[0]), name_of(&t->runs[k]), a.n_base);
    else
        snprintf(text, sizeof text,
                 "%s and %s differ from generated token %zu%s on (the %zu before agree)",
                 name_of(&t->runs[0]), name_of(&t->runs[k]), a.n_same + 1, of, a.n_same);
    ifm_page_label(p, "tokens");
    ifm_page_wrapped(p, text, IFM_PAGE_LABEL + 2);
}

static double warm_or_cold(const ifm_summary summary[2], ifm_metric metric)
{
    const ifm_stats *warm = &summary[1].metric[metric];
    return warm->n > 0 ? warm->p50 : summary[0].metric[metric].p50;
}

/* What the padding of the first target costs, if the k-th was asked the same without. */
static void put_padding(table *t, size_t k)
{
    ifm_page *p = t->page;
    const ifm_workload *padded = &t->runs[0].workload, *ragged = &t->runs[k].workload;
    const ifm_input_tokens n = ifm_run_input_tokens(&t->runs[0], NULL, 0);
    if (padded->padding == IFM_PADDING_NONE || ragged->padding != IFM_PADDING_NONE ||
        n.total == 0)
        return;
    char text[320];
    const ifm_metric shown[] = {IFM_METRIC_TTFT, IFM_METRIC_E2EL};
    size_t at =
        (size_t)snprintf(text, sizeof text,
                         "%lld of %lld positions of the prompts are padding; measured "
                         "against the same batch without it, that costs",
                         (long long)(n.total - n.real), (long long)n.total);
    for (size_t i = 0; i < 2; i++) {
        const double with = warm_or_cold(t->summaries[0], shown[i]);
        const double without = warm_or_cold(t->summaries[k], shown[i]);
        const double cost = with - without;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s %s%s of %s (%+.0f%%)",
                               i > 0 ? " and" : "", cost < 0 ? "-" : "",
                               ifm_word_duration_alone(fabs(cost), p->unicode).text,
                               ifm_metric_title(shown[i]), 100 * cost / without);
    }
    ifm_page_label(p, "padding");
    ifm_page_wrapped(p, text, IFM_PAGE_LABEL + 2);
}

/* What a script that takes a streamer's items for tokens would have printed of the median
 * warm request. */
static void put_streamer(table *t, size_t k)
{
    ifm_page *p = t->page;
    const ifm_record *r = ifm_report_median_request(&t->runs[k], IFM_START_WARM);
    if (r == NULL)
        r = ifm_report_median_request(&t->runs[k], IFM_START_COLD);
    if (r == NULL || r->streamer.items < 2)
        return;
    const ifm_streamer *s = &r->streamer;
    char text[512];
    snprintf(
        text, sizeof text,
        "of the median %s request of %s, a script that times TextIteratorStreamer's "
        "%lld items would print TTFT %s, E2EL %s, TPOT %s: its clock starts after "
        "loading and tokenization, an item is text and no token, the last is a flush",
        ifm_start_name(r->start), name_of(&t->runs[k]), (long long)s->items,
        ifm_word_duration_alone((double)(s->first_item_ns - s->start_ns), p->unicode)
            .text,
        ifm_word_duration_alone((double)(s->last_item_ns - s->start_ns), p->unicode).text,
        ifm_word_duration_alone((double)(s->last_item_ns - s->first_item_ns) /
                                    (double)(s->items - 1),
                                p->unicode)
            .text);
    ifm_page_label(p, "streamer");
    ifm_page_wrapped(p, text, IFM_PAGE_LABEL + 2);
}

static bool has_warning(const ifm_run *run, const ifm_warning *warning)
{
    for (size_t i = 0; i < run->n_warnings; i++)
        if (strcmp(run->warnings[i].message, warning->message) == 0)
            return true;
    return false;
}

/* What is said of all (the machine was busy) is said once; the rest with its target. */
static void put_warnings(table *t)
{
    for (size_t k = 0; k < t->n; k++)
        for (size_t i = 0; i < t->runs[k].n_warnings; i++) {
            const ifm_warning *warning = &t->runs[k].warnings[i];
            size_t before = 0, all = 0;
            for (size_t j = 0; j < t->n; j++) {
                const bool has = has_warning(&t->runs[j], warning);
                before += has && j < k;
                all += has;
            }
            if (all < t->n)
                ifm_page_warning(t->page, warning, name_of(&t->runs[k]));
            else if (before == 0)
                ifm_page_warning(t->page, warning, NULL);
        }
}

ifm_status ifm_page_side_by_side(ifm_page *p, const ifm_run *runs, size_t n,
                                 ifm_error *err)
{
    ifm_summary summaries[16][2];
    table t = {p, runs, summaries, n < 16 ? n : 16};
    bool trusted = true;
    for (size_t k = 0; k < t.n; k++) {
        ifm_status st = ifm_summary_of(&runs[k], IFM_START_COLD, &summaries[k][0], err);
        if (st == IFM_OK)
            st = ifm_summary_of(&runs[k], IFM_START_WARM, &summaries[k][1], err);
        if (st != IFM_OK)
            return st;
        trusted = trusted && ifm_run_trustworthy(&runs[k]);
    }
    for (size_t k = 0; k < t.n; k++)
        put_target(&t, k);
    ifm_page_workload(p);
    ifm_page_input(p);
    put_table(&t, IFM_START_COLD, "Cold start",
              p->unicode ? " — a fresh process each" : " - a fresh process each");
    put_table(&t, IFM_START_WARM, "Warm start",
              p->unicode ? " — the model is resident" : " - the model is resident");
    put_phases(&t, IFM_START_COLD, "cold");
    put_phases(&t, IFM_START_WARM, "warm");
    ifm_page_end(p);
    for (size_t k = 1; k < t.n; k++)
        put_agreement(&t, k);
    for (size_t k = 1; k < t.n; k++)
        put_padding(&t, k);
    for (size_t k = 0; k < t.n; k++)
        put_streamer(&t, k);
    put_warnings(&t);
    ifm_page_verdict(p, trusted);
    return IFM_OK;
}
