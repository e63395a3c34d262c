/* model: sessions give the same bits whatever the threads, forget what they are told to,
 * and touch the heap in no evaluation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inferometer/model.h"
#include "kern/kern.h"

/* A prompt in one go and token by token are sums in another order: as far apart as two
 * implementations are (model_reference.c). */
static const float TOLERANCE_ORDER = 1e-4f;

/* The Llama family's small models are that much more sensitive, see there. */
static const float TOLERANCE_LLAMA = 3e-4f;

/* With weights of 16 bits, tables that round activations in long prompts. */
static const float TOLERANCE_16_BITS = 2e-2f;

enum { PROMPT = 40, MAX_V = 1024 };

static char directory[4096];
static int32_t ids[PROMPT];

static ifm_model *open_case(const char *name, const char *kernels)
{
    char path[4200];
    ifm_model *model = NULL;
    ifm_error err = {0};
    const ifm_model_options options = {.kernels = kernels};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (ifm_model_open(path, &options, &model, &err) != IFM_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < PROMPT; i++)
        ids[i] = (i * 37 + 11) % ifm_model_describe(model)->n_vocab;
    return model;
}

static ifm_session *new_session(const ifm_model *model, int32_t positions,
                                int32_t threads)
{
    ifm_session *session = NULL;
    const ifm_session_options options = {.positions = positions, .threads = threads};
    assert_int_equal(ifm_session_new(model, &options, &session, NULL), IFM_OK);
    return session;
}

/* Evaluates and copies the logits. */
static void eval(ifm_session *session, const int32_t *tokens, int32_t n, int32_t v,
                 float *out)
{
    const float *logits;
    ifm_error err = {0};
    if (ifm_session_eval(session, tokens, n, &logits, &err) != IFM_OK)
        fail_msg("%s", err.message);
    memcpy(out, logits, (size_t)v * sizeof *out);
}

static void compare_threads(const char *name, const char *kernels)
{
    static float one[2][MAX_V], many[2][MAX_V];
    ifm_model *model = open_case(name, kernels);
    const int32_t v = ifm_model_describe(model)->n_vocab;
    for (int32_t threads = 1; threads <= 5; threads++) {
        ifm_session *session = new_session(model, PROMPT + 1, threads);
        float(*logits)[MAX_V] = threads == 1 ? one : many;
        assert_int_equal(ifm_session_threads(session), threads);
        eval(session, ids, PROMPT, v, logits[0]);
        eval(session, ids, 1, v, logits[1]);
        ifm_session_free(session);
        if (threads == 1)
            continue;
        assert_memory_equal(one[0], many[0], (size_t)v * sizeof(float));
        assert_memory_equal(one[1], many[1], (size_t)v * sizeof(float));
    }
    ifm_model_close(model);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    const ifm_kern *tables[IFM_KERN_MAX];
    const int n = ifm_kernels_available(tables, IFM_KERN_MAX);
    for (int i = 0; i < n; i++) {
        compare_threads("gpt2/plain", tables[i]->name);
        compare_threads("gpt2/odd_sizes", tables[i]->name);
        compare_threads("gpt2/bf16_odd", tables[i]->name);
        compare_threads("gpt2/f16", tables[i]->name);
        compare_threads("llama/qwen3", tables[i]->name);
        compare_threads("llama/mistral", tables[i]->name);
        compare_threads("gguf_models/llama/model.gguf", tables[i]->name);
    }
}

static void truncation_forgets(void **state)
{
    (void)state;
    static float first[MAX_V], again[MAX_V];
    ifm_model *model = open_case("gpt2/plain", NULL);
    const int32_t v = ifm_model_describe(model)->n_vocab;
    ifm_session *session = new_session(model, PROMPT, 2);
    eval(session, ids, 10, v, again);
    eval(session, ids + 10, 7, v, first);
    assert_int_equal(ifm_session_length(session), 17);
    eval(session, ids + 20, 15, v, again);
    ifm_session_truncate(session, 10);
    assert_int_equal(ifm_session_length(session), 10);
    eval(session, ids + 10, 7, v, again);
    assert_memory_equal(first, again, (size_t)v * sizeof(float));
    ifm_session_truncate(session, 100);
    assert_int_equal(ifm_session_length(session), 17);
    ifm_session_truncate(session, -1);
    assert_int_equal(ifm_session_length(session), 17);
    ifm_session_free(session);
    ifm_model_close(model);
}

static void compare_steps(const char *name, const char *kernels, float tolerance)
{
    static float whole[MAX_V], steps[MAX_V];
    ifm_model *model = open_case(name, kernels);
    const int32_t v = ifm_model_describe(model)->n_vocab;
    ifm_session *session = new_session(model, PROMPT, 2);
    eval(session, ids, PROMPT, v, whole);
    for (int cut = 1; cut < 6; cut++) {
        ifm_session_truncate(session, 0);
        for (int32_t at = 0; at < PROMPT; at += cut)
            eval(session, ids + at, at + cut < PROMPT ? cut : PROMPT - at, v, steps);
        for (int32_t i = 0; i < v; i++)
            assert_true(fabsf(whole[i] - steps[i]) <= tolerance);
    }
    ifm_session_free(session);
    ifm_model_close(model);
}

static void steps_or_at_once(void **state)
{
    (void)state;
    const ifm_kern *tables[IFM_KERN_MAX];
    const int n = ifm_kernels_available(tables, IFM_KERN_MAX);
    for (int i = 0; i < n; i++) {
        compare_steps("gpt2/plain", tables[i]->name, TOLERANCE_ORDER);
        compare_steps("gpt2/bf16", tables[i]->name, TOLERANCE_16_BITS);
        compare_steps("gpt2/f16", tables[i]->name, TOLERANCE_16_BITS);
        compare_steps("llama/llama3", tables[i]->name, TOLERANCE_LLAMA);
        compare_steps("llama/mistral", tables[i]->name, TOLERANCE_LLAMA);
    }
}

/* All rows' logits at once, of a part of the prompt, against one evaluation each. */
static void compare_rows(const char *name, float tolerance)
{
    enum { FROM = 7, ROWS = PROMPT - FROM };
    static float step[MAX_V];
    ifm_model *model = open_case(name, NULL);
    const int32_t v = ifm_model_describe(model)->n_vocab;
    const ifm_session_options options = {PROMPT, 2, ROWS};
    ifm_session *all = NULL, *single = new_session(model, PROMPT, 1);
    const float *logits;
    assert_int_equal(ifm_session_new(model, &options, &all, NULL), IFM_OK);
    assert_int_equal(ifm_session_eval_all(all, ids, PROMPT, &logits, NULL),
                     IFM_ERR_ARGUMENT);
    eval(all, ids, FROM, v, step);
    eval(single, ids, FROM, v, step);
    assert_int_equal(ifm_session_eval_all(all, ids + FROM, ROWS, &logits, NULL), IFM_OK);
    for (int32_t t = 0; t < ROWS; t++) {
        eval(single, ids + FROM + t, 1, v, step);
        for (int32_t i = 0; i < v; i++)
            assert_true(fabsf(logits[t * v + i] - step[i]) <= tolerance);
    }
    ifm_session_free(all);
    ifm_session_free(single);
    ifm_model_close(model);
}

static void logits_of_every_row(void **state)
{
    (void)state;
    compare_rows("gpt2/plain", TOLERANCE_ORDER);
    compare_rows("llama/qwen2_sliding", TOLERANCE_LLAMA);
}

static void one_position_is_enough(void **state)
{
    (void)state;
    static float alone[MAX_V], roomy[MAX_V];
    ifm_model *model = open_case("gpt2/plain", NULL);
    const int32_t v = ifm_model_describe(model)->n_vocab;
    ifm_session *small = new_session(model, 1, 1), *large = new_session(model, 9, 1);
    eval(small, ids, 1, v, alone);
    eval(large, ids, 1, v, roomy);
    assert_memory_equal(alone, roomy, (size_t)v * sizeof(float));
    ifm_session_free(small);
    ifm_session_free(large);
    ifm_model_close(model);
}

static void limits_are_errors(void **state)
{
    (void)state;
    const float *logits;
    ifm_model *model = open_case("gpt2/plain", NULL);
    const ifm_model_info *info = ifm_model_describe(model);
    ifm_session *session = new_session(model, 4, 1), *none = NULL;
    const int32_t bad[] = {-1, info->n_vocab};
    assert_int_equal(ifm_session_eval(session, ids, 5, &logits, NULL), IFM_ERR_LIMIT);
    assert_int_equal(ifm_session_eval(session, ids, 0, &logits, NULL), IFM_ERR_ARGUMENT);
    assert_int_equal(ifm_session_eval(session, &bad[0], 1, &logits, NULL),
                     IFM_ERR_ARGUMENT);
    assert_int_equal(ifm_session_eval(session, &bad[1], 1, &logits, NULL),
                     IFM_ERR_ARGUMENT);
    assert_int_equal(ifm_session_length(session), 0);
    ifm_session_options options = {.positions = 0};
    assert_int_equal(ifm_session_new(model, &options, &none, NULL), IFM_ERR_ARGUMENT);
    options.positions = info->n_positions + 1;
    assert_int_equal(ifm_session_new(model, &options, &none, NULL), IFM_ERR_ARGUMENT);
    options = (ifm_session_options){.positions = 1, .sequences = 1025};
    assert_int_equal(ifm_session_new(model, &options, &none, NULL), IFM_ERR_ARGUMENT);
    assert_null(none);
    ifm_session_free(NULL);
    ifm_session_free(session);
    ifm_model_close(model);
}

static void unknown_kernels_are_refused(void **state)
{
    (void)state;
    const ifm_kern *kern;
    ifm_error err = {0};
    assert_int_equal(ifm_kernels_find("abacus", &kern, &err), IFM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "scalar"));
    assert_int_equal(ifm_kernels_find("scalar", &kern, &err), IFM_OK);
    assert_string_equal(kern->name, "scalar");
}

int main(void)
{
    const char *root = getenv("IFM_SOURCE_ROOT");
    snprintf(directory, sizeof directory, "%s/tests/reference", root ? root : ".");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(truncation_forgets),
        cmocka_unit_test(steps_or_at_once),
        cmocka_unit_test(logits_of_every_row),
        cmocka_unit_test(one_position_is_enough),
        cmocka_unit_test(limits_are_errors),
        cmocka_unit_test(unknown_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
