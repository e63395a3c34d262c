/* A sweep as a table: a row a point, the same rows for people, Markdown and programs. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "report/sweep.h"
#include "report/text.h"

enum { FIGURES = 6 };

static const char *const figure_titles[FIGURES] = {
    "TTFT ms", "TPOT ms", "E2EL ms", "tokens/s", "per sequence", "n",
};

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

static void make_figures(const ifm_sweep_figures *f, bool unicode, ifm_word out[FIGURES])
{
    out[0] = milliseconds(f->ttft_ms, unicode);
    out[1] = milliseconds(f->tpot_ms, unicode);
    out[2] = milliseconds(f->e2el_ms, unicode);
    out[3] = ifm_word_rate(f->batch_tokens_per_s, unicode);
    out[4] = ifm_word_rate(f->sequence_tokens_per_s, unicode);
    out[5] = count(f->n_sequences);
}

/* What stands instead of figures. */
static const char *remark(const ifm_sweep_point *point)
{
    if (point->state == IFM_SWEEP_FAILED)
        return point->error != NULL ? point->error : "no memory";
    return "not measured yet";
}

static ifm_status put_whole(ifm_buffer *text, FILE *out, ifm_error *err)
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

/* Texts to the left, numbers to the right. */
static bool is_number(ifm_sweep_axis axis)
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
        put_padded(out, ifm_buffer_text(&clean), width_of(sweep, axis), is_number(axis));
        ifm_buffer_deinit(&clean);
    }
}

static size_t figure_width(size_t i)
{
    const size_t own = strlen(figure_titles[i]);
    return own > 8 ? own : i == FIGURES - 1 ? 5 : 8;
}

static void put_row(ifm_buffer *out, const ifm_sweep *sweep, const ifm_sweep_point *point,
                    bool unicode)
{
    put_setting(out, sweep, point, unicode);
    const ifm_sweep_figures *figures = ifm_sweep_figures_of(point);
    ifm_word words[FIGURES];
    if (figures == NULL) {
        const char *why = remark(point);
        ifm_buffer_puts(out, point->state == IFM_SWEEP_FAILED ? "  failed: " : "  ");
        ifm_text_one_line(out, why, strlen(why), 300, unicode);
    } else {
        make_figures(figures, unicode, words);
        for (size_t i = 0; i < FIGURES; i++) {
            ifm_buffer_puts(out, "  ");
            put_padded(out, words[i].text, figure_width(i), true);
        }
        ifm_buffer_puts(out, point->trustworthy ? "" : "  not trustworthy");
    }
    ifm_buffer_puts(out, "\n");
}

ifm_status ifm_sweep_print(const ifm_sweep *sweep, bool unicode, FILE *out,
                           ifm_error *err)
{
    ifm_buffer text = {0};
    put_setting(&text, sweep, NULL, unicode);
    for (size_t i = 0; i < FIGURES; i++) {
        ifm_buffer_puts(&text, "  ");
        put_padded(&text, figure_titles[i], figure_width(i), true);
    }
    ifm_buffer_puts(&text, "\n");
    for (size_t i = 0; i < sweep->n_points; i++)
        put_row(&text, sweep, &sweep->points[i], unicode);
    ifm_buffer_puts(&text,
                    "\n  Medians of warm requests (of cold ones where there are no "
                    "warm ones) over n sequences;\n  tokens/s: all sequences of a "
                    "request together, a median over requests.\n");
    return put_whole(&text, out, err);
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
            ifm_buffer_puts(&rule, is_number((ifm_sweep_axis)a) ? " ---: |" : " --- |");
        }
    for (size_t i = 0; i < FIGURES; i++) {
        put_cell(out, figure_titles[i]);
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
    const ifm_sweep_figures *figures = ifm_sweep_figures_of(point);
    ifm_word words[FIGURES] = {{{0}}};
    if (figures != NULL)
        make_figures(figures, true, words);
    for (size_t i = 0; i < FIGURES; i++)
        put_cell(out, words[i].text);
    put_cell(out, figures == NULL      ? remark(point)
                  : point->trustworthy ? ""
                                       : "not trustworthy");
    ifm_buffer_puts(out, "\n");
}

ifm_status ifm_sweep_markdown(const ifm_sweep *sweep, FILE *out, ifm_error *err)
{
    ifm_buffer text = {0};
    put_markdown_head(&text, sweep);
    for (size_t i = 0; i < sweep->n_points; i++)
        put_markdown_row(&text, sweep, &sweep->points[i]);
    ifm_buffer_puts(&text,
                    "\nMedians over n sequences of warm requests (of cold ones where "
                    "there are no warm ones); tokens/s of all sequences of a "
                    "request together.\n");
    return put_whole(&text, out, err);
}

/* ---- CSV -------------------------------------------------------------------------- */

static void put_field(ifm_buffer *out, const char *text)
{
    ifm_buffer_puts(out, "\"");
    for (; *text != '\0'; text++)
        ifm_buffer_printf(out, "%s%c", *text == '"' ? "\"" : "", *text);
    ifm_buffer_puts(out, "\"");
}

static void put_number(ifm_buffer *out, double x)
{
    ifm_buffer_puts(out, ",");
    if (!isnan(x))
        ifm_buffer_printf(out, "%.9g", x);
}

static void put_csv_row(ifm_buffer *out, const ifm_sweep_point *point, const char *start,
                        const ifm_sweep_figures *f)
{
    static const char *const states[] = {"missing", "measured", "failed"};
    for (int a = 0; a < IFM_SWEEP_AXES; a++) {
        if (point->values[a] != NULL && !is_number((ifm_sweep_axis)a))
            put_field(out, point->values[a]);
        else if (point->values[a] != NULL)
            ifm_buffer_puts(out, point->values[a]);
        ifm_buffer_puts(out, ",");
    }
    ifm_buffer_printf(out, "%s,", states[point->state]);
    if (point->error != NULL)
        put_field(out, point->error);
    ifm_buffer_printf(out, ",%s,%s",
                      point->state != IFM_SWEEP_MEASURED ? ""
                      : point->trustworthy               ? "true"
                                                         : "false",
                      start);
    if (f == NULL) {
        ifm_buffer_puts(out, ",,,,,,,\r\n");
        return;
    }
    put_number(out, f->ttft_ms);
    put_number(out, f->tpot_ms);
    put_number(out, f->e2el_ms);
    put_number(out, f->batch_tokens_per_s);
    put_number(out, f->sequence_tokens_per_s);
    ifm_buffer_printf(out, ",%zu,%zu\r\n", f->n_sequences, f->n_requests);
}

ifm_status ifm_sweep_csv(const ifm_sweep *sweep, FILE *out, ifm_error *err)
{
    ifm_buffer text = {0};
    ifm_buffer_puts(&text, "model,target,dtype,threads,input_len,batch_size,state,error,"
                           "trustworthy,start,ttft_ms,tpot_ms,e2el_ms,batch_tokens_per_s,"
                           "sequence_tokens_per_s,n_sequences,n_requests\r\n");
    for (size_t i = 0; i < sweep->n_points; i++) {
        const ifm_sweep_point *p = &sweep->points[i];
        if (p->state != IFM_SWEEP_MEASURED)
            put_csv_row(&text, p, "", NULL);
        else {
            if (p->cold.n_sequences > 0)
                put_csv_row(&text, p, "cold", &p->cold);
            if (p->warm.n_sequences > 0)
                put_csv_row(&text, p, "warm", &p->warm);
        }
    }
    return put_whole(&text, out, err);
}
