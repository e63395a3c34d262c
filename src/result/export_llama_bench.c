/*
 * Rows as llama-bench writes them (-o json; -o jsonl for a file called *.jsonl), which
 * compare-llama-bench.py reads.
 *
 * A test of llama-bench is a loop over random tokens; ours is a request. So a row "pp" is the
 * prefill phase of n_prompt tokens, and a row "tg" the generation of the n_gen = N − 1 tokens
 * behind the first one, at n_depth = n_prompt: they share no time. Warm requests are
 * repetitions; cold ones count only when there are no warm ones. Columns that mean nothing
 * here have llama-bench's defaults. Batches of sequences are refused before (no_batches).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "result/export.h"
#include "result/json.h"
#include "result/writer.h"

/* One row: requests that had so many tokens. */
typedef struct bench_row {
    const ifm_run *run;
    size_t n_prompt, n_output;
    bool prompt; /* pp, else tg */
    ifm_start start;
    int64_t *ns; /* heap, [n]: of each repetition */
    size_t n;
} bench_row;

static bool measured(const ifm_record *r, ifm_start start)
{
    return r->ok && r->start == start && r->n_tokens > 0 && r->n_input > 0;
}

static int64_t time_of(const ifm_record *r, bool prompt)
{
    return prompt ? r->phases_ns[IFM_PHASE_PREFILL]
                  : r->token_ns[r->n_tokens - 1] - r->token_ns[0];
}

static void gather(bench_row *row)
{
    row->n = 0;
    for (size_t i = 0; i < row->run->n_records; i++) {
        const ifm_record *r = &row->run->records[i];
        if (measured(r, row->start) && r->n_input == row->n_prompt &&
            r->n_tokens == row->n_output && time_of(r, row->prompt) > 0)
            row->ns[row->n++] = time_of(r, row->prompt);
    }
}

static size_t tokens_of(const bench_row *row)
{
    return row->prompt ? row->n_prompt : row->n_output - 1;
}

/* Mean and sample deviation of the times, or of the rates of each repetition. */
static void moments(const bench_row *row, bool rates, double *mean, double *sd)
{
    double sum = 0, squares = 0;
    const double tokens = (double)tokens_of(row), n = (double)row->n;
    for (size_t i = 0; i < row->n; i++)
        sum += rates ? 1e9 * tokens / (double)row->ns[i] : (double)row->ns[i];
    *mean = sum / n;
    for (size_t i = 0; i < row->n; i++) {
        double x = rates ? 1e9 * tokens / (double)row->ns[i] : (double)row->ns[i];
        squares += (x - *mean) * (x - *mean);
    }
    *sd = n > 1 ? sqrt(squares / (n - 1)) : 0;
}

static void put_text(ifm_writer *w, const char *key, const char *text)
{
    ifm_writer_key(w, key);
    ifm_writer_text(w, text != NULL ? text : "");
}

static void put_int(ifm_writer *w, const char *key, int64_t value)
{
    ifm_writer_key(w, key);
    ifm_writer_int(w, value);
}

static void put_bool(ifm_writer *w, const char *key, bool value)
{
    ifm_writer_key(w, key);
    ifm_writer_bool(w, value);
}

/* "llama 135M q8_0", as near to llama.cpp's own names as the facts go; of a server, which
 * says no more, its name for the model. */
static void put_model(ifm_writer *w, const ifm_target_facts *t)
{
    char type[128];
    const double billions = (double)t->parameters * 1e-9;
    const char *family = t->model_family != NULL ? t->model_family : "model";
    const char *dtype = t->model_dtype != NULL ? t->model_dtype : "";
    if (t->parameters == 0)
        snprintf(type, sizeof type, "%s", t->model_name != NULL ? t->model_name : "");
    else if (billions >= 1)
        snprintf(type, sizeof type, "%s %.1fB %s", family, billions, dtype);
    else
        snprintf(type, sizeof type, "%s %.0fM %s", family, 1000 * billions, dtype);
    put_text(w, "model_filename", t->model_path != NULL ? t->model_path : t->model_name);
    put_text(w, "model_type", type);
    put_int(w, "model_size", t->weight_bytes);
    put_int(w, "model_n_params", t->parameters);
}

/* What llama-bench lets one choose and is fixed here. */
static void put_fixed(ifm_writer *w, const ifm_target_facts *t)
{
    const bool quantized =
        t->model_dtype != NULL && strncasecmp(t->model_dtype, "q", 1) == 0;
    const char *cache = quantized ? "f16" : "f32"; /* docs/architecture.md */
    put_int(w, "n_batch", 2048);
    put_int(w, "n_ubatch", 512);
    put_int(w, "n_threads", t->threads);
    put_text(w, "cpu_mask", "0x0");
    put_bool(w, "cpu_strict", false);
    put_int(w, "poll", 50);
    put_text(w, "type_k", cache);
    put_text(w, "type_v", cache);
    put_int(w, "n_gpu_layers", 0);
    put_int(w, "n_cpu_moe", 0);
    put_text(w, "split_mode", "none");
    put_int(w, "main_gpu", 0);
    put_bool(w, "no_kv_offload", false);
    put_int(w, "flash_attn", 0);
    put_text(w, "devices", "auto");
    put_text(w, "tensor_split", "0.00");
    put_text(w, "tensor_buft_overrides", "none");
    put_text(w, "load_mode", "mmap");
    put_bool(w, "use_mmap", true); /* older readers */
    put_bool(w, "embeddings", false);
    put_int(w, "no_op_offload", 0);
    put_bool(w, "no_host", false);
    put_int(w, "fit_target", 0);
    put_int(w, "fit_min_ctx", 0);
}

static void put_samples(ifm_writer *w, const bench_row *row)
{
    ifm_writer_key(w, "samples_ns");
    ifm_writer_ints64(w, row->ns, row->n);
    ifm_writer_key(w, "samples_ts");
    ifm_writer_open(w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < row->n; i++)
        ifm_writer_real(w, 1e9 * (double)tokens_of(row) / (double)row->ns[i]);
    ifm_writer_close(w);
}

static void put_row(ifm_writer *w, const bench_row *row, bool lines)
{
    const ifm_run *run = row->run;
    double ns, ns_sd, ts, ts_sd;
    char at[32];
    moments(row, false, &ns, &ns_sd);
    moments(row, true, &ts, &ts_sd);
    snprintf(at, sizeof at, "%.19sZ", run->started_at);
    ifm_writer_open(w, '{', lines ? IFM_WRITER_ONE_LINE : IFM_WRITER_LINES);
    put_text(w, "build_commit", ifm_result_commit());
    put_int(w, "build_number", 0);
    put_text(w, "cpu_info", run->host.cpu);
    put_text(w, "gpu_info", "");
    put_text(w, "backends", run->target.kind);
    put_model(w, &run->target);
    put_fixed(w, &run->target);
    put_int(w, "n_prompt", row->prompt ? (int64_t)row->n_prompt : 0);
    put_int(w, "n_gen", row->prompt ? 0 : (int64_t)row->n_output - 1);
    put_int(w, "n_depth", row->prompt ? 0 : (int64_t)row->n_prompt);
    put_text(w, "test_time", at);
    put_int(w, "avg_ns", llround(ns));
    put_int(w, "stddev_ns", llround(ns_sd));
    ifm_writer_key(w, "avg_ts");
    ifm_writer_real(w, ts);
    ifm_writer_key(w, "stddev_ts");
    ifm_writer_real(w, ts_sd);
    put_samples(w, row);
    ifm_writer_close(w);
    if (lines)
        ifm_writer_line(w);
}

/* Whether a request before the i-th had the same lengths. */
static bool seen(const ifm_run *run, size_t i, ifm_start start)
{
    const ifm_record *r = &run->records[i];
    for (size_t k = 0; k < i; k++) {
        const ifm_record *before = &run->records[k];
        if (measured(before, start) && before->n_input == r->n_input &&
            before->n_tokens == r->n_tokens)
            return true;
    }
    return false;
}

static bool has(const ifm_run *run, ifm_start start)
{
    for (size_t i = 0; i < run->n_records; i++)
        if (measured(&run->records[i], start))
            return true;
    return false;
}

static ifm_status put_run(ifm_writer *w, const ifm_run *run, bool lines, ifm_error *err)
{
    bench_row row = {.run = run,
                     .start = has(run, IFM_START_WARM) ? IFM_START_WARM : IFM_START_COLD};
    row.ns = calloc(run->n_records + 1, sizeof *row.ns);
    if (row.ns == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the rows of llama-bench");
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *r = &run->records[i];
        if (!measured(r, row.start) || seen(run, i, row.start))
            continue;
        row.n_prompt = r->n_input;
        row.n_output = r->n_tokens;
        for (int k = 0; k < 2; k++) {
            row.prompt = k == 0;
            gather(&row);
            if (row.n > 0)
                put_row(w, &row, lines);
        }
    }
    free(row.ns);
    return IFM_OK;
}

ifm_status ifm_export_llama_bench(const ifm_export_source *source, FILE *out,
                                  ifm_error *err)
{
    ifm_writer writer, *w = &writer;
    ifm_status st = ifm_writer_init(w, out, err);
    if (st != IFM_OK)
        return st;
    if (!source->json_lines)
        ifm_writer_open(w, '[', IFM_WRITER_LINES);
    for (size_t k = 0; k < source->n_runs && st == IFM_OK; k++)
        st = put_run(w, &source->runs[k], source->json_lines, err);
    if (!source->json_lines) {
        ifm_writer_close(w);
        ifm_writer_line(w);
    }
    ifm_status written =
        ifm_writer_end(w, "the rows of llama-bench", st == IFM_OK ? err : NULL);
    return st != IFM_OK ? st : written;
}
