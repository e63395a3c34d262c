/* A sweep as CSV, RFC 4180: a row for each point and kind of start, or a row a load. */
#include <math.h>
#include <string.h>

#include "report/sweep.h"

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

static void put_value(ifm_buffer *out, const ifm_sweep_point *point, ifm_sweep_axis axis)
{
    if (point->values[axis] != NULL && !ifm_sweep_axis_is_number(axis))
        put_field(out, point->values[axis]);
    else if (point->values[axis] != NULL)
        ifm_buffer_puts(out, point->values[axis]);
    ifm_buffer_puts(out, ",");
}

/* state, error, trustworthy. */
static void put_state(ifm_buffer *out, const ifm_sweep_point *point)
{
    static const char *const states[] = {"missing", "measured", "failed"};
    ifm_buffer_printf(out, "%s,", states[point->state]);
    if (point->error != NULL)
        put_field(out, point->error);
    ifm_buffer_printf(out, ",%s",
                      point->state != IFM_SWEEP_MEASURED ? ""
                      : point->trustworthy               ? "true"
                                                         : "false");
}

/* ---- runs -------------------------------------------------------------------------- */

static void put_run(ifm_buffer *out, const ifm_sweep_point *point, const char *start,
                    const ifm_sweep_figures *f)
{
    for (int a = 0; a <= IFM_SWEEP_BATCH; a++)
        put_value(out, point, (ifm_sweep_axis)a);
    put_state(out, point);
    ifm_buffer_printf(out, ",%s", start);
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

static void put_runs(ifm_buffer *out, const ifm_sweep *sweep)
{
    ifm_buffer_puts(out, "model,target,dtype,threads,input_len,batch_size,state,error,"
                         "trustworthy,start,ttft_ms,tpot_ms,e2el_ms,batch_tokens_per_s,"
                         "sequence_tokens_per_s,n_sequences,n_requests\r\n");
    for (size_t i = 0; i < sweep->n_points; i++) {
        const ifm_sweep_point *p = &sweep->points[i];
        if (p->state != IFM_SWEEP_MEASURED)
            put_run(out, p, "", NULL);
        else {
            if (p->cold.n_sequences > 0)
                put_run(out, p, "cold", &p->cold);
            if (p->warm.n_sequences > 0)
                put_run(out, p, "warm", &p->warm);
        }
    }
}

/* ---- loads ------------------------------------------------------------------------- */

static void put_load(ifm_buffer *out, const ifm_sweep_point *point)
{
    const ifm_sweep_load_figures *f = &point->under_load;
    put_value(out, point, IFM_SWEEP_MODEL);
    put_value(out, point, IFM_SWEEP_INPUT);
    put_value(out, point, IFM_SWEEP_CONCURRENCY);
    put_value(out, point, IFM_SWEEP_RATE);
    put_state(out, point);
    if (point->state != IFM_SWEEP_MEASURED) {
        ifm_buffer_puts(out, ",,,,,,,,,,,,,\r\n");
        return;
    }
    for (int q = 0; q < 2; q++)
        put_number(out, f->ttft_ms[q]);
    for (int q = 0; q < 2; q++)
        put_number(out, f->tpot_ms[q]);
    for (int q = 0; q < 2; q++)
        put_number(out, f->e2el_ms[q]);
    put_number(out, f->requests_per_s);
    put_number(out, f->good_requests_per_s);
    put_number(out, f->output_tokens_per_s);
    put_number(out, f->in_flight);
    ifm_buffer_printf(out, ",%s,%zu,%zu\r\n", f->steady ? "true" : "false", f->n_ok,
                      f->n_failed);
}

static void put_loads(ifm_buffer *out, const ifm_sweep *sweep)
{
    ifm_buffer_puts(out,
                    "model,input_len,concurrency,request_rate,state,error,trustworthy,"
                    "ttft_p50_ms,ttft_p95_ms,tpot_p50_ms,tpot_p95_ms,e2el_p50_ms,"
                    "e2el_p95_ms,requests_per_s,good_requests_per_s,output_tokens_per_s,"
                    "in_flight,steady,n_ok,n_failed\r\n");
    for (size_t i = 0; i < sweep->n_points; i++)
        put_load(out, &sweep->points[i]);
}

ifm_status ifm_sweep_csv(const ifm_sweep *sweep, FILE *out, ifm_error *err)
{
    ifm_buffer text = {0};
    if (sweep->load)
        put_loads(&text, sweep);
    else
        put_runs(&text, sweep);
    return ifm_sweep_put_whole(&text, out, err);
}
