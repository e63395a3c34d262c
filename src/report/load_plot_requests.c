/*
 * A timeline of requests: each a row, from the moment at which it was due to its end. Where
 * all rows have a hole at the same time the server paused; a staircase of waits is a queue.
 */
#include <math.h>

#include "report/load_plots.h"
#include "report/load_text.h"

typedef enum part { PLACE, CONNECT, WAIT, TOKENS, PARTS } part;

static const struct {
    const char *name, *title, *colour;
} parts[PARTS] = {
    [PLACE] = {"place", "until it was taken up", "#999999"},
    [CONNECT] = {"connect", "connecting, sending", IFM_COLOUR_WARM},
    [WAIT] = {"wait", "waiting for the first token", IFM_COLOUR_WAIT},
    [TOKENS] = {"tokens", "tokens", IFM_COLOUR_COLD},
};

static void put_box(ifm_buffer *out, int64_t from_ns, int64_t to_ns, size_t row)
{
    if (from_ns >= 0 && to_ns >= from_ns)
        ifm_buffer_printf(out, "%.9g %zu %.9g %.9g\n", (double)from_ns / 1e9, row + 1,
                          (double)from_ns / 1e9, (double)to_ns / 1e9);
}

/* What is not known to have ended lasted until the request did. */
static int64_t known(int64_t ns, int64_t end_ns)
{
    return ns >= 0 ? ns : end_ns;
}

static void put_part(ifm_buffer *out, const ifm_load_sketch *k, part p)
{
    ifm_buffer_printf(out, "$%s << EOD\n", parts[p].name);
    for (size_t i = 0; i < k->n_streams && p != TOKENS; i++) {
        const ifm_sketch_request *r = &k->streams[i];
        const int64_t taken = known(r->service_ns, r->end_ns),
                      sent = known(r->sent_ns, r->end_ns),
                      first = known(r->first_ns, r->end_ns);
        if (p == PLACE)
            put_box(out, r->due_ns, taken, i);
        else if (p == CONNECT && r->service_ns >= 0)
            put_box(out, taken, sent, i);
        else if (p == WAIT && r->sent_ns >= 0)
            put_box(out, sent, first, i);
    }
    for (size_t i = 0; i < k->n_stretches && p == TOKENS; i++)
        put_box(out, k->stretches[i].from_ns, k->stretches[i].to_ns,
                (size_t)k->stretches[i].stream);
    ifm_buffer_puts(out, "EOD\n");
}

static bool put_failed(ifm_buffer *out, const ifm_load_sketch *k)
{
    bool some = false;
    ifm_buffer_puts(out, "$broken << EOD\n");
    for (size_t i = 0; i < k->n_streams; i++)
        if (!k->streams[i].ok) {
            some = true;
            ifm_buffer_printf(out, "%.9g %zu\n", (double)k->streams[i].end_ns / 1e9,
                              i + 1);
        }
    ifm_buffer_puts(out, "EOD\n");
    return some;
}

static void put_note(ifm_buffer *out, const ifm_load_sketch *k)
{
    ifm_buffer note = {0};
    char every[32];
    if (k->every_stream > 1)
        ifm_buffer_printf(&note, "every %s request; ",
                          ifm_load_plot_ordinal(k->every_stream, every));
    ifm_buffer_printf(&note, "holes: pauses of more than %s",
                      ifm_word_duration_alone((double)k->pause_ns, true).text);
    ifm_load_plot_note(out, ifm_buffer_text(&note));
    ifm_buffer_deinit(&note);
}

/* A coloured word for each part, in a row above the rows: gnuplot's own keys have no boxes
 * for this style. */
static void put_key(ifm_buffer *out, bool failed)
{
    static const double at[PARTS + 1] = {0.115, 0.315, 0.51, 0.765, 0.86};
    for (int p = 0; p < PARTS; p++)
        ifm_buffer_printf(out,
                          "set label %d '■ %s' at screen %.3f,0.895 left font 'sans,20' "
                          "tc rgb '%s'\n",
                          20 + p, parts[p].title, at[p], parts[p].colour);
    if (failed)
        ifm_buffer_printf(out,
                          "set label %d '✕ failed' at screen %.3f,0.895 left font "
                          "'sans,20' tc rgb '%s'\n",
                          20 + PARTS, at[PARTS], IFM_COLOUR_BAD);
}

bool ifm_load_plot_requests(ifm_plot *plot)
{
    const ifm_load_sketch *k = plot->sketch;
    ifm_buffer *out = &plot->script;
    if (k->n_streams == 0)
        return false;
    ifm_plot_title(plot, "Requests: where their time went");
    put_note(out, k);
    for (int p = 0; p < PARTS; p++)
        put_part(out, k, (part)p);
    const bool failed = put_failed(out, k);
    put_key(out, failed);
    ifm_buffer_printf(out,
                      "set lmargin at screen 0.115\nset rmargin at screen 0.965\n"
                      "set tmargin at screen 0.86\nset bmargin at screen 0.18\n"
                      "set yrange [%zu.6:0.4]\nset ytics %g\nset grid noytics xtics\n"
                      "set xlabel 'seconds after the load began' offset 0,0.4\n",
                      k->n_streams, fmax(1, ifm_plot_step((double)k->n_streams, 10)));
    ifm_plot_y_name(out, "request, by when it was due", NULL, 0.018, 0.51);
    ifm_load_plot_time_axis(out, ifm_load_plot_end_s(k));
    for (int p = 0; p < PARTS; p++)
        ifm_buffer_printf(out,
                          "%s $%s using 1:2:3:4:($2-0.42):($2+0.42) with boxxyerror fs "
                          "solid 0.95 border lc rgb '%s' lw 0.3 fc rgb '%s'",
                          p == 0 ? "plot" : ",", parts[p].name, parts[p].colour,
                          parts[p].colour);
    if (failed)
        ifm_buffer_printf(out,
                          ", $broken using 1:2 with points pt 2 ps 1.2*dot lc rgb "
                          "'%s' lw 2",
                          IFM_COLOUR_BAD);
    ifm_buffer_puts(out, "\n");
    return true;
}
