/*
 * What `sweep` is made of: its points (sweep_points.c), the directory that keeps a document
 * a point, so that an interrupted sweep goes on (sweep_store.c), and `run` or `load` as a child
 * process, which measures one (sweep_child.c).
 */
#ifndef IFM_CLI_SWEEP_H
#define IFM_CLI_SWEEP_H

#include <jansson.h>

#include "cli/command.h"
#include "os/file.h"
#include "report/sweep.h"

/* Words of a command line; heap. */
typedef struct ifm_words {
    char **items;
    size_t n;
    bool failed; /* no memory */
} ifm_words;

void ifm_words_add(ifm_words *self, const char *format, ...) IFM_PRINTF(2, 3);
void ifm_words_deinit(ifm_words *self);

/* Reads what is swept over and makes every combination a point. The caller releases with
 * ifm_sweep_deinit, also after an error. Errors: ARGUMENT, NO_MEMORY. */
ifm_status ifm_sweep_init(ifm_sweep *self, const ifm_arguments *arguments,
                          ifm_error *err);
void ifm_sweep_deinit(ifm_sweep *self);

/* Appends the options that all points share, as `run` (or `load`) takes them; and those of
 * one point. */
void ifm_sweep_common_words(const ifm_arguments *arguments, ifm_words *out);
void ifm_sweep_point_words(const ifm_arguments *arguments, const ifm_sweep_point *point,
                           ifm_words *out);

/* Makes the directory a sweep's, or sees that it is this sweep's already: the same options,
 * measured by the same build. Errors: ARGUMENT (another sweep's), FORMAT, IO, NO_MEMORY. */
ifm_status ifm_sweep_store_open(const char *directory, const ifm_sweep *sweep,
                                const ifm_arguments *arguments, ifm_error *err);
/* "DIR/NAME.json", and "DIR/NAME.running.json" while it is not known to be whole; heap. */
char *ifm_sweep_document_path(const char *directory, const ifm_sweep_point *point,
                              bool running);
/* Reads a document and fills the point's figures; *summary (if not NULL) gets a reference to
 * its summary. The point is MEASURED, or FAILED with what is wrong with the document. */
void ifm_sweep_document_read(const char *path, ifm_sweep_point *point, json_t **summary);
/* Model and host of a document in one line; "" if it does not say. */
void ifm_sweep_document_describe(const char *path, bool one_model, char *text,
                                 size_t size);
void ifm_sweep_point_fail(ifm_sweep_point *point, const char *text);

/* Measures one point by `inferometer run`, or `load`: its document is in the directory afterwards, or
 * the point is FAILED. Errors: CANCELLED (Ctrl-C; the child is gone), IO, NO_MEMORY. */
ifm_status ifm_sweep_child_run(const char *directory, const ifm_sweep *sweep,
                               const ifm_arguments *arguments, ifm_sweep_point *point,
                               ifm_error *err);

/* The files that the options name: opened before, written after. As run_outputs.h. */
enum { IFM_SWEEP_OUTPUT_KINDS = 3 };

typedef struct ifm_sweep_outputs {
    ifm_output files[IFM_SWEEP_OUTPUT_KINDS];
    bool to_stdout;
} ifm_sweep_outputs;

ifm_status ifm_sweep_outputs_open(ifm_sweep_outputs *self, const ifm_arguments *arguments,
                                  ifm_error *err);
ifm_status ifm_sweep_outputs_write(ifm_sweep_outputs *self, const ifm_sweep *sweep,
                                   const ifm_arguments *arguments, ifm_error *err);
void ifm_sweep_outputs_abort(ifm_sweep_outputs *self);

/* What was swept over, as JSON: {"batch_size": [1, 2]}; and one point's setting,
 * {"batch_size": 2}. NULL: no memory. */
json_t *ifm_sweep_axes_json(const ifm_sweep *sweep);
json_t *ifm_sweep_setting_json(const ifm_sweep_point *point);

#endif
