#include "report/load_csv.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "base/error.h"
#include "load/value.h"

/* Fields are quoted as RFC 4180 says; an empty one where a thing does not exist. */
static void put_text(FILE *out, const char *text)
{
    fputc(',', out);
    if (text == NULL)
        return;
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static void put_int(FILE *out, int64_t value)
{
    fprintf(out, ",%" PRId64, value);
}

static void put_known(FILE *out, int64_t value)
{
    if (value < 0)
        fputc(',', out);
    else
        put_int(out, value);
}

static void put_value(FILE *out, double ns)
{
    if (isnan(ns))
        fputc(',', out);
    else
        put_int(out, llround(ns));
}

static void put_head(FILE *out)
{
    fputs(
        "id,request_id,start,ok,outcome,error_detail,status,attempts,finish_reason,"
        "prompt,"
        "session,turn,rank,input_tokens,output_tokens,token_source,cached_tokens,events,"
        "shared_events,body_bytes,due_at_ns,gate_ns,service_start_ns,dns_ns,connect_ns,"
        "tls_ns,sent_ns,headers_ns,first_event_ns,ttft_ns,ttfo_ns,text_ttft_ns,e2el_ns,"
        "generation_ns,tpot_ns,end_ns\r\n",
        out);
}

static void put_who(FILE *out, const ifm_record *r)
{
    const ifm_wire *w = r->wire;
    fprintf(out, "%d", r->id);
    put_text(out, w->request_id);
    fprintf(out, ",%s,%s,%s", ifm_start_name(r->start), r->ok ? "true" : "false",
            ifm_outcome_name(w->outcome));
    put_text(out, r->ok ? NULL : r->error);
    put_known(out, w->status > 0 ? w->status : -1);
    put_int(out, w->attempts);
    put_text(out, r->finish_reason);
    put_int(out, r->prompt);
    put_known(out, w->session);
    put_int(out, w->turn);
    put_int(out, w->rank);
}

static void put_counts(FILE *out, const ifm_record *r)
{
    const ifm_wire *w = r->wire;
    put_known(out, ifm_load_input_tokens(r));
    put_int(out, (int64_t)r->n_tokens);
    fprintf(out, ",%s", ifm_token_source_name(w->token_source));
    put_known(out, w->usage.cached_tokens);
    put_int(out, (int64_t)w->n_pieces);
    put_int(out, (int64_t)ifm_wire_shared_pieces(w));
    put_int(out, w->body_bytes);
}

static void put_times(FILE *out, const ifm_record *r)
{
    const ifm_wire *w = r->wire;
    double values[IFM_LOAD_METRIC_COUNT];
    ifm_load_values(r, false, values);
    put_int(out, w->due_at_ns);
    put_int(out, w->gate_ns);
    put_known(out, w->service_start_ns);
    put_known(out, w->dns_ns);
    put_known(out, w->connect_ns);
    put_known(out, w->tls_ns);
    put_known(out, r->sent_ns);
    put_known(out, w->headers_ns);
    put_known(out, w->first_event_ns);
    put_value(out, values[IFM_LOAD_TTFT]);
    put_value(out, values[IFM_LOAD_TTFO]);
    put_value(out, values[IFM_LOAD_TEXT_TTFT]);
    put_value(out, values[IFM_LOAD_E2EL]);
    put_value(out, values[IFM_LOAD_GENERATION]);
    put_value(out, values[IFM_LOAD_TPOT]);
    put_known(out, w->end_ns);
    fputs("\r\n", out);
}

ifm_status ifm_report_load_csv(const ifm_load_run *load, FILE *out, ifm_error *err)
{
    ifm_spool_reader *reader = NULL;
    const ifm_record *record;
    ifm_status st = ifm_spool_reader_new(load->spool, &reader, err);
    errno = 0;
    put_head(out);
    while (st == IFM_OK && !ferror(out)) {
        st = ifm_spool_next(reader, &record, err);
        if (st != IFM_OK || record == NULL)
            break;
        put_who(out, record);
        put_counts(out, record);
        put_times(out, record);
    }
    ifm_spool_reader_free(reader);
    if (st == IFM_OK && (fflush(out) != 0 || ferror(out)))
        st = ifm_fail_errno(err, errno != 0 ? errno : EIO, "cannot write the CSV");
    return st;
}
