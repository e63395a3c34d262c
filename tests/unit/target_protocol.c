/* target: lines of the worker protocol are read with suspicion and written so that they can
 * be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target/protocol.h"

static ifm_error err;

static ifm_status parse(ifm_event *event, const char *line)
{
    err = (ifm_error){0};
    return ifm_event_parse(event, line, strlen(line), &err);
}

static void good_lines_are_understood(void **state)
{
    (void)state;
    ifm_event e;
    assert_int_equal(parse(&e, "{\"event\":\"token\",\"request\":3,\"id\":7,\"t_ns\":9,"
                               "\"logprob\":-1.5,\"top\":[[7,-1.5],[8,-2]]}"),
                     IFM_OK);
    assert_int_equal(e.kind, IFM_EVENT_TOKEN);
    assert_int_equal(e.request, 3);
    assert_int_equal(e.id, 7);
    assert_int_equal(e.n_top, 2);
    assert_true(e.top[1].logprob == -2.0f);
    ifm_event_deinit(&e);
    assert_int_equal(parse(&e, "{\"event\":\"text\",\"request\":0,\"t_ns\":1,"
                               "\"text\":\"a\\u0000b\"}"),
                     IFM_OK);
    assert_int_equal(e.n_text, 3);
    assert_memory_equal(e.text, "a\0b", 3);
    ifm_event_deinit(&e);
    assert_int_equal(parse(&e, "{\"event\":\"phase\",\"name\":\"compile\",\"start_ns\":1,"
                               "\"end_ns\":2}"),
                     IFM_OK);
    assert_int_equal(e.phase, IFM_PHASE_COUNT);
    assert_int_equal(e.major_faults, -1);
    assert_int_equal(e.request, -1);
    ifm_event_deinit(&e);
    assert_int_equal(parse(&e, "{\"event\":\"from the future\",\"x\":[{}]}"), IFM_OK);
    assert_int_equal(e.kind, IFM_EVENT_UNKNOWN);
    ifm_event_deinit(&e);
}

static void bad_lines_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"event\":7}",
        "{\"event\":\"hello\"",
        "{\"event\":\"hello\",\"event\":\"hello\"}",
        "{\"event\":\"hello\",\"protocol\":1,\"engine\":\"x\"}",
        "{\"event\":\"hello\",\"protocol\":\"1\",\"engine\":\"x\",\"t_ns\":1}",
        "{\"event\":\"loaded\",\"t_ns\":1}",
        "{\"event\":\"start\",\"t_ns\":0}",
        "{\"event\":\"start\",\"t_ns\":-5}",
        "{\"event\":\"start\",\"t_ns\":1.5}",
        "{\"event\":\"start\",\"t_ns\":99999999999999999999}",
        "{\"event\":\"start\",\"t_ns\":1,\"request\":-2}",
        "{\"event\":\"start\",\"t_ns\":1,\"request\":\"0\"}",
        "{\"event\":\"input\",\"ids\":7}",
        "{\"event\":\"input\",\"ids\":[1,-1]}",
        "{\"event\":\"input\",\"ids\":[1,4294967296]}",
        "{\"event\":\"phase\",\"name\":\"load\",\"start_ns\":1}",
        "{\"event\":\"token\",\"t_ns\":1}",
        "{\"event\":\"token\",\"t_ns\":1,\"id\":-1}",
        "{\"event\":\"token\",\"t_ns\":1,\"id\":1,\"top\":[[1]]}",
        "{\"event\":\"token\",\"t_ns\":1,\"id\":1,\"top\":{}}",
        "{\"event\":\"token\",\"t_ns\":1,\"id\":1,\"logprob\":\"x\"}",
        "{\"event\":\"text\",\"t_ns\":1,\"text\":null}",
        "{\"event\":\"text\",\"t_ns\":1,\"text\":\"\xff\"}",
        "{\"event\":\"text\",\"t_ns\":1,\"text\":\"\\ud800\"}",
        "{\"event\":\"done\",\"t_ns\":1}",
        "{\"event\":\"error\",\"code\":\"ERR_IO\"}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ifm_event e;
        if (parse(&e, lines[i]) != IFM_ERR_CHILD)
            fail_msg("accepted: %s", lines[i]);
        assert_true(strlen(err.message) > 0);
        assert_null(strchr(err.message, '\n'));
    }
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    enum { DEEP = 100000 };
    char *line = malloc(DEEP + 1);
    memset(line, '[', DEEP);
    line[DEEP] = '\0';
    ifm_event e;
    assert_int_equal(parse(&e, line), IFM_ERR_CHILD);
    free(line);
}

static void requests_can_be_read_back(void **state)
{
    (void)state;
    ifm_buffer out = {0};
    const char *stop[] = {"\n", "\xc3\xa9"};
    const ifm_target_request request = {
        .prompt = "\"\\\n\0\xf0\x9f\x98\x80",
        .n_prompt = 8,
        .max_new_tokens = 20,
        .sampling = {.temperature = 0.5f, .top_k = 3, .seed = 9007199254740991},
        .stop = stop,
        .n_stop = 2,
        .logprobs = 4,
    };
    assert_int_equal(ifm_protocol_write_request(&out, &request, 6, true, &err), IFM_OK);
    assert_int_equal(out.data[out.length - 1], '\n');
    assert_ptr_equal(strchr(out.data, '\n'), out.data + out.length - 1);
    json_t *json = json_loadb(out.data, out.length, JSON_ALLOW_NUL, NULL);
    const json_t *prompt = json_object_get(json, "prompt");
    assert_int_equal(json_string_length(prompt), 8);
    assert_memory_equal(json_string_value(prompt), request.prompt, 8);
    assert_int_equal(json_integer_value(json_object_get(json, "request")), 6);
    assert_int_equal(json_array_size(json_object_get(json, "stop")), 2);
    const json_t *sampling = json_object_get(json, "sampling");
    assert_int_equal(json_integer_value(json_object_get(sampling, "seed")),
                     9007199254740991);
    json_decref(json);
    ifm_buffer_deinit(&out);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    ifm_buffer out = {0};
    ifm_target_request bad_prompt = {
        .prompt = "\xff", .n_prompt = 1, .max_new_tokens = 1};
    assert_int_equal(ifm_protocol_write_request(&out, &bad_prompt, 0, false, &err),
                     IFM_ERR_FORMAT);
    const char *stop[] = {"\xff"};
    ifm_target_request bad_stop = {
        .prompt = "a", .n_prompt = 1, .max_new_tokens = 1, .stop = stop, .n_stop = 1};
    assert_int_equal(ifm_protocol_write_request(&out, &bad_stop, 0, false, &err),
                     IFM_ERR_FORMAT);
    assert_int_equal(
        ifm_protocol_write_load(&out, &(ifm_worker_model){.path = "\xff"}, &err),
        IFM_ERR_FORMAT);
    ifm_buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines_are_understood),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(requests_can_be_read_back),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
