/*
 * Pictures: each is a function that appends a gnuplot script; this file summarizes the run
 * once, draws every script as PNG and as SVG under temporary names, and renames them.
 */
#include "report/plots.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "inferometer/inferometer.h"
#include "os/file.h"
#include "report/page.h"

static bool draw_metric(ifm_plot *plot, ifm_metric metric, const char *title)
{
    return plot->n > 1 ? ifm_plot_beside(plot, metric, title)
                       : ifm_plot_metric(plot, metric, title);
}

static bool draw_ttft(ifm_plot *plot)
{
    return draw_metric(plot, IFM_METRIC_TTFT,
                       "Time to first token (TTFT): every run, and the median");
}

static bool draw_e2el(ifm_plot *plot)
{
    return draw_metric(plot, IFM_METRIC_E2EL,
                       "End-to-end latency (E2EL): every run, and the median");
}

static bool draw_generation(ifm_plot *plot)
{
    return draw_metric(plot, IFM_METRIC_GENERATION,
                       "Token generation time: every run, and the median");
}

static bool draw_tpot(ifm_plot *plot)
{
    return draw_metric(plot, IFM_METRIC_TPOT,
                       "Time per output token (TPOT): every run, and the median");
}

static bool draw_itl(ifm_plot *plot)
{
    return plot->n > 1 ? ifm_plot_itl_beside(plot) : ifm_plot_itl(plot);
}

/* A timeline is one target's; several have no common one. */
static bool draw_timeline(ifm_plot *plot)
{
    return plot->n == 1 && ifm_plot_timeline(plot);
}

const ifm_picture ifm_pictures[] = {
    {"ttft", draw_ttft}, {"e2el", draw_e2el}, {"token_generation_time", draw_generation},
    {"tpot", draw_tpot}, {"itl", draw_itl},   {"timeline", draw_timeline},
};
const size_t ifm_picture_count = sizeof ifm_pictures / sizeof *ifm_pictures;

void ifm_plot_quote(ifm_buffer *out, const char *text)
{
    ifm_buffer_puts(out, "'");
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            ifm_buffer_puts(out, "''");
        else
            ifm_buffer_printf(out, "%c", (unsigned char)*text < 0x20 ? ' ' : *text);
    }
    ifm_buffer_puts(out, "'");
}

const ifm_summary *ifm_plot_summary(const ifm_plot *plot, ifm_start start)
{
    return start == IFM_START_COLD ? &plot->cold : &plot->warm;
}

const char *ifm_plot_colour(ifm_start start)
{
    return start == IFM_START_COLD ? IFM_COLOUR_COLD : IFM_COLOUR_WARM;
}

ifm_scale ifm_plot_scale(double x)
{
    ifm_scale scale = ifm_scale_for(x, x);
    if (x >= 5e9)
        scale = (ifm_scale){1e9, "s", x < 1e10 ? 2 : 1};
    return scale;
}

double ifm_plot_step(double range, int most)
{
    double step = pow(10, floor(log10(range / most)));
    while (range / step > most)
        step *= range / (2 * step) <= most ? 2 : range / (5 * step) <= most ? 5 : 10;
    return step;
}

void ifm_plot_axis(ifm_buffer *out, char axis, double low, double high, int most)
{
    double step = ifm_plot_step(high - low, most);
    int decimals = (int)fmax(0, ceil(-log10(step) - 1e-9));
    ifm_buffer_printf(out,
                      "set %crange [%.9g:%.9g]\nset %ctics %.9g\n"
                      "set format %c '%%.%df'\n",
                      axis, low, high, axis, step, axis, decimals);
}

void ifm_plot_log_axis(ifm_buffer *out, char axis, double low, double high)
{
    static const int within[2][4] = {{1, 2, 5, 0}, {1, 0}};
    const int *steps = within[log10(high / low) > 2.5];
    ifm_buffer_printf(
        out,
        "set logscale %c\nset format %c '%%g'\nset %crange [%.9g:%.9g]\nset %ctics (",
        axis, axis, axis, low, high, axis);
    const char *between = "";
    for (double decade = pow(10, floor(log10(low))); decade < high; decade *= 10)
        for (int i = 0; steps[i] != 0; i++)
            if (steps[i] * decade > low && steps[i] * decade < high) {
                ifm_buffer_printf(out, "%s%g", between, steps[i] * decade);
                between = ", ";
            }
    ifm_buffer_puts(out, ")\n");
}

void ifm_plot_y_name(ifm_buffer *out, const char *name, const char *unit, double x,
                     double y)
{
    ifm_buffer_printf(out,
                      "set label 5 '%s%s%s' at screen %.3f,%.3f center rotate by 90 tc "
                      "rgb '" IFM_COLOUR_TEXT "'\n",
                      name, unit != NULL ? ", " : "", unit != NULL ? unit : "", x, y);
}

/* Model, host and engine in one line that leaves room for the version to its right: what
 * is too long of the CPU's name goes. */
static void put_small_print(ifm_buffer *out, const ifm_run *run, bool alone)
{
    enum { COLUMNS = 104 }; /* of 18 points, in 5/6 of the picture's width */
    const ifm_target_facts *t = &run->target;
    const char *name = ifm_or_unknown(t->model_name),
               *cpu = ifm_or_unknown(run->host.cpu);
    ifm_buffer end = {0};
    ifm_text_one_line(out, name, strlen(name), 32, true);
    if (t->url != NULL) {
        ifm_buffer_puts(out, " at ");
        ifm_text_one_line(out, t->url, strlen(t->url), 48, true);
        ifm_buffer_printf(out, " · %s", ifm_or_unknown(t->endpoint));
        return;
    }
    ifm_buffer_printf(out, ", %s of %s weights · ",
                      ifm_word_bytes((double)t->weight_bytes).text,
                      ifm_or_unknown(t->model_dtype));
    ifm_buffer_printf(&end, ", %d thread%s", t->threads, t->threads == 1 ? "" : "s");
    if (alone)
        ifm_buffer_printf(&end, ", %s kernels", ifm_or_unknown(t->kernels));
    size_t used =
        ifm_text_columns(ifm_buffer_text(out)) + ifm_text_columns(ifm_buffer_text(&end));
    ifm_text_one_line(out, cpu, strlen(cpu), used + 8 < COLUMNS ? COLUMNS - used : 8,
                      true);
    ifm_buffer_puts(out, ifm_buffer_text(&end));
    ifm_buffer_deinit(&end);
}

void ifm_plot_title(ifm_plot *plot, const char *title)
{
    ifm_buffer *out = &plot->script;
    ifm_buffer_puts(out, "set label 1 ");
    ifm_plot_quote(out, title);
    ifm_buffer_puts(out, " at screen 0.02,0.955 left font 'sans,30' tc rgb "
                         "'" IFM_COLOUR_TEXT "'\nset label 2 ");
    ifm_buffer small = {0};
    if (plot->small_print != NULL)
        ifm_text_one_line(&small, plot->small_print, strlen(plot->small_print), 104,
                          true);
    else
        put_small_print(&small, plot->run, plot->n == 1);
    ifm_plot_quote(out, ifm_buffer_text(&small));
    ifm_buffer_deinit(&small);
    ifm_buffer_puts(out, " at screen 0.02,0.03 left font 'sans,18' tc rgb '#666666'\n"
                         "set label 3 'Inferometer " IFM_VERSION "' at screen 0.98,0.03 "
                         "right font 'sans,18' tc rgb '#666666'\n");
}

/* What every picture looks like before it draws anything. */
static void put_style(ifm_buffer *out)
{
    ifm_buffer_puts(out, "reset\n"
                         "set border 3 lw 1.5 lc rgb '#888888'\n"
                         "set tics nomirror out scale 0.6 tc rgb '" IFM_COLOUR_TEXT "'\n"
                         "set grid ytics lt 1 dt 1 lw 0.8 lc rgb '" IFM_COLOUR_GRID "'\n"
                         "set grid noxtics\n"
                         "unset key\n"
                         "set encoding utf8\n");
}

/* Points of the SVG terminal are larger than those of the PNG one. */
static void put_terminal(ifm_buffer *out, bool png, const char *path)
{
    ifm_buffer_printf(out,
                      "set terminal %s noenhanced size 1600,1000 font 'sans,24' "
                      "linewidth 2%s\ndot = %s\n",
                      png ? "pngcairo" : "svg",
                      png ? "" : " dynamic background rgb 'white'", png ? "1.25" : "0.5");
    ifm_buffer_puts(out, "set output ");
    ifm_plot_quote(out, path);
    ifm_buffer_puts(out, "\n");
}

static char *file_name(const char *directory, const char *name, const char *ending)
{
    ifm_buffer path = {0};
    ifm_buffer_printf(&path, "%s/%s%s", directory, name, ending);
    return ifm_buffer_take(&path);
}

typedef struct picture_file {
    char *temporary, *final;
} picture_file;

/* Draws one picture in one format under its temporary name; *f is for the renaming. */
static ifm_status draw(ifm_plot *plot, const ifm_picture *picture, bool png,
                       const char *directory, picture_file *f, ifm_error *err)
{
    const char *ending = png ? ".png" : ".svg";
    ifm_buffer temporary_ending = {0};
    ifm_buffer_printf(&temporary_ending, ".%ld.part%s", (long)getpid(), ending);
    f->final = file_name(directory, picture->name, ending);
    f->temporary =
        file_name(directory, picture->name, ifm_buffer_text(&temporary_ending));
    ifm_buffer_deinit(&temporary_ending);
    if (f->final == NULL || f->temporary == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "plots: no memory");
    ifm_buffer_clear(&plot->script);
    put_style(&plot->script);
    put_terminal(&plot->script, png, f->temporary);
    if (!picture->draw(plot)) {
        free(f->temporary);
        f->temporary = NULL;
        return IFM_OK;
    }
    ifm_buffer_puts(&plot->script, "unset multiplot\nunset output\n");
    if (plot->script.failed)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "plots: no memory");
    ifm_status st = ifm_gnuplot_run(plot->script.data, plot->script.length, err);
    if (st == IFM_OK && !ifm_file_exists(f->temporary))
        st = ifm_fail(err, IFM_ERR_CHILD, "plots: gnuplot did not write %s", f->final);
    return st;
}

static void put_away(picture_file *f, bool keep, ifm_status *st, ifm_error *err)
{
    if (f->temporary != NULL) {
        if (keep && rename(f->temporary, f->final) != 0)
            *st = ifm_fail_errno(err, errno, "%s: cannot write", f->final);
        else if (!keep)
            unlink(f->temporary);
    }
    free(f->temporary);
    free(f->final);
}

ifm_status ifm_plots_draw(ifm_plot *plot, const ifm_picture *pictures, size_t n,
                          const char *directory, ifm_error *err)
{
    picture_file *files = calloc(2 * n, sizeof *files);
    if (files == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "plots: no memory");
    ifm_status st = ifm_directory_make(directory, err);
    for (size_t i = 0; i < 2 * n && st == IFM_OK; i++)
        st = draw(plot, &pictures[i / 2], i % 2 == 0, directory, &files[i], err);
    const bool keep = st == IFM_OK;
    for (size_t i = 0; i < 2 * n; i++)
        put_away(&files[i], keep, &st, err);
    free(files);
    ifm_buffer_deinit(&plot->script);
    return st;
}

ifm_status ifm_report_plots(const ifm_run *runs, size_t n, const char *directory,
                            ifm_error *err)
{
    ifm_plot plot = {.run = &runs[0], .runs = runs, .n = n};
    ifm_status st = ifm_summary_of(plot.run, IFM_START_COLD, &plot.cold, err);
    if (st == IFM_OK)
        st = ifm_summary_of(plot.run, IFM_START_WARM, &plot.warm, err);
    if (st != IFM_OK)
        return st;
    return ifm_plots_draw(&plot, ifm_pictures, ifm_picture_count, directory, err);
}
