/* model: what a model is called in reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/label.h"

static void expect(const char *path, const char *label)
{
    char *got = ifm_model_label(path);
    assert_non_null(got);
    assert_string_equal(got, label);
    free(got);
}

/* None of these need exist. */
static void paths_have_names(void **state)
{
    (void)state;
    expect("x.gguf", "x");
    expect("/a/b-Q4_0.gguf", "b-Q4_0");
    expect("/no/such/model", "model");
    expect("/", "/");
    expect("", "");
    expect(".gguf", ".gguf");
}

static void snapshots_are_called_after_their_repository(void **state)
{
    (void)state;
    expect("/no/hub/models--org--my-name/snapshots/0123", "my-name");
    expect("/no/hub/models--alone/snapshots/0123", "alone");
    expect("/no/hub/models--/snapshots/0123", "0123");
    expect("/no/hub/other/snapshots/0123", "0123");
    expect("/snapshots/0123", "0123");
    expect("/no/models--a--b/snapshots/0123/x.gguf", "x");
}

static void directories_are_called_what_they_are(void **state)
{
    (void)state;
    char was[4096];
    assert_non_null(getcwd(was, sizeof was));
    assert_int_equal(chdir("/usr/lib/.."), 0);
    expect(".", "usr");
    expect("lib/", "lib");
    expect("lib/model.safetensors", "lib");
    expect("model.safetensors", "usr");
    assert_int_equal(chdir(was), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_have_names),
        cmocka_unit_test(snapshots_are_called_after_their_repository),
        cmocka_unit_test(directories_are_called_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
