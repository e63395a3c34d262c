#include "cli/load_outputs.h"

#include <string.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/run_outputs.h"
#include "report/load_csv.h"
#include "report/load_report.h"
#include "result/load_json.h"

typedef ifm_status write_function(const ifm_load_run *load,
                                  const ifm_load_summary *summary, FILE *out,
                                  ifm_error *err);

static ifm_status write_csv(const ifm_load_run *load, const ifm_load_summary *summary,
                            FILE *out, ifm_error *err)
{
    (void)summary;
    return ifm_report_load_csv(load, out, err);
}

static const struct {
    const char *option;
    write_function *write;
} kinds[IFM_LOAD_OUTPUT_KINDS] = {
    {"json", ifm_result_write_load_json},
    {"csv", write_csv},
    {"markdown", ifm_report_load_markdown},
};

static ifm_status open_one(ifm_load_outputs *self, size_t kind, const char *path,
                           ifm_error *err)
{
    self->wanted[kind] = path != NULL;
    if (path == NULL)
        return IFM_OK;
    if (strcmp(path, "-") == 0) {
        if (self->to_stdout)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--%s -: standard output can take only one of the documents",
                            kinds[kind].option);
        self->to_stdout = true;
        return IFM_OK;
    }
    const ifm_status st = ifm_output_open(&self->files[kind], path, err);
    if (st == IFM_OK && self->files[kind].temporary != NULL)
        ifm_interrupt_remember_file(self->files[kind].temporary);
    return st;
}

ifm_status ifm_load_outputs_open(ifm_load_outputs *self, const ifm_arguments *arguments,
                                 ifm_error *err)
{
    *self = (ifm_load_outputs){.plots = ifm_arguments_string(arguments, "plots")};
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < IFM_LOAD_OUTPUT_KINDS && st == IFM_OK; i++)
        st = open_one(self, i, ifm_arguments_string(arguments, kinds[i].option), err);
    if (st == IFM_OK)
        st = ifm_exports_open(&self->exports, arguments, IFM_EXPORT_LOAD, err);
    if (st == IFM_OK && self->plots != NULL)
        st = ifm_run_outputs_open_plots(self->plots, err);
    if (st != IFM_OK)
        ifm_load_outputs_abort(self);
    return st;
}

static ifm_status write_one(ifm_output *file, write_function *write,
                            const ifm_load_run *load, const ifm_load_summary *summary,
                            ifm_error *err)
{
    if (file->stream == NULL)
        return write(load, summary, stdout, err);
    const ifm_status st = write(load, summary, file->stream, err);
    if (st == IFM_OK)
        return ifm_output_commit(file, err);
    ifm_fail_within(err, st, "%s", file->path);
    ifm_output_abort(file);
    return st;
}

static void note(ifm_status st, const ifm_error *own, ifm_status *first, ifm_error *err)
{
    if (st == IFM_OK || *first != IFM_OK)
        return;
    *first = st;
    if (err != NULL)
        *err = *own;
}

ifm_status ifm_load_outputs_write(ifm_load_outputs *self, const ifm_load_run *load,
                                  const ifm_load_summary *summary, ifm_error *err)
{
    ifm_status first = IFM_OK;
    ifm_error own = {0};
    for (size_t i = 0; i < IFM_LOAD_OUTPUT_KINDS; i++) {
        if (!self->wanted[i])
            continue;
        note(write_one(&self->files[i], kinds[i].write, load, summary, &own), &own,
             &first, err);
        self->wanted[i] = false;
    }
    note(ifm_exports_write_load(&self->exports, load, summary, &own), &own, &first, err);
    ifm_interrupt_remember_file(NULL);
    if (self->plots != NULL)
        note(ifm_report_load_plots(load, summary, self->plots, &own), &own, &first, err);
    return first;
}

void ifm_load_outputs_abort(ifm_load_outputs *self)
{
    ifm_interrupt_remember_file(NULL);
    for (size_t i = 0; i < IFM_LOAD_OUTPUT_KINDS; i++)
        ifm_output_abort(&self->files[i]);
    ifm_exports_abort(&self->exports);
}
