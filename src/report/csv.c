/* One row a request; docs/csv.md lists the columns. Fields are quoted as RFC 4180 says. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "report/report.h"

static void put_text(FILE *out, const char *text)
{
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

/* An empty field where a thing does not exist. */
static void put_time(FILE *out, bool exists, int64_t ns)
{
    fputc(',', out);
    if (exists)
        fprintf(out, "%" PRId64, ns);
}

static void put_head(FILE *out)
{
    fputs("id,start,sequence,ok,error,finish_reason,input_tokens,output_tokens,ttft_ns,"
          "text_ttft_ns,e2el_ns,generation_ns,tpot_ns",
          out);
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        fprintf(out, ",%s_ns", ifm_phase_name((ifm_phase)p));
    fputs(",resident_frac_before,peak_rss_bytes,target\r\n", out);
}

static void put_request(FILE *out, const ifm_record *r, const char *target)
{
    ifm_trace trace = ifm_record_trace(r);
    ifm_metrics m = ifm_metrics_of(&trace);
    fprintf(out, "%d,%s,%d,%s,", r->id, ifm_start_name(r->start), r->sequence,
            r->ok ? "true" : "false");
    put_text(out, r->error);
    fputc(',', out);
    put_text(out, r->finish_reason);
    fprintf(out, ",%zu,%zu", r->n_input, r->n_tokens);
    put_time(out, m.has_ttft, m.ttft_ns);
    put_time(out, m.has_text_ttft, m.text_ttft_ns);
    put_time(out, m.has_ttft, m.e2el_ns);
    put_time(out, m.has_ttft, m.generation_ns);
    put_time(out, m.has_tpot, m.has_tpot ? llround(m.tpot_ns) : 0);
    const bool seen =
        m.has_ttft && r->wire == NULL; /* behind a network nobody sees them */
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        put_time(out, seen, r->phases_ns[p]);
    fputc(',', out);
    if (r->resident_frac_before >= 0)
        fprintf(out, "%.6f", r->resident_frac_before);
    put_time(out, r->peak_rss_bytes >= 0, r->peak_rss_bytes);
    fputc(',', out);
    put_text(out, target);
    fputs("\r\n", out);
}

ifm_status ifm_report_csv(const ifm_run *runs, size_t n, FILE *out, ifm_error *err)
{
    errno = 0;
    put_head(out);
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < runs[k].n_records; i++)
            put_request(out, &runs[k].records[i], runs[k].target.kind);
    if (fflush(out) != 0 || ferror(out))
        return ifm_fail_errno(err, errno != 0 ? errno : EIO, "cannot write the CSV");
    return IFM_OK;
}
