/*
 * AIPerf's profile_export.jsonl: a line for each request, {metadata, metrics, error}.
 *
 * Its conventions: times are those of the wall clock in nanoseconds (ours: the load's beginning,
 * known to the millisecond, plus monotonic time); a request starts when it is sent off, so
 * the client takes it up; latencies are in milliseconds; inter_token_latency is our TPOT,
 * inter_chunk_latency the gaps between pieces.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load/value.h"
#include "result/export.h"
#include "result/writer.h"

static void put_metric(ifm_writer *w, const char *tag, double value, const char *unit)
{
    if (isnan(value))
        return;
    ifm_writer_key(w, tag);
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    ifm_writer_key(w, "value");
    if (value == floor(value) && strcmp(unit, "tokens") == 0)
        ifm_writer_int(w, (int64_t)value);
    else
        ifm_writer_real(w, value);
    ifm_writer_key(w, "unit");
    ifm_writer_text(w, unit);
    ifm_writer_close(w);
}

static void put_ms(ifm_writer *w, const char *tag, double ns)
{
    put_metric(w, tag, ns / 1e6, "ms");
}

static void put_chunks(ifm_writer *w, const ifm_record *r)
{
    const size_t n = ifm_load_gaps(r);
    if (n == 0)
        return;
    ifm_writer_key(w, "inter_chunk_latency");
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    ifm_writer_key(w, "value");
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < n; i++)
        ifm_writer_real(w, ifm_load_gap(r, i) / 1e6);
    ifm_writer_close(w);
    ifm_writer_key(w, "unit");
    ifm_writer_text(w, "ms");
    ifm_writer_close(w);
}

static void put_metrics(ifm_writer *w, const ifm_record *r)
{
    double values[IFM_LOAD_METRIC_COUNT];
    const int64_t reasoning = r->wire->usage.reasoning_tokens;
    const int64_t input = ifm_load_input_tokens(r);
    ifm_load_values(r, false, values);
    ifm_writer_key(w, "metrics");
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    if (r->ok) {
        const double start = fmax(0, (double)r->wire->service_start_ns);
        const double tpot = values[IFM_LOAD_TPOT];
        put_ms(w, "time_to_first_token", values[IFM_LOAD_SERVICE_TTFT]);
        put_ms(w, "time_to_first_output_token", values[IFM_LOAD_TTFO] - start);
        if (ifm_load_gaps(r) > 0)
            put_ms(w, "time_to_second_token", ifm_load_gap(r, 0));
        put_ms(w, "request_latency", values[IFM_LOAD_SERVICE_E2EL]);
        put_ms(w, "inter_token_latency", tpot);
        put_metric(w, "output_token_throughput_per_user", tpot > 0 ? 1e9 / tpot : NAN,
                   "tokens/sec/user");
        put_chunks(w, r);
        put_metric(w, "input_sequence_length", input >= 0 ? (double)input : NAN,
                   "tokens");
        put_metric(w, "output_sequence_length", (double)r->n_tokens, "tokens");
        put_metric(w, "output_token_count",
                   (double)r->n_tokens - (reasoning > 0 ? (double)reasoning : 0),
                   "tokens");
        put_metric(w, "reasoning_token_count", reasoning >= 0 ? (double)reasoning : NAN,
                   "tokens");
    }
    ifm_writer_close(w);
}

static void put_int(ifm_writer *w, const char *key, int64_t value)
{
    ifm_writer_key(w, key);
    ifm_writer_int(w, value);
}

static void put_text(ifm_writer *w, const char *key, const char *text)
{
    ifm_writer_key(w, key);
    ifm_writer_text(w, text);
}

/* A conversation of one turn is a request by itself. */
static void put_metadata(ifm_writer *w, const ifm_record *r, int64_t began_ns)
{
    const ifm_wire *wire = r->wire;
    const int64_t due = began_ns + wire->due_at_ns;
    const int64_t start = wire->service_start_ns >= 0 ? wire->service_start_ns : 0;
    const bool cancelled = wire->outcome == IFM_OUTCOME_CANCELLED;
    char name[32];
    ifm_writer_key(w, "metadata");
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    put_int(w, "session_num", wire->session >= 0 ? wire->session : r->id);
    put_text(w, "x_request_id", wire->request_id);
    snprintf(name, sizeof name, "session-%d", wire->session);
    put_text(w, "x_correlation_id", wire->session >= 0 ? name : wire->request_id);
    put_text(w, "conversation_id", wire->session >= 0 ? name : NULL);
    put_int(w, "turn_index", wire->turn);
    put_int(w, "credit_issued_ns", due);
    put_int(w, "request_start_ns", due + start);
    ifm_writer_key(w, "request_ack_ns");
    ifm_writer_known(w, wire->headers_ns >= 0 ? due + wire->headers_ns : -1);
    put_int(w, "request_end_ns", due + (wire->end_ns > start ? wire->end_ns : start));
    snprintf(name, sizeof name, "rank-%d", wire->rank);
    put_text(w, "worker_id", name);
    put_text(w, "record_processor_id", name);
    put_text(w, "benchmark_phase", r->start == IFM_START_WARMUP ? "warmup" : "profiling");
    ifm_writer_key(w, "was_cancelled");
    ifm_writer_bool(w, cancelled);
    ifm_writer_key(w, "cancellation_time_ns");
    ifm_writer_known(w, cancelled ? due + wire->end_ns : -1);
    ifm_writer_close(w);
}

static void put_error(ifm_writer *w, const ifm_record *r)
{
    ifm_writer_key(w, "error");
    if (r->ok) {
        ifm_writer_null(w);
        return;
    }
    ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
    ifm_writer_key(w, "code");
    ifm_writer_known(w, r->wire->status > 0 ? r->wire->status : -1);
    put_text(w, "type", ifm_outcome_name(r->wire->outcome));
    put_text(w, "message",
             r->error != NULL ? r->error : ifm_outcome_meaning(r->wire->outcome));
    ifm_writer_close(w);
}

/* "2026-01-31T12:00:00.123Z" in nanoseconds since 1970; 0: it is no such text. */
static int64_t wall_clock_ns(const char *at)
{
    struct tm t = {0};
    int ms = 0;
    if (sscanf(at, "%4d-%2d-%2dT%2d:%2d:%2d.%3d", &t.tm_year, &t.tm_mon, &t.tm_mday,
               &t.tm_hour, &t.tm_min, &t.tm_sec, &ms) < 6)
        return 0;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    return ((int64_t)timegm(&t) * 1000 + ms) * 1000000;
}

ifm_status ifm_export_aiperf(const ifm_export_source *source, FILE *out, ifm_error *err)
{
    const ifm_load_run *load = source->load;
    const int64_t began_ns = wall_clock_ns(load->run.started_at);
    ifm_spool_reader *reader = NULL;
    const ifm_record *record = NULL;
    ifm_writer writer, *w = &writer;
    ifm_status st = ifm_writer_init(w, out, err);
    if (st != IFM_OK)
        return st;
    st = ifm_spool_reader_new(load->spool, &reader, err);
    while (st == IFM_OK && !w->failed) {
        st = ifm_spool_next(reader, &record, err);
        if (st != IFM_OK || record == NULL)
            break;
        ifm_writer_open(w, '{', IFM_WRITER_ONE_LINE);
        put_metadata(w, record, began_ns);
        put_metrics(w, record);
        put_error(w, record);
        ifm_writer_close(w);
        ifm_writer_line(w);
    }
    ifm_spool_reader_free(reader);
    ifm_status written =
        ifm_writer_end(w, "the AIPerf records", st == IFM_OK ? err : NULL);
    return st != IFM_OK ? st : written;
}
