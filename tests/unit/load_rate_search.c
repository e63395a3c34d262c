/*
 * The search for the highest rate against servers whose answer is known: a queue with
 * Poisson arrivals and a constant time of service (M/D/1), simulated by Lindley's recursion,
 * whose share of good requests at a rate is known exactly.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "load/rate_search.h"

/* 50 ms of service each; good is what took at most 200 ms. */
static const double service_s = 0.05, limit_s = 0.2;

/* Requests that are good of n at a rate, after `warm` that do not count; and their spread
 * between twenty stretches. */
static int64_t serve(double rate, int64_t warm, int64_t n, ifm_random *dice,
                     double *spread)
{
    enum { STRETCHES = 20 };
    double wait = 0, counts[STRETCHES] = {0}, sum = 0, squares = 0;
    int64_t good = 0;
    for (int64_t i = 0; i < warm + n; i++) {
        const double gap = -log(1 - ifm_random_unit(dice)) / rate;
        wait = fmax(0, wait + service_s - gap);
        if (i >= warm && wait + service_s <= limit_s) {
            good++;
            counts[(i - warm) * STRETCHES / n]++;
        }
    }
    const double each = (double)n / STRETCHES, share = (double)good / (double)n;
    for (int k = 0; k < STRETCHES; k++)
        sum += counts[k];
    for (int k = 0; k < STRETCHES; k++)
        squares += pow(counts[k] - sum / STRETCHES, 2);
    *spread = share > 0 && share < 1
                  ? squares / (STRETCHES - 1) / (each * share * (1 - share))
                  : 1;
    return good;
}

/* Share of good requests of this queue (Crommelin 1932): P(W ≤ t) = (1 − ρ) Σ xᵏ/k! e⁻ˣ over
 * k ≤ t/d, with x = λ(kd − t). */
static double true_share(double rate)
{
    const double t = limit_s - service_s;
    double sum = 0;
    for (int k = 0; k <= (int)(t / service_s + 1e-9); k++) {
        const double x = rate * (k * service_s - t);
        sum += pow(x, k) / tgamma(k + 1.0) * exp(-x);
    }
    return (1 - rate * service_s) * sum;
}

/* The rate at which 95% are good: 12.3 a second, at 62% of what the server can do. */
static double true_rate(void)
{
    double low = 1, high = 19.9;
    for (int i = 0; i < 50; i++) {
        const double rate = (low + high) / 2;
        if (true_share(rate) > 0.95)
            low = rate;
        else
            high = rate;
    }
    return (low + high) / 2;
}

static void search(ifm_rate_search *s, const ifm_rate_options *options, uint64_t seed)
{
    ifm_random dice;
    double rate, spread;
    int64_t n;
    ifm_random_init(&dice, seed);
    ifm_rate_search_init(s, options);
    for (int loads = 0; ifm_rate_search_next(s, &rate, &n); loads++) {
        assert_true(loads < 1000);
        const int64_t good = serve(rate, n / 4, n, &dice, &spread);
        ifm_rate_search_tell(s, n, good, spread, true);
    }
}

/* Over many searches: what was called kept is below the truth, what was called broken above
 * it, but for as many searches as 95% confidence allows. */
static void the_rate_of_a_queue_is_found(void **state)
{
    (void)state;
    enum { SEARCHES = 60 };
    const double truth = true_rate();
    const ifm_rate_options options = ifm_rate_options_usual();
    int wrong = 0;
    double worst = 1;
    for (uint64_t seed = 1; seed <= SEARCHES; seed++) {
        ifm_rate_search s;
        search(&s, &options, seed);
        assert_string_equal(ifm_rate_search_end(&s), "found");
        assert_true(s.high / s.low <= 1.05 + 1e-12);
        bool right = true;
        for (size_t i = 0; i < s.n_steps; i++) {
            const ifm_rate_step *step = &s.steps[i];
            if (step->verdict == IFM_RATE_KEPT)
                right = right && step->rate <= truth;
            if (step->verdict == IFM_RATE_BROKEN)
                right = right && step->rate >= truth;
        }
        wrong += !right;
        worst = fmin(worst, s.low / truth);
    }
    /* 5% of 60. */
    assert_in_range(wrong, 0, 3);
    /* What cannot be told counts as not kept: the answer is on the safe side, not far off. */
    assert_true(worst > 0.75);
}

static void a_guess_from_either_side_comes_to_the_same(void **state)
{
    (void)state;
    ifm_rate_options options = ifm_rate_options_usual();
    const double truth = true_rate();
    static const double guesses[] = {0.01, 1, 15, 900};
    for (size_t i = 0; i < 4; i++) {
        ifm_rate_search s;
        options.guess = guesses[i];
        search(&s, &options, 7);
        assert_string_equal(ifm_rate_search_end(&s), "found");
        if (!(s.low > 0.75 * truth && s.low <= 1.02 * truth))
            fail_msg("guess %g: %g instead of %g", guesses[i], s.low, truth);
    }
}

/* A server that keeps the promise up to exactly a threshold. */
static void sharp(ifm_rate_search *s, const ifm_rate_options *options, double threshold)
{
    double rate;
    int64_t n;
    ifm_rate_search_init(s, options);
    while (ifm_rate_search_next(s, &rate, &n))
        ifm_rate_search_tell(s, n, rate <= threshold ? n : 0, 1, true);
}

static void ends_are_said(void **state)
{
    (void)state;
    ifm_rate_options options = ifm_rate_options_usual();
    ifm_rate_search s;
    sharp(&s, &options, 37.2);
    assert_string_equal(ifm_rate_search_end(&s), "found");
    assert_true(s.low <= 37.2 && s.high > 37.2);
    assert_true(s.n_steps <= 12); /* 1 … 64, then bisection of a factor of two */
    options.most = 100;
    sharp(&s, &options, 1e9);
    assert_string_equal(ifm_rate_search_end(&s), "ceiling");
    assert_true(s.low >= 100);
    options.least = 0.1;
    sharp(&s, &options, 0);
    assert_string_equal(ifm_rate_search_end(&s), "floor");
    assert_true(isnan(s.low));
    options.precision = 1e-12;
    options.most = 1e6;
    sharp(&s, &options, 5);
    assert_string_equal(ifm_rate_search_end(&s), "steps");
    assert_int_equal(s.n_steps, IFM_RATE_STEPS_MAX);
}

/* A share at the target cannot be told from it: looks double, then it counts as not kept. */
static void what_cannot_be_told_is_not_kept(void **state)
{
    (void)state;
    const ifm_rate_options options = ifm_rate_options_usual();
    ifm_rate_search s;
    double rate;
    int64_t n, asked[4];
    ifm_rate_search_init(&s, &options);
    for (int look = 0; look < 4; look++) {
        assert_true(ifm_rate_search_next(&s, &rate, &n));
        assert_true(fabs(rate - 1) < 1e-12);
        asked[look] = n;
        ifm_rate_search_tell(&s, n, n * 95 / 100, 1, true);
    }
    assert_int_equal(asked[0], 400);
    assert_int_equal(asked[1], 400);
    assert_int_equal(asked[2], 800);
    assert_int_equal(asked[3], 1600);
    assert_int_equal(s.n_steps, 1);
    assert_int_equal(s.steps[0].verdict, IFM_RATE_UNDECIDED);
    assert_int_equal(s.steps[0].n, 3200);
    assert_true(ifm_rate_search_next(&s, &rate, &n));
    assert_true(fabs(rate - 0.5) < 1e-12);
}

/* Fifty good ones of fifty cannot carry 95% with this confidence: one sample decides
 * nothing. */
static void few_requests_decide_nothing(void **state)
{
    (void)state;
    ifm_rate_options options = ifm_rate_options_usual();
    ifm_rate_search s;
    double rate;
    int64_t n;
    options.first_n = 50;
    options.first_s = 0;
    ifm_rate_search_init(&s, &options);
    assert_true(ifm_rate_search_next(&s, &rate, &n));
    assert_int_equal(n, 50);
    ifm_rate_search_tell(&s, n, n, 1, true);
    assert_true(s.open);
    /* Clustered requests count for fewer. */
    ifm_rate_search_init(&s, &options);
    ifm_rate_search_tell(&s, 1000, 1000, 100, true);
    assert_true(s.open && fabs(s.steps[0].n_effective - 10) < 1e-9);
}

static void a_slow_client_says_nothing_of_the_server(void **state)
{
    (void)state;
    const ifm_rate_options options = ifm_rate_options_usual();
    ifm_rate_search s;
    ifm_rate_search_init(&s, &options);
    ifm_rate_search_tell(&s, 400, 10, 1, false);
    assert_int_equal(s.steps[0].verdict, IFM_RATE_SPOILED);
    assert_true(isnan(s.low) && fabs(s.high - 1) < 1e-12);
    /* Late, and good all the same: what it kept it kept. */
    ifm_rate_search_tell(&s, 400, 400, 1, false);
    assert_int_equal(s.steps[1].verdict, IFM_RATE_KEPT);
    /* Not decided yet: it may turn out to be kept. */
    ifm_rate_search_init(&s, &options);
    ifm_rate_search_tell(&s, 100, 100, 1, false);
    assert_true(s.open);
}

/* Requests that never meet wait for nobody: half the rate would be the same. */
static void a_rate_of_lonely_requests_is_the_lowest(void **state)
{
    (void)state;
    const ifm_rate_options options = ifm_rate_options_usual();
    ifm_rate_search s;
    double rate;
    int64_t n;
    ifm_rate_search_init(&s, &options);
    ifm_rate_search_no_lower(&s); /* nothing was tried */
    assert_true(ifm_rate_search_next(&s, &rate, &n));
    ifm_rate_search_tell(&s, 400, 10, 1, true);
    ifm_rate_search_no_lower(&s);
    assert_false(ifm_rate_search_next(&s, &rate, &n));
    assert_string_equal(ifm_rate_search_end(&s), "floor");
}

static void fast_rates_last_long_enough(void **state)
{
    (void)state;
    ifm_rate_options options = ifm_rate_options_usual();
    ifm_rate_search s;
    double rate;
    int64_t n;
    options.guess = 500;
    ifm_rate_search_init(&s, &options);
    assert_true(ifm_rate_search_next(&s, &rate, &n));
    assert_int_equal(n, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_of_a_queue_is_found),
        cmocka_unit_test(a_guess_from_either_side_comes_to_the_same),
        cmocka_unit_test(ends_are_said),
        cmocka_unit_test(what_cannot_be_told_is_not_kept),
        cmocka_unit_test(few_requests_decide_nothing),
        cmocka_unit_test(a_slow_client_says_nothing_of_the_server),
        cmocka_unit_test(a_rate_of_lonely_requests_is_the_lowest),
        cmocka_unit_test(fast_rates_last_long_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
