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
#include "model/model.h"
#include "model/synth.h"
#include "model/synth_plan.h"

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

/* Tensors that have shapes and no data. */
typedef struct planned {
    ifm_synth_tensor *tensors;
    size_t n;
    ifm_tensor found[8]; /* the last ones asked for */
    size_t n_found;      /* all that were */
} planned;

static const float nothing[1 << 18];

static const ifm_tensor *find_planned(const void *arg, const char *name)
{
    planned *self = (planned *)(uintptr_t)arg;
    for (size_t i = 0; i < self->n; i++) {
        const ifm_synth_tensor *t = &self->tensors[i];
        if (strcmp(t->name, name) != 0)
            continue;
        ifm_tensor *out = &self->found[self->n_found++ % 8];
        *out = (ifm_tensor){.name = t->name,
                            .dtype = IFM_DTYPE_F32,
                            .n_dimensions = t->columns > 0 ? 2 : 1,
                            .shape = {t->rows, t->columns},
                            .data = nothing,
                            .file = "planned"};
        return out;
    }
    return NULL;
}

static void bind_planned(planned *all, const ifm_config *config)
{
    ifm_error err = {0};
    ifm_model model = {.config = *config};
    assert_int_equal(ifm_kernels_find("scalar", &model.kern, &err), IFM_OK);
    const ifm_family_ops *ops = ifm_family_ops_of(config->family);
    const ifm_tensor_source source = {.find = find_planned, .arg = all};
    if (ops->bind(&model, &source, &err) != IFM_OK)
        fail_msg("%s", err.message);
    assert_int_equal(all->n_found, all->n); /* each is used, and once */
    ops->unbind(&model);
    free(model.vectors);
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

/* Each shape's tensors are those that its own config.json asks for. */
static void every_shape_binds(void **state)
{
    (void)state;
    char names[512];
    snprintf(names, sizeof names, "%s", ifm_synth_shapes());
    size_t n_shapes = 0;
    for (char *name = strtok(names, ", "); name; name = strtok(NULL, ", "), n_shapes++) {
        const ifm_synth_shape *shape = ifm_synth_shape_find(name);
        ifm_buffer text = {0};
        ifm_config config;
        ifm_error err = {0};
        assert_non_null(shape);
        ifm_synth_config(shape, IFM_DTYPE_BF16, &text);
        if (ifm_config_parse(text.data, text.length, name, &config, &err) != IFM_OK)
            fail_msg("%s", err.message);
        ifm_buffer_deinit(&text);
        planned all = {0};
        all.tensors = ifm_synth_tensors(shape, &all.n);
        assert_non_null(all.tensors);
        bind_planned(&all, &config);
        free(all.tensors);
    }
    assert_int_equal(n_shapes, 12);
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

/* A Llama from its own file. */
static void a_llama_runs(void **state)
{
    (void)state;
    ifm_model *model;
    ifm_session *session;
    const float *logits;
    const int32_t ids[] = {1, 500, 3};
    ifm_error err = {0};
    const ifm_synth_options options = {
        .shape = "tiny-llama", .directory = directory, .dtype = IFM_DTYPE_F16};
    const ifm_session_options room = {.positions = 8, .threads = 2};
    if (ifm_model_synth(&options, &err) != IFM_OK ||
        ifm_model_open(directory, NULL, &model, &err) != IFM_OK)
        fail_msg("%s", err.message);
    const ifm_model_info *info = ifm_model_describe(model);
    assert_string_equal(info->family, "llama");
    assert_string_equal(info->dtype, "f16");
    /* 512 · 32 of the embedding; a layer: norms, q and o, k and v, three of 32 · 64. */
    assert_int_equal(info->parameters,
                     512 * 32 + 32 +
                         2 * (2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 64));
    assert_int_equal(ifm_session_new(model, &room, &session, &err), IFM_OK);
    assert_int_equal(ifm_session_eval(session, ids, 3, &logits, &err), IFM_OK);
    for (int32_t i = 0; i < info->n_vocab; i++)
        assert_true(isfinite(logits[i]));
    ifm_session_free(session);
    ifm_model_close(model);
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
                        "distilgpt2, gpt2, gpt2-medium, gpt2-large, gpt2-xl, "
                        "tiny-llama, smollm2-135m, tinyllama, llama-3.2-1b, "
                        "qwen2.5-0.5b, qwen3-0.6b");
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
        cmocka_unit_test(every_shape_binds),
        cmocka_unit_test(a_llama_runs),
        cmocka_unit_test(types_and_odd_addresses),
        cmocka_unit_test(what_is_not_written),
        cmocka_unit_test(the_tokenizer_is_copied),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
