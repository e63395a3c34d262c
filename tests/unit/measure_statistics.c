/* Statistics against numpy and scipy (tests/reference/statistics.json). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "measure/statistics.h"

/* Sums in another order than numpy's pairwise ones differ in the last few bits. */
static const double relative_tolerance = 1e-12;
/* Student's quantile is found by bisection to about 1e-15, the beta fraction behind it is
 * good to about 1e-12. */
static const double student_tolerance = 1e-10;

static json_t *reference;

static int load_reference(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/reference/statistics.json",
             getenv("IFM_SOURCE_ROOT"));
    json_error_t error;
    reference = json_load_file(path, 0, &error);
    return reference != NULL ? 0 : -1;
}

static int drop_reference(void **state)
{
    (void)state;
    json_decref(reference);
    return 0;
}

static void assert_near(double got, double want, double tolerance)
{
    double scale = fabs(want) > 1 ? fabs(want) : 1;
    if (!(fabs(got - want) <= tolerance * scale))
        fail_msg("got %.17g, expected %.17g", got, want);
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void check_guarded(double got, size_t n, double p, double want)
{
    if (n >= ifm_quantile_needs(p))
        assert_near(got, want, relative_tolerance);
    else
        assert_true(isnan(got));
}

static void check_sample(const json_t *sample)
{
    const json_t *values = json_object_get(sample, "x");
    size_t n = json_array_size(values);
    double *x = calloc(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = json_number_value(json_array_get(values, i));
    ifm_stats s = ifm_stats_of(x, n);
    assert_int_equal(s.n, n);
    assert_near(s.mean, number(sample, "mean"), relative_tolerance);
    assert_near(s.min, number(sample, "min"), 0);
    assert_near(s.max, number(sample, "max"), 0);
    assert_near(s.p50, number(sample, "p50"), relative_tolerance);
    assert_near(s.iqr, number(sample, "p75") - number(sample, "p25"), 1e-9);
    check_guarded(s.p90, n, 0.90, number(sample, "p90"));
    check_guarded(s.p95, n, 0.95, number(sample, "p95"));
    check_guarded(s.p99, n, 0.99, number(sample, "p99"));
    if (n > 1) {
        /* Squares of differences at 3.6e12 ± 1e3 keep some nine digits. */
        assert_near(s.sd, number(sample, "sd"), 1e-9);
        const json_t *interval = json_object_get(sample, "mean_ci95");
        for (size_t i = 0; i < 2; i++)
            assert_near(s.mean_ci95[i], json_number_value(json_array_get(interval, i)),
                        1e-9);
    } else {
        assert_true(isnan(s.sd) && isnan(s.mean_ci95[0]));
    }
    free(x);
}

static void samples_agree_with_numpy(void **state)
{
    (void)state;
    size_t i;
    json_t *sample;
    assert_true(json_array_size(json_object_get(reference, "samples")) >= 8);
    json_array_foreach(json_object_get(reference, "samples"), i, sample)
        check_sample(sample);
}

static void student_agrees_with_scipy(void **state)
{
    (void)state;
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(reference, "student_t975"), key, value)
        assert_near(ifm_student_t975(strtoul(key, NULL, 10)), json_number_value(value),
                    student_tolerance);
}

static void median_ranks_agree_with_scipy(void **state)
{
    (void)state;
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(reference, "median_rank95"), key, value)
        assert_int_equal(ifm_median_rank95(strtoul(key, NULL, 10)),
                         json_integer_value(value));
}

static void percentiles_need_their_n(void **state)
{
    (void)state;
    assert_int_equal(ifm_quantile_needs(0.90), 29);
    assert_int_equal(ifm_quantile_needs(0.95), 59);
    assert_int_equal(ifm_quantile_needs(0.99), 299);
    assert_int_equal(ifm_quantile_needs(0.999), 2995);
    double x[29] = {0};
    assert_true(isnan(ifm_stats_of(x, 28).p90));
    assert_true(ifm_stats_of(x, 29).p90 == 0);
}

static void nothing_is_said_of_nothing(void **state)
{
    (void)state;
    double x[1] = {0};
    ifm_stats s = ifm_stats_of(x, 0);
    assert_int_equal(s.n, 0);
    assert_true(isnan(s.mean) && isnan(s.sd) && isnan(s.min) && isnan(s.max));
    assert_true(isnan(s.p50) && isnan(s.median_ci95[0]));
}

static void outliers_are_counted_and_kept(void **state)
{
    (void)state;
    double x[] = {10, 11, 12, 10, 11, 12, 11, 500, -400};
    ifm_stats s = ifm_stats_of(x, 9);
    assert_int_equal(s.n_outliers, 2);
    assert_true(s.max == 500 && s.min == -400);
}

/* Nanoseconds of a hundred days are whole numbers below 2^53: nothing is rounded. */
static void large_integers_stay_exact(void **state)
{
    (void)state;
    const double base = 9007199254740000.0;
    double x[] = {base + 7, base + 1, base + 5, base + 3, base + 3, base + 9, base + 2};
    ifm_stats s = ifm_stats_of(x, 7);
    assert_true(s.min == base + 1 && s.p50 == base + 3 && s.max == base + 9);
    assert_true(s.median_ci95[0] == base + 1 && s.median_ci95[1] == base + 9);
    assert_true(s.n_outliers == 0);
}

/* Against the definition: at the lower bound k or more are as rare as the tail, at the upper
 * bound k or fewer. Sums of binomial probabilities, another way than the function's. */
static double binomial(int from, int to, int n, double p)
{
    double sum = 0;
    for (int i = from; i <= to; i++)
        sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(p) +
                   (n - i) * log1p(-p));
    return sum;
}

static void shares_have_their_intervals(void **state)
{
    (void)state;
    static const int cases[][2] = {{1, 1}, {3, 10}, {95, 100}, {190, 200}, {799, 800}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int k = cases[i][0], n = cases[i][1];
        double b[2];
        ifm_share_interval(k, n, 0.99, b);
        assert_true(b[0] < (double)k / n && (k == n || b[1] > (double)k / n));
        assert_true(fabs(binomial(k, n, n, b[0]) - 0.005) < 1e-6);
        if (k < n)
            assert_true(fabs(binomial(0, k, n, b[1]) - 0.005) < 1e-6);
    }
    double b[2];
    ifm_share_interval(0, 0, 0.95, b);
    assert_true(b[0] <= 0 && b[1] >= 1);
    ifm_share_interval(0, 20, 0.95, b);
    assert_true(b[0] <= 0 && fabs(pow(1 - b[1], 20) - 0.025) < 1e-6);
    ifm_share_interval(18.5, 20.25, 0.95, b); /* effective numbers are not whole */
    assert_true(b[0] > 0.6 && b[0] < 0.9 && b[1] > 0.95 && b[1] < 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_agree_with_numpy),
        cmocka_unit_test(student_agrees_with_scipy),
        cmocka_unit_test(median_ranks_agree_with_scipy),
        cmocka_unit_test(percentiles_need_their_n),
        cmocka_unit_test(nothing_is_said_of_nothing),
        cmocka_unit_test(outliers_are_counted_and_kept),
        cmocka_unit_test(large_integers_stay_exact),
        cmocka_unit_test(shares_have_their_intervals),
    };
    return cmocka_run_group_tests(tests, load_reference, drop_reference);
}
