/* Pictures of a load: what they share, and their list. */
#include "report/load_plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "report/load_report.h"
#include "report/load_text.h"

void ifm_load_plot_note(ifm_buffer *out, const char *text)
{
    ifm_buffer_puts(out, "set label 7 ");
    ifm_plot_quote(out, text);
    ifm_buffer_puts(out, " at screen 0.98,0.955 right font 'sans,18' tc rgb '#666666'\n");
}

const char *ifm_load_plot_ordinal(size_t every, char text[32])
{
    snprintf(text, 32, "%zu%s", every,
             every % 10 == 2 && every % 100 != 12   ? "nd"
             : every % 10 == 3 && every % 100 != 13 ? "rd"
             : every % 10 == 1 && every % 100 != 11 ? "st"
                                                    : "th");
    return text;
}

double ifm_load_plot_end_s(const ifm_load_sketch *sketch)
{
    return fmax((double)sketch->load->ended_ns / 1e9, 1e-3);
}

void ifm_load_plot_time_axis(ifm_buffer *out, double end_s)
{
    ifm_plot_axis(out, 'x', 0, end_s, 12);
}

void ifm_load_plot_steady(ifm_plot *plot)
{
    const ifm_load_summary *s = plot->sketch->summary;
    if (s->steady_found)
        ifm_buffer_printf(&plot->script,
                          "set object 9 rectangle from first %.9g, graph 0 to first "
                          "%.9g, graph 1 fc rgb '#eef4f8' fs solid noborder behind\n",
                          (double)s->steady_begin_ns / 1e9,
                          (double)s->steady_end_ns / 1e9);
}

/* "Llama-3.1-8B at http://gpu-7:8000 · 20 requests/s, Poisson arrivals". */
static void put_small_print(ifm_buffer *out, const ifm_load_plan *plan)
{
    const char *model = plan->model != NULL ? plan->model : "unknown model",
               *url = plan->url != NULL ? plan->url : "unknown server";
    ifm_text_one_line(out, model, strlen(model), 34, true);
    ifm_buffer_puts(out, " at ");
    ifm_text_one_line(out, url, strlen(url), 30, true);
    ifm_buffer_puts(out, " · ");
    ifm_load_text_arrival(out, plan, true);
}

ifm_status ifm_report_load_plots(const ifm_load_run *load,
                                 const ifm_load_summary *summary, const char *directory,
                                 ifm_error *err)
{
    static const ifm_picture pictures[] = {
        {"latency", ifm_load_plot_latency},
        {"throughput", ifm_load_plot_throughput},
        {"latency_over_time", ifm_load_plot_over_time},
        {"requests", ifm_load_plot_requests},
    };
    ifm_load_sketch *sketch = NULL;
    ifm_buffer small = {0};
    put_small_print(&small, &load->plan);
    ifm_status st = ifm_load_sketch_read(load, summary, &sketch, err);
    ifm_plot plot = {.sketch = sketch, .small_print = ifm_buffer_text(&small)};
    if (st == IFM_OK)
        st = ifm_plots_draw(&plot, pictures, sizeof pictures / sizeof *pictures,
                            directory, err);
    ifm_load_sketch_free(sketch);
    ifm_buffer_deinit(&small);
    return st;
}
