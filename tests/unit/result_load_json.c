/* The document and the CSV of a load: every request is there, with its name for what went
 * wrong, and its raw events give its metrics. */
#include "load_made.h"

#include <jansson.h>

#include "report/load_csv.h"
#include "result/load_json.h"

static ifm_load_run example(void)
{
    ifm_load_run load = made_load(IFM_ARRIVAL_POISSON, 0);
    load.run.clock_name = "CLOCK_MONOTONIC";
    load.run.target.kind = strdup("url");
    load.run.target.nan_weights = -1;
    load.plan.url = strdup("http://localhost:8000");
    load.plan.request_rate = INFINITY;
    ifm_record quoted = made_answer(0, 7 * MS, 100 * MS, 20 * MS, 3);
    quoted.sent_ns = 2 * MS;
    quoted.wire->pieces[1].tokens = -1;
    quoted.wire->server.prompt_ns = 5;
    made_add(&load, quoted);
    ifm_record failed = made_failure(1, 8 * MS, 3 * MS, IFM_OUTCOME_REFUSED);
    free(failed.error);
    failed.error = strdup("127.0.0.1:9: \"refused\", so it says");
    failed.wire->service_start_ns = -1;
    made_add(&load, failed);
    return load;
}

static json_t *document_of(ifm_load_run *load)
{
    ifm_load_summary s = made_summary(load);
    FILE *file = tmpfile();
    ifm_error err = {0};
    json_error_t error;
    ifm_load_judge(load, &s);
    if (ifm_result_write_load_json(load, &s, file, &err) != IFM_OK)
        fail_msg("%s", err.message);
    rewind(file);
    json_t *document = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    fclose(file);
    ifm_load_summary_deinit(&s);
    return document;
}

static const json_t *at(const json_t *value, const char *path)
{
    char words[256];
    snprintf(words, sizeof words, "%s", path);
    for (char *key = strtok(words, "."); key != NULL; key = strtok(NULL, ".")) {
        value = json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10))
                                     : json_object_get(value, key);
        if (value == NULL)
            fail_msg("the document has no %s", path);
    }
    return value;
}

static int64_t number(const json_t *document, const char *path)
{
    assert_true(json_is_integer(at(document, path)));
    return json_integer_value(at(document, path));
}

static void a_request_has_what_is_promised(void **state)
{
    (void)state;
    ifm_load_run load = example();
    json_t *d = document_of(&load);
    assert_int_equal(json_array_size(at(d, "requests")), 2);
    assert_string_equal(json_string_value(at(d, "requests.0.request_id")), "made-0");
    assert_int_equal(number(d, "requests.0.due_ns"), 0);
    assert_int_equal(number(d, "requests.0.due_at_ns"), 7 * MS);
    assert_int_equal(number(d, "requests.0.sent_ns"), 2 * MS);
    assert_int_equal(number(d, "requests.0.ttft_ns"), 100 * MS);
    assert_int_equal(number(d, "requests.0.token_ns.2"), 140 * MS);
    assert_int_equal(number(d, "requests.0.itl_ns.1"), 20 * MS);
    assert_int_equal(number(d, "requests.0.tpot_ns"), 20 * MS);
    assert_int_equal(number(d, "requests.0.events.2.t_ns"), 140 * MS);
    assert_int_equal(number(d, "requests.0.events.2.bytes"), 180);
    assert_int_equal(number(d, "requests.0.usage.prompt_tokens"), 100);
    assert_int_equal(number(d, "requests.0.server.prompt_ns"), 5);
    assert_string_equal(json_string_value(at(d, "requests.0.events.0.kind")), "content");
    assert_string_equal(json_string_value(at(d, "requests.0.http_version")), "1.1");
    assert_string_equal(json_string_value(at(d, "requests.0.text")), " w w w");
    static const char *const nulls[] = {"requests.0.error",
                                        "requests.0.error_detail",
                                        "requests.0.connect_ns",
                                        "requests.0.cached_tokens",
                                        "requests.0.events.1.tokens",
                                        "requests.0.phases_ns",
                                        "requests.0.output_ids",
                                        "requests.0.session",
                                        "requests.1.ttft_ns",
                                        "requests.1.sent_ns",
                                        "requests.1.service_start_ns",
                                        "requests.1.usage",
                                        "requests.1.status",
                                        "load.floors",
                                        "load.plan.slo",
                                        "load.good_requests",
                                        "load.steady.requests_per_s"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
        if (!json_is_null(at(d, nulls[i])))
            fail_msg("%s should be null", nulls[i]);
    json_decref(d);
    ifm_load_deinit(&load);
}

static void a_failure_has_its_name(void **state)
{
    (void)state;
    ifm_load_run load = example();
    json_t *d = document_of(&load);
    assert_true(json_is_false(at(d, "requests.1.ok")));
    assert_string_equal(json_string_value(at(d, "requests.1.error")),
                        "connection-refused");
    assert_string_equal(json_string_value(at(d, "requests.1.error_detail")),
                        "127.0.0.1:9: \"refused\", so it says");
    assert_int_equal(number(d, "load.outcomes.connection-refused"), 1);
    assert_int_equal(number(d, "load.outcomes.ok"), 1);
    assert_int_equal(number(d, "load.requests"), 2);
    assert_int_equal(number(d, "summary.warm.failed"), 1);
    assert_string_equal(json_string_value(at(d, "load.plan.request_rate")), "inf");
    assert_true(json_is_false(at(d, "trustworthy")));
    json_decref(d);
    ifm_load_deinit(&load);
}

static void the_csv_has_a_row_a_request(void **state)
{
    (void)state;
    ifm_load_run load = example();
    FILE *file = tmpfile();
    char lines[3][1024];
    assert_int_equal(ifm_report_load_csv(&load, file, NULL), IFM_OK);
    rewind(file);
    for (int i = 0; i < 3; i++)
        assert_non_null(fgets(lines[i], sizeof lines[i], file));
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    size_t commas[2] = {0};
    for (int i = 0; i < 2; i++)
        for (const char *c = lines[i]; *c != '\0'; c++)
            commas[i] += *c == ',';
    assert_int_equal(commas[0], commas[1]);
    assert_int_equal(strncmp(lines[1],
                             "0,\"made-0\",warm,true,ok,,200,1,\"length\",0,,0,0,100,3,",
                             52),
                     0);
    assert_non_null(strstr(lines[1], ",100000000,100000000,100000000,140000000,40000000,"
                                     "20000000,140000000\r\n"));
    assert_non_null(strstr(lines[2], "1,\"made-1\",warm,false,connection-refused,"
                                     "\"127.0.0.1:9: \"\"refused\"\", so it says\",,1,"));
    ifm_load_deinit(&load);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL)
        skip();
    ifm_load_run load = example();
    ifm_load_summary s = made_summary(&load);
    ifm_error err = {0};
    assert_int_equal(ifm_result_write_load_json(&load, &s, full, &err), IFM_ERR_IO);
    assert_int_equal(ifm_report_load_csv(&load, full, &err), IFM_ERR_IO);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_has_what_is_promised),
        cmocka_unit_test(a_failure_has_its_name),
        cmocka_unit_test(the_csv_has_a_row_a_request),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
