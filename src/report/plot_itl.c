/*
 * Inter-token latency, token by token: each request a faint line, the median over requests
 * a bold one. The axis is logarithmic when single gaps stand out by more than five times.
 * It ends a decade below the median: when the consumer was kept waiting, tokens come
 * together, nanoseconds apart, and would squeeze all others into a corner. How many lie
 * below is said in the picture.
 */
#include <math.h>
#include <stdlib.h>

#include "report/plots.h"

/* What stands for a gap of 0 ns, which has no logarithm: far below the axis. */
static const double nearly_zero_ns = 1e-3;

static size_t arrivals(const ifm_record *r)
{
    const int64_t *at;
    return ifm_record_arrivals(r, &at);
}

static size_t longest(const ifm_plot *plot, ifm_start start)
{
    size_t n = 0;
    for (size_t i = 0; i < plot->run->n_records; i++) {
        const ifm_record *r = &plot->run->records[i];
        if (r->ok && r->start == start && arrivals(r) > n)
            n = arrivals(r);
    }
    return n;
}

static double gap(const ifm_record *r, size_t token)
{
    const int64_t *at;
    (void)ifm_record_arrivals(r, &at);
    return (double)(at[token] - at[token - 1]);
}

static size_t count_below(const ifm_plot *plot, double low)
{
    size_t n = 0;
    for (size_t i = 0; i < plot->run->n_records; i++) {
        const ifm_record *r = &plot->run->records[i];
        for (size_t t = 1; r->ok && r->start != IFM_START_WARMUP && t < arrivals(r); t++)
            n += gap(r, t) < low;
    }
    return n;
}

static void put_requests(ifm_plot *plot, ifm_start start, const ifm_scale *scale)
{
    ifm_buffer_printf(&plot->script, "$%s << EOD\n", ifm_start_name(start));
    for (size_t i = 0; i < plot->run->n_records; i++) {
        const ifm_record *r = &plot->run->records[i];
        if (!r->ok || r->start != start)
            continue;
        for (size_t t = 1; t < arrivals(r); t++)
            ifm_buffer_printf(&plot->script, "%zu %.9g\n", t + 1,
                              fmax(gap(r, t), nearly_zero_ns) / scale->ns_per_unit);
        ifm_buffer_puts(&plot->script, "\n");
    }
    ifm_buffer_puts(&plot->script, "EOD\n");
}

static bool put_medians(ifm_plot *plot, ifm_start start, const ifm_scale *scale)
{
    double *gaps = calloc(plot->run->n_records + 1, sizeof *gaps);
    if (gaps == NULL)
        return false;
    ifm_buffer_printf(&plot->script, "$%s_median << EOD\n", ifm_start_name(start));
    for (size_t t = 1; t < longest(plot, start); t++) {
        size_t n = 0;
        for (size_t i = 0; i < plot->run->n_records; i++) {
            const ifm_record *r = &plot->run->records[i];
            if (r->ok && r->start == start && arrivals(r) > t)
                gaps[n++] = gap(r, t);
        }
        ifm_buffer_printf(&plot->script, "%zu %.9g\n", t + 1,
                          ifm_stats_of(gaps, n).p50 / scale->ns_per_unit);
    }
    ifm_buffer_puts(&plot->script, "EOD\n");
    free(gaps);
    return true;
}

static void put_note_of_hidden(ifm_plot *plot, double low)
{
    size_t hidden = count_below(plot, low);
    size_t all =
        plot->cold.metric[IFM_METRIC_ITL].n + plot->warm.metric[IFM_METRIC_ITL].n;
    if (hidden > 0)
        ifm_buffer_printf(
            &plot->script,
            "set label 6 '%zu of %zu gaps lie%s below this axis: tokens that "
            "came together' at screen 0.965,0.825 right font 'sans,18' tc rgb "
            "'#666666' front\n",
            hidden, all, hidden == 1 ? "s" : "");
}

static void put_axes(ifm_plot *plot, const ifm_scale *scale, double least, double median,
                     double most, size_t n_tokens)
{
    ifm_buffer *out = &plot->script;
    bool logarithmic = most > 5 * median && median > 0;
    double low = fmax(least, median / 10) / 1.3;
    ifm_buffer_printf(out,
                      "set lmargin at screen 0.115\nset rmargin at screen 0.965\n"
                      "set tmargin at screen 0.80\nset bmargin at screen 0.18\n"
                      "set xlabel 'generated token'\nset xrange [1.5:%zu.5]\n",
                      n_tokens);
    ifm_plot_y_name(out, logarithmic ? "ITL (logarithmic)" : "ITL", scale->unit, 0.018,
                    0.49);
    ifm_buffer_printf(out, "set xtics %g\n",
                      fmax(1, ifm_plot_step((double)n_tokens, n_tokens <= 24 ? 24 : 14)));
    if (logarithmic) {
        ifm_plot_log_axis(out, 'y', low / scale->ns_per_unit,
                          most * 1.3 / scale->ns_per_unit);
        put_note_of_hidden(plot, low);
    } else {
        ifm_plot_axis(out, 'y', 0, 1.1 * most / scale->ns_per_unit, 10);
    }
    ifm_buffer_puts(out, "set key at screen 0.97,0.90 right top horizontal "
                         "samplen 2 width 2 font 'sans,22'\n");
}

bool ifm_plot_itl(ifm_plot *plot)
{
    const ifm_stats *cold = &plot->cold.metric[IFM_METRIC_ITL];
    const ifm_stats *warm = &plot->warm.metric[IFM_METRIC_ITL];
    if (cold->n + warm->n == 0)
        return false;
    double least = fmin(cold->min, warm->min), most = fmax(cold->max, warm->max);
    double median = fmin(cold->p50, warm->p50); /* fmin and fmax pass over a NaN */
    ifm_scale scale = ifm_plot_scale(median);
    if (most / scale.ns_per_unit >= 1e5) /* six digits would reach the axis' name */
        scale = ifm_plot_scale(most);
    size_t n_tokens = longest(plot, IFM_START_COLD) > longest(plot, IFM_START_WARM)
                          ? longest(plot, IFM_START_COLD)
                          : longest(plot, IFM_START_WARM);
    ifm_plot_title(plot, "Inter-token latency (ITL), token by token");
    put_axes(plot, &scale, least, median, most, n_tokens);
    static const ifm_start kinds[] = {IFM_START_COLD, IFM_START_WARM};
    ifm_buffer drawing = {0};
    for (size_t k = 0; k < 2; k++) {
        const ifm_summary *s = ifm_plot_summary(plot, kinds[k]);
        const char *name = ifm_start_name(kinds[k]), *colour = ifm_plot_colour(kinds[k]);
        if (s->metric[IFM_METRIC_ITL].n == 0)
            continue;
        put_requests(plot, kinds[k], &scale);
        if (!put_medians(plot, kinds[k], &scale))
            plot->script.failed = true;
        ifm_buffer_printf(
            &drawing,
            "%s $%s with lines lw 1.2 lc rgb '#a8%s' notitle, $%s_median with "
            "linespoints lw 3 pt 7 ps %s*dot lc rgb '%s' title '%s, median of "
            "%zu request%s'",
            drawing.length > 0 ? "," : "plot", name, colour + 1, name,
            n_tokens > 64 ? "0.1" : "1.2", colour, name, s->n_ok,
            s->n_ok == 1 ? "" : "s");
    }
    ifm_buffer_printf(&plot->script, "%s\n", ifm_buffer_text(&drawing));
    ifm_buffer_deinit(&drawing);
    return true;
}
