/* The files that a sweep writes: --json, --csv, --markdown, --plots. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/sweep.h"
#include "cli/wire_setup.h"
#include "inferometer/inferometer.h"
#include "report/plots.h"
#include "result/json.h"

static const char *const kinds[IFM_SWEEP_OUTPUT_KINDS] = {"json", "csv", "markdown"};

ifm_status ifm_sweep_outputs_open(ifm_sweep_outputs *self, const ifm_arguments *arguments,
                                  ifm_error *err)
{
    *self = (ifm_sweep_outputs){0};
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < IFM_SWEEP_OUTPUT_KINDS && st == IFM_OK; i++) {
        const char *path = ifm_arguments_string(arguments, kinds[i]);
        if (path == NULL)
            continue;
        if (strcmp(path, "-") != 0) {
            st = ifm_output_open(&self->files[i], path, err);
            if (st == IFM_OK && self->files[i].temporary != NULL)
                ifm_interrupt_remember_file(self->files[i].temporary);
        } else if (self->to_stdout) {
            st = ifm_fail(err, IFM_ERR_ARGUMENT,
                          "--%s -: standard output can take only one of the documents",
                          kinds[i]);
        } else {
            self->to_stdout = true;
        }
    }
    /* A missing gnuplot is to be known now, not after hours. */
    if (st == IFM_OK && ifm_arguments_given(arguments, "plots"))
        st = ifm_gnuplot_run("exit\n", 5, err);
    if (st != IFM_OK)
        ifm_sweep_outputs_abort(self);
    return st;
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* What a load came to: of its steady stretch, if it had one. */
static json_t *rates_json(const ifm_sweep_load_figures *f)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "steady", f->steady, "requests_per_s",
                     number(f->requests_per_s), "good_requests_per_s",
                     number(f->good_requests_per_s), "output_tokens_per_s",
                     number(f->output_tokens_per_s), "concurrency", number(f->in_flight));
}

/* One point: its setting, what became of it, and the summary of its document. */
static json_t *point_json(ifm_sweep_point *point, bool load, const char *directory)
{
    static const char *const states[] = {"missing", "measured", "failed"};
    json_t *summary = NULL;
    char *path = NULL;
    if (point->state == IFM_SWEEP_MEASURED) {
        path = ifm_sweep_document_path(directory, point, false);
        if (path != NULL)
            ifm_sweep_document_read(path, point, &summary);
    }
    json_t *out = json_pack(
        "{s:o, s:s, s:s?, s:o, s:s?, s:o}", "setting", ifm_sweep_setting_json(point),
        "state", states[point->state], "error", point->error, "trustworthy",
        summary != NULL ? json_boolean(point->trustworthy) : json_null(), "document",
        summary != NULL ? path : NULL, "summary",
        summary != NULL ? summary : json_null());
    free(path);
    if (load && summary != NULL)
        json_object_set_new(out, "rates", rates_json(&point->under_load));
    return out;
}

/* A word of the command line without keys. */
static json_t *tame(char *const *words, size_t i)
{
    char *word = ifm_wire_tame_word(words, i);
    json_t *text = json_string(word != NULL ? word : "");
    free(word);
    return text;
}

static ifm_status write_json(const ifm_sweep *sweep, const ifm_arguments *arguments,
                             FILE *out, ifm_error *err)
{
    const char *directory = ifm_arguments_string(arguments, "out");
    json_t *command = json_array(), *points = json_array();
    for (int i = 0; i < arguments->argc; i++)
        json_array_append_new(command, tame(arguments->argv, (size_t)i));
    for (size_t i = 0; i < sweep->n_points; i++)
        json_array_append_new(points,
                              point_json(&sweep->points[i], sweep->load, directory));
    json_t *document =
        json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:o, s:o}", "schema",
                  "inferometer.sweep/1", "tool", "name", "inferometer", "version",
                  IFM_VERSION, "commit", ifm_result_commit(), "command", command,
                  "settings", ifm_sweep_axes_json(sweep), "points", points);
    if (document == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory");
    errno = 0;
    const bool ok = json_dumpf(document, out, JSON_INDENT(2)) == 0 &&
                    fputc('\n', out) != EOF && fflush(out) == 0;
    json_decref(document);
    return ok ? IFM_OK
              : ifm_fail_errno(err, errno != 0 ? errno : EIO, "cannot write the JSON");
}

static ifm_status write_kind(size_t kind, const ifm_sweep *sweep,
                             const ifm_arguments *arguments, FILE *out, ifm_error *err)
{
    return kind == 0   ? write_json(sweep, arguments, out, err)
           : kind == 1 ? ifm_sweep_csv(sweep, out, err)
                       : ifm_sweep_markdown(sweep, out, err);
}

static ifm_status draw(const ifm_sweep *sweep, const ifm_arguments *arguments,
                       ifm_error *err)
{
    char small_print[256] = "";
    for (size_t i = 0; i < sweep->n_points && small_print[0] == '\0'; i++) {
        char *path = NULL;
        if (sweep->points[i].state == IFM_SWEEP_MEASURED)
            path = ifm_sweep_document_path(ifm_arguments_string(arguments, "out"),
                                           &sweep->points[i], false);
        if (path != NULL)
            ifm_sweep_document_describe(path, sweep->n_values[IFM_SWEEP_MODEL] <= 1,
                                        small_print, sizeof small_print);
        free(path);
    }
    return ifm_sweep_plots(sweep, small_print, ifm_arguments_string(arguments, "plots"),
                           err);
}

ifm_status ifm_sweep_outputs_write(ifm_sweep_outputs *self, const ifm_sweep *sweep,
                                   const ifm_arguments *arguments, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < IFM_SWEEP_OUTPUT_KINDS && st == IFM_OK; i++) {
        ifm_output *file = &self->files[i];
        if (ifm_arguments_string(arguments, kinds[i]) == NULL)
            continue;
        FILE *out = file->stream != NULL ? file->stream : stdout;
        st = write_kind(i, sweep, arguments, out, err);
        if (st == IFM_OK && file->stream != NULL)
            st = ifm_output_commit(file, err);
        else if (st != IFM_OK && file->stream != NULL)
            ifm_fail_within(err, st, "%s", file->path);
    }
    if (st == IFM_OK && ifm_arguments_given(arguments, "plots"))
        st = draw(sweep, arguments, err);
    ifm_sweep_outputs_abort(self);
    return st;
}

void ifm_sweep_outputs_abort(ifm_sweep_outputs *self)
{
    ifm_interrupt_remember_file(NULL);
    for (size_t i = 0; i < IFM_SWEEP_OUTPUT_KINDS; i++)
        ifm_output_abort(&self->files[i]);
}
