/*
 * A sweep's pictures: what all sequences together get in a second against what one of them
 * waits. A curve joins the points that differ in the batch size alone (ifm_sweep_curve_axis);
 * each point says its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/plots.h"
#include "report/sweep.h"

/* Okabe and Ito (2008), as plots.h says, less the yellow that white swallows. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#56b4e9", "#e69f00", "#000000"};

enum { COLOURS = sizeof colours / sizeof *colours, CURVES_NAMED = 12 };

const char *ifm_plot_curve_colour(size_t i)
{
    return colours[i % COLOURS];
}

typedef double latency_of(const ifm_sweep_figures *figures);

static double tpot(const ifm_sweep_figures *figures)
{
    return figures->tpot_ms;
}

static double e2el(const ifm_sweep_figures *figures)
{
    return figures->e2el_ms;
}

/* Whether a point stands in the picture. */
static bool is_drawn(const ifm_sweep_point *point, latency_of *latency)
{
    const ifm_sweep_figures *f = ifm_sweep_figures_of(point);
    return f != NULL && isfinite(latency(f)) && isfinite(f->batch_tokens_per_s);
}

static bool same_curve(const ifm_sweep *sweep, const ifm_sweep_point *a,
                       const ifm_sweep_point *b)
{
    const ifm_sweep_axis along = ifm_sweep_curve_axis(sweep);
    for (int axis = 0; axis < IFM_SWEEP_AXES; axis++)
        if (axis != (int)along && a->values[axis] != b->values[axis])
            return false;
    return true;
}

/* The first drawn point of each curve stands for it. */
static bool begins_curve(const ifm_sweep *sweep, size_t i, latency_of *latency)
{
    if (!is_drawn(&sweep->points[i], latency))
        return false;
    for (size_t k = 0; k < i; k++)
        if (is_drawn(&sweep->points[k], latency) &&
            same_curve(sweep, &sweep->points[k], &sweep->points[i]))
            return false;
    return true;
}

/* A data block: latency, rate, label. */
static void put_curve(ifm_plot *plot, size_t first, size_t number, latency_of *latency)
{
    const ifm_sweep *sweep = plot->sweep;
    const ifm_sweep_axis along = ifm_sweep_curve_axis(sweep);
    ifm_buffer_printf(&plot->script, "$curve%zu << EOD\n", number);
    for (size_t i = first; i < sweep->n_points; i++) {
        const ifm_sweep_point *p = &sweep->points[i];
        if (!is_drawn(p, latency) || !same_curve(sweep, &sweep->points[first], p))
            continue;
        const ifm_sweep_figures *f = ifm_sweep_figures_of(p);
        ifm_buffer_printf(&plot->script, "%.9g %.9g %s\n", latency(f),
                          f->batch_tokens_per_s,
                          p->values[along] != NULL ? p->values[along] : "-");
    }
    ifm_buffer_puts(&plot->script, "EOD\n");
}

static void put_drawing(ifm_buffer *out, const ifm_sweep *sweep, size_t first,
                        size_t number)
{
    char name[256];
    ifm_sweep_describe(sweep, &sweep->points[first], ifm_sweep_curve_axis(sweep), name,
                       sizeof name);
    const char *colour = colours[number % COLOURS];
    ifm_buffer_printf(out,
                      "%s $curve%zu using 1:2 with linespoints lw 2.5 dt %zu pt 7 ps "
                      "1.4*dot lc rgb '%s' ",
                      number == 0 ? "plot" : ",", number, 1 + number / COLOURS, colour);
    if (name[0] == '\0' || number >= CURVES_NAMED) {
        ifm_buffer_puts(out, "notitle");
    } else {
        ifm_buffer_puts(out, "title ");
        ifm_plot_quote(out, name);
    }
    ifm_buffer_printf(out,
                      ", $curve%zu using 1:2:3 with labels left offset 0.8,-0.6 font "
                      "'sans,18' tc rgb '%s' notitle",
                      number, colour);
}

/* Whether there are several curves, whose names stand to the right of the picture. */
static bool has_names(const ifm_sweep *sweep)
{
    for (size_t i = 1; i < sweep->n_points; i++)
        if (!same_curve(sweep, &sweep->points[0], &sweep->points[i]))
            return true;
    return false;
}

static void put_axes(ifm_plot *plot, const char *latency_name, double most_latency,
                     double most_rate)
{
    ifm_buffer *out = &plot->script;
    ifm_buffer_printf(out,
                      "set lmargin at screen 0.115\nset rmargin at screen %s\n"
                      "set tmargin at screen 0.86\nset bmargin at screen 0.18\n"
                      "set xlabel '%s, median, ms; at each point: %s'\n",
                      has_names(plot->sweep) ? "0.75" : "0.965", latency_name,
                      ifm_sweep_curve_axis(plot->sweep) == IFM_SWEEP_BATCH ? "batch size"
                      : ifm_sweep_curve_axis(plot->sweep) == IFM_SWEEP_THREADS
                          ? "threads"
                          : "input tokens");
    ifm_plot_axis(out, 'x', 0, 1.12 * most_latency, 12);
    ifm_plot_axis(out, 'y', 0, 1.12 * most_rate, 10);
    ifm_plot_y_name(out, "tokens per second, whole batch", NULL, 0.018, 0.52);
    if (has_names(plot->sweep))
        ifm_buffer_puts(out, "set key at screen 0.76,0.86 left top vertical reverse Left "
                             "samplen 1.5 width 0 font 'sans,17'\n");
}

static bool draw(ifm_plot *plot, latency_of *latency, const char *latency_name)
{
    const ifm_sweep *sweep = plot->sweep;
    double most_latency = 0, most_rate = 0;
    for (size_t i = 0; i < sweep->n_points; i++)
        if (is_drawn(&sweep->points[i], latency)) {
            const ifm_sweep_figures *f = ifm_sweep_figures_of(&sweep->points[i]);
            most_latency = fmax(most_latency, latency(f));
            most_rate = fmax(most_rate, f->batch_tokens_per_s);
        }
    if (most_latency <= 0 || most_rate <= 0)
        return false;
    char title[128];
    snprintf(title, sizeof title, "Throughput against %s", latency_name);
    ifm_plot_title(plot, title);
    put_axes(plot, latency_name, most_latency, most_rate);
    ifm_buffer drawing = {0};
    size_t number = 0;
    for (size_t i = 0; i < sweep->n_points; i++)
        if (begins_curve(sweep, i, latency)) {
            put_curve(plot, i, number, latency);
            put_drawing(&drawing, sweep, i, number++);
        }
    ifm_buffer_printf(&plot->script, "%s\n", ifm_buffer_text(&drawing));
    plot->script.failed = plot->script.failed || drawing.failed;
    ifm_buffer_deinit(&drawing);
    return true;
}

static bool draw_tpot(ifm_plot *plot)
{
    return draw(plot, tpot, "time per output token (TPOT)");
}

static bool draw_e2el(ifm_plot *plot)
{
    return draw(plot, e2el, "end-to-end latency (E2EL)");
}

ifm_status ifm_sweep_plots(const ifm_sweep *sweep, const char *small_print,
                           const char *directory, ifm_error *err)
{
    static const ifm_picture pictures[] = {
        {"throughput_tpot", draw_tpot},
        {"throughput_e2el", draw_e2el},
    };
    ifm_plot plot = {.sweep = sweep, .small_print = small_print};
    if (sweep->load)
        return ifm_sweep_load_plots(&plot, directory, err);
    return ifm_plots_draw(&plot, pictures, sizeof pictures / sizeof *pictures, directory,
                          err);
}
