/*
 * A metric, one value a run: every run is a point in the order in which it was measured,
 * the median a line with its 95% interval as a band. Cold and warm stand side by side, each
 * on its own scale where they differ by more than a scale can hold.
 */
#include <math.h>

#include "report/plots.h"

double ifm_plot_value(const ifm_record *r, ifm_metric metric)
{
    ifm_trace trace = ifm_record_trace(r);
    ifm_metrics m = ifm_metrics_of(&trace);
    if (!r->ok || !m.has_ttft)
        return NAN;
    switch (metric) {
    case IFM_METRIC_TTFT:
        return (double)m.ttft_ns;
    case IFM_METRIC_E2EL:
        return (double)m.e2el_ns;
    case IFM_METRIC_GENERATION:
        return m.has_tpot ? (double)m.generation_ns : NAN;
    case IFM_METRIC_TPOT:
        return m.has_tpot ? m.tpot_ns : NAN;
    default:
        return NAN;
    }
}

static void put_data(ifm_plot *plot, ifm_start start, ifm_metric metric,
                     const ifm_scale *scale)
{
    int run = 0;
    ifm_buffer_printf(&plot->script, "$%s << EOD\n", ifm_start_name(start));
    for (size_t i = 0; i < plot->run->n_records; i++) {
        const ifm_record *r = &plot->run->records[i];
        double x = ifm_plot_value(r, metric);
        if (r->start == start && !isnan(x))
            ifm_buffer_printf(&plot->script, "%d %.9g\n", ++run, x / scale->ns_per_unit);
    }
    ifm_buffer_puts(&plot->script, "EOD\n");
}

typedef struct range {
    double low, high; /* nanoseconds */
} range;

/* The y axis: all points, with a tenth of the median at least, so that noise of a percent
 * does not look like an earthquake. */
static range range_of(const ifm_stats *s)
{
    double pad = fmax(0.12 * (s->max - s->min), 0.05 * s->p50);
    return (range){fmax(0, s->min - pad), s->max + pad};
}

/* Cold and warm share a scale when both stay readable on it: side by side, panels are
 * compared by height, whatever their axes say. */
static void share_if_similar(range *a, range *b)
{
    static const double similar = 1.3;
    double low = fmin(a->low, b->low), high = fmax(a->high, b->high);
    if (low > 0 && high <= similar * low)
        *a = *b = (range){low, high};
}

/* The unit in which the largest number on the axis has at most three digits before the
 * point: room for four is not there. */
static ifm_scale scale_of_axis(double high)
{
    return high < 1e6   ? (ifm_scale){1e3, "µs", 0}
           : high < 1e9 ? (ifm_scale){1e6, "ms", 0}
                        : (ifm_scale){1e9, "s", 0};
}

/* What the panel shows, in two lines, so that the panels' heads stand level. */
static void put_head(ifm_buffer *out, ifm_start start, const ifm_stats *s)
{
    ifm_scale scale = ifm_plot_scale(s->p50);
    ifm_buffer_printf(out, "set title \"%s start: median %s\\n",
                      start == IFM_START_COLD ? "Cold" : "Warm",
                      ifm_word_duration_alone(s->p50, true).text);
    if (isnan(s->median_ci95[0]))
        ifm_buffer_puts(out, "too few runs for an interval");
    else
        ifm_buffer_printf(out, "95%% interval %s %s",
                          ifm_word_interval(s->median_ci95, &scale, true).text,
                          scale.unit);
    ifm_buffer_printf(out, " (n = %zu)\" font 'sans,24' tc rgb '%s'\n", s->n,
                      ifm_plot_colour(start));
}

static void put_panel(ifm_plot *plot, ifm_start start, ifm_metric metric, range shown,
                      double left, double right)
{
    const ifm_stats *s = &ifm_plot_summary(plot, start)->metric[metric];
    ifm_scale scale = scale_of_axis(shown.high);
    ifm_buffer *out = &plot->script;
    const char *colour = ifm_plot_colour(start);
    put_data(plot, start, metric, &scale);
    ifm_plot_axis(out, 'y', shown.low / scale.ns_per_unit, shown.high / scale.ns_per_unit,
                  8);
    ifm_plot_y_name(out, ifm_metric_title(metric), scale.unit, left - 0.09, 0.49);
    ifm_buffer_printf(out,
                      "set lmargin at screen %.3f\nset rmargin at screen %.3f\n"
                      "set tmargin at screen 0.80\nset bmargin at screen 0.18\n"
                      "set xrange [0.4:%zu.6]\nset xlabel '%s run'\n",
                      left, right, s->n, ifm_start_name(start));
    ifm_buffer_printf(out, "set xtics %g\n", fmax(1, ifm_plot_step((double)s->n, 10)));
    put_head(out, start, s);
    double median = s->p50 / scale.ns_per_unit;
    if (!isnan(s->median_ci95[0]))
        ifm_buffer_printf(out,
                          "set object 1 rectangle from graph 0, first %.9g to graph 1, "
                          "first %.9g fc rgb '%s' fs transparent solid 0.15 noborder "
                          "behind\n",
                          s->median_ci95[0] / scale.ns_per_unit,
                          s->median_ci95[1] / scale.ns_per_unit, colour);
    ifm_buffer_printf(out,
                      "plot %.9g with lines lw 2 lc rgb '%s', $%s using 1:2 with points "
                      "pt 7 ps %s*dot lc rgb '%s'\n",
                      median, colour, ifm_start_name(start), s->n > 40 ? "1.4" : "2",
                      colour);
    ifm_buffer_puts(out, "unset object 1\nunset label 1\nunset label 2\nunset label 3\n");
}

bool ifm_plot_metric(ifm_plot *plot, ifm_metric metric, const char *title)
{
    /* One token has a token generation time, 0, which is nothing to look at. */
    ifm_metric needed = metric == IFM_METRIC_GENERATION ? IFM_METRIC_TPOT : metric;
    bool cold = plot->cold.metric[needed].n > 0, warm = plot->warm.metric[needed].n > 0;
    if (!cold && !warm)
        return false;
    range cold_range = range_of(&plot->cold.metric[metric]),
          warm_range = range_of(&plot->warm.metric[metric]);
    if (cold && warm)
        share_if_similar(&cold_range, &warm_range);
    ifm_plot_title(plot, title);
    ifm_buffer_puts(&plot->script, "set multiplot\n");
    if (cold)
        put_panel(plot, IFM_START_COLD, metric, cold_range, 0.11, warm ? 0.48 : 0.97);
    if (warm)
        put_panel(plot, IFM_START_WARM, metric, warm_range, cold ? 0.60 : 0.11, 0.97);
    return true;
}
