/* target: what stands behind --target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target/choice.h"

static ifm_target_choice choices[IFM_TARGETS_MAX];
static size_t n;
static ifm_error err;

static void lists_are_split(void **state)
{
    (void)state;
    assert_int_equal(ifm_target_choices_parse("native", choices, &n, &err), IFM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(choices[0].kind, IFM_TARGET_NATIVE);
    ifm_target_choices_free(choices, n);
    assert_int_equal(ifm_target_choices_parse("transformers,native,worker:./e --x a,b",
                                              choices, &n, &err),
                     IFM_OK);
    assert_int_equal(n, 3);
    assert_int_equal(choices[0].kind, IFM_TARGET_TRANSFORMERS);
    assert_string_equal(choices[0].label, "transformers");
    assert_null(choices[0].command);
    assert_int_equal(choices[1].kind, IFM_TARGET_NATIVE);
    assert_string_equal(choices[2].command, "./e --x a,b");
    ifm_target_choices_free(choices, n);
}

static void servers_have_numbers(void **state)
{
    (void)state;
    assert_int_equal(ifm_target_choices_parse("native,url:http://a:1,url:https://b/v1",
                                              choices, &n, &err),
                     IFM_OK);
    assert_int_equal(n, 3);
    assert_int_equal(choices[1].kind, IFM_TARGET_URL);
    assert_string_equal(choices[1].label, "url");
    assert_string_equal(choices[1].command, "http://a:1");
    assert_string_equal(choices[2].label, "url2");
    assert_string_equal(choices[2].command, "https://b/v1");
    ifm_target_choices_free(choices, n);
    assert_int_equal(ifm_target_choices_parse("http://me:secret@host", choices, &n, &err),
                     IFM_ERR_ARGUMENT);
    assert_null(strstr(err.message, "secret"));
}

static void nonsense_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "nativ",
        "url:",
        "native,",
        "native,,transformers",
        "native,native",
        "worker:",
        "transformers,transformers",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const ifm_status st = ifm_target_choices_parse(bad[i], choices, &n, &err);
        if (strcmp(bad[i], "native,") == 0) { /* a comma at the end says nothing more */
            assert_int_equal(st, IFM_OK);
            ifm_target_choices_free(choices, n);
            continue;
        }
        assert_int_equal(st, IFM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "--target"));
        assert_int_equal(n, 0);
    }
}

static void missing_pythons_are_named(void **state)
{
    (void)state;
    ifm_target_facts facts = {0};
    ifm_target *target = NULL;
    const ifm_child_options options = {.cancel_fd = -1, .timeout_ns = 1000000000};
    assert_int_equal(ifm_target_choices_parse("transformers", choices, &n, &err), IFM_OK);
    assert_int_equal(ifm_target_choice_open(&choices[0], &options, "/no/such/python",
                                            NULL, &facts, &target, &err),
                     IFM_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "pip install torch transformers"));
    assert_null(target);
    ifm_target_choices_free(choices, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_split),
        cmocka_unit_test(servers_have_numbers),
        cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(missing_pythons_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
