/*
 * A sweep: the same measurement at every combination of some settings. What its table and
 * its pictures are made of.
 */
#ifndef IFM_REPORT_SWEEP_H
#define IFM_REPORT_SWEEP_H

#include <stdio.h>

#include "base/buffer.h"
#include "measure/record.h"

/* What can be swept over, in the order of the points: the last one changes fastest.
 * X(NAME, option of run, name for people) */
#define IFM_SWEEP_AXIS_LIST(X)                                                           \
    X(MODEL, "model", "model")                                                           \
    X(TARGET, "target", "target")                                                        \
    X(DTYPE, "dtype", "dtype")                                                           \
    X(THREADS, "threads", "threads")                                                     \
    X(INPUT, "input-len", "input")                                                       \
    X(BATCH, "batch-size", "batch")                                                      \
    X(CONCURRENCY, "concurrency", "concurrency") /* the last two of a load alone */      \
    X(RATE, "request-rate", "rate")

typedef enum ifm_sweep_axis {
#define X(NAME, option, title) IFM_SWEEP_##NAME,
    IFM_SWEEP_AXIS_LIST(X)
#undef X
        IFM_SWEEP_AXES
} ifm_sweep_axis;

const char *ifm_sweep_axis_option(ifm_sweep_axis axis);
const char *ifm_sweep_axis_title(ifm_sweep_axis axis);
bool ifm_sweep_axis_is_number(ifm_sweep_axis axis);

/* Medians of one kind of start; NaN: there is none. */
typedef struct ifm_sweep_figures {
    double ttft_ms, tpot_ms, e2el_ms;
    double batch_tokens_per_s;    /* all sequences of a request together */
    double sequence_tokens_per_s; /* of one sequence: output tokens ÷ E2EL */
    size_t n_sequences;           /* that the times are medians of */
    size_t n_requests;            /* that the batch's rate is a median of */
} ifm_sweep_figures;

/* Of a load (`inferometer load`): quantiles in ms and rates, steady ones where the load had
 * a steady stretch; NaN: there is none. */
typedef struct ifm_sweep_load_figures {
    double ttft_ms[2], tpot_ms[2], e2el_ms[2]; /* p50, p95 */
    double output_tokens_per_s;                /* NaN: nobody counted tokens */
    double requests_per_s, good_requests_per_s, in_flight;
    size_t n_ok, n_failed;
    bool steady;
} ifm_sweep_load_figures;

typedef enum ifm_sweep_state {
    IFM_SWEEP_MISSING,
    IFM_SWEEP_MEASURED,
    IFM_SWEEP_FAILED,
} ifm_sweep_state;

typedef struct ifm_sweep_point {
    const char *values[IFM_SWEEP_AXES]; /* borrowed; NULL: what `run` takes by itself */
    char *name;                         /* heap: of its document, without ending */
    ifm_sweep_state state;
    char *error; /* heap: of one that failed */
    bool usage;  /* it failed because `run` cannot be asked so */
    bool trustworthy;
    ifm_sweep_figures warm, cold;
    ifm_sweep_load_figures under_load;
} ifm_sweep_point;

typedef struct ifm_sweep {
    bool load;                     /* points are loads of a server, not runs of a model */
    char **values[IFM_SWEEP_AXES]; /* heap: what each axis has */
    size_t n_values[IFM_SWEEP_AXES];
    ifm_sweep_point *points; /* heap */
    size_t n_points;
} ifm_sweep;

/* The figures that stand in the table: of warm requests, or of cold ones when the sweep has
 * no warm ones. NULL for a point that was not measured. */
const ifm_sweep_figures *ifm_sweep_figures_of(const ifm_sweep_point *point);

/* "batch 4, input 32, threads 2": what was swept over, and `skip` not; text[size]. */
void ifm_sweep_describe(const ifm_sweep *sweep, const ifm_sweep_point *point,
                        ifm_sweep_axis skip, char *text, size_t size);

/* The axis along which a curve of the pictures runs: batch sizes if there are several, else
 * threads, else input lengths; of loads the rate or the concurrency. */
ifm_sweep_axis ifm_sweep_curve_axis(const ifm_sweep *sweep);

/* The table: for a terminal, as Markdown, and all figures as CSV (docs/sweep.md). Errors:
 * NO_MEMORY, IO. */
ifm_status ifm_sweep_print(const ifm_sweep *sweep, bool unicode, FILE *out,
                           ifm_error *err);
ifm_status ifm_sweep_markdown(const ifm_sweep *sweep, FILE *out, ifm_error *err);
ifm_status ifm_sweep_csv(const ifm_sweep *sweep, FILE *out, ifm_error *err);

/* Writes a text whole or fails; it is released. For this room. */
ifm_status ifm_sweep_put_whole(ifm_buffer *text, FILE *out, ifm_error *err);

/* throughput_tpot and throughput_e2el (of loads throughput_ttft, too), each as .png and .svg in `directory`: tokens per
 * second of all sequences against a latency, one curve a setting (of loads p50 and p95 of the
 * latency against output tokens or requests per second). A picture for which there
 * is no data is left out. Errors: as of ifm_report_plots. */
ifm_status ifm_sweep_plots(const ifm_sweep *sweep, const char *small_print,
                           const char *directory, ifm_error *err);

#endif
