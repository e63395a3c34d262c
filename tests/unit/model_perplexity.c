/* perplexity: the protocol against one evaluation a token, and the two figures by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/perplexity.h"

/* The same sums in another order, in f32 (model_session.c), then a logarithm. */
static const double TOLERANCE_ORDER = 1e-4;
/* A few roundings in double of values around 1. */
static const double TOLERANCE_DOUBLE = 1e-6;

enum { CONTEXT = 12, CHUNKS = 3, N = CONTEXT * CHUNKS + 5 };

static char directory[4096];
static int32_t ids[N];

static ifm_model *open_case(const char *name)
{
    char path[4200];
    ifm_model *model = NULL;
    ifm_error err = {0};
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (ifm_model_open(path, NULL, &model, &err) != IFM_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < N; i++)
        ids[i] = (i * 37 + 11) % ifm_model_describe(model)->n_vocab;
    return model;
}

static void by_hand(void **state)
{
    (void)state;
    /* Probabilities 1/2, 1/4, 1/4 and 1/4, 1/2, 1/4, whatever is added to all logits. */
    const float p[] = {(float)log(2) + 50, 50, 50}, q[] = {-80, (float)log(2) - 80, -80};
    assert_float_equal(ifm_negative_log_likelihood(p, 3, 0), log(2), 1e-5);
    assert_float_equal(ifm_negative_log_likelihood(q, 3, 2), log(4), 1e-5);
    /* 1/2 ln 2 + 1/4 ln(1/2) + 0 */
    assert_float_equal(ifm_divergence(p, q, 3), log(2) / 4, 1e-5);
    assert_float_equal(ifm_divergence(p, p, 3), 0, TOLERANCE_DOUBLE);
}

/* −ln p of every token behind the first half of a chunk, each from a session of its own. */
static double expected(const ifm_model *model, int chunk, int at, int32_t bos)
{
    int32_t text[CONTEXT];
    const float *logits;
    ifm_session *session = NULL;
    const ifm_session_options options = {.positions = CONTEXT, .threads = 1};
    memcpy(text, ids + chunk * CONTEXT, sizeof text);
    if (bos >= 0)
        text[0] = bos;
    assert_int_equal(ifm_session_new(model, &options, &session, NULL), IFM_OK);
    assert_int_equal(ifm_session_eval(session, text, at + 1, &logits, NULL), IFM_OK);
    const double nll = ifm_negative_log_likelihood(
        logits, ifm_model_describe(model)->n_vocab, text[at + 1]);
    ifm_session_free(session);
    return nll;
}

static void check_protocol(int32_t bos)
{
    ifm_model *model = open_case("plain");
    ifm_perplexity out;
    const ifm_perplexity_job job = {.model = model,
                                    .reference = model,
                                    .ids = ids,
                                    .n_ids = N,
                                    .bos_id = bos,
                                    .context = CONTEXT,
                                    .session = {.threads = 2}};
    assert_int_equal(ifm_perplexity_run(&job, &out, NULL), IFM_OK);
    assert_int_equal(out.chunks, CHUNKS);
    assert_int_equal(out.per_chunk, CONTEXT / 2 - 1);
    assert_int_equal(out.n, CHUNKS * (CONTEXT / 2 - 1));
    double sum = 0;
    for (size_t i = 0; i < out.n; i++) {
        const int chunk = (int)(i / out.per_chunk), at = (int)(i % out.per_chunk);
        const double nll = expected(model, chunk, CONTEXT / 2 + at, bos);
        assert_float_equal(out.nll[i], nll, TOLERANCE_ORDER);
        assert_float_equal(out.divergence[i], 0, TOLERANCE_DOUBLE);
        sum += out.nll[i];
    }
    assert_int_equal(out.n_same_top, out.n);
    assert_float_equal(out.reference_nll, sum / (double)out.n, TOLERANCE_DOUBLE);
    ifm_perplexity_deinit(&out);
    ifm_model_close(model);
}

static void second_halves_are_scored(void **state)
{
    (void)state;
    check_protocol(-1);
}

static void chunks_begin_with_bos(void **state)
{
    (void)state;
    check_protocol(3);
}

static bool stop_after_one(void *arg, int64_t chunk, int64_t chunks)
{
    *(int64_t *)arg = chunks;
    return chunk < 1;
}

static void an_end_before_the_end(void **state)
{
    (void)state;
    ifm_model *model = open_case("plain");
    ifm_perplexity out;
    int64_t chunks = 0;
    const ifm_perplexity_job job = {.model = model,
                                    .ids = ids,
                                    .n_ids = N,
                                    .bos_id = -1,
                                    .context = CONTEXT,
                                    .max_chunks = 2,
                                    .session = {.threads = 1},
                                    .progress = stop_after_one,
                                    .progress_arg = &chunks};
    assert_int_equal(ifm_perplexity_run(&job, &out, NULL), IFM_OK);
    assert_int_equal(chunks, 2);
    assert_int_equal(out.chunks, 1);
    assert_int_equal(out.all_chunks, 2);
    assert_int_equal(out.n, out.per_chunk);
    assert_null(out.divergence);
    ifm_perplexity_deinit(&out);
    ifm_model_close(model);
}

static void what_cannot_be_scored(void **state)
{
    (void)state;
    ifm_model *model = open_case("plain"), *other = open_case("odd_sizes");
    ifm_perplexity out;
    ifm_error err = {0};
    ifm_perplexity_job job = {.model = model,
                              .ids = ids,
                              .n_ids = 2 * CONTEXT - 1,
                              .bos_id = -1,
                              .context = CONTEXT,
                              .session = {.threads = 1}};
    assert_int_equal(ifm_perplexity_run(&job, &out, &err), IFM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "23 tokens"));
    job.n_ids = N;
    job.context = 3;
    assert_int_equal(ifm_perplexity_run(&job, &out, &err), IFM_ERR_ARGUMENT);
    job.context = ifm_model_describe(model)->n_positions + 1;
    assert_int_equal(ifm_perplexity_run(&job, &out, &err), IFM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "positions"));
    job.context = CONTEXT;
    job.reference = other;
    assert_int_equal(ifm_perplexity_run(&job, &out, &err), IFM_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "vocabulary"));
    ifm_perplexity_deinit(&out);
    ifm_model_close(model);
    ifm_model_close(other);
}

int main(void)
{
    const char *root = getenv("IFM_SOURCE_ROOT");
    snprintf(directory, sizeof directory, "%s/tests/reference/gpt2", root ? root : ".");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(second_halves_are_scored),
        cmocka_unit_test(chunks_begin_with_bos),
        cmocka_unit_test(an_end_before_the_end),
        cmocka_unit_test(what_cannot_be_scored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
