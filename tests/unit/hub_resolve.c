/* hub: names become paths, or a message that says where was looked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/resolve.h"

static ifm_error err;
static char models[4096], counting[4200], config[4300];

static int prepare(void **state)
{
    (void)state;
    snprintf(models, sizeof models, "%s/hub_test_models", getenv("IFM_BUILD_ROOT"));
    snprintf(counting, sizeof counting, "%s/counting", models);
    snprintf(config, sizeof config, "%s/config.json", counting);
    mkdir(models, 0777);
    mkdir(counting, 0777);
    FILE *file = fopen(config, "w");
    if (file == NULL)
        return -1;
    fputs("{}", file);
    fclose(file);
    setenv("IFM_MODELS", models, 1);
    return 0;
}

static int release(void **state)
{
    (void)state;
    unlink(config);
    rmdir(counting);
    rmdir(models);
    return 0;
}

static void expect(const char *name, const char *path)
{
    char *got = NULL;
    if (ifm_hub_resolve(name, &got, &err) != IFM_OK)
        fail_msg("%s", err.message);
    assert_string_equal(got, path);
    free(got);
}

static void names_and_paths_resolve(void **state)
{
    (void)state;
    expect(NULL, counting);
    expect("counting", counting);
    expect(counting, counting);
    expect(config, config);
}

static void expect_failure(const char *name, const char *says)
{
    char *got = NULL;
    assert_int_equal(ifm_hub_resolve(name, &got, &err), IFM_ERR_NOT_FOUND);
    assert_null(got);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.message, says);
}

static void failures_say_where_was_looked(void **state)
{
    (void)state;
    expect_failure("no-such-model", models);
    expect_failure(models, "has no config.json");
    expect_failure("./no/such/path", "no such model");
    expect_failure("", "no such model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_paths_resolve),
        cmocka_unit_test(failures_say_where_was_looked),
    };
    return cmocka_run_group_tests(tests, prepare, release);
}
