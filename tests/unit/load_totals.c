/* Totals of a load: quantiles of the histogram beside exact ones, and addition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "load/totals.h"
#include "measure/statistics.h"

enum { N = 20000 };

/* Half of a bucket's greatest width, 1/64 of its lower bound. */
static const double error_frac = 1.0 / 128;

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Durations from 1 ns to hours, as many in every power of two. */
static double wide(ifm_random *random)
{
    return floor(exp2(44 * ifm_random_unit(random)));
}

/* Between 1 and 250 ms, as times to the first token are. */
static double narrow(ifm_random *random)
{
    return floor(1e6 + 250e6 * pow(ifm_random_unit(random), 3));
}

static void check_against_exact(double (*draw)(ifm_random *))
{
    static const double ps[] = {0, 0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    ifm_histogram *h = calloc(1, sizeof *h);
    double *x = calloc(N, sizeof *x);
    assert_non_null(h);
    assert_non_null(x);
    ifm_random random;
    ifm_random_init(&random, 7);
    for (int i = 0; i < N; i++) {
        x[i] = draw(&random);
        ifm_histogram_add(h, (int64_t)x[i]);
    }
    qsort(x, N, sizeof *x, compare);
    assert_int_equal(h->n, N);
    for (size_t i = 0; i < sizeof ps / sizeof *ps; i++) {
        const double exact = ifm_quantile(x, N, ps[i]);
        const double seen = ifm_histogram_quantile(h, ps[i]);
        /* A bucket of one value is that value; 0 stands for 1 ns. */
        assert_true(fabs(seen - exact) <= fmax(1, error_frac * exact));
    }
    free(x);
    free(h);
}

static void quantiles_are_within_the_bound(void **state)
{
    (void)state;
    check_against_exact(wide);
    check_against_exact(narrow);
}

static void a_few_values_are_as_they_are(void **state)
{
    (void)state;
    ifm_histogram *h = calloc(1, sizeof *h);
    assert_non_null(h);
    assert_true(isnan(ifm_histogram_quantile(h, 0.5)));
    for (int64_t ns = 2; ns < 128; ns++)
        ifm_histogram_add(h, ns);
    /* 126 values, each with a bucket of its own: nothing is rounded. */
    assert_true(fabs(ifm_histogram_quantile(h, 0.5) - 64.5) < 1e-9);
    assert_true(fabs(ifm_histogram_quantile(h, 0) - 2) < 1e-9);
    assert_true(fabs(ifm_histogram_quantile(h, 1) - 127) < 1e-9);
    free(h);
}

static void what_lies_outside_is_kept(void **state)
{
    (void)state;
    ifm_histogram *h = calloc(1, sizeof *h);
    assert_non_null(h);
    ifm_histogram_add(h, -5);
    ifm_histogram_add(h, 0);
    assert_true(fabs(ifm_histogram_quantile(h, 1)) < 1e-9);
    ifm_histogram_add(h, INT64_MAX);
    assert_int_equal(h->n, 3);
    assert_true(ifm_histogram_quantile(h, 1) >= exp2(47));
    h->counts[0] = UINT32_MAX;
    ifm_histogram_add(h, 0);
    assert_int_equal(h->counts[0], UINT32_MAX);
    assert_int_equal(h->n, 3);
    free(h);
}

static void sums_are_of_all_parts(void **state)
{
    (void)state;
    ifm_totals *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b),
               *whole = calloc(1, sizeof *whole);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(whole);
    ifm_random random;
    ifm_random_init(&random, 3);
    for (int i = 0; i < 1000; i++) {
        const int64_t ns = (int64_t)narrow(&random);
        ifm_totals *part = i % 3 == 0 ? a : b;
        ifm_histogram_add(&part->ttft, ns);
        ifm_histogram_add(&whole->ttft, ns);
        part->outcome[i % 5 == 0 ? IFM_OUTCOME_RESET : IFM_OUTCOME_OK]++;
        part->output_tokens += 3;
    }
    a->t_ns = 5;
    a->planned = 1000;
    b->t_ns = 9;
    b->planned = 1;
    a->in_flight = 2;
    b->in_flight = 7;
    ifm_totals_add(a, b);
    assert_int_equal(a->t_ns, 9);
    assert_int_equal(a->planned, 1000);
    assert_int_equal(a->in_flight, 9);
    assert_int_equal(a->outcome[IFM_OUTCOME_OK], 800);
    assert_int_equal(ifm_totals_failed(a), 200);
    assert_int_equal(a->output_tokens, 3000);
    assert_memory_equal(&a->ttft, &whole->ttft, sizeof a->ttft);
    free(a);
    free(b);
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_the_bound),
        cmocka_unit_test(a_few_values_are_as_they_are),
        cmocka_unit_test(what_lies_outside_is_kept),
        cmocka_unit_test(sums_are_of_all_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
