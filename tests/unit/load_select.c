/* Statistics of a stream: equal to those of the sorted values, whatever they are. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "load/select.h"
#include "load/series.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Selects some ranks of x[n]; then sorts x and compares. Returns the passes it took. */
static int check_ranks(double *x, size_t n)
{
    const size_t ranks[] = {0, n - 1, n / 2, n / 2, n / 3, n - 1 - n / 100};
    const size_t n_ranks = sizeof ranks / sizeof *ranks;
    ifm_select_range range = ifm_select_range_empty();
    ifm_select select;
    for (size_t i = 0; i < n; i++)
        ifm_select_range_add(&range, x[i]);
    assert_true(ifm_select_init(&select, &range, ranks, n_ranks));
    int passes = 0;
    bool more = true;
    for (; more; passes++) {
        for (size_t i = 0; i < n; i++)
            ifm_select_add(&select, x[i]);
        more = ifm_select_pass(&select);
    }
    qsort(x, n, sizeof *x, ascending);
    for (size_t i = 0; i < n_ranks; i++)
        assert_true(ifm_select_value(&select, i) == x[ranks[i]]);
    ifm_select_deinit(&select);
    return passes;
}

static void ranks_are_those_of_the_sorted_values(void **state)
{
    (void)state;
    enum { N = 5000 };
    static double x[N];
    ifm_random dice;
    ifm_random_init(&dice, 11);
    for (int i = 0; i < N; i++) /* whole nanoseconds, some ms */
        x[i] = (double)(1000000 + ifm_random_below(&dice, 50000000));
    assert_true(check_ranks(x, N) <= 3);
    for (int i = 0; i < N; i++) /* quotients */
        x[i] = 2e7 + ifm_random_normal(&dice) * 1e6;
    assert_true(check_ranks(x, N) <= 5);
    for (int i = 0; i < N; i++) /* both signs, all magnitudes */
        x[i] = ldexp(ifm_random_unit(&dice) - 0.5,
                     (int)ifm_random_below(&dice, 2000) - 1000);
    check_ranks(x, N);
    for (int i = 0; i < N; i++) /* few different ones */
        x[i] = (double)ifm_random_below(&dice, 3) - 1;
    check_ranks(x, N);
}

static void extremes_are_selected(void **state)
{
    (void)state;
    double equal[100];
    for (int i = 0; i < 100; i++)
        equal[i] = 12345.678;
    check_ranks(equal, 100);
    double zeros[3] = {0, 0, 0};
    check_ranks(zeros, 3);
    double one[1] = {-7};
    check_ranks(one, 1);
    double two[2] = {-0.5, 0.25};
    check_ranks(two, 2);
    double wide[8] = {-DBL_MAX,          DBL_MAX,          0,
                      DBL_TRUE_MIN,      -DBL_TRUE_MIN,    INFINITY,
                      (double)INT64_MAX, (double)INT64_MIN};
    check_ranks(wide, 8);
}

static void assert_close(double a, double b)
{
    /* A sum of squares in another order differs in its last bits. */
    if (!(fabs(a - b) <= 1e-12 * fabs(b)))
        fail_msg("%.17g is not %.17g", a, b);
}

static void assert_same(double a, double b)
{
    if (!(a == b || (isnan(a) && isnan(b))))
        fail_msg("%.17g is not %.17g", a, b);
}

/* Feeds a series with x[n] and compares with ifm_stats_of, which sorts x. */
static void check_series(double *x, size_t n)
{
    ifm_series series;
    ifm_series_init(&series);
    bool more = true;
    int passes = 0;
    for (; more; passes++) {
        for (size_t i = 0; i < n; i++)
            ifm_series_add(&series, x[i]);
        more = ifm_series_pass(&series);
    }
    assert_true(ifm_series_done(&series));
    assert_false(series.no_memory);
    assert_int_equal(passes == 1, n <= IFM_SERIES_KEPT);
    const ifm_stats a = series.stats, b = ifm_stats_of(x, n);
    assert_int_equal(a.n, b.n);
    assert_int_equal(a.n_outliers, b.n_outliers);
    assert_same(a.min, b.min);
    assert_same(a.max, b.max);
    assert_same(a.p50, b.p50);
    assert_same(a.p90, b.p90);
    assert_same(a.p95, b.p95);
    assert_same(a.p99, b.p99);
    assert_same(a.iqr, b.iqr);
    assert_same(a.median_ci95[0], b.median_ci95[0]);
    assert_same(a.median_ci95[1], b.median_ci95[1]);
    assert_close(a.mean, b.mean);
    assert_close(a.sd, b.sd);
    assert_close(a.mean_ci95[0], b.mean_ci95[0]);
    ifm_series_deinit(&series);
}

static void many_values_have_the_same_statistics(void **state)
{
    (void)state;
    const size_t n = 200001;
    double *x = calloc(n, sizeof *x);
    ifm_random dice;
    ifm_random_init(&dice, 5);
    for (size_t i = 0; i < n; i++)
        x[i] = floor(exp(17 + 0.5 * ifm_random_normal(&dice))); /* a long tail */
    check_series(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] = 2e7 / (double)(1 + ifm_random_below(&dice, 300));
    check_series(x, n);
    for (size_t i = 0; i < n; i++)
        x[i] = (double)(i % 100 == 0);
    check_series(x, n);
    for (size_t i = 0; i < n; i++) /* at the border between keeping and passes */
        x[i] = (double)ifm_random_below(&dice, 1000);
    check_series(x, IFM_SERIES_KEPT + 1);
    check_series(x, IFM_SERIES_KEPT);
    check_series(x, 10);
    free(x);
}

static void no_value_has_no_statistics(void **state)
{
    (void)state;
    ifm_series series;
    ifm_series_init(&series);
    assert_false(ifm_series_pass(&series));
    assert_int_equal(series.stats.n, 0);
    assert_true(isnan(series.stats.p50));
    ifm_series_deinit(&series);
}

static void sums_keep_small_terms(void **state)
{
    (void)state;
    ifm_sum sum = {0};
    ifm_sum_add(&sum, 1e16);
    for (int i = 0; i < 1000; i++)
        ifm_sum_add(&sum, 1);
    ifm_sum_add(&sum, -1e16);
    assert_true(ifm_sum_value(&sum) == 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_are_those_of_the_sorted_values),
        cmocka_unit_test(extremes_are_selected),
        cmocka_unit_test(many_values_have_the_same_statistics),
        cmocka_unit_test(no_value_has_no_statistics),
        cmocka_unit_test(sums_keep_small_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
