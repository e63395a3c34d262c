/*
 * Several targets in one picture: each has a colour, and the scale is logarithmic, since an
 * engine and a framework may lie two orders of magnitude apart. Two pictures: a metric, one
 * point a run, cold and warm; and the gaps between tokens of warm requests.
 */
#include <math.h>
#include <stdlib.h>

#include "report/plots.h"

/* Okabe and Ito (2008), in an order in which neighbours differ most. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000", "#f0e442"};
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct extent {
    double least, most; /* nanoseconds */
    size_t n;           /* the most points that a target has */
} extent;

/* Appends the data blocks $<start>_<k>, in nanoseconds; what they reach over. */
static extent put_points(ifm_plot *plot, ifm_start start, ifm_metric metric)
{
    extent e = {INFINITY, 0, 0};
    for (size_t k = 0; k < plot->n; k++) {
        size_t n = 0;
        ifm_buffer_printf(&plot->script, "$%s_%zu << EOD\n", ifm_start_name(start), k);
        for (size_t i = 0; i < plot->runs[k].n_records; i++) {
            const ifm_record *r = &plot->runs[k].records[i];
            const double x = ifm_plot_value(r, metric);
            if (r->start != start || !(x > 0))
                continue;
            ifm_buffer_printf(&plot->script, "%zu %.9g\n", ++n, x);
            e.least = fmin(e.least, x);
            e.most = fmax(e.most, x);
        }
        ifm_buffer_puts(&plot->script, "EOD\n");
        e.n = n > e.n ? n : e.n;
    }
    return e;
}

/* A logarithmic axis in milliseconds with 1, 2, 5 at each decade, or the decades alone. */
static void put_axis(ifm_buffer *out, double low, double high)
{
    static const int within[2][4] = {{1, 2, 5, 0}, {1, 0}};
    const int *steps = within[log10(high / low) > 2.2];
    const char *between = "";
    ifm_buffer_printf(out, "set logscale y\nset yrange [%.9g:%.9g]\nset ytics (", low,
                      high);
    for (double decade = pow(10, floor(log10(low))); decade < high; decade *= 10)
        for (int i = 0; steps[i] != 0; i++)
            if (steps[i] * decade > low && steps[i] * decade < high) {
                ifm_buffer_printf(out, "%s%g", between, steps[i] * decade);
                between = ", ";
            }
    ifm_buffer_puts(out, ")\n");
}

static double median_of(const ifm_plot *plot, size_t k, ifm_start start,
                        ifm_metric metric)
{
    double *values = NULL, median = NAN;
    size_t n = 0;
    if (ifm_summary_values(&plot->runs[k], start, metric, &values, &n, NULL) == IFM_OK)
        median = ifm_stats_of(values, n).p50;
    free(values);
    return median;
}

static void put_panel(ifm_plot *plot, ifm_start start, ifm_metric metric, double left,
                      double right, bool named)
{
    ifm_buffer *out = &plot->script;
    const extent e = put_points(plot, start, metric);
    if (e.n == 0)
        return;
    const double ms = 1e6;
    ifm_buffer_printf(
        out,
        "set lmargin at screen %.3f\nset rmargin at screen %.3f\n"
        "set tmargin at screen 0.80\nset bmargin at screen 0.18\n"
        "set xrange [0.4:%zu.6]\nset xlabel '%s run'\nset xtics %g\n"
        "set title '%s start' font 'sans,24' tc rgb '" IFM_COLOUR_TEXT "'\n",
        left, right, e.n, ifm_start_name(start), fmax(1, ifm_plot_step((double)e.n, 8)),
        start == IFM_START_COLD ? "Cold" : "Warm");
    put_axis(out, e.least / ms / 1.5, e.most / ms * 1.5);
    ifm_plot_y_name(out, ifm_metric_title(metric), "ms", left - 0.09, 0.49);
    ifm_buffer_puts(out, named
                             ? "set key at screen 0.985,0.985 right top vertical samplen "
                               "1 width 1 font 'sans,22'\n"
                             : "unset key\n");
    for (size_t k = 0; k < plot->n; k++) {
        const double median = median_of(plot, k, start, metric) / ms;
        const char *colour = colours[k % COLOURS];
        ifm_buffer_printf(out,
                          "%s $%s_%zu using 1:($2/%g) with points pt 7 ps 2*dot lc rgb "
                          "'%s' title ",
                          k > 0 ? "," : "plot", ifm_start_name(start), k, ms, colour);
        ifm_plot_quote(out, plot->runs[k].target.kind != NULL ? plot->runs[k].target.kind
                                                              : "unknown");
        if (!isnan(median))
            ifm_buffer_printf(out, ", %.9g with lines lw 2 lc rgb '%s' notitle", median,
                              colour);
    }
    ifm_buffer_puts(out, "\nunset label 1\nunset label 2\nunset label 3\n");
}

bool ifm_plot_beside(ifm_plot *plot, ifm_metric metric, const char *title)
{
    bool cold = false, warm = false;
    for (size_t k = 0; k < plot->n; k++) {
        cold = cold || !isnan(median_of(plot, k, IFM_START_COLD, metric));
        warm = warm || !isnan(median_of(plot, k, IFM_START_WARM, metric));
    }
    if (!cold && !warm)
        return false;
    ifm_plot_title(plot, title);
    ifm_buffer_puts(&plot->script, "set multiplot\n");
    if (cold)
        put_panel(plot, IFM_START_COLD, metric, 0.12, warm ? 0.48 : 0.97, !warm);
    if (warm)
        put_panel(plot, IFM_START_WARM, metric, cold ? 0.61 : 0.12, 0.97, true);
    return true;
}

/* The median gap before token t of warm requests; NaN: there is none. */
static double median_gap(const ifm_run *run, size_t t, double *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *r = &run->records[i];
        const int64_t *at;
        if (r->ok && r->start == IFM_START_WARM && ifm_record_arrivals(r, &at) > t)
            scratch[n++] = (double)(at[t] - at[t - 1]);
    }
    return ifm_stats_of(scratch, n).p50;
}

static extent put_gaps(ifm_plot *plot)
{
    extent e = {INFINITY, 0, 0};
    for (size_t k = 0; k < plot->n; k++) {
        const ifm_run *run = &plot->runs[k];
        double *scratch = calloc(run->n_records + 1, sizeof *scratch);
        if (scratch == NULL)
            plot->script.failed = true;
        ifm_buffer_printf(&plot->script, "$gaps_%zu << EOD\n", k);
        for (size_t t = 1; scratch != NULL; t++) {
            const double gap = median_gap(run, t, scratch);
            if (isnan(gap))
                break;
            ifm_buffer_printf(&plot->script, "%zu %.9g\n", t + 1, fmax(gap, 1));
            e.least = fmin(e.least, fmax(gap, 1));
            e.most = fmax(e.most, gap);
            e.n = t + 1 > e.n ? t + 1 : e.n;
        }
        ifm_buffer_puts(&plot->script, "EOD\n");
        free(scratch);
    }
    return e;
}

bool ifm_plot_itl_beside(ifm_plot *plot)
{
    ifm_buffer *out = &plot->script;
    const extent e = put_gaps(plot);
    const double ms = 1e6;
    if (e.n == 0)
        return false;
    ifm_plot_title(plot, "Inter-token latency (ITL), median of warm requests");
    ifm_buffer_printf(
        out,
        "set lmargin at screen 0.12\nset rmargin at screen 0.965\n"
        "set tmargin at screen 0.80\nset bmargin at screen 0.18\n"
        "set xlabel 'generated token'\nset xrange [1.5:%zu.5]\nset xtics %g\n",
        e.n, fmax(1, ifm_plot_step((double)e.n, 20)));
    put_axis(out, e.least / ms / 1.5, e.most / ms * 1.5);
    ifm_plot_y_name(out, "ITL", "ms", 0.018, 0.49);
    ifm_buffer_puts(out,
                    "set key at screen 0.97,0.90 right top horizontal samplen 2 width "
                    "2 font 'sans,22'\n");
    for (size_t k = 0; k < plot->n; k++) {
        ifm_buffer_printf(out,
                          "%s $gaps_%zu using 1:($2/%g) with linespoints lw 3 pt 7 ps "
                          "1.2*dot lc rgb '%s' title ",
                          k > 0 ? "," : "plot", k, ms, colours[k % COLOURS]);
        ifm_plot_quote(out, plot->runs[k].target.kind != NULL ? plot->runs[k].target.kind
                                                              : "unknown");
    }
    ifm_buffer_puts(out, "\n");
    return true;
}
