/* model: tokens are drawn with the probabilities that Transformers would draw with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "format/json.h"
#include "model/sample.h"

/* Reference probabilities are rounded to 8 digits, and both sides compute in f32. */
static const double probability_tolerance = 2e-6;

static ifm_sampler *sampler_of(ifm_sampling sampling, int32_t n_vocab)
{
    ifm_sampler *sampler = NULL;
    ifm_error err = {0};
    if (ifm_sampler_new(&sampling, n_vocab, &sampler, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return sampler;
}

static float setting(const json_t *settings, const char *key)
{
    return (float)json_number_value(json_object_get(settings, key));
}

static void check_case(const json_t *item, size_t number)
{
    enum { MAX_VOCAB = 64 };
    const json_t *settings = json_object_get(item, "settings");
    const json_t *logit_list = json_object_get(item, "logits");
    const json_t *id_list = json_object_get(item, "ids");
    size_t n = json_array_size(logit_list);
    assert_in_range(n, 1, MAX_VOCAB);
    float logits[MAX_VOCAB];
    double probabilities[MAX_VOCAB] = {0};
    for (size_t i = 0; i < n; i++)
        logits[i] = (float)json_number_value(json_array_get(logit_list, i));
    ifm_sampler *sampler = sampler_of(
        (ifm_sampling){
            .temperature = setting(settings, "temperature"),
            .top_k = (int32_t)setting(settings, "top_k"),
            .top_p = setting(settings, "top_p"),
            .min_p = setting(settings, "min_p"),
            .repetition_penalty = setting(settings, "repetition_penalty"),
        },
        (int32_t)n);
    for (size_t i = 0; i < json_array_size(id_list); i++) {
        int32_t id = (int32_t)json_integer_value(json_array_get(id_list, i));
        ifm_sampler_see(sampler, &id, 1);
    }
    const ifm_choice *choices;
    size_t n_choices = ifm_sampler_choices(sampler, logits, &choices);
    double total = 0;
    for (size_t i = 0; i < n_choices; i++)
        total += (double)choices[i].weight;
    for (size_t i = 0; i < n_choices; i++)
        probabilities[choices[i].id] = (double)choices[i].weight / total;
    const json_t *expected = json_object_get(item, "probabilities");
    for (size_t i = 0; i < n; i++) {
        double p = json_number_value(json_array_get(expected, i));
        if ((p > 0) != (probabilities[i] > 0) ||
            fabs(p - probabilities[i]) > probability_tolerance)
            fail_msg("case %zu, token %zu: %.8f, Transformers has %.8f", number, i,
                     probabilities[i], p);
    }
    ifm_sampler_free(sampler);
}

static void probabilities_are_those_of_transformers(void **state)
{
    (void)state;
    char path[1024];
    const char *root = getenv("IFM_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/reference/sampling.json",
             root != NULL ? root : ".");
    json_t *reference;
    ifm_error err = {0};
    if (ifm_json_read(path, 1000 * 1000, &reference, &err) != IFM_OK)
        fail_msg("%s", err.message);
    const json_t *cases = json_object_get(reference, "cases");
    assert_true(json_array_size(cases) >= 30);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(json_array_get(cases, i), i);
    json_decref(reference);
}

/* Pearson's test of what ifm_sampler_next draws against the softmax. The 99.9% point of
 * chi-square with 9 degrees of freedom is 27.88; the seed is fixed, so that a right
 * sampler passes always. */
static void draws_follow_the_softmax(void **state)
{
    (void)state;
    enum { V = 10, N = 20000 };
    static const double chi_square_999 = 27.88;
    const float logits[V] = {0, 1, -1, 2, 0.5f, -2, 1.5f, 0.1f, -0.3f, 1};
    const float temperatures[] = {0.7f, 1, 2};
    for (size_t t = 0; t < 3; t++) {
        double p[V], total = 0;
        int counts[V] = {0};
        for (int i = 0; i < V; i++)
            total += p[i] = exp((double)logits[i] / (double)temperatures[t]);
        ifm_sampler *sampler =
            sampler_of((ifm_sampling){.temperature = temperatures[t], .seed = 7}, V);
        for (int i = 0; i < N; i++)
            counts[ifm_sampler_next(sampler, logits)]++;
        double chi_square = 0;
        for (int i = 0; i < V; i++) {
            double expected = N * p[i] / total;
            chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
        assert_true(chi_square < chi_square_999);
        ifm_sampler_free(sampler);
    }
}

static void draws_stay_within_the_nucleus(void **state)
{
    (void)state;
    enum { V = 1000, N = 2000 };
    static float logits[V];
    ifm_random random;
    ifm_random_init(&random, 3);
    for (int i = 0; i < V; i++)
        logits[i] = (float)ifm_random_normal(&random);
    ifm_sampler *sampler =
        sampler_of((ifm_sampling){.temperature = 1, .top_k = 50, .top_p = 0.5f}, V);
    for (int i = 0; i < N; i++) {
        int32_t id = ifm_sampler_next(sampler, logits);
        int n_above = 0;
        for (int j = 0; j < V; j++)
            n_above += logits[j] > logits[id];
        assert_in_range(n_above, 0, 49);
    }
    ifm_sampler_free(sampler);
}

static void a_seed_repeats(void **state)
{
    (void)state;
    enum { V = 100, N = 200 };
    float logits[V];
    for (int i = 0; i < V; i++)
        logits[i] = (float)(i % 7);
    ifm_sampler *a = sampler_of((ifm_sampling){.temperature = 1, .seed = 5}, V);
    ifm_sampler *b = sampler_of((ifm_sampling){.temperature = 1, .seed = 5}, V);
    ifm_sampler *c = sampler_of((ifm_sampling){.temperature = 1, .seed = 6}, V);
    int differences = 0;
    for (int i = 0; i < N; i++) {
        int32_t id = ifm_sampler_next(a, logits);
        assert_int_equal(id, ifm_sampler_next(b, logits));
        differences += id != ifm_sampler_next(c, logits);
    }
    assert_in_range(differences, N / 2, N);
    ifm_sampler_free(a);
    ifm_sampler_free(b);
    ifm_sampler_free(c);
}

static void greedy_takes_the_lowest_of_the_greatest(void **state)
{
    (void)state;
    float x[67];
    for (int n = 1; n <= 67; n++) {
        for (int at = 0; at < n; at++) {
            for (int i = 0; i < n; i++)
                x[i] = -1.0f;
            x[at] = 2.0f;
            x[n - 1] = at == n - 1 ? 2.0f : x[n - 1];
            assert_int_equal(ifm_argmax(x, n), at);
            x[n - 1] = 2.0f;
            assert_int_equal(ifm_argmax(x, n), at);
        }
    }
}

static void what_is_no_number_is_never_chosen(void **state)
{
    (void)state;
    float all_nan[3] = {NAN, NAN, NAN};
    float none[2] = {-INFINITY, -INFINITY};
    float mixed[4] = {NAN, -3, NAN, -INFINITY};
    float infinite[3] = {0, INFINITY, INFINITY};
    assert_int_equal(ifm_argmax(all_nan, 3), -1);
    assert_int_equal(ifm_argmax(none, 2), -1);
    assert_int_equal(ifm_argmax(mixed, 4), 1);
    assert_int_equal(ifm_argmax(infinite, 3), 1);
    ifm_sampler *sampler = sampler_of((ifm_sampling){.temperature = 1, .top_p = 0.9f}, 4);
    for (int i = 0; i < 20; i++)
        assert_int_equal(ifm_sampler_next(sampler, mixed), 1);
    ifm_sampler_free(sampler);
    sampler = sampler_of((ifm_sampling){.temperature = 1, .top_k = 2}, 3);
    assert_int_equal(ifm_sampler_next(sampler, all_nan), -1);
    assert_in_range(ifm_sampler_next(sampler, infinite), 1, 2);
    ifm_sampler_free(sampler);
    /* However cold, it is the greatest. */
    float close[3] = {1.0f, 1.00001f, 0.9f};
    sampler = sampler_of((ifm_sampling){.temperature = 1e-38f}, 3);
    assert_int_equal(ifm_sampler_next(sampler, close), 1);
    ifm_sampler_free(sampler);
}

static void penalty_applies_to_greedy_and_once(void **state)
{
    (void)state;
    const float logits[3] = {2.0f, 1.5f, -1.0f};
    const int32_t ids[] = {0, 0, 0, 2, -1, 3};
    ifm_sampler *sampler = sampler_of((ifm_sampling){.repetition_penalty = 1.3f}, 3);
    assert_int_equal(ifm_sampler_next(sampler, logits), 0);
    ifm_sampler_see(sampler, ids, 6);
    /* 2 / 1.3 = 1.54 > 1.5: once is not enough. */
    assert_int_equal(ifm_sampler_next(sampler, logits), 0);
    ifm_sampler_free(sampler);
    sampler = sampler_of((ifm_sampling){.repetition_penalty = 1.4f}, 3);
    ifm_sampler_see(sampler, ids, 6);
    assert_int_equal(ifm_sampler_next(sampler, logits), 1);
    ifm_sampler_free(sampler);
}

static void settings_out_of_range(void **state)
{
    (void)state;
    static const struct {
        ifm_sampling sampling;
        const char *message;
    } cases[] = {
        {{.temperature = -1}, "temperature is -1, expected 0 (greedy) or more"},
        {{.temperature = NAN}, "temperature is nan"},
        {{.top_k = -1}, "top-k is -1, expected 0 (off) or more"},
        {{.top_p = 1.5f}, "top-p is 1.5, expected 0 (off) to 1"},
        {{.min_p = -0.5f}, "min-p is -0.5"},
        {{.repetition_penalty = -2}, "repetition penalty is -2, expected more than 0"},
        {{.repetition_penalty = INFINITY}, "repetition penalty is inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ifm_sampler *sampler;
        ifm_error err = {0};
        assert_int_equal(ifm_sampler_new(&cases[i].sampling, 5, &sampler, &err),
                         IFM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_null(sampler);
    }
}

static void logprobs_are_the_log_softmax(void **state)
{
    (void)state;
    enum { V = 300, TOP = 5 };
    static const double tolerance = 1e-6; /* one f32 rounding of numbers up to 10 */
    float logits[V];
    ifm_random random;
    ifm_random_init(&random, 9);
    double sum = 0;
    for (int i = 0; i < V; i++) {
        logits[i] = (float)ifm_random_normal(&random);
        sum += exp((double)logits[i]);
    }
    logits[200] = logits[100] = 4.0f; /* a tie: the lower id first */
    sum = 0;
    for (int i = 0; i < V; i++)
        sum += exp((double)logits[i]);
    ifm_candidate top[TOP];
    float p = ifm_logprobs(logits, V, 17, TOP, top);
    assert_true(fabs((double)p - ((double)logits[17] - log(sum))) < tolerance);
    assert_int_equal(top[0].id, 100);
    assert_int_equal(top[1].id, 200);
    for (int i = 0; i < TOP; i++) {
        double expected = (double)logits[top[i].id] - log(sum);
        int n_above = 0;
        for (int j = 0; j < V; j++)
            n_above += logits[j] > logits[top[i].id];
        assert_true(n_above == (i == 1 ? 0 : i));
        assert_true(fabs((double)top[i].logprob - expected) < tolerance);
    }
    /* Fewer tokens than asked for. */
    ifm_logprobs(logits, 2, 0, TOP, top);
    assert_int_equal(top[2].id, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_those_of_transformers),
        cmocka_unit_test(draws_follow_the_softmax),
        cmocka_unit_test(draws_stay_within_the_nucleus),
        cmocka_unit_test(a_seed_repeats),
        cmocka_unit_test(greedy_takes_the_lowest_of_the_greatest),
        cmocka_unit_test(what_is_no_number_is_never_chosen),
        cmocka_unit_test(penalty_applies_to_greedy_and_once),
        cmocka_unit_test(settings_out_of_range),
        cmocka_unit_test(logprobs_are_the_log_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
