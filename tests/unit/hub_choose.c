/* hub: which files of a repository are the model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hub/choose.h"

static ifm_error err;

/* Chooses among `names` (NULL at the end); the wanted ones are joined by blanks. */
static ifm_status choose(const char *const *names, const char *select, char *wanted,
                         size_t size)
{
    ifm_hub_files files = {0};
    ifm_hub_choice choice;
    *wanted = '\0';
    for (; *names != NULL; names++)
        assert_true(ifm_hub_files_add(&files, *names, strlen(*names)));
    ifm_status st = ifm_hub_choose(&files, "org/name", select, &choice, &err);
    for (size_t i = 0; st == IFM_OK && i < choice.wanted.count; i++) {
        size_t n = strlen(wanted);
        snprintf(wanted + n, size - n, "%s%s", n > 0 ? " " : "", choice.wanted.paths[i]);
    }
    ifm_hub_choice_deinit(&choice);
    ifm_hub_files_deinit(&files);
    return st;
}

static void expect(const char *const *names, const char *select, const char *wanted)
{
    char got[512];
    if (choose(names, select, got, sizeof got) != IFM_OK)
        fail_msg("%s", err.message);
    assert_string_equal(got, wanted);
}

static void expect_failure(const char *const *names, const char *select,
                           ifm_status status, const char *says)
{
    char got[512];
    assert_int_equal(choose(names, select, got, sizeof got), status);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.message, says);
}

static void safetensors_with_what_belongs_to_them(void **state)
{
    (void)state;
    const char *const one[] = {"README.md",  "config.json",       "flax_model.msgpack",
                               "merges.txt", "model.safetensors", "pytorch_model.bin",
                               "vocab.json", "sub/config.json",   NULL};
    expect(one, NULL, "config.json merges.txt model.safetensors vocab.json");
    const char *const shards[] = {"config.json",
                                  "model-00001-of-00002.safetensors",
                                  "model-00002-of-00002.safetensors",
                                  "model.safetensors.index.json",
                                  "original/model-00001-of-00001.safetensors",
                                  NULL};
    expect(shards, NULL,
           "config.json model-00001-of-00002.safetensors "
           "model-00002-of-00002.safetensors model.safetensors.index.json");
    const char *const both[] = {"config.json",
                                "model-00001-of-00001.safetensors",
                                "model.safetensors",
                                "model.safetensors.index.json",
                                "x.gguf",
                                NULL};
    expect(both, NULL, "config.json model.safetensors");
    expect(both, "x.gguf", "x.gguf");
}

static void one_gguf(void **state)
{
    (void)state;
    const char *const some[] = {"a-Q4_0.gguf", "a-Q4_K_M.gguf", "mmproj-a-f16.gguf",
                                "config.json", NULL};
    expect(some, "Q4_0", "a-Q4_0.gguf");
    expect(some, "a-q4_k_m.gguf", "a-Q4_K_M.gguf");
    expect_failure(some, NULL, IFM_ERR_UNSUPPORTED, "choose one as \"org/name:FILE\"");
    expect_failure(some, "*q4*", IFM_ERR_UNSUPPORTED, "several GGUF files match");
    expect_failure(some, "Q8_0", IFM_ERR_NOT_FOUND,
                   "there are: a-Q4_0.gguf, a-Q4_K_M.gguf");
    const char *const nested[] = {"x.gguf", "sub/x.gguf", NULL};
    expect(nested, "x.gguf", "x.gguf");
    expect(nested, "sub/x.gguf", "sub/x.gguf");
    const char *const split[] = {"x-00001-of-00003.gguf", NULL};
    expect_failure(split, NULL, IFM_ERR_UNSUPPORTED, "one part of a GGUF");
    const char *const eyes[] = {"mmproj-a-f16.gguf", NULL};
    expect_failure(eyes, NULL, IFM_ERR_NOT_FOUND, "has no weights that are read");
    expect_failure(eyes, "x", IFM_ERR_NOT_FOUND, "there is none");
}

static void what_is_not_read_is_named(void **state)
{
    (void)state;
    const char *const torch[] = {"config.json", "pytorch_model.bin", "tf_model.h5", NULL};
    expect_failure(torch, NULL, IFM_ERR_NOT_FOUND,
                   "found only pytorch_model.bin, tf_model.h5");
    const char *const none[] = {NULL};
    expect_failure(none, NULL, IFM_ERR_NOT_FOUND, "or a .gguf file");
}

/* A hub may have thousands: the message stays a line. */
static void many_names_are_cut(void **state)
{
    (void)state;
    static char names[100][40];
    const char *list[101] = {NULL};
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "a-long-name-of-a-model-%d.gguf", i);
        list[i] = names[i];
    }
    expect_failure(list, NULL, IFM_ERR_UNSUPPORTED, ", …");
}

static void shards_are_listed_once(void **state)
{
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s/hub_test_index.json", getenv("IFM_BUILD_ROOT"));
    static const struct {
        const char *text, *says; /* NULL: fine, with the shards a and b */
    } cases[] = {
        {"{\"weight_map\": {\"x\": \"a\", \"y\": \"b\", \"z\": \"a\"}}", NULL},
        {"{\"weight_map\": [1]}", "expected an object"},
        {"{\"weight_map\": {\"x\": \"../a\"}}", "no name of a file"},
        {"{\"weight_map\": {\"x\": 1}}", "no name of a file"},
        {"[", "expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(cases[i].text, file);
        fclose(file);
        ifm_hub_files shards;
        ifm_status st = ifm_hub_shards(path, &shards, &err);
        if (cases[i].says == NULL) {
            assert_int_equal(st, IFM_OK);
            assert_int_equal(shards.count, 2);
        } else if (st != IFM_ERR_FORMAT || strstr(err.message, cases[i].says) == NULL) {
            fail_msg("\"%s\" lacks \"%s\"", err.message, cases[i].says);
        }
        ifm_hub_files_deinit(&shards);
    }
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_with_what_belongs_to_them),
        cmocka_unit_test(one_gguf),
        cmocka_unit_test(what_is_not_read_is_named),
        cmocka_unit_test(many_names_are_cut),
        cmocka_unit_test(shards_are_listed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
