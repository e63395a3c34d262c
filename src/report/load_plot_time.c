/*
 * A load over time: what came through and how many were in flight, second by second; and the
 * TTFT of each request at the moment at which it was due. What the steady rates are of is
 * shaded.
 */
#include <math.h>

#include "report/load_plots.h"
#include "report/load_text.h"

static void put_margins(ifm_buffer *out, double bottom, double top)
{
    ifm_buffer_printf(out,
                      "set lmargin at screen 0.115\nset rmargin at screen 0.965\n"
                      "set tmargin at screen %.3f\nset bmargin at screen %.3f\n",
                      top, bottom);
}

/* In flight at the end of each second; tokens per second, failures within it, how long it
 * was. */
static void put_seconds(ifm_buffer *out, const ifm_load_sketch *k)
{
    const ifm_load_summary *s = k->summary;
    const double end = ifm_load_plot_end_s(k);
    ifm_buffer_puts(out, "$flight << EOD\n0 0\n");
    for (size_t i = 0; i < s->n_seconds; i++)
        ifm_buffer_printf(out, "%.9g %d\n", fmin((double)(i + 1) * s->second_s, end),
                          s->seconds[i].in_flight);
    ifm_buffer_puts(out, "EOD\n$seconds << EOD\n");
    for (size_t i = 0; i < s->n_seconds; i++) {
        const double from = (double)i * s->second_s, to = fmin(from + s->second_s, end);
        ifm_buffer_printf(out, "%.9g %.9g %d %.9g\n", (from + to) / 2,
                          ifm_load_second_rate(k->load, s, i), s->seconds[i].failed,
                          fmax(to - from, 0));
    }
    ifm_buffer_puts(out, "EOD\n");
}

bool ifm_load_plot_throughput(ifm_plot *plot)
{
    const ifm_load_summary *s = plot->sketch->summary;
    ifm_buffer *out = &plot->script;
    const double end =
        fmax(ifm_load_plot_end_s(plot->sketch), (double)s->n_seconds * s->second_s);
    const bool tokens = s->token_source != IFM_TOKENS_EVENTS;
    double most_tokens = 0, most_flight = 0, failed = 0;
    for (size_t i = 0; i < s->n_seconds; i++) {
        most_tokens = fmax(most_tokens, ifm_load_second_rate(plot->sketch->load, s, i));
        most_flight = fmax(most_flight, s->seconds[i].in_flight);
        failed += s->seconds[i].failed;
    }
    if (most_tokens <= 0 && most_flight <= 0 && failed <= 0)
        return false;
    ifm_plot_title(plot, "Throughput and requests in flight over time");
    if (s->steady_found)
        ifm_load_plot_note(out, "shaded: steady, what the rates are of");
    put_seconds(out, plot->sketch);
    ifm_buffer_printf(out, "set multiplot\n");
    put_margins(out, 0.53, 0.88);
    ifm_load_plot_time_axis(out, end);
    ifm_buffer_puts(out, "set format x ''\n");
    ifm_load_plot_steady(plot);
    ifm_plot_axis(out, 'y', 0, fmax(1, 1.1 * most_tokens), 6);
    ifm_plot_y_name(out, tokens ? "output tokens/s" : "output events/s", NULL, 0.018,
                    0.70);
    ifm_buffer_printf(out,
                      "plot $seconds using 1:2:4 with boxes fs solid 0.7 noborder fc rgb "
                      "'%s'\nunset label 1\nunset label 2\nunset label 3\n"
                      "unset label 7\n",
                      IFM_COLOUR_COLD);
    put_margins(out, 0.18, 0.48);
    ifm_load_plot_time_axis(out, end);
    ifm_plot_axis(out, 'y', 0, fmax(1, 1.15 * most_flight), 5);
    ifm_plot_y_name(out, "in flight", NULL, 0.018, 0.31);
    ifm_buffer_puts(out, "set xlabel 'seconds after the load began' offset 0,0.4\n");
    if (failed > 0)
        ifm_buffer_printf(out,
                          "set label 8 'red: failed in that second' at graph 0.99,0.93 "
                          "right font 'sans,18' tc rgb '%s'\n",
                          IFM_COLOUR_BAD);
    ifm_buffer_printf(out,
                      "plot $flight using 1:2 with filledcurves y1=0 fs solid 0.15 "
                      "noborder fc rgb '%s', $flight using 1:2 with lines lw 2 lc rgb "
                      "'%s'%s",
                      IFM_COLOUR_WARM, IFM_COLOUR_WARM, failed > 0 ? "" : "\n");
    if (failed > 0)
        ifm_buffer_printf(out,
                          ", $seconds using ($3>0?$1:NaN):3 with impulses lw 3 lc rgb "
                          "'%s', $seconds using ($3>0?$1:NaN):3 with points pt 7 ps "
                          "0.8*dot lc rgb '%s'\n",
                          IFM_COLOUR_BAD, IFM_COLOUR_BAD);
    return true;
}

/* ---- TTFT over time --------------------------------------------------------------- */

static void put_requests(ifm_buffer *out, const ifm_load_sketch *k,
                         const ifm_scale *scale)
{
    ifm_buffer_puts(out, "$answered << EOD\n");
    for (size_t i = 0; i < k->n_requests; i++) {
        const ifm_sketch_request *r = &k->requests[i];
        if (r->ok && r->first_ns >= 0)
            ifm_buffer_printf(out, "%.9g %.9g\n", (double)r->due_ns / 1e9,
                              (double)(r->first_ns - r->due_ns) / scale->ns_per_unit);
    }
    ifm_buffer_puts(out, "EOD\n$failed << EOD\n");
    for (size_t i = 0; i < k->n_requests; i++)
        if (!k->requests[i].ok)
            ifm_buffer_printf(out, "%.9g\n", (double)k->requests[i].due_ns / 1e9);
    ifm_buffer_puts(out, "EOD\n$median << EOD\n");
    for (size_t i = 0; i < k->summary->n_seconds; i++) {
        const double x = k->summary->seconds[i].ttft_p50_ns;
        if (!isnan(x))
            ifm_buffer_printf(out, "%.9g %.9g\n",
                              ((double)i + 0.5) * k->summary->second_s,
                              x / scale->ns_per_unit);
    }
    ifm_buffer_puts(out, "EOD\n");
}

static void put_note(ifm_buffer *out, const ifm_load_sketch *k)
{
    ifm_buffer note = {0};
    char every[32];
    if (k->every > 1)
        ifm_buffer_printf(&note, "every %s request is a point; ",
                          ifm_load_plot_ordinal(k->every, every));
    else
        ifm_buffer_puts(&note, "a point a request; ");
    ifm_buffer_puts(&note, "line: median of those whose first token came in that second");
    ifm_load_plot_note(out, ifm_buffer_text(&note));
    ifm_buffer_deinit(&note);
}

bool ifm_load_plot_over_time(ifm_plot *plot)
{
    const ifm_load_sketch *k = plot->sketch;
    const ifm_stats *s = &k->summary->metric[IFM_LOAD_TTFT];
    const int64_t failed = k->summary->n - k->summary->n_ok;
    ifm_buffer *out = &plot->script;
    if (s->n == 0)
        return false;
    const bool logarithmic = s->max > 8 * s->p50;
    const ifm_scale scale = ifm_plot_scale(s->p50);
    ifm_plot_title(plot, "TTFT over time");
    put_note(out, k);
    put_requests(out, k, &scale);
    put_margins(out, 0.18, 0.86);
    ifm_load_plot_time_axis(out, ifm_load_plot_end_s(k));
    ifm_load_plot_steady(plot);
    if (logarithmic)
        ifm_plot_log_axis(out, 'y', fmax(s->min, s->p50 / 50) / 1.3 / scale.ns_per_unit,
                          1.5 * s->max / scale.ns_per_unit);
    else
        ifm_plot_axis(out, 'y', 0, 1.15 * s->max / scale.ns_per_unit, 8);
    ifm_plot_y_name(out, logarithmic ? "TTFT (logarithmic)" : "TTFT", scale.unit, 0.018,
                    0.51);
    ifm_buffer_puts(out, "set xlabel 'due, seconds after the load began' offset 0,0.4\n");
    if (failed > 0)
        ifm_buffer_printf(out,
                          "set label 8 'red, at the top: %s failed' at graph 0.99,0.94 "
                          "right font 'sans,18' tc rgb '%s'\n",
                          ifm_word_whole(failed).text, IFM_COLOUR_BAD);
    ifm_buffer_printf(out,
                      "plot $answered using 1:2 with points pt 7 ps %s*dot lc rgb "
                      "'#90%s', $median using 1:2 with lines lw 3 lc rgb '%s'",
                      k->n_requests > 500 ? "0.6" : "1.2", &IFM_COLOUR_COLD[1],
                      IFM_COLOUR_TEXT);
    if (failed > 0)
        ifm_buffer_printf(out,
                          ", $failed using 1:(%.9g) with points pt 2 ps 1.2*dot lc rgb "
                          "'%s'",
                          (logarithmic ? 1.4 : 1.12) * s->max / scale.ns_per_unit,
                          IFM_COLOUR_BAD);
    ifm_buffer_puts(out, "\n");
    return true;
}
