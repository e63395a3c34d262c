/* hub: what is a name on a hub, what selects a file, what is safe as a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hub/name.h"

static ifm_error err;

static void expect(const char *text, const char *repo, const char *revision,
                   const char *select)
{
    ifm_hub_name name;
    if (ifm_hub_name_parse(text, &name, &err) != IFM_OK)
        fail_msg("%s", err.message);
    assert_string_equal(name.repo, repo);
    assert_string_equal(name.revision, revision);
    if (select == NULL)
        assert_null(name.select);
    else
        assert_string_equal(name.select, select);
    ifm_hub_name_deinit(&name);
}

static void names_have_parts(void **state)
{
    (void)state;
    expect("distilgpt2", "distilgpt2", "main", NULL);
    expect("org/name-1.5B_x", "org/name-1.5B_x", "main", NULL);
    expect("org/name@v1.0", "org/name", "v1.0", NULL);
    expect("org/name@refs/pr/1", "org/name", "refs/pr/1", NULL);
    expect("org/name:Q4_K_M", "org/name", "main", "Q4_K_M");
    expect("org/name@dev:sub/*q4*.gguf", "org/name", "dev", "sub/*q4*.gguf");
    expect("org/name:a@b.gguf", "org/name", "main", "a@b.gguf");
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           "/",       "a/",       "/a",        "a/b/c",
        "a//b",       "..",      "a/..",     "../a",      ".a",
        "-a",         "a--b/c",  "a b",      "a/b@",      "a/b@../x",
        "a/b@x..y",   "a/b@/x",  "a/b@x y",  "a/b:",      "a/b:../x",
        "a/b:/etc/x", "a/b:x\n", "a/b:x//y", "a/b@x:\\y", "\xc3\xa4/b",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ifm_hub_name name;
        if (ifm_hub_name_parse(texts[i], &name, &err) != IFM_ERR_ARGUMENT)
            fail_msg("\"%s\" was taken", texts[i]);
        assert_null(name.repo);
    }
    char long_name[200];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[97] = '\0'; /* 96 are allowed */
    assert_int_equal(ifm_hub_name_parse(long_name, &(ifm_hub_name){0}, &err),
                     IFM_ERR_ARGUMENT);
}

static void files_are_selected(void **state)
{
    (void)state;
    assert_true(ifm_hub_select_matches("Q4_K_M", "Llama-3-Q4_K_M.gguf"));
    assert_true(ifm_hub_select_matches("q4_k_m", "sub/Llama-3.Q4_K_M.gguf"));
    assert_true(ifm_hub_select_matches("llama.gguf", "sub/Llama.gguf"));
    assert_true(ifm_hub_select_matches("sub/llama.gguf", "sub/Llama.gguf"));
    assert_true(ifm_hub_select_matches("*q8*", "x-Q8_0.gguf"));
    assert_false(ifm_hub_select_matches("K_M", "Llama-3-Q4_K_M.gguf"));
    assert_false(ifm_hub_select_matches("Q4_K", "Llama-3-Q4_K_M.gguf"));
    assert_false(ifm_hub_select_matches("Llama-3-Q4_K_M", "Llama-3-Q4_K_M.gguf"));
    assert_false(ifm_hub_select_matches("Q4_K_M", ".gguf"));
}

static void unsafe_paths_are_seen(void **state)
{
    (void)state;
    assert_true(ifm_hub_path_is_safe("a/b.c/..d/e.."));
    static const char *const unsafe[] = {"",    "/",    "/a",   "a/",     "a//b",
                                         "..",  "../a", "a/..", "a/../b", ".",
                                         "./a", "a\nb", "a\\b", "a\x7f"};
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
        assert_false(ifm_hub_path_is_safe(unsafe[i]));
    char long_path[1100];
    memset(long_path, 'a', sizeof long_path - 1);
    long_path[1001] = '\0';
    assert_false(ifm_hub_path_is_safe(long_path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_parts),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(files_are_selected),
        cmocka_unit_test(unsafe_paths_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
