/*
 * The timeline of one request: on the left the phases up to the first token, one below the
 * other as they follow each other; on the right when each token arrived. The median cold
 * and the median warm request stand above each other, each on its own scale.
 */
#include <math.h>

#include "report/parts.h"
#include "report/plots.h"

typedef struct panel {
    double left, right, bottom, top; /* of the screen, 0 … 1 */
} panel;

static void put_margins(ifm_buffer *out, panel at)
{
    ifm_buffer_printf(out,
                      "set lmargin at screen %.3f\nset rmargin at screen %.3f\n"
                      "set bmargin at screen %.3f\nset tmargin at screen %.3f\n",
                      at.left, at.right, at.bottom, at.top);
}

/* Phases that took any time, as rows from top to bottom. */
static void put_phases(ifm_plot *plot, const ifm_record *r, panel at)
{
    ifm_buffer *out = &plot->script;
    double ttft = (double)r->token_ns[0];
    ifm_scale scale = ifm_plot_scale(ttft);
    int rows = 0;
    for (int p = 0; p < IFM_REPORT_PARTS; p++)
        rows += ifm_report_part_ns(r, p) > 0;
    put_margins(out, at);
    ifm_buffer_printf(out, "$phases << EOD\n");
    double start = 0;
    for (int p = 0, row = rows; p < IFM_REPORT_PARTS; p++) {
        if (ifm_report_part_ns(r, p) <= 0)
            continue;
        double end = start + (double)ifm_report_part_ns(r, p);
        ifm_buffer_printf(
            out, "%.9g %d %.9g %.9g \"%s\"\n", start / scale.ns_per_unit, row--,
            start / scale.ns_per_unit, end / scale.ns_per_unit,
            ifm_word_duration_alone((double)ifm_report_part_ns(r, p), true).text);
        start = end;
    }
    ifm_buffer_puts(out, "EOD\nset ytics scale 0 font 'sans,20' (");
    for (int p = 0, row = rows; p < IFM_REPORT_PARTS; p++)
        if (ifm_report_part_ns(r, p) > 0) {
            ifm_buffer_printf(out, "%s'%s' %d", row == rows ? "" : ", ",
                              ifm_report_part_name(p), row);
            row--;
        }
    ifm_buffer_printf(out, ")\nset yrange [0.4:%d.6]\n", rows);
    ifm_plot_axis(out, 'x', 0, 1.25 * ttft / scale.ns_per_unit, 8);
    ifm_buffer_printf(out,
                      "set xlabel 'after the request''s start, %s' offset 0,0.5\n"
                      "set grid noytics xtics\n"
                      "plot $phases using 1:2:3:4:($2-0.32):($2+0.32) with boxxyerror fs "
                      "solid 0.9 noborder fc rgb '%s', $phases using 4:2:5 with labels "
                      "left offset 0.6,0 font 'sans,20' tc rgb '" IFM_COLOUR_TEXT "'\n",
                      scale.unit, ifm_plot_colour(r->start));
}

/* A token a point, at the time it arrived. Where the first one took most of the time, time
 * begins with it: the others would be one vertical line at the end. */
static void put_tokens(ifm_plot *plot, const ifm_record *r, panel at)
{
    ifm_buffer *out = &plot->script;
    const char *colour = ifm_plot_colour(r->start);
    int64_t ttft = r->token_ns[0], end = r->token_ns[r->n_tokens - 1];
    bool late = ttft > end / 2;
    int64_t origin = late ? ttft : 0;
    ifm_scale scale = ifm_plot_scale((double)(end - origin));
    double shaded = (double)(ttft - origin) / scale.ns_per_unit;
    put_margins(out, at);
    ifm_buffer_puts(out, "$tokens << EOD\n");
    for (size_t t = 0; t < r->n_tokens; t++)
        ifm_buffer_printf(out, "%.9g %zu\n",
                          (double)(r->token_ns[t] - origin) / scale.ns_per_unit, t + 1);
    ifm_buffer_puts(out, "EOD\nunset title\n");
    ifm_plot_axis(out, 'x', 0, 1.05 * (double)(end - origin) / scale.ns_per_unit, 5);
    ifm_plot_y_name(out, "token", NULL, at.left - 0.078, (at.bottom + at.top) / 2);
    ifm_buffer_printf(
        out,
        "set ytics %g scale 0.6 font 'sans,24'\nset yrange [0:%zu]\n"
        "set grid ytics noxtics\nset xlabel 'after the %s, %s' offset 0,0.5\n",
        fmax(1, ifm_plot_step((double)r->n_tokens, 5)), r->n_tokens + 1,
        late ? "first token" : "request''s start", scale.unit);
    if (!late)
        ifm_buffer_printf(
            out,
            "set object 1 rectangle from first 0, graph 0 to first %.9g, graph 1 fc rgb "
            "'%s' fs transparent solid 0.15 noborder behind\n"
            "set label 4 'TTFT' at first %.9g, graph 0.9 left offset 0.4,0 font "
            "'sans,20' "
            "tc rgb '%s'\n",
            shaded, colour, shaded, colour);
    ifm_buffer_printf(
        out,
        "plot $tokens with steps lw 1 lc rgb '#80%s', $tokens with points pt "
        "7 ps %s*dot lc rgb '%s'\nunset object 1\nunset label 4\n"
        "unset label 5\n",
        colour + 1, r->n_tokens > 64 ? "0.5" : "1.1", colour);
}

static void put_request(ifm_plot *plot, const ifm_record *r, double bottom, double top)
{
    ifm_buffer_printf(
        &plot->script,
        "set title '%s start: TTFT %s, E2EL %s' font 'sans,24' tc rgb '%s'\n",
        r->start == IFM_START_COLD ? "Cold" : "Warm",
        ifm_word_duration_alone((double)r->token_ns[0], true).text,
        ifm_word_duration_alone((double)r->token_ns[r->n_tokens - 1], true).text,
        ifm_plot_colour(r->start));
    bool alone = r->n_tokens == 1; /* then there is nothing after the phases */
    put_phases(plot, r, (panel){0.13, alone ? 0.97 : 0.56, bottom, top});
    ifm_buffer_puts(&plot->script, "unset label 1\nunset label 2\nunset label 3\n");
    if (!alone)
        put_tokens(plot, r, (panel){0.66, 0.965, bottom, top});
}

bool ifm_plot_timeline(ifm_plot *plot)
{
    const ifm_record *cold = ifm_report_median_request(plot->run, IFM_START_COLD);
    const ifm_record *warm = ifm_report_median_request(plot->run, IFM_START_WARM);
    if (cold == NULL && warm == NULL)
        return false;
    ifm_plot_title(plot, "Timeline of the median request: phases, then tokens");
    ifm_buffer_puts(&plot->script, "set multiplot\n");
    bool both = cold != NULL && warm != NULL;
    if (cold != NULL)
        put_request(plot, cold, both ? 0.57 : 0.18, 0.83);
    if (warm != NULL)
        put_request(plot, warm, 0.18, both ? 0.355 : 0.83);
    return true;
}
