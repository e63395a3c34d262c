/*
 * Distributions of TTFT, E2EL and ITL side by side: which share of all was at most so long
 * (the empirical distribution function), with the quantiles that the report prints as points.
 * An axis is logarithmic when its tail is long.
 */
#include <math.h>

#include "report/load_plots.h"
#include "report/load_text.h"

typedef struct panel {
    const char *name; /* of its data block */
    const char *title;
    const ifm_sketch_shape *h;
    const ifm_stats *stats;
    const char *colour;
    double left, right; /* of the screen */
} panel;

static void put_data(ifm_buffer *out, const panel *p, const ifm_scale *scale, double low,
                     double high)
{
    uint64_t sum = 0;
    ifm_buffer_printf(out, "$%s << EOD\n%.9g 0\n", p->name,
                      fmax(p->stats->min, low) / scale->ns_per_unit);
    for (size_t b = 0; b < IFM_SKETCH_BINS; b++) {
        if (p->h->counts[b] == 0)
            continue;
        /* Flat up to here, then as steep as one bin is narrow. */
        const double from = b > 0 ? ifm_sketch_edge(p->h, b - 1) : p->h->low;
        ifm_buffer_printf(out, "%.9g %.6g\n", fmax(from, low) / scale->ns_per_unit,
                          100 * (double)sum / (double)p->h->n);
        sum += p->h->counts[b];
        ifm_buffer_printf(out, "%.9g %.6g\n",
                          fmax(ifm_sketch_edge(p->h, b), low) / scale->ns_per_unit,
                          100 * (double)sum / (double)p->h->n);
    }
    ifm_buffer_printf(out, "%.9g 100\nEOD\n", high / scale->ns_per_unit);
}

static void put_quantiles(ifm_buffer *out, const panel *p, const ifm_scale *scale)
{
    const double q[3][2] = {
        {p->stats->p50, 50}, {p->stats->p95, 95}, {p->stats->p99, 99}};
    ifm_buffer_printf(out, "$%s_q << EOD\n", p->name);
    for (int i = 0; i < 3; i++)
        if (!isnan(q[i][0]))
            ifm_buffer_printf(out, "%.9g %g\n", q[i][0] / scale->ns_per_unit, q[i][1]);
    ifm_buffer_puts(out, "EOD\n");
}

/* Three lines: what and how many, and the quantiles that there are. */
static void put_head(ifm_buffer *out, const panel *p)
{
    ifm_buffer head = {0};
    ifm_buffer_printf(&head, "%s, n = %s\\np50 %s", p->title,
                      ifm_word_whole((int64_t)p->stats->n).text,
                      ifm_word_duration_alone(p->stats->p50, true).text);
    if (!isnan(p->stats->p95))
        ifm_buffer_printf(&head, " · p95 %s",
                          ifm_word_duration_alone(p->stats->p95, true).text);
    ifm_buffer_puts(&head, "\\n");
    if (!isnan(p->stats->p99))
        ifm_buffer_printf(&head, "p99 %s · ",
                          ifm_word_duration_alone(p->stats->p99, true).text);
    ifm_buffer_printf(&head, "max %s", ifm_word_duration_alone(p->stats->max, true).text);
    ifm_buffer_printf(out, "set title \"%s\" font 'sans,19' tc rgb '%s'\n",
                      ifm_buffer_text(&head), p->colour);
    ifm_buffer_deinit(&head);
}

static void put_panel(ifm_plot *plot, const panel *p, bool first)
{
    ifm_buffer *out = &plot->script;
    const ifm_stats *s = p->stats;
    const bool logarithmic = s->max > 4 * s->p50;
    const double pad = fmax(0.04 * (s->max - s->min), 0.005 * s->p50),
                 low = logarithmic ? fmax(s->min, s->p50 / 20) / 1.1
                                   : fmax(0, s->min - pad),
                 high = logarithmic ? s->max * 1.1 : s->max + pad;
    const ifm_scale scale = ifm_plot_scale(s->p50);
    put_data(out, p, &scale, logarithmic ? low : 0, high);
    put_quantiles(out, p, &scale);
    put_head(out, p);
    ifm_buffer_printf(
        out,
        "unset logscale\nset lmargin at screen %.3f\nset rmargin at screen "
        "%.3f\nset tmargin at screen 0.77\nset bmargin at screen 0.20\n"
        "set xlabel '%s%s' offset 0,0.3\nset grid xtics\nset xtics font 'sans,20'\n",
        p->left, p->right, scale.unit, logarithmic ? " (logarithmic)" : "");
    if (logarithmic)
        ifm_plot_log_axis(out, 'x', low / scale.ns_per_unit, high / scale.ns_per_unit);
    else
        ifm_plot_axis(out, 'x', low / scale.ns_per_unit, high / scale.ns_per_unit, 4);
    ifm_buffer_puts(out, "set yrange [0:101]\nset ytics 10\nset format y '%.0f%%'\n");
    if (!first)
        ifm_buffer_puts(out, "set format y ''\n");
    else
        ifm_plot_y_name(out, "share of all that took at most so long", NULL, 0.018, 0.5);
    ifm_buffer_printf(out,
                      "plot $%s using 1:2 with lines lw 3 lc rgb '%s', $%s_q using 1:2 "
                      "with points pt 7 ps 2*dot lc rgb '%s'\n"
                      "unset label 1\nunset label 2\nunset label 3\nunset label 5\n",
                      p->name, p->colour, p->name, IFM_COLOUR_TEXT);
}

bool ifm_load_plot_latency(ifm_plot *plot)
{
    const ifm_load_sketch *k = plot->sketch;
    const ifm_load_summary *s = k->summary;
    panel panels[] = {
        {"ttft", "TTFT", &k->ttft, &s->metric[IFM_LOAD_TTFT], IFM_COLOUR_COLD, 0, 0},
        {"e2el", "E2EL", &k->e2el, &s->metric[IFM_LOAD_E2EL], IFM_COLOUR_WARM, 0, 0},
        {"itl", s->itl_per_event ? "ITL per event" : "ITL", &k->itl,
         &s->metric[IFM_LOAD_ITL], IFM_COLOUR_GOOD, 0, 0},
    };
    size_t n = 0, drawn = 0;
    for (size_t i = 0; i < 3; i++)
        n += panels[i].h->n > 0 && panels[i].stats->n > 0;
    if (n == 0)
        return false;
    ifm_plot_title(plot, "How long requests took, from the moment they were due");
    ifm_buffer_puts(&plot->script, "set multiplot\n");
    for (size_t i = 0; i < 3; i++) {
        if (panels[i].h->n == 0 || panels[i].stats->n == 0)
            continue;
        const double left = 0.125, width = (0.98 - left) / (double)n;
        panels[i].left = left + width * (double)drawn + (drawn > 0 ? 0.02 : 0);
        panels[i].right = left + width * (double)(drawn + 1) - 0.02;
        put_panel(plot, &panels[i], drawn == 0);
        drawn++;
    }
    return true;
}
