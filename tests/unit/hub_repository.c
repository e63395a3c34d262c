/* hub: what a hub says about a repository, and what is no answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hub/repository.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static ifm_error err;

static void an_answer_is_read(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\": \"x\", \"sha\": \"" COMMIT "\", \"gated\": false, \"tags\": [\"gguf\", "
        "\"license:mit\"], \"siblings\": [{\"rfilename\": \"a\"}, {\"rfilename\": "
        "\"b/c\", "
        "\"size\": 5}]}";
    ifm_hub_repository repository;
    assert_int_equal(
        ifm_hub_repository_parse(text, sizeof text - 1, "x", &repository, &err), IFM_OK);
    assert_string_equal(repository.commit, COMMIT);
    assert_string_equal(repository.license, "mit");
    assert_int_equal(repository.files.count, 2);
    assert_string_equal(repository.files.paths[1], "b/c");
    ifm_hub_repository_deinit(&repository);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "<html>",
        "[]",
        "{}",
        "{\"sha\": 1, \"siblings\": []}",
        "{\"sha\": \"../../x\", \"siblings\": []}",
        "{\"sha\": \"" COMMIT "\"}",
        "{\"sha\": \"" COMMIT "\", \"siblings\": {}}",
        "{\"sha\": \"" COMMIT "\", \"siblings\": [1]}",
        "{\"sha\": \"" COMMIT "\", \"siblings\": [{\"rfilename\": \"/etc/passwd\"}]}",
        "{\"sha\": \"" COMMIT "\", \"siblings\": [{\"rfilename\": \"a/../../b\"}]}",
        "{\"sha\": \"" COMMIT "\", \"siblings\": [{\"rfilename\": \"a\\u000ab\"}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ifm_hub_repository repository;
        if (ifm_hub_repository_parse(texts[i], strlen(texts[i]), "x", &repository,
                                     &err) != IFM_ERR_FORMAT)
            fail_msg("was taken: %s", texts[i]);
        assert_null(repository.commit);
        assert_int_equal(repository.files.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
