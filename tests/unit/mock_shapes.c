/* The bytes of events, byte for byte; how shapes and faults are written; and the small things
 * that the mock's times stand on: the heap, and lateness in buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/random.h"
#include "mock/faults.h"
#include "mock/late.h"
#include "mock/shapes.h"
#include "mock/timers.h"

static ifm_mock_shapes parsed(const char *text)
{
    ifm_mock_shapes shapes = {0};
    assert_int_equal(ifm_mock_shapes_parse(&shapes, text, NULL), IFM_OK);
    return shapes;
}

static ifm_mock_voice voice_of(const ifm_mock_shapes *shapes, bool chat)
{
    ifm_mock_voice voice = {.shapes = shapes,
                            .model = "m",
                            .number = 7,
                            .created_s = 5,
                            .chat = chat,
                            .stream = true,
                            .prompt_tokens = 2,
                            .tokens = 3,
                            .finish_reason = "stop"};
    ifm_mock_voice_prepare(&voice);
    return voice;
}

#define COMMON                                                                           \
    "{\"id\":\"cmpl-7\",\"object\":\"text_completion\",\"created\":5,\"model\":\"m\","
#define W1                                                                               \
    "\"choices\":[{\"index\":0,\"text\":\" w1\",\"logprobs\":null,\"finish_reason\":"    \
    "null,\"stop_reason\":null}]"

static void token_is(const char *names, const char *expected)
{
    const ifm_mock_shapes shapes = parsed(names);
    const ifm_mock_voice voice = voice_of(&shapes, false);
    ifm_buffer json = {0}, out = {0};
    ifm_mock_event_tokens(&voice, 1, 1, &json, &out);
    assert_string_equal(ifm_buffer_text(&out), expected);
    ifm_buffer_deinit(&json);
    ifm_buffer_deinit(&out);
}

static void test_bytes_of_a_token(void **state)
{
    (void)state;
    token_is("plain", "data: " COMMON W1 "}\n\n");
    token_is("crlf", "data: " COMMON W1 "}\r\n\r\n");
    token_is("cr", "data: " COMMON W1 "}\r\r");
    token_is("comments,cr",
             ": keep-alive\r\r:\rdata:" COMMON W1 "}\r: inside an event\r\r");
    token_is("multiline,crlf", "data: " COMMON "\r\ndata: " W1 "\r\ndata: }\r\n\r\n");
    token_is("named", "id: 1\nevent: message\ndata: " COMMON W1 "}\n\n");
    token_is("big:3", "data: " COMMON W1 ",\"padding\":\"###\"}\n\n");
    token_is("continuous-usage",
             "data: " COMMON W1 ",\"usage\":{\"prompt_tokens\":2,\"total_tokens\":4,"
             "\"completion_tokens\":2}}\n\n");
}

/* Whatever shapes go together, each data line of each event, joined, is JSON. */
static void check_json(const ifm_mock_voice *voice, const ifm_buffer *out)
{
    ifm_buffer data = {0};
    const bool cr = ifm_mock_has(voice->shapes, IFM_MOCK_CR) &&
                    !ifm_mock_has(voice->shapes, IFM_MOCK_CRLF);
    const char *at = ifm_buffer_text(out);
    while (*at != '\0') {
        const char *end = strchr(at, cr ? '\r' : '\n');
        assert_non_null(end);
        const size_t n = (size_t)(end - at) - (end > at && end[-1] == '\r' ? 1 : 0);
        if (strncmp(at, "data:", 5) == 0) {
            ifm_buffer_append(&data, at + 5, n - 5);
        } else if (n == 0 && data.length > 0) {
            json_error_t error;
            json_t *root = json_loads(ifm_buffer_text(&data), 0, &error);
            if (root == NULL && strstr(ifm_buffer_text(&data), "[DONE]") == NULL)
                fail_msg("%s: %s", error.text, ifm_buffer_text(&data));
            json_decref(root);
            ifm_buffer_clear(&data);
        }
        at = end + 1;
    }
    assert_int_equal(data.length, 0); /* the last event has ended */
    ifm_buffer_deinit(&data);
}

static void check_answer(const ifm_mock_voice *voice, ifm_buffer *json)
{
    json_error_t error;
    ifm_mock_answer(voice, json);
    json_t *root = json_loads(ifm_buffer_text(json), 0, &error);
    if (root == NULL)
        fail_msg("%s: %s", error.text, ifm_buffer_text(json));
    json_decref(root);
}

static void test_all_together(void **state)
{
    (void)state;
    ifm_buffer json = {0}, out = {0};
    ifm_random random;
    ifm_random_init(&random, 1);
    for (int i = 0; i < 500; i++) {
        ifm_mock_shapes shapes = {
            .set = (uint32_t)ifm_random_below(&random, 1u << IFM_MOCK_SHAPE_COUNT)};
        for (size_t k = 0; k < IFM_MOCK_SHAPE_COUNT; k++)
            shapes.number[k] = 1 + (int64_t)ifm_random_below(&random, 5);
        ifm_mock_voice voice = voice_of(&shapes, i % 2 == 0);
        ifm_buffer_clear(&out);
        ifm_mock_events_opening(&voice, &json, &out);
        ifm_mock_event_tokens(&voice, 0, 2, &json, &out);
        ifm_mock_event_empty(&voice, 2, &json, &out);
        ifm_mock_event_tokens(&voice, 2, 1, &json, &out);
        ifm_mock_events_error(&voice, &out);
        ifm_mock_events_ending(&voice, &json, &out);
        assert_false(json.failed || out.failed);
        check_json(&voice, &out);
        check_answer(&voice, &json);
    }
    ifm_buffer_deinit(&json);
    ifm_buffer_deinit(&out);
}

static void test_words(void **state)
{
    (void)state;
    static const ifm_mock_shapes plain = {0};
    static const struct {
        int64_t i;
        const char *text;
    } rows[] = {{0, " w0"},     {9, " w9"},    {10, " w10"},
                {999, " w999"}, {1000, " w0"}, {123456, " w456"}};
    char text[IFM_MOCK_TOKEN_LIMIT + 1];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text[ifm_mock_token(&plain, rows[i].i, text)] = '\0';
        assert_string_equal(text, rows[i].text);
    }
}

static void shape_fails(const char *text, const char *words)
{
    ifm_mock_shapes shapes = {0};
    ifm_error err = {0};
    assert_int_equal(ifm_mock_shapes_parse(&shapes, text, &err), IFM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, words));
}

static void test_parsing_shapes(void **state)
{
    (void)state;
    const ifm_mock_shapes shapes = parsed("multi:4,plain,no-done,reasoning:2");
    assert_int_equal(shapes.set, IFM_MOCK_MULTI | IFM_MOCK_NO_DONE | IFM_MOCK_REASONING);
    assert_int_equal(ifm_mock_number(&shapes, IFM_MOCK_SHAPE_INDEX_MULTI, 1), 4);
    assert_int_equal(ifm_mock_number(&shapes, IFM_MOCK_SHAPE_INDEX_COALESCE, 1), 1);
    shape_fails("", "unknown shape \"\"");
    shape_fails("plain,", "unknown shape \"\"");
    shape_fails("roles", "unknown shape \"roles\"");
    shape_fails("role:2", "role takes no number");
    shape_fails("multi", "multi takes a number");
    shape_fails("multi:", "whole number");
    shape_fails("cr,role,crlf", "not with both");
    shape_fails("multi:0", "whole number");
    shape_fails("multi:2x", "whole number");
    shape_fails("multi:99999999999999999999", "whole number");
}

static void fault_fails(const char *text)
{
    ifm_mock_faults faults = {.n = 0};
    ifm_error err = {0};
    assert_int_equal(ifm_mock_fault_parse(&faults, text, &err), IFM_ERR_ARGUMENT);
    assert_int_equal(faults.n, 0);
}

static void test_parsing_faults(void **state)
{
    (void)state;
    ifm_mock_faults faults = {.n = 0};
    assert_int_equal(ifm_mock_fault_parse(&faults, "close:0.5@8", NULL), IFM_OK);
    assert_int_equal(ifm_mock_fault_parse(&faults, "http-429=2", NULL), IFM_OK);
    assert_int_equal(faults.n, 2);
    assert_int_equal(faults.list[0].kind, IFM_MOCK_FAULT_CLOSE);
    assert_float_equal(faults.list[0].share, 0.5, 0);
    assert_int_equal(faults.list[0].at, 8);
    assert_int_equal(faults.list[1].retry_after_s, 2);
    assert_int_equal(faults.list[1].at, -1);
    static const char *const bad[] = {
        "",           "clos",    "close:", "close:2",    "close:-1",    "close@",
        "close@-1",   "close=2", "html@3", "refuse:0.5", "close@3:0.5", "close:nan",
        "close:0x1x",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        fault_fails(bad[i]);
    while (faults.n < IFM_MOCK_MAX_FAULTS)
        assert_int_equal(ifm_mock_fault_parse(&faults, "html", NULL), IFM_OK);
    assert_int_equal(ifm_mock_fault_parse(&faults, "html", NULL), IFM_ERR_ARGUMENT);
}

/* 1,000 lots at a share of 0.2: 200, and 10 standard deviations (126) around it. */
static void test_shares_of_faults(void **state)
{
    (void)state;
    ifm_mock_faults faults = {.n = 0};
    ifm_mock_fault_parse(&faults, "reset:0.2", NULL);
    ifm_mock_fault_parse(&faults, "close:1", NULL);
    int resets = 0, differ = 0;
    for (int64_t i = 0; i < 1000; i++) {
        const ifm_mock_fault fault = ifm_mock_fault_of(&faults, 3, i);
        resets += fault.kind == IFM_MOCK_FAULT_RESET;
        assert_true(fault.kind == IFM_MOCK_FAULT_RESET ||
                    fault.kind == IFM_MOCK_FAULT_CLOSE);
        assert_int_equal(ifm_mock_fault_of(&faults, 3, i).kind, fault.kind);
        differ += ifm_mock_fault_of(&faults, 4, i).kind != fault.kind;
    }
    assert_in_range(resets, 200 - 126, 200 + 126);
    assert_true(differ > 100);
    faults.n = 0;
    assert_int_equal(ifm_mock_fault_of(&faults, 3, 0).kind, IFM_MOCK_FAULT_NONE);
}

enum { TIMERS = 300 };

static void test_heap_against_a_plain_search(void **state)
{
    (void)state;
    ifm_mock_timers heap = {0};
    ifm_mock_timer timer[TIMERS] = {{0}};
    int64_t due[TIMERS];
    ifm_random random;
    ifm_random_init(&random, 9);
    assert_true(ifm_mock_timers_reserve(&heap, TIMERS));
    for (int i = 0; i < TIMERS; i++)
        due[i] = -1;
    for (int step = 0; step < 20000; step++) {
        const size_t i = (size_t)ifm_random_below(&random, TIMERS);
        const uint64_t what = ifm_random_below(&random, 4);
        if (what < 2) {
            due[i] = (int64_t)ifm_random_below(&random, 1000);
            ifm_mock_timers_set(&heap, &timer[i], due[i]);
        } else if (what == 2) {
            due[i] = -1;
            ifm_mock_timers_cancel(&heap, &timer[i]);
        } else if (heap.n > 0) {
            const int64_t next = ifm_mock_timers_next_ns(&heap);
            for (int k = 0; k < TIMERS; k++)
                assert_true(due[k] < 0 || due[k] >= next);
            const size_t popped = (size_t)(ifm_mock_timers_pop(&heap) - timer);
            assert_int_equal(due[popped], next);
            due[popped] = -1;
        }
    }
    while (heap.n > 0)
        ifm_mock_timers_pop(&heap);
    assert_true(ifm_mock_timers_next_ns(&heap) == INT64_MAX);
    ifm_mock_timers_deinit(&heap);
}

static void test_lateness(void **state)
{
    (void)state;
    static ifm_mock_late late;
    assert_int_equal(ifm_mock_late_quantile_ns(&late, 0.5), -1);
    for (int64_t i = 1; i <= 100000; i++)
        ifm_mock_late_add(&late, i * 1000);
    ifm_mock_late_add(&late, -5);
    ifm_mock_late_add(&late, INT64_MAX);
    assert_true(late.max_ns == INT64_MAX);
    for (int q = 1; q < 100; q++) {
        const double exact = q * 1e6,
                     got = (double)ifm_mock_late_quantile_ns(&late, q / 100.);
        assert_true(got >= exact * 0.999 && got <= exact * (1 + 1. / 15));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_token),
        cmocka_unit_test(test_all_together),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_parsing_shapes),
        cmocka_unit_test(test_parsing_faults),
        cmocka_unit_test(test_shares_of_faults),
        cmocka_unit_test(test_heap_against_a_plain_search),
        cmocka_unit_test(test_lateness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
