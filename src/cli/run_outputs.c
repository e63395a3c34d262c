#include "cli/run_outputs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/interrupt.h"
#include "report/plots.h"
#include "report/report.h"
#include "result/json.h"

typedef ifm_status write_function(const ifm_run *runs, size_t n, FILE *out,
                                  ifm_error *err);

static const struct {
    const char *option;
    write_function *write;
} kinds[IFM_RUN_OUTPUT_KINDS] = {
    {"json", ifm_result_write_json},
    {"csv", ifm_report_csv},
    {"markdown", ifm_report_markdown},
};

ifm_status ifm_run_outputs_open_plots(const char *directory, ifm_error *err)
{
    ifm_status st = ifm_gnuplot_run("exit\n", 5, err);
    if (st == IFM_OK)
        st = ifm_directory_make(directory, err);
    if (st == IFM_OK && access(directory, W_OK | X_OK) != 0)
        st = ifm_fail_errno(err, errno, "%s: cannot write into it", directory);
    return st;
}

ifm_status ifm_run_outputs_open(ifm_run_outputs *self, const ifm_arguments *arguments,
                                ifm_error *err)
{
    *self = (ifm_run_outputs){.plots = ifm_arguments_string(arguments, "plots")};
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < IFM_RUN_OUTPUT_KINDS && st == IFM_OK; i++) {
        const char *path = ifm_arguments_string(arguments, kinds[i].option);
        self->wanted[i] = path != NULL;
        if (path == NULL)
            continue;
        if (strcmp(path, "-") != 0) {
            st = ifm_output_open(&self->files[i], path, err);
            if (st == IFM_OK && self->files[i].temporary != NULL)
                ifm_interrupt_remember_file(self->files[i].temporary);
        } else if (self->to_stdout) {
            st = ifm_fail(err, IFM_ERR_ARGUMENT,
                          "--%s -: standard output can take only one of the documents",
                          kinds[i].option);
        } else {
            self->to_stdout = true;
        }
    }
    if (st == IFM_OK)
        st = ifm_exports_open(&self->exports, arguments, IFM_EXPORT_RUN, err);
    if (st == IFM_OK && self->plots != NULL)
        st = ifm_run_outputs_open_plots(self->plots, err);
    if (st != IFM_OK)
        ifm_run_outputs_abort(self);
    return st;
}

static ifm_status write_one(ifm_output *file, write_function *write, const ifm_run *runs,
                            size_t n, ifm_error *err)
{
    if (file->stream == NULL)
        return write(runs, n, stdout, err);
    ifm_status st = write(runs, n, file->stream, err);
    if (st == IFM_OK)
        return ifm_output_commit(file, err);
    ifm_fail_within(err, st, "%s", file->path);
    ifm_output_abort(file);
    return st;
}

ifm_status ifm_run_outputs_write(ifm_run_outputs *self, const ifm_run *runs, size_t n,
                                 ifm_error *err)
{
    ifm_status first = IFM_OK;
    for (size_t i = 0; i < IFM_RUN_OUTPUT_KINDS; i++) {
        if (!self->wanted[i])
            continue;
        ifm_error own = {0};
        ifm_status st = write_one(&self->files[i], kinds[i].write, runs, n, &own);
        self->wanted[i] = false;
        if (st != IFM_OK && first == IFM_OK) {
            first = st;
            if (err != NULL)
                *err = own;
        }
    }
    ifm_error own = {0};
    ifm_status exported = ifm_exports_write_run(&self->exports, runs, n, &own);
    if (exported != IFM_OK && first == IFM_OK) {
        first = exported;
        if (err != NULL)
            *err = own;
    }
    ifm_interrupt_remember_file(NULL);
    if (self->plots != NULL && first == IFM_OK)
        first = ifm_report_plots(runs, n, self->plots, err);
    return first;
}

void ifm_run_outputs_abort(ifm_run_outputs *self)
{
    ifm_interrupt_remember_file(NULL);
    for (size_t i = 0; i < IFM_RUN_OUTPUT_KINDS; i++)
        ifm_output_abort(&self->files[i]);
    ifm_exports_abort(&self->exports);
}
