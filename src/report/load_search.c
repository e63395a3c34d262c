#include "report/load_search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/load_text.h"

static ifm_word rate_word(double rate)
{
    ifm_word word;
    snprintf(word.text, sizeof word.text, "%.4g", rate);
    return rate < 1000 ? word : ifm_word_rate(rate, true);
}

void ifm_load_text_found(ifm_buffer *out, const ifm_rate_search *s, bool unicode)
{
    const char *end = ifm_rate_search_end(s);
    const double precision = 100 * s->options.precision;
    if (isnan(s->low) && isnan(s->high))
        ifm_buffer_puts(out, "no rate was decided");
    else if (isnan(s->low) && strcmp(end, "floor") != 0)
        ifm_buffer_printf(out, "%s requests/s do not keep it, lower rates were not tried",
                          rate_word(s->high).text);
    else if (isnan(s->low))
        ifm_buffer_printf(out, "no rate keeps it, not even %s requests/s",
                          rate_word(s->high).text);
    else if (isnan(s->high))
        ifm_buffer_printf(out, "%s requests/s keep it, more was not tried",
                          rate_word(s->low).text);
    else
        ifm_buffer_printf(out, "%s requests/s keep it, %s do not", rate_word(s->low).text,
                          rate_word(s->high).text);
    if (strcmp(end, "found") == 0)
        ifm_buffer_printf(out, " (within %g%%)", precision);
    else if (strcmp(end, "steps") == 0)
        ifm_buffer_printf(out, " (after %zu steps, not within %g%%)", s->n_steps,
                          precision);
    else if (strcmp(end, "searching") == 0)
        ifm_buffer_puts(out, " (the search was ended early)");
    ifm_buffer_printf(out,
                      "%s the steps marked kept and broken are all right with %g%% "
                      "confidence; what cannot be told counts as not kept",
                      unicode ? " ·" : ";", 100 * s->options.confidence);
}

/* The row of a step, cell by cell. */
enum { CELLS = 8 };

static const char *const heads[CELLS] = {"requests/s", "n",        "good",     "interval",
                                         "TTFT p95",   "TPOT p95", "E2EL p95", ""};

static void put_percent(char *text, size_t size, double share)
{
    snprintf(text, size, "%.1f", floor(1000 * share) / 10);
}

static void make_cells(const ifm_rate_step *step, bool unicode, char cells[CELLS][48])
{
    const double times[3] = {step->ttft_p95_ns, step->tpot_p95_ns, step->e2el_p95_ns};
    char bounds[2][16];
    put_percent(bounds[0], sizeof bounds[0], step->bounds[0]);
    put_percent(bounds[1], sizeof bounds[1], step->bounds[1]);
    snprintf(cells[0], 48, "%.40s", rate_word(step->rate).text);
    snprintf(cells[1], 48, "%.40s", ifm_word_whole(step->n).text);
    snprintf(cells[2], 48, "%.40s", ifm_word_share(step->n_good, step->n, unicode).text);
    snprintf(cells[3], 48, "%s %s %s", bounds[0], unicode ? "…" : "..", bounds[1]);
    for (int i = 0; i < 3; i++)
        snprintf(cells[4 + i], 48, "%.40s",
                 ifm_word_duration_alone(times[i], unicode).text);
    snprintf(cells[7], 48, "%s", ifm_rate_verdict_name(step->verdict));
}

static void put_row(ifm_page *p, const char cells[CELLS][48], const char *colour)
{
    static const int widths[CELLS] = {11, 7, 7, 14, 9, 9, 9, 0};
    ifm_buffer_puts(&p->out, " ");
    for (int i = 0; i < CELLS - 1; i++)
        ifm_page_padded(p, cells[i], widths[i], true);
    ifm_buffer_printf(&p->out, "  %s%s%s", p->colour ? colour : "", cells[CELLS - 1],
                      p->colour && *colour != '\0' ? ifm_page_plain(p) : "");
    ifm_page_end(p);
}

void ifm_load_text_step(ifm_buffer *out, const ifm_rate_step *step, bool unicode)
{
    char cells[CELLS][48];
    make_cells(step, unicode, cells);
    ifm_buffer_printf(out, "%s requests/s: %s, %s of %s good (%s)", cells[0], cells[7],
                      cells[2], cells[1], cells[3]);
}

static const char *colour_of(ifm_rate_verdict verdict)
{
    return verdict == IFM_RATE_KEPT     ? "\x1b[32m"
           : verdict == IFM_RATE_BROKEN ? "\x1b[31m"
                                        : "\x1b[33m";
}

/* What is searched for: "the highest rate at which 95% of requests keep TTFT ≤ 500 ms". */
static void put_aim(ifm_buffer *out, const ifm_load_run *load, bool unicode)
{
    ifm_buffer_printf(out, "the highest rate at which %g%% of requests keep ",
                      100 * load->search->options.share);
    ifm_load_text_slo(out, &load->plan.slo, unicode);
}

void ifm_load_search_page(ifm_page *p, const ifm_load_run *load)
{
    const ifm_rate_search *s = load->search;
    ifm_buffer text = {0};
    char cells[CELLS][48];
    if (s == NULL)
        return;
    put_aim(&text, load, p->unicode);
    ifm_page_end(p);
    ifm_buffer_printf(&p->out, "%sSearch%s%s%s", ifm_page_bold(p), ifm_page_plain(p),
                      ifm_page_dim(p), p->unicode ? " — " : " - ");
    ifm_page_wrapped(p, ifm_buffer_text(&text), 9);
    for (int i = 0; i < CELLS; i++)
        snprintf(cells[i], sizeof cells[i], "%s", heads[i]);
    put_row(p, (const char(*)[48])cells, "");
    ifm_buffer_puts(&p->out, ifm_page_plain(p));
    for (size_t i = 0; i < s->n_steps; i++) {
        make_cells(&s->steps[i], p->unicode, cells);
        put_row(p, (const char(*)[48])cells, colour_of(s->steps[i].verdict));
    }
    ifm_buffer_clear(&text);
    ifm_load_text_found(&text, s, p->unicode);
    ifm_page_label(p, "found");
    ifm_page_wrapped(p, ifm_buffer_text(&text), IFM_PAGE_LABEL + 2);
    ifm_page_label(p, "");
    ifm_buffer_printf(&p->out, "below: the load at %s requests/s\n",
                      rate_word(load->plan.request_rate).text);
    ifm_buffer_deinit(&text);
}

void ifm_load_search_markdown(ifm_buffer *out, const ifm_load_run *load)
{
    const ifm_rate_search *s = load->search;
    char cells[CELLS][48];
    if (s == NULL)
        return;
    ifm_buffer_puts(out, "\nSearch for ");
    put_aim(out, load, true);
    ifm_buffer_puts(out, ":\n\n|");
    for (int i = 0; i < CELLS; i++)
        ifm_buffer_printf(out, " %s |", heads[i]);
    ifm_buffer_puts(out, "\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n");
    for (size_t i = 0; i < s->n_steps; i++) {
        make_cells(&s->steps[i], true, cells);
        ifm_buffer_puts(out, "|");
        for (int c = 0; c < CELLS; c++)
            ifm_buffer_printf(out, " %s |", cells[c]);
        ifm_buffer_puts(out, "\n");
    }
    ifm_buffer_puts(out, "\n**");
    ifm_load_text_found(out, s, true);
    ifm_buffer_printf(out, "**. What follows is the load at %s requests/s.\n",
                      rate_word(load->plan.request_rate).text);
}
