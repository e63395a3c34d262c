/* compare: ratios of medians with their intervals beside scipy's bootstrap, and where two
 * texts part. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "measure/compare.h"

/* The ends of an interval are quantiles of random draws. Two runs of scipy itself with 9,999
 * draws and other seeds differ by up to 5% of the interval's width in these samples. */
static const double INTERVAL_SHARE = 0.08;
static const double ROUNDING = 1e-12;

static json_t *reference;

static double *numbers(const json_t *array, size_t *n)
{
    *n = json_array_size(array);
    double *x = calloc(*n + 1, sizeof *x);
    for (size_t i = 0; i < *n; i++)
        x[i] = json_number_value(json_array_get(array, i));
    return x;
}

static void ratios_agree_with_scipy(void **state)
{
    (void)state;
    size_t i;
    json_t *pair;
    const json_t *pairs = json_object_get(reference, "ratios");
    assert_true(json_array_size(pairs) >= 4);
    json_array_foreach(pairs, i, pair)
    {
        size_t n_base, n_x;
        double *base = numbers(json_object_get(pair, "base"), &n_base);
        double *x = numbers(json_object_get(pair, "x"), &n_x);
        const json_t *ci = json_object_get(pair, "ci95");
        const double low = json_number_value(json_array_get(ci, 0));
        const double high = json_number_value(json_array_get(ci, 1));
        ifm_ratio r;
        assert_int_equal(ifm_ratio_of_medians(base, n_base, x, n_x, &r, NULL), IFM_OK);
        const double value = json_number_value(json_object_get(pair, "ratio"));
        assert_true(fabs(r.value - value) <= ROUNDING * value);
        assert_true(fabs(r.ci95[0] - low) <= INTERVAL_SHARE * (high - low) + ROUNDING);
        assert_true(fabs(r.ci95[1] - high) <= INTERVAL_SHARE * (high - low) + ROUNDING);
        free(base);
        free(x);
    }
}

static void few_values_have_no_interval(void **state)
{
    (void)state;
    const double base[] = {2, 1, 3}, x[] = {10, 30, 20, 40, 50, 60};
    ifm_ratio r;
    assert_int_equal(ifm_ratio_of_medians(base, 3, x, 6, &r, NULL), IFM_OK);
    assert_true(r.value == 35.0 / 2);
    assert_true(isnan(r.ci95[0]) && isnan(r.ci95[1]));
    assert_int_equal(ifm_ratio_of_medians(base, 0, x, 6, &r, NULL), IFM_OK);
    assert_true(isnan(r.value));
}

static void add(ifm_run *run, const int32_t *ids, size_t n)
{
    ifm_record *r = ifm_run_add(run);
    r->ok = true;
    r->id = (int32_t)run->n_records;
    r->output_ids = malloc((n + 1) * sizeof *ids);
    memcpy(r->output_ids, ids, n * sizeof *ids);
    r->input_ids = calloc(2, sizeof *r->input_ids);
    r->n_input = 2;
    r->n_tokens = n;
}

static void texts_part_at_a_token(void **state)
{
    (void)state;
    static const int32_t a[] = {5, 6, 7, 8}, b[] = {5, 6, 9, 8};
    ifm_run one = {0}, two = {0}, none = {0};
    add(&one, a, 4);
    add(&two, b, 4);
    ifm_agreement g = ifm_compare_tokens(&one, &two);
    assert_true(g.known && g.same_input && !g.same);
    assert_int_equal(g.n_same, 2);
    add(&two, a, 3); /* the last request counts */
    g = ifm_compare_tokens(&one, &two);
    assert_true(!g.same && g.n_same == 3);
    add(&two, a, 4);
    assert_true(ifm_compare_tokens(&one, &two).same);
    /* A batch: the second of two sequences differs. */
    ifm_run three = {0}, four = {0};
    for (int i = 0; i < 2; i++) {
        add(&three, a, 4);
        add(&four, i == 0 ? a : b, 4);
        three.records[i].id = four.records[i].id = 7;
    }
    g = ifm_compare_tokens(&three, &four);
    assert_true(g.same_input && !g.same);
    assert_int_equal(g.sequence, 1);
    assert_int_equal(g.n_same, 2);
    assert_int_equal(g.n_base, 8);
    ifm_run_deinit(&three);
    ifm_run_deinit(&four);
    two.records[2].input_ids[1] = 1;
    assert_false(ifm_compare_tokens(&one, &two).same_input);
    assert_false(ifm_compare_tokens(&one, &none).known);
    ifm_run_deinit(&one);
    ifm_run_deinit(&two);
}

int main(void)
{
    char path[4096];
    const char *root = getenv("IFM_SOURCE_ROOT");
    snprintf(path, sizeof path, "%s/tests/reference/statistics.json", root ? root : ".");
    reference = json_load_file(path, 0, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_agree_with_scipy),
        cmocka_unit_test(few_values_have_no_interval),
        cmocka_unit_test(texts_part_at_a_token),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(reference);
    return failed;
}
