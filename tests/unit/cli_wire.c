/* cli: options of what asks a server; what of a command line is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/wire_options.h"
#include "cli/wire_setup.h"

static const ifm_option options[] = {IFM_WIRE_OPTIONS("Server")};

static int nothing(const ifm_arguments *arguments)
{
    (void)arguments;
    return 0;
}

static const ifm_command command = {.name = "try", IFM_OPTIONS(options), .run = nothing};
static ifm_error err;

static ifm_status setup_of(int argc, const char **argv, ifm_arguments *a,
                           ifm_wire_setup *out)
{
    assert_int_equal(
        ifm_arguments_parse(a, &command, argc, (char **)(uintptr_t)argv, 0, &err),
        IFM_OK);
    return ifm_wire_setup_init(out, a, ifm_arguments_string(a, "url"), false, &err);
}

static void options_become_a_client(void **state)
{
    (void)state;
    const char *argv[] = {"--url",        "http://u:secret@h:1/v1",
                          "--header",     "X-A: 1",
                          "--header",     "X-B: 2",
                          "--retry",      "3",
                          "--http2",      "--idle-timeout=0.5",
                          "--proxy=",     "--endpoint=chat",
                          "--extra-body", "{\"a\":1}"};
    ifm_arguments a;
    ifm_wire_setup s;
    setenv("OPENAI_API_KEY", "sk-secret", 1);
    assert_int_equal(setup_of(14, argv, &a, &s), IFM_OK);
    assert_string_equal(s.client.api_key, "sk-secret");
    assert_string_equal(s.shown_url, "http://h:1/v1");
    assert_int_equal(s.client.n_headers, 2);
    assert_string_equal(s.client.headers[1], "X-B: 2");
    assert_int_equal(s.client.retries, 3);
    assert_int_equal(s.client.idle_timeout_ns, 500000000);
    assert_true(s.client.http2 && s.client.chat && s.client.stream);
    assert_string_equal(s.client.proxy, "");
    assert_non_null(s.extra);
    ifm_wire_setup_deinit(&s);
    ifm_arguments_deinit(&a);
}

static void nonsense_is_named_without_secrets(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"--header", "secret"},
        {"--header", "X-A: secret\r\nX-B: 1"},
        {"--header", ": secret"},
        {"--url", "http://a:secret@b:x"},
        {"--header", "x-request-id: secret"},
        {"--extra-body", "secret"},
    };
    setenv("OPENAI_API_KEY", "", 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *argv[] = {"--url=http://h", bad[i][0], bad[i][1]};
        ifm_arguments a;
        ifm_wire_setup s;
        assert_int_equal(setup_of(3, argv, &a, &s), IFM_ERR_ARGUMENT);
        assert_null(strstr(err.message, "secret"));
        assert_non_null(strstr(err.message, bad[i][0]));
        ifm_arguments_deinit(&a);
    }
    const char *argv[] = {"--url=http://h"};
    ifm_arguments a;
    ifm_wire_setup s;
    setenv("OPENAI_API_KEY", "secret\n", 1);
    assert_int_equal(setup_of(1, argv, &a, &s), IFM_ERR_ARGUMENT);
    assert_null(strstr(err.message, "secret"));
    ifm_arguments_deinit(&a);
}

static void commands_are_kept_without_secrets(void **state)
{
    (void)state;
    static const char *const words[][2] = {
        {"inferometer", "inferometer"},
        {"--url", "--url"},
        {"http://a:secret@b/v1", "http://b/v1"},
        {"--header", "--header"},
        {"Authorization: Bearer secret", "Authorization: ***"},
        {"--header=X-Key: secret", "--header=X-Key: ***"},
        {"--header", "--header"},
        {"secret", "***"},
        {"--proxy=http://a:secret@p:1", "--proxy=http://p:1"},
        {"-u", "-u"},
        {"https://h?key=secret", "https://h?key=…"},
        {"-uhttps://secret@h", "-uhttps://h"},
        {"--target", "--target"},
        {"native,url:http://a:secret@h", "native,url:http://h"},
        {"--prompt", "--prompt"},
        {"Write to me@home", "Write to me@home"},
    };
    enum { N = sizeof words / sizeof *words };
    char *argv[N];
    for (size_t i = 0; i < N; i++)
        argv[i] = (char *)(uintptr_t)words[i][0];
    for (size_t i = 0; i < N; i++) {
        char *kept = ifm_wire_tame_word(argv, i);
        assert_string_equal(kept, words[i][1]);
        free(kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_become_a_client),
        cmocka_unit_test(nonsense_is_named_without_secrets),
        cmocka_unit_test(commands_are_kept_without_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
