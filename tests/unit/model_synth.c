/* model: synthetic checkpoints are whole, repeatable, and of the scale they claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "format/weights.h"
#include "model/config.h"
#include "model/synth.h"

static char directory[64];

static int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/ifm-synth-XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int remove_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"model.safetensors", "config.json", "vocab.json",
                                        "merges.txt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(path_of(names[i]));
    return rmdir(directory);
}

static void make(ifm_synth_options options)
{
    ifm_error err = {0};
    options.shape = "tiny-gpt2";
    options.directory = directory;
    if (ifm_model_synth(&options, &err) != IFM_OK)
        fail_msg("%s", err.message);
}

static char *read_weights(size_t *n)
{
    char *bytes;
    ifm_error err = {0};
    if (ifm_file_read(path_of("model.safetensors"), 10000000, &bytes, n, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return bytes;
}

static void same_options_same_bytes(void **state)
{
    (void)state;
    size_t n, m;
    make((ifm_synth_options){.seed = 3, .threads = 1});
    char *one = read_weights(&n);
    make((ifm_synth_options){.seed = 3, .threads = 3});
    char *three = read_weights(&m);
    assert_int_equal(n, m);
    assert_memory_equal(one, three, n);
    free(three);
    make((ifm_synth_options){.seed = 4});
    three = read_weights(&m);
    assert_int_equal(n, m);
    assert_int_not_equal(memcmp(one, three, n), 0);
    free(three);
    free(one);
}

/* 3 standard errors of a mean and of a deviation over 50257 · 2 numbers. */
static void check_moments(const ifm_tensor *tensor, double mean, double deviation)
{
    size_t n = tensor->n_bytes / sizeof(float);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, (const char *)tensor->data + i * sizeof x, sizeof x);
        sum += (double)x;
        squares += ((double)x - mean) * ((double)x - mean);
    }
    double error = 3 * deviation / sqrt((double)n);
    assert_true(fabs(sum / (double)n - mean) < error);
    assert_true(fabs(sqrt(squares / (double)n) - deviation) < error / sqrt(2.0));
}

static void tensors_have_shape_and_scale(void **state)
{
    (void)state;
    make((ifm_synth_options){.seed = 1});
    ifm_weights *weights;
    ifm_config config;
    ifm_error err = {0};
    assert_int_equal(ifm_config_read(directory, &config, &err), IFM_OK);
    assert_int_equal(config.n_layer, 2);
    assert_int_equal(config.n_embd, 2);
    assert_int_equal(config.n_vocab, 50257);
    if (ifm_weights_open(directory, &weights, &err) != IFM_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ifm_weights_count(weights), 2 * 12 + 4);
    const ifm_tensor *wte = ifm_weights_find(weights, "wte.weight");
    assert_int_equal(wte->shape[0], 50257);
    assert_int_equal(wte->shape[1], 2);
    check_moments(wte, 0, 0.02);
    const ifm_tensor *qkv = ifm_weights_find(weights, "h.1.attn.c_attn.weight");
    assert_int_equal(qkv->shape[1], 6);
    for (size_t i = 0; i < ifm_weights_count(weights); i++)
        assert_int_equal(ifm_tensor_count_nonfinite(ifm_weights_at(weights, i)), 0);
    /* The first tensor begins at a multiple of 64. */
    ifm_mapping mapping;
    ifm_weights_file(weights, 0, &mapping);
    const ifm_tensor *first = ifm_weights_find(weights, "h.0.attn.c_attn.bias");
    assert_int_equal(((const unsigned char *)first->data - mapping.data) % 64, 0);
    ifm_weights_close(weights);
}

static void types_and_odd_addresses(void **state)
{
    (void)state;
    for (ifm_dtype dtype = IFM_DTYPE_F32; dtype < IFM_DTYPE_FLOAT_COUNT; dtype++) {
        make((ifm_synth_options){.dtype = dtype, .odd_addresses = true});
        ifm_weights *weights;
        assert_int_equal(ifm_weights_open(directory, &weights, NULL), IFM_OK);
        const ifm_tensor *wte = ifm_weights_find(weights, "wte.weight");
        assert_int_equal(wte->dtype, dtype);
        assert_int_equal((uintptr_t)wte->data % 2, 1);
        ifm_weights_close(weights);
    }
}

static bool stop_at_once(void *arg, int64_t n_done, int64_t n_bytes)
{
    (void)arg;
    assert_true(n_done > 0 && n_done <= n_bytes);
    return false;
}

static void what_is_not_written(void **state)
{
    (void)state;
    ifm_error err = {0};
    ifm_synth_options options = {.shape = "gpt3", .directory = path_of("new")};
    assert_int_equal(ifm_model_synth(&options, &err), IFM_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        "no shape is called \"gpt3\", there are tiny-gpt2, "
                        "distilgpt2, gpt2, gpt2-medium, gpt2-large, gpt2-xl");
    assert_false(ifm_file_exists(path_of("new")));

    options = (ifm_synth_options){.shape = "tiny-gpt2",
                                  .directory = path_of("new"),
                                  .threads = 1,
                                  .progress = stop_at_once};
    assert_int_equal(ifm_model_synth(&options, &err), IFM_ERR_CANCELLED);
    assert_false(ifm_file_exists(path_of("new")));
}

static void the_tokenizer_is_copied(void **state)
{
    (void)state;
    char source[1024];
    const char *root = getenv("IFM_SOURCE_ROOT");
    snprintf(source, sizeof source, "%s/models/counting", root != NULL ? root : ".");
    make((ifm_synth_options){.tokenizer = source});
    assert_true(ifm_file_exists(path_of("vocab.json")));
    assert_true(ifm_file_exists(path_of("merges.txt")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_options_same_bytes),
        cmocka_unit_test(tensors_have_shape_and_scale),
        cmocka_unit_test(types_and_odd_addresses),
        cmocka_unit_test(what_is_not_written),
        cmocka_unit_test(the_tokenizer_is_copied),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
