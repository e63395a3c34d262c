/* What the pictures share: one run, summarized once, and the script that gnuplot gets. */
#ifndef IFM_REPORT_PLOTS_H
#define IFM_REPORT_PLOTS_H

#include "base/buffer.h"
#include "report/sweep.h"
#include "report/text.h"

/* The palette of Okabe and Ito (2008), told apart by colour-blind readers and in grey. */
#define IFM_COLOUR_COLD "#0072b2"
#define IFM_COLOUR_WARM "#d55e00"
#define IFM_COLOUR_GOOD "#009e73"
#define IFM_COLOUR_WAIT "#e69f00"
#define IFM_COLOUR_BAD  "#cc3311"
#define IFM_COLOUR_TEXT "#222222"
#define IFM_COLOUR_GRID "#e2e2e2"

typedef struct ifm_plot {
    const ifm_run *run;  /* the first target's */
    const ifm_run *runs; /* [n], of several */
    size_t n;
    ifm_summary cold, warm;
    /* Of a sweep, which has no run: its points, and what stands below the picture. */
    const ifm_sweep *sweep;
    /* Of a load: what was read of its spool for pictures (load_sketch.h). */
    const struct ifm_load_sketch *sketch;
    const char *small_print;
    ifm_buffer
        script; /* data blocks, then drawing commands without terminal and output */
} ifm_plot;

/* One picture: its file's name without ending, and the function that appends its script;
 * false when the run has no data for it. */
typedef struct ifm_picture {
    const char *name;
    bool (*draw)(ifm_plot *plot);
} ifm_picture;

extern const ifm_picture ifm_pictures[];
extern const size_t ifm_picture_count;

/* Draws pictures[n] as .png and .svg in `directory` (made when it is missing), all or none,
 * and releases the script. Errors: NOT_FOUND (no gnuplot), CHILD (it failed), IO,
 * NO_MEMORY. */
ifm_status ifm_plots_draw(ifm_plot *plot, const ifm_picture *pictures, size_t n,
                          const char *directory, ifm_error *err);

/* A gnuplot string literal of any text: 'it''s', control characters replaced. */
void ifm_plot_quote(ifm_buffer *out, const char *text);
/* The summary of a kind of start, its name, its colour. */
const ifm_summary *ifm_plot_summary(const ifm_plot *plot, ifm_start start);
const char *ifm_plot_colour(ifm_start start);
/* "set title …" and the line of small print below the picture. */
void ifm_plot_title(ifm_plot *plot, const char *title);

/* A picture's scale for durations of about x ns: µs, ms or s, whatever gives few digits. */
ifm_scale ifm_plot_scale(double x);
/* The distance of tick marks, 1, 2 or 5 times a power of ten, so that a range gets at most
 * `most` of them. */
double ifm_plot_step(double range, int most);
/* A logarithmic axis with ticks at 1, 2 and 5 times powers of ten; gnuplot labels only
 * powers of ten by itself: too few for a range of one or two. */
void ifm_plot_log_axis(ifm_buffer *out, char axis, double low, double high);
/* Range and tick marks of an axis ('x' or 'y'): at most `most` ticks from low to high, all
 * with as many decimals as their distance needs. */
void ifm_plot_axis(ifm_buffer *out, char axis, double low, double high, int most);
/* The y axis' name, upright, at a fixed place (x and y of the screen, 0 … 1): where gnuplot
 * puts it by itself depends on how wide it thinks the tick labels are, which for large
 * fonts is off the picture. */
void ifm_plot_y_name(ifm_buffer *out, const char *name, const char *unit, double x,
                     double y);

/* A metric of one request in nanoseconds; NaN where there is nothing to draw. */
double ifm_plot_value(const ifm_record *record, ifm_metric metric);

/* The pictures, by file. */
bool ifm_plot_metric(ifm_plot *plot, ifm_metric metric, const char *title);
bool ifm_plot_itl(ifm_plot *plot);
bool ifm_plot_timeline(ifm_plot *plot);
/* Of several targets, each in its colour, on one logarithmic scale. */
bool ifm_plot_beside(ifm_plot *plot, ifm_metric metric, const char *title);
bool ifm_plot_itl_beside(ifm_plot *plot);

/* The pictures of a sweep of loads (plot_sweep_load.c). Errors: as ifm_plots_draw. */
ifm_status ifm_sweep_load_plots(ifm_plot *plot, const char *directory, ifm_error *err);
/* The colour of curve number i, told apart by colour-blind readers. */
const char *ifm_plot_curve_colour(size_t i);

/* Runs gnuplot on a script. Errors: NOT_FOUND, CHILD, IO. */
ifm_status ifm_gnuplot_run(const char *script, size_t n, ifm_error *err);

#endif
