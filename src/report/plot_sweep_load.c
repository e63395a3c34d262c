/*
 * Throughput against latency, of loads: what a server gives in a second, and what people wait
 * for it: the median a line, the 95% quantile a dashed one. Each point says its rate or its
 * concurrency; where the curve turns up, the server is full.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/plots.h"
#include "report/sweep.h"

enum { CURVES_NAMED = 12 };

typedef const double *quantiles_of(const ifm_sweep_load_figures *figures);

static const double *ttft(const ifm_sweep_load_figures *f)
{
    return f->ttft_ms;
}

static const double *tpot(const ifm_sweep_load_figures *f)
{
    return f->tpot_ms;
}

static const double *e2el(const ifm_sweep_load_figures *f)
{
    return f->e2el_ms;
}

/* Tokens, unless nobody counted them at some point: then requests for all. */
static bool has_tokens(const ifm_sweep *sweep)
{
    for (size_t i = 0; i < sweep->n_points; i++)
        if (sweep->points[i].state == IFM_SWEEP_MEASURED &&
            !(sweep->points[i].under_load.output_tokens_per_s > 0))
            return false;
    return true;
}

static double rate_of(const ifm_sweep *sweep, const ifm_sweep_point *point)
{
    const ifm_sweep_load_figures *f = &point->under_load;
    return has_tokens(sweep) ? f->output_tokens_per_s : f->requests_per_s;
}

static bool is_drawn(const ifm_sweep *sweep, size_t i, quantiles_of *latency)
{
    const ifm_sweep_point *p = &sweep->points[i];
    return p->state == IFM_SWEEP_MEASURED && isfinite(latency(&p->under_load)[0]) &&
           isfinite(rate_of(sweep, p));
}

static bool same_curve(const ifm_sweep *sweep, size_t a, size_t b)
{
    for (int axis = 0; axis < IFM_SWEEP_AXES; axis++)
        if (axis != (int)ifm_sweep_curve_axis(sweep) &&
            sweep->points[a].values[axis] != sweep->points[b].values[axis])
            return false;
    return true;
}

static bool begins_curve(const ifm_sweep *sweep, size_t i, quantiles_of *latency)
{
    if (!is_drawn(sweep, i, latency))
        return false;
    for (size_t k = 0; k < i; k++)
        if (is_drawn(sweep, k, latency) && same_curve(sweep, k, i))
            return false;
    return true;
}

/* rate, p50, p95, label; in the order of the points, which is that of the load. */
static void put_curve(ifm_plot *plot, size_t first, size_t number, quantiles_of *latency)
{
    const ifm_sweep *sweep = plot->sweep;
    const ifm_sweep_axis along = ifm_sweep_curve_axis(sweep);
    ifm_buffer_printf(&plot->script, "$curve%zu << EOD\n", number);
    for (size_t i = first; i < sweep->n_points; i++) {
        const ifm_sweep_point *p = &sweep->points[i];
        if (!is_drawn(sweep, i, latency) || !same_curve(sweep, first, i))
            continue;
        const double *q = latency(&p->under_load);
        ifm_buffer_printf(&plot->script, "%.9g %.9g ", rate_of(sweep, p), q[0]);
        if (isfinite(q[1]))
            ifm_buffer_printf(&plot->script, "%.9g", q[1]);
        else
            ifm_buffer_puts(&plot->script, "NaN");
        ifm_buffer_printf(&plot->script, " %s\n",
                          p->values[along] != NULL ? p->values[along] : "-");
    }
    ifm_buffer_puts(&plot->script, "EOD\n");
}

/* Whether some load was large enough for a p95. */
static bool has_tail(const ifm_sweep *sweep, quantiles_of *latency)
{
    for (size_t i = 0; i < sweep->n_points; i++)
        if (is_drawn(sweep, i, latency) &&
            isfinite(latency(&sweep->points[i].under_load)[1]))
            return true;
    return false;
}

static void put_drawing(ifm_buffer *out, const ifm_sweep *sweep, size_t first,
                        size_t number, bool tail)
{
    char name[256];
    const char *colour = ifm_plot_curve_colour(number);
    ifm_sweep_describe(sweep, &sweep->points[first], ifm_sweep_curve_axis(sweep), name,
                       sizeof name);
    ifm_buffer title = {0};
    ifm_buffer_printf(&title, "p50%s%s", name[0] != '\0' ? ", " : "", name);
    ifm_buffer_printf(out,
                      "%s $curve%zu using 1:2 with linespoints lw 2.5 pt 7 ps 1.4*dot lc "
                      "rgb '%s' ",
                      number == 0 ? "plot" : ",", number, colour);
    if (number < CURVES_NAMED) {
        ifm_buffer_puts(out, "title ");
        ifm_plot_quote(out, ifm_buffer_text(&title));
    } else {
        ifm_buffer_puts(out, "notitle");
    }
    ifm_buffer_deinit(&title);
    if (tail)
        ifm_buffer_printf(out,
                          ", $curve%zu using 1:3 with linespoints lw 1.5 dt 2 pt 6 ps "
                          "1.2*dot lc rgb '%s' %s",
                          number, colour,
                          number == 0 ? "title 'p95, dashed'" : "notitle");
    ifm_buffer_printf(out,
                      ", $curve%zu using 1:2:4 with labels left offset 0.8,-0.7 font "
                      "'sans,18' tc rgb '%s' notitle",
                      number, colour);
}

/* The largest rate, and the largest and smallest latencies of both quantiles. */
static void find_ranges(const ifm_sweep *sweep, quantiles_of *latency, double *rate,
                        double *least, double *most)
{
    *rate = *most = 0;
    *least = INFINITY;
    for (size_t i = 0; i < sweep->n_points; i++) {
        if (!is_drawn(sweep, i, latency))
            continue;
        const double *q = latency(&sweep->points[i].under_load);
        *rate = fmax(*rate, rate_of(sweep, &sweep->points[i]));
        *most = fmax(*most, fmax(q[0], q[1])); /* fmax passes over a NaN */
        *least = fmin(*least, q[0]);
    }
}

static bool draw(ifm_plot *plot, quantiles_of *latency, const char *name)
{
    const ifm_sweep *sweep = plot->sweep;
    ifm_buffer *out = &plot->script, drawing = {0};
    double rate, least, most;
    char title[128], y_name[64];
    find_ranges(sweep, latency, &rate, &least, &most);
    if (!(rate > 0) || !(most > 0))
        return false;
    const bool logarithmic = least > 0 && most > 10 * least;
    snprintf(title, sizeof title, "%s against throughput", name);
    snprintf(y_name, sizeof y_name, "%s%s", name, logarithmic ? " (logarithmic)" : "");
    ifm_plot_title(plot, title);
    ifm_buffer_printf(
        out,
        "set lmargin at screen 0.115\nset rmargin at screen 0.965\n"
        "set tmargin at screen 0.82\nset bmargin at screen 0.18\n"
        "set xlabel '%s, a point a %s' offset 0,0.3\n",
        has_tokens(sweep) ? "output tokens per second" : "requests per second",
        ifm_sweep_curve_axis(sweep) == IFM_SWEEP_RATE ? "rate asked for, requests/s"
                                                      : "concurrency");
    ifm_plot_axis(out, 'x', 0, 1.12 * rate, 10);
    if (logarithmic)
        ifm_plot_log_axis(out, 'y', least / 1.3, 1.3 * most);
    else
        ifm_plot_axis(out, 'y', 0, 1.12 * most, 8);
    ifm_plot_y_name(out, y_name, "ms", 0.018, 0.52);
    /* Above the curves, where none of them comes. */
    ifm_buffer_puts(out, "set key at screen 0.97,0.92 right top horizontal reverse Left "
                         "samplen 2 width 1 maxrows 3 font 'sans,18'\n");
    const bool tail = has_tail(sweep, latency);
    size_t number = 0;
    for (size_t i = 0; i < sweep->n_points; i++)
        if (begins_curve(sweep, i, latency)) {
            put_curve(plot, i, number, latency);
            put_drawing(&drawing, sweep, i, number++, tail);
        }
    ifm_buffer_printf(out, "%s\n", ifm_buffer_text(&drawing));
    out->failed = out->failed || drawing.failed;
    ifm_buffer_deinit(&drawing);
    return true;
}

static bool draw_ttft(ifm_plot *plot)
{
    return draw(plot, ttft, "TTFT");
}

static bool draw_tpot(ifm_plot *plot)
{
    return draw(plot, tpot, "TPOT");
}

static bool draw_e2el(ifm_plot *plot)
{
    return draw(plot, e2el, "E2EL");
}

ifm_status ifm_sweep_load_plots(ifm_plot *plot, const char *directory, ifm_error *err)
{
    static const ifm_picture pictures[] = {
        {"throughput_ttft", draw_ttft},
        {"throughput_tpot", draw_tpot},
        {"throughput_e2el", draw_e2el},
    };
    return ifm_plots_draw(plot, pictures, sizeof pictures / sizeof *pictures, directory,
                          err);
}
