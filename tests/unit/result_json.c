/* The result document: every fixed field is there, and its raw events give its metrics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "measure/verdict.h"
#include "result/json.h"

static int64_t *copy64(const int64_t *x, size_t n)
{
    int64_t *copy = calloc(n, sizeof *copy);
    memcpy(copy, x, n * sizeof *copy);
    return copy;
}

static void add_request(ifm_run *run, ifm_start start, size_t n)
{
    static const int64_t times[] = {812345, 912346, 1012348, 1112347};
    ifm_record *r = ifm_run_add(run);
    r->id = (int32_t)run->n_records - 1;
    r->start = start;
    r->ok = true;
    r->finish_reason = strdup("length");
    r->n_input = 6;
    r->input_ids = calloc(6, sizeof *r->input_ids);
    r->n_tokens = n;
    r->output_ids = calloc(n, sizeof *r->output_ids);
    r->token_ns = copy64(times, n);
    r->handover_ns = copy64(times, n);
    r->text = strdup(" t\xc3\xa9");
    r->n_text = 4;
    r->n_text_events = 1;
    r->text_events = calloc(1, sizeof *r->text_events);
    r->text_events[0] = (ifm_text_event){912346, r->text, 4};
    r->n_logprobs = 1;
    r->logprobs = calloc(n, sizeof *r->logprobs);
    r->top = calloc(n, sizeof *r->top);
    r->logprobs[0] = -INFINITY;
    r->phases_ns[IFM_PHASE_PREFILL] = 812345;
}

static void make_run(ifm_run *run)
{
    *run = (ifm_run){.clock_name = "CLOCK_MONOTONIC",
                     .clock_resolution_ns = 1,
                     .clock_read_cost_ns = 20,
                     .started_at = "2026-01-31T12:00:00.123Z"};
    run->command = calloc(2, sizeof *run->command);
    run->command[0] = strdup("inferometer");
    run->command[1] = strdup("b\xc3\xa4"
                             "d\xff"
                             "byte\xe2\x82"); /* one stray byte, one cut-off character */
    run->n_command = 2;
    run->workload.prompts = calloc(1, sizeof *run->workload.prompts);
    run->workload.prompt_bytes = calloc(1, sizeof *run->workload.prompt_bytes);
    run->workload.prompts[0] = strdup("a\0b");
    run->workload.prompt_bytes[0] = 1;
    run->workload.n_prompts = 1;
    run->workload.max_new_tokens = 4;
    run->target.nan_weights = -1;
    run->target.kind = strdup("native");
    run->host.load_average = -1;
    run->host.steal_frac = -1;
    add_request(run, IFM_START_COLD, 1);
    for (int i = 0; i < 7; i++)
        add_request(run, IFM_START_WARM, 4);
    ifm_verdict_judge(run);
}

/* What a reader of the written text gets. */
static json_t *document_of(const ifm_run *run)
{
    FILE *file = tmpfile();
    assert_int_equal(ifm_result_write_json(run, 1, file, NULL), IFM_OK);
    rewind(file);
    json_error_t error;
    json_t *document = json_loadf(file, 0, &error);
    if (document == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    fclose(file);
    return document;
}

static const json_t *at(const json_t *value, const char *path)
{
    char buffer[256];
    snprintf(buffer, sizeof buffer, "%s", path);
    for (char *key = strtok(buffer, "."); key != NULL; key = strtok(NULL, ".")) {
        value = json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10))
                                     : json_object_get(value, key);
        if (value == NULL)
            fail_msg("the document has no %s", path);
    }
    return value;
}

static void fixed_fields_are_there(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "tool.name",
        "tool.version",
        "tool.commit",
        "tool.compiler",
        "tool.kernels",
        "command.0",
        "started_at",
        "clock.name",
        "clock.resolution_ns",
        "clock.read_cost_ns",
        "host.cpu",
        "host.cores",
        "host.memory_bytes",
        "host.governor",
        "host.load_average",
        "host.steal_frac",
        "host.read_bandwidth_bytes_per_s",
        "host.os",
        "host.kernel",
        "target.kind",
        "target.device",
        "target.threads",
        "target.model.name",
        "target.model.family",
        "target.model.path",
        "target.model.dtype",
        "target.model.parameters",
        "target.model.bytes",
        "workload.prompts.0",
        "workload.max_new_tokens",
        "workload.padding",
        "workload.sampling.temperature",
        "workload.sampling.top_k",
        "workload.sampling.top_p",
        "workload.sampling.min_p",
        "workload.sampling.seed",
        "workload.input_tokens.batch_size",
        "workload.input_tokens.per_sequence.0",
        "workload.input_tokens.padded_length",
        "workload.input_tokens.total_including_padding",
        "workload.input_tokens.total_real",
        "requests.0.id",
        "requests.0.start",
        "requests.0.sequence",
        "requests.0.ok",
        "requests.0.error",
        "requests.0.due_ns",
        "requests.0.sent_ns",
        "requests.0.finish_reason",
        "requests.0.input_ids.5",
        "requests.0.output_ids.0",
        "requests.0.text",
        "requests.0.token_ns.0",
        "requests.0.text_events.0.t_ns",
        "requests.0.text_events.0.text",
        "requests.0.logprobs.0",
        "requests.0.top_logprobs.0.0.1",
        "requests.0.phases_ns.spawn",
        "requests.0.phases_ns.other",
        "requests.0.ttft_ns",
        "requests.0.text_ttft_ns",
        "requests.0.e2el_ns",
        "requests.0.generation_ns",
        "requests.0.tpot_ns",
        "requests.0.itl_ns",
        "summary.cold.ttft.unit",
        "summary.warm.itl.median_ci95",
        "warnings",
        "trustworthy",
    };
    ifm_run run;
    make_run(&run);
    json_t *document = document_of(&run);
    assert_string_equal(json_string_value(at(document, "schema")),
                        "inferometer.result/1");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        at(document, paths[i]);
    json_decref(document);
    ifm_run_deinit(&run);
}

static void what_does_not_exist_is_null(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run);
    json_t *document = document_of(&run);
    static const char *const nulls[] = {
        "requests.0.tpot_ns",        "requests.0.error",
        "requests.0.logprobs.0",     "host.load_average",
        "host.steal_frac",           "host.read_bandwidth_bytes_per_s",
        "summary.cold.ttft.sd",      "summary.cold.ttft.median_ci95",
        "summary.warm.ttft.p90",     "summary.cold.tpot.p50",
        "requests.0.peak_rss_bytes",
    };
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (!json_is_null(at(document, nulls[i])))
            fail_msg("%s should be null", nulls[i]);
    assert_int_equal(
        json_integer_value(at(document, "summary.warm.ttft.samples_missing_for.p90")),
        22);
    assert_string_equal(json_string_value(at(document, "command.1")),
                        "b\xc3\xa4"
                        "d\xef\xbf\xbd"
                        "byte\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(document);
    ifm_run_deinit(&run);
}

/* Requests of 1 to 40 tokens whose gaps lie between 0 ns and a second. */
static void add_random_requests(ifm_run *run, size_t n)
{
    ifm_random dice;
    ifm_random_init(&dice, 7);
    for (size_t i = 0; i < n; i++) {
        ifm_record *r = ifm_run_add(run);
        r->start = IFM_START_WARM;
        r->ok = true;
        r->n_tokens = 1 + ifm_random_below(&dice, 40);
        r->output_ids = calloc(r->n_tokens, sizeof *r->output_ids);
        r->token_ns = calloc(r->n_tokens, sizeof *r->token_ns);
        int64_t t = 0;
        for (size_t k = 0; k < r->n_tokens; k++) {
            t += (int64_t)ifm_random_below(&dice, 1000000001);
            r->token_ns[k] = t;
        }
        r->phases_ns[IFM_PHASE_PREFILL] = r->token_ns[0];
    }
}

static int64_t whole(const json_t *request, const char *key)
{
    const json_t *value = at(request, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void check_request(const json_t *request)
{
    const json_t *t = at(request, "token_ns"), *itl = at(request, "itl_ns");
    size_t n = json_array_size(t), i;
    int64_t first = json_integer_value(json_array_get(t, 0));
    int64_t last = json_integer_value(json_array_get(t, n - 1)), sum = 0, phases = 0;
    json_t *value;
    json_array_foreach(itl, i, value)
    {
        sum += json_integer_value(value);
        assert_int_equal(json_integer_value(value),
                         json_integer_value(json_array_get(t, i + 1)) -
                             json_integer_value(json_array_get(t, i)));
    }
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        phases += whole(at(request, "phases_ns"), ifm_phase_name((ifm_phase)p));
    assert_int_equal(json_array_size(itl), n - 1);
    assert_int_equal(whole(request, "ttft_ns"), first);
    assert_int_equal(phases, first);
    assert_int_equal(whole(request, "e2el_ns"), last);
    assert_int_equal(whole(request, "generation_ns"), last - first);
    assert_int_equal(first + sum, last);
    if (n > 1)
        assert_int_equal(whole(request, "tpot_ns"),
                         llround((double)sum / (double)(n - 1)));
    else
        assert_true(json_is_null(at(request, "tpot_ns")));
}

/* A reader of the saved text finds the same numbers in the raw events. */
static void raw_events_give_the_metrics_again(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run);
    add_random_requests(&run, 100);
    json_t *document = document_of(&run);
    size_t i;
    json_t *request;
    json_array_foreach(json_object_get(document, "requests"), i, request)
        check_request(request);
    assert_int_equal(i, run.n_records);
    json_decref(document);
    ifm_run_deinit(&run);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL)
        skip();
    setvbuf(full, NULL, _IONBF, 0);
    ifm_run run;
    make_run(&run);
    ifm_error err = {0};
    assert_int_equal(ifm_result_write_json(&run, 1, full, &err), IFM_ERR_IO);
    assert_non_null(strstr(err.message, "cannot write the result"));
    fclose(full);
    ifm_run_deinit(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_fields_are_there),
        cmocka_unit_test(what_does_not_exist_is_null),
        cmocka_unit_test(raw_events_give_the_metrics_again),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
