/* What the pictures of a load share. */
#ifndef IFM_REPORT_LOAD_PLOTS_H
#define IFM_REPORT_LOAD_PLOTS_H

#include "report/load_sketch.h"
#include "report/plots.h"

/* A line of small print at the top right: what is shown of how much. */
void ifm_load_plot_note(ifm_buffer *out, const char *text);
/* "2nd", "12th". */
const char *ifm_load_plot_ordinal(size_t every, char text[32]);
/* The load's end, for an axis of seconds; never 0. */
double ifm_load_plot_end_s(const ifm_load_sketch *sketch);
void ifm_load_plot_time_axis(ifm_buffer *out, double end_s);
/* Shades the stretch that the steady rates are of. */
void ifm_load_plot_steady(ifm_plot *plot);

/* The pictures, by file; false: there is nothing to draw. */
bool ifm_load_plot_latency(ifm_plot *plot);
bool ifm_load_plot_throughput(ifm_plot *plot);
bool ifm_load_plot_over_time(ifm_plot *plot);
bool ifm_load_plot_requests(ifm_plot *plot);

#endif
