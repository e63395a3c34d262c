#include "cli/exports.h"

#include <string.h>

#include "base/error.h"
#include "cli/interrupt.h"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static ifm_status open_one(ifm_exports *self, const ifm_arguments *arguments,
                           const char *word, ifm_export_of of, ifm_error *err)
{
    const char *equals = strchr(word, '=');
    if (equals == NULL || equals == word || equals[1] == '\0')
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--export %s: expected FORMAT=FILE, as --export vllm=result.json",
                        word);
    if (self->n == IFM_EXPORTS_MAX)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--export: at most %d files",
                        IFM_EXPORTS_MAX);
    const ifm_export *format = ifm_export_find(word, (size_t)(equals - word), of, err);
    if (format == NULL)
        return IFM_ERR_ARGUMENT;
    if (format->no_batches && ifm_arguments_int(arguments, "batch-size") > 1)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--export %s has no place for a batch's sequences: leave "
                        "--batch-size out",
                        format->name);
    if (strcmp(equals + 1, "-") == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--export %s: standard output is the report's, name a file",
                        word);
    self->items[self->n].format = format;
    self->items[self->n].json_lines = ends_with(word, ".jsonl");
    ifm_status st = ifm_output_open(&self->items[self->n].file, equals + 1, err);
    if (st == IFM_OK && self->items[self->n].file.temporary != NULL)
        ifm_interrupt_remember_file(self->items[self->n].file.temporary);
    self->n += st == IFM_OK;
    return st;
}

ifm_status ifm_exports_open(ifm_exports *self, const ifm_arguments *arguments,
                            ifm_export_of of, ifm_error *err)
{
    size_t n;
    *self = (ifm_exports){0};
    const char *const *words = ifm_arguments_list(arguments, "export", &n);
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < n && st == IFM_OK; i++)
        st = open_one(self, arguments, words[i], of, err);
    if (st != IFM_OK)
        ifm_exports_abort(self);
    return st;
}

static ifm_status write_one(ifm_exports *self, size_t i, const ifm_export_source *source,
                            ifm_error *err)
{
    ifm_output *file = &self->items[i].file;
    ifm_export_source own = *source;
    own.json_lines = self->items[i].json_lines;
    ifm_status st = self->items[i].format->write(&own, file->stream, err);
    if (st == IFM_OK)
        return ifm_output_commit(file, err);
    ifm_fail_within(err, st, "%s", file->path);
    ifm_output_abort(file);
    return st;
}

static ifm_status write_all(ifm_exports *self, const ifm_export_source *source,
                            ifm_error *err)
{
    ifm_status first = IFM_OK;
    for (size_t i = 0; i < self->n; i++) {
        ifm_error own = {0};
        ifm_status st = write_one(self, i, source, &own);
        if (st != IFM_OK && first == IFM_OK) {
            first = st;
            if (err != NULL)
                *err = own;
        }
    }
    self->n = 0;
    return first;
}

ifm_status ifm_exports_write_run(ifm_exports *self, const ifm_run *runs, size_t n,
                                 ifm_error *err)
{
    return write_all(self, &(ifm_export_source){.runs = runs, .n_runs = n}, err);
}

ifm_status ifm_exports_write_load(ifm_exports *self, const ifm_load_run *load,
                                  const ifm_load_summary *summary, ifm_error *err)
{
    return write_all(self, &(ifm_export_source){.load = load, .summary = summary}, err);
}

void ifm_exports_abort(ifm_exports *self)
{
    for (size_t i = 0; i < self->n; i++)
        ifm_output_abort(&self->items[i].file);
    self->n = 0;
}
