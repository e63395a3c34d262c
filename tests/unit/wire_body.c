/* wire: the body of a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/body.h"

static ifm_error err;

static void assert_body(const ifm_body *body, const char *expected)
{
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(ifm_body_make(body, &text, &n, &err), IFM_OK);
    assert_int_equal(n, strlen(text));
    json_t *is = json_loads(text, JSON_ALLOW_NUL, NULL),
           *should = json_loads(expected, JSON_ALLOW_NUL, NULL);
    assert_non_null(should);
    if (!json_equal(is, should))
        fail_msg("is %s, should be %s", text, expected);
    json_decref(is);
    json_decref(should);
    free(text);
}

static void texts_and_ids_are_prompts(void **state)
{
    (void)state;
    static const char *const stops[] = {"\n", "END"};
    static const int32_t ids[] = {1, 2, 300};
    ifm_body body = {.model = "m",
                     .prompt = "a\0b\"",
                     .n_prompt = 4,
                     .max_tokens = 7,
                     .stop = stops,
                     .n_stop = 2};
    assert_body(&body,
                "{\"model\":\"m\",\"prompt\":\"a\\u0000b\\\"\",\"stream\":false,"
                "\"max_tokens\":7,\"stop\":[\"\\n\",\"END\"],\"temperature\":0.0}");
    body = (ifm_body){.stream = true,
                      .ids = ids,
                      .n_ids = 3,
                      .sampling = {.seed = 5},
                      .ignore_eos = true};
    assert_body(&body,
                "{\"prompt\":[1,2,300],\"stream\":true,\"stream_options\":"
                "{\"include_usage\":true},\"temperature\":0.0,\"ignore_eos\":true}");
}

static void chats_are_messages(void **state)
{
    (void)state;
    static const ifm_chat_message talk[] = {{"user", "Hi", 2}, {"assistant", "Ho", 2}};
    ifm_body body = {.chat = true, .system = "Be brief.", .prompt = "ä", .n_prompt = 2};
    assert_body(&body, "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
                       "{\"role\":\"user\",\"content\":\"ä\"}],\"stream\":false,"
                       "\"temperature\":0.0}");
    body = (ifm_body){.chat = true, .messages = talk, .n_messages = 2};
    assert_body(&body, "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},"
                       "{\"role\":\"assistant\",\"content\":\"Ho\"}],\"stream\":false,"
                       "\"temperature\":0.0}");
}

static void sampling_is_sent_where_it_matters(void **state)
{
    (void)state;
    ifm_body body = {.prompt = "",
                     .sampling = {.temperature = 0.7f,
                                  .top_k = 5,
                                  .top_p = 0.9f,
                                  .min_p = 0.05f,
                                  .repetition_penalty = 1.1f,
                                  .seed = 9007199254740991}};
    assert_body(&body,
                "{\"prompt\":\"\",\"stream\":false,\"temperature\":0.7,\"top_k\":5,"
                "\"top_p\":0.9,\"min_p\":0.05,\"repetition_penalty\":1.1,"
                "\"seed\":9007199254740991}");
    body.sampling = (ifm_sampling){.top_p = 1, .repetition_penalty = 1, .seed = 3};
    assert_body(&body, "{\"prompt\":\"\",\"stream\":false,\"temperature\":0.0}");
}

static void extra_is_laid_over(void **state)
{
    (void)state;
    json_t *extra = NULL;
    assert_int_equal(
        ifm_body_extra_parse("{\"temperature\":null,\"stream_options\":"
                             "{\"continuous_usage_stats\":true},\"user\":{\"a\":[1]}}",
                             &extra, &err),
        IFM_OK);
    ifm_body body = {.stream = true, .prompt = "x", .n_prompt = 1, .extra = extra};
    const char expected[] =
        "{\"prompt\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":true,"
        "\"continuous_usage_stats\":true},\"user\":{\"a\":[1]}}";
    assert_body(&body, expected);
    assert_body(&body, expected); /* the first left `extra` as it was */
    json_decref(extra);
}

static void nonsense_is_named(void **state)
{
    (void)state;
    json_t *extra = NULL;
    char *text = NULL;
    size_t n = 0;
    static const char *const bad[] = {"", "[1]", "{\"a\":}", "{\"a\":1,\"a\":2}",
                                      "{} {}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ifm_body_extra_parse(bad[i], &extra, &err), IFM_ERR_ARGUMENT);
        assert_null(extra);
        assert_non_null(strstr(err.message, "--extra-body"));
    }
    const ifm_body body = {.prompt = "\xff", .n_prompt = 1};
    assert_int_equal(ifm_body_make(&body, &text, &n, &err), IFM_ERR_FORMAT);
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_ids_are_prompts),
        cmocka_unit_test(chats_are_messages),
        cmocka_unit_test(sampling_is_sent_where_it_matters),
        cmocka_unit_test(extra_is_laid_over),
        cmocka_unit_test(nonsense_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
