/*
 * A metric, one value a run: every run is a point in the order in which it was measured,
 * the median a line with its 95% interval as a band. Cold and warm stand side by side, each
 * on its own scale, because they differ by orders of magnitude.
 */
#include <math.h>

#include "report/plots.h"

static double value_of(const ifm_record *r, ifm_metric metric)
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
        double x = value_of(r, metric);
        if (r->start == start && !isnan(x))
            ifm_buffer_printf(&plot->script, "%d %.9g\n", ++run, x / scale->ns_per_unit);
    }
    ifm_buffer_puts(&plot->script, "EOD\n");
}

/* The y axis: all points, with a tenth of the median at least, so that noise of a percent
 * does not look like an earthquake. */
static void put_range(ifm_plot *plot, const ifm_stats *s, const ifm_scale *scale)
{
    double pad = fmax(0.12 * (s->max - s->min), 0.05 * s->p50);
    double low = fmax(0, s->min - pad);
    ifm_buffer_printf(&plot->script, "set yrange [%.9g:%.9g]\n", low / scale->ns_per_unit,
                      (s->max + pad) / scale->ns_per_unit);
}

static void put_panel(ifm_plot *plot, ifm_start start, ifm_metric metric, double left,
                      double right)
{
    const ifm_stats *s = &ifm_plot_summary(plot, start)->metric[metric];
    ifm_scale scale = ifm_plot_scale(s->p50);
    ifm_buffer *out = &plot->script;
    const char *colour = ifm_plot_colour(start);
    put_data(plot, start, metric, &scale);
    put_range(plot, s, &scale);
    ifm_buffer_printf(out,
                      "set lmargin at screen %.3f\nset rmargin at screen %.3f\n"
                      "set tmargin at screen 0.80\nset bmargin at screen 0.18\n"
                      "set xrange [0.4:%zu.6]\nset xlabel '%s run'\n"
                      "set xtics autofreq\nset ylabel '%s, %s'\n",
                      left, right, s->n, ifm_start_name(start), ifm_metric_title(metric),
                      scale.unit);
    ifm_buffer_printf(out, "set xtics %g\n", fmax(1, ifm_plot_step((double)s->n, 10)));
    ifm_buffer_printf(out, "set title \"%s start: median %s",
                      start == IFM_START_COLD ? "Cold" : "Warm",
                      ifm_word_duration_alone(s->p50, true).text);
    if (!isnan(s->median_ci95[0]))
        ifm_buffer_printf(out, "\\n95%% interval %s %s",
                          ifm_word_interval(s->median_ci95, &scale, true).text,
                          scale.unit);
    ifm_buffer_printf(out, " (n = %zu)\" font 'sans,24' tc rgb '%s'\n", s->n, colour);
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
                      "pt 7 ps 1.6*dot lc rgb '%s'\n",
                      median, colour, ifm_start_name(start), colour);
    ifm_buffer_puts(out, "unset object 1\nunset label 1\nunset label 2\nunset label 3\n");
}

bool ifm_plot_metric(ifm_plot *plot, ifm_metric metric, const char *title)
{
    /* One token has a token generation time, 0, which is nothing to look at. */
    ifm_metric needed = metric == IFM_METRIC_GENERATION ? IFM_METRIC_TPOT : metric;
    bool cold = plot->cold.metric[needed].n > 0, warm = plot->warm.metric[needed].n > 0;
    if (!cold && !warm)
        return false;
    ifm_plot_title(plot, title);
    ifm_buffer_puts(&plot->script, "set multiplot\n");
    if (cold)
        put_panel(plot, IFM_START_COLD, metric, 0.10, warm ? 0.48 : 0.96);
    if (warm)
        put_panel(plot, IFM_START_WARM, metric, cold ? 0.60 : 0.10, 0.98);
    return true;
}
