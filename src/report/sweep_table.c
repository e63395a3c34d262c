/* A sweep as a table: a row a point, the same rows for people, Markdown and programs. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "report/sweep.h"
#include "report/text.h"

enum { FIGURES_MOST = 8 };

/* Titles of the figures' columns, the last one a number of requests: of runs, of loads. */
static const char *const run_titles[] = {"TTFT ms",  "TPOT ms",      "E2EL ms",
                                         "tokens/s", "per sequence", "n"};
static const char *const load_titles[] = {"TTFT ms", "p95",   "TPOT ms",  "p95",
                                          "E2EL ms", "req/s", "tokens/s", "n"};

static size_t n_figures(const ifm_sweep *sweep)
{
    return sweep->load ? sizeof load_titles / sizeof *load_titles
                       : sizeof run_titles / sizeof *run_titles;
}

static const char *figure_title(const ifm_sweep *sweep, size_t i)
{
    return sweep->load ? load_titles[i] : run_titles[i];
}

const char *ifm_sweep_axis_option(ifm_sweep_axis axis)
{
    static const char *const options[] = {
#define X(NAME, option, title) option,
        IFM_SWEEP_AXIS_LIST(X)
#undef X
    };
    return options[axis];
}

const char *ifm_sweep_axis_title(ifm_sweep_axis axis)
{
    static const char *const titles[] = {
#define X(NAME, option, title) title,
        IFM_SWEEP_AXIS_LIST(X)
#undef X
    };
    return titles[axis];
}

const ifm_sweep_figures *ifm_sweep_figures_of(const ifm_sweep_point *point)
{
    if (point->state != IFM_SWEEP_MEASURED)
        return NULL;
    return point->warm.n_sequences > 0 ? &point->warm : &point->cold;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

/* A value in a few words: of a model's path the last part, if no other ends so. */
static const char *short_value(const ifm_sweep *sweep, ifm_sweep_axis axis,
                               const char *value)
{
    size_t same = 0;
    if (axis != IFM_SWEEP_MODEL)
        return value;
    for (size_t i = 0; i < sweep->n_values[axis]; i++)
        same += strcmp(last_part(sweep->values[axis][i]), last_part(value)) == 0;
    return same > 1 ? value : last_part(value);
}

void ifm_sweep_describe(const ifm_sweep *sweep, const ifm_sweep_point *point,
                        ifm_sweep_axis skip, char *text, size_t size)
{
    ifm_buffer out = {0};
    for (int axis = IFM_SWEEP_AXES - 1; axis >= 0; axis--)
        if (axis != (int)skip && sweep->n_values[axis] > 1 && point->values[axis] != NULL)
            ifm_buffer_printf(
                &out, "%s%s %s", out.length > 0 ? ", " : "",
                ifm_sweep_axis_title((ifm_sweep_axis)axis),
                short_value(sweep, (ifm_sweep_axis)axis, point->values[axis]));
    snprintf(text, size, "%s", ifm_buffer_text(&out));
    ifm_buffer_deinit(&out);
}

ifm_sweep_axis ifm_sweep_curve_axis(const ifm_sweep *sweep)
{
    if (sweep->load)
        return sweep->n_values[IFM_SWEEP_RATE] > 0 ? IFM_SWEEP_RATE
                                                   : IFM_SWEEP_CONCURRENCY;
    return sweep->n_values[IFM_SWEEP_BATCH] > 1     ? IFM_SWEEP_BATCH
           : sweep->n_values[IFM_SWEEP_THREADS] > 1 ? IFM_SWEEP_THREADS
                                                    : IFM_SWEEP_INPUT;
}

/* ---- cells ------------------------------------------------------------------------ */

static ifm_word milliseconds(double ms, bool unicode)
{
    const ifm_scale scale = {1, "ms", ms < 1 ? 3 : ms < 100 ? 2 : 1};
    return ifm_word_duration(ms, &scale, unicode);
}

static ifm_word count(size_t n)
{
    ifm_word word;
    snprintf(word.text, sizeof word.text, "%zu", n);
    return word;
}

static void make_load_figures(const ifm_sweep_load_figures *f, bool unicode,
                              ifm_word out[FIGURES_MOST])
{
    for (int q = 0; q < 2; q++) {
        out[q] = milliseconds(f->ttft_ms[q], unicode);
        out[2 + q] = milliseconds(f->tpot_ms[q], unicode);
    }
    out[4] = milliseconds(f->e2el_ms[0], unicode);
    out[5] = ifm_word_rate(f->requests_per_s, unicode);
    out[6] = ifm_word_rate(f->output_tokens_per_s, unicode);
    out[7] = count(f->n_ok);
}

/* False: the point was not measured. */
static bool make_figures(const ifm_sweep *sweep, const ifm_sweep_point *point,
                         bool unicode, ifm_word out[FIGURES_MOST])
{
    const ifm_sweep_figures *f = ifm_sweep_figures_of(point);
    if (point->state != IFM_SWEEP_MEASURED)
        return false;
    if (sweep->load) {
        make_load_figures(&point->under_load, unicode, out);
        return true;
    }
    out[0] = milliseconds(f->ttft_ms, unicode);
    out[1] = milliseconds(f->tpot_ms, unicode);
    out[2] = milliseconds(f->e2el_ms, unicode);
    out[3] = ifm_word_rate(f->batch_tokens_per_s, unicode);
    out[4] = ifm_word_rate(f->sequence_tokens_per_s, unicode);
    out[5] = count(f->n_sequences);
    return true;
}

/* What stands instead of figures, or behind them. */
static void put_remark(ifm_buffer *out, const ifm_sweep_point *point)
{
    if (point->state == IFM_SWEEP_FAILED)
        ifm_buffer_puts(out, point->error != NULL ? point->error : "no memory");
    else if (point->state == IFM_SWEEP_MISSING)
        ifm_buffer_puts(out, "not measured yet");
    else if (point->under_load.n_failed > 0)
        ifm_buffer_printf(out, "%zu failed%s", point->under_load.n_failed,
                          point->trustworthy ? "" : ", not trustworthy");
    else if (!point->trustworthy)
        ifm_buffer_puts(out, "not trustworthy");
}

ifm_status ifm_sweep_put_whole(ifm_buffer *text, FILE *out, ifm_error *err)
{
    ifm_status st = IFM_OK;
    errno = 0;
    if (text->failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "report: no memory");
    else if (fwrite(text->data, 1, text->length, out) != text->length || fflush(out) != 0)
        st = ifm_fail_errno(err, errno != 0 ? errno : EIO, "cannot write the table");
    ifm_buffer_deinit(text);
    return st;
}

/* ---- for people -------------------------------------------------------------------- */

static size_t width_of(const ifm_sweep *sweep, ifm_sweep_axis axis)
{
    size_t width = ifm_text_columns(ifm_sweep_axis_title(axis));
    for (size_t i = 0; i < sweep->n_values[axis]; i++) {
        size_t own = ifm_text_columns(sweep->values[axis][i]);
        width = own > width ? own : width;
    }
    return width;
}

static void put_padded(ifm_buffer *out, const char *text, size_t width, bool right)
{
    const size_t own = ifm_text_columns(text);
    const int pad = own < width ? (int)(width - own) : 0;
    if (right)
        ifm_buffer_printf(out, "%*s%s", pad, "", text);
    else
        ifm_buffer_printf(out, "%s%*s", text, pad, "");
}

/* Texts stand to the left, numbers to the right. */
bool ifm_sweep_axis_is_number(ifm_sweep_axis axis)
{
    return axis >= IFM_SWEEP_THREADS;
}

static void put_setting(ifm_buffer *out, const ifm_sweep *sweep,
                        const ifm_sweep_point *point, bool unicode)
{
    for (int a = 0; a < IFM_SWEEP_AXES; a++) {
        const ifm_sweep_axis axis = (ifm_sweep_axis)a;
        if (sweep->n_values[axis] == 0)
            continue;
        const char *text = point == NULL                 ? ifm_sweep_axis_title(axis)
                           : point->values[axis] != NULL ? point->values[axis]
                                                         : "";
        ifm_buffer clean = {0};
        ifm_text_one_line(&clean, text, strlen(text), 200, unicode);
        ifm_buffer_puts(out, "  ");
        put_padded(out, ifm_buffer_text(&clean), width_of(sweep, axis),
                   ifm_sweep_axis_is_number(axis));
        ifm_buffer_deinit(&clean);
    }
}

static size_t figure_width(const ifm_sweep *sweep, size_t i)
{
    const size_t own = strlen(figure_title(sweep, i)), least = sweep->load ? 7 : 8;
    return own > least ? own : i == n_figures(sweep) - 1 ? 5 : least;
}

static void put_row(ifm_buffer *out, const ifm_sweep *sweep, const ifm_sweep_point *point,
                    bool unicode)
{
    ifm_word words[FIGURES_MOST] = {{{0}}};
    ifm_buffer why = {0};
    put_setting(out, sweep, point, unicode);
    if (make_figures(sweep, point, unicode, words))
        for (size_t i = 0; i < n_figures(sweep); i++) {
            ifm_buffer_puts(out, "  ");
            put_padded(out, words[i].text, figure_width(sweep, i), true);
        }
    put_remark(&why, point);
    if (why.length > 0) {
        ifm_buffer_puts(out, point->state == IFM_SWEEP_FAILED ? "  failed: " : "  ");
        ifm_text_one_line(out, why.data, why.length, 300, unicode);
    }
    ifm_buffer_puts(out, "\n");
    out->failed = out->failed || why.failed;
    ifm_buffer_deinit(&why);
}

/* What the figures are, below the table. */
static const char *legend(const ifm_sweep *sweep)
{
    return sweep->load
               ? "Medians and 95% quantiles from the moment requests were due, over n "
                 "that "
                 "were answered;\n  req/s and tokens/s (output) of the steady stretch, "
                 "or of the whole load where there is none."
               : "Medians of warm requests (of cold ones where there are no warm ones) "
                 "over n sequences;\n  tokens/s: all sequences of a request together, a "
                 "median over requests.";
}

ifm_status ifm_sweep_print(const ifm_sweep *sweep, bool unicode, FILE *out,
                           ifm_error *err)
{
    ifm_buffer text = {0};
    put_setting(&text, sweep, NULL, unicode);
    for (size_t i = 0; i < n_figures(sweep); i++) {
        ifm_buffer_puts(&text, "  ");
        put_padded(&text, figure_title(sweep, i), figure_width(sweep, i), true);
    }
    ifm_buffer_puts(&text, "\n");
    for (size_t i = 0; i < sweep->n_points; i++)
        put_row(&text, sweep, &sweep->points[i], unicode);
    ifm_buffer_printf(&text, "\n  %s\n", legend(sweep));
    return ifm_sweep_put_whole(&text, out, err);
}

/* ---- Markdown --------------------------------------------------------------------- */

static void put_cell(ifm_buffer *out, const char *text)
{
    ifm_buffer clean = {0};
    ifm_text_one_line(&clean, text, strlen(text), 300, true);
    ifm_buffer_puts(out, " ");
    for (const char *at = ifm_buffer_text(&clean); *at != '\0'; at++)
        ifm_buffer_printf(out, "%s%c", strchr("|<*_`", *at) != NULL ? "\\" : "", *at);
    ifm_buffer_puts(out, " |");
    ifm_buffer_deinit(&clean);
}

static void put_markdown_head(ifm_buffer *out, const ifm_sweep *sweep)
{
    ifm_buffer rule = {0};
    ifm_buffer_puts(out, "|");
    ifm_buffer_puts(&rule, "|");
    for (int a = 0; a < IFM_SWEEP_AXES; a++)
        if (sweep->n_values[a] > 0) {
            put_cell(out, ifm_sweep_axis_title((ifm_sweep_axis)a));
            ifm_buffer_puts(&rule, ifm_sweep_axis_is_number((ifm_sweep_axis)a)
                                       ? " ---: |"
                                       : " --- |");
        }
    for (size_t i = 0; i < n_figures(sweep); i++) {
        put_cell(out, figure_title(sweep, i));
        ifm_buffer_puts(&rule, " ---: |");
    }
    ifm_buffer_printf(out, " remarks |\n%s --- |\n", ifm_buffer_text(&rule));
    ifm_buffer_deinit(&rule);
}

static void put_markdown_row(ifm_buffer *out, const ifm_sweep *sweep,
                             const ifm_sweep_point *point)
{
    ifm_buffer_puts(out, "|");
    for (int a = 0; a < IFM_SWEEP_AXES; a++)
        if (sweep->n_values[a] > 0)
            put_cell(out, point->values[a] != NULL ? point->values[a] : "");
    ifm_word words[FIGURES_MOST] = {{{0}}};
    ifm_buffer why = {0};
    (void)make_figures(sweep, point, true, words);
    for (size_t i = 0; i < n_figures(sweep); i++)
        put_cell(out, words[i].text);
    put_remark(&why, point);
    put_cell(out, ifm_buffer_text(&why));
    ifm_buffer_puts(out, "\n");
    out->failed = out->failed || why.failed;
    ifm_buffer_deinit(&why);
}

ifm_status ifm_sweep_markdown(const ifm_sweep *sweep, FILE *out, ifm_error *err)
{
    ifm_buffer text = {0};
    put_markdown_head(&text, sweep);
    for (size_t i = 0; i < sweep->n_points; i++)
        put_markdown_row(&text, sweep, &sweep->points[i]);
    ifm_buffer_puts(
        &text,
        sweep->load
            ? "\nMedians and 95% quantiles from the moment requests were due, over "
              "n that were answered; req/s and tokens/s (output) of the steady "
              "stretch, or of the whole load where there is none.\n"
            : "\nMedians over n sequences of warm requests (of cold ones where "
              "there are no warm ones); tokens/s of all sequences of a request "
              "together.\n");
    return ifm_sweep_put_whole(&text, out, err);
}
