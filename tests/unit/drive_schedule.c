/* drive: when requests are due, against theory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "drive/lengths.h"
#include "drive/schedule.h"

enum { DRAWS = 40000, SEED = 7 };

/* The seed is fixed, so a test either always passes or never; five standard errors leave no
 * room for a wrong distribution and enough for whichever seed. */
static const double ERRORS_MOST = 5;

/* Gaps of mean 1: variance and quantiles at 10, 50, 90, 99%, from scipy.stats.gamma(k,
 * scale=1/k) of scipy 1.17. */
static const struct reference {
    double shape, variance, quantiles[4];
} references[] = {
    {0.25,
     4,
     {0.0002700024954253589, 0.1746952094114936, 3.0015714889473464, 9.735541688788125}},
    {1,
     1,
     {0.10536051565782636, 0.6931471805599455, 2.302585092994046, 4.60517018598809}},
    {4,
     0.25,
     {0.43619239070622784, 0.9180151872127242, 1.6701957670639662, 2.511279378707904}},
};

static ifm_schedule begin(ifm_schedule_options options)
{
    ifm_schedule schedule;
    options.seed = SEED;
    ifm_schedule_init(&schedule, &options);
    return schedule;
}

static void check_gaps(const double gaps[DRAWS], const struct reference *r)
{
    static const double shares[4] = {0.1, 0.5, 0.9, 0.99};
    double sum = 0, squares = 0, below[4] = {0};
    for (size_t i = 0; i < DRAWS; i++) {
        sum += gaps[i];
        squares += (gaps[i] - 1) * (gaps[i] - 1);
        for (size_t q = 0; q < 4; q++)
            below[q] += gaps[i] <= r->quantiles[q];
    }
    const double n = DRAWS;
    assert_true(fabs(sum / n - 1) < ERRORS_MOST * sqrt(r->variance / n));
    /* The variance of a squared deviation: fourth central moment (3 + 6/k) σ⁴, less σ⁴. */
    const double spread = r->variance * sqrt(2 + 6 / r->shape);
    assert_true(fabs(squares / n - r->variance) < ERRORS_MOST * spread / sqrt(n));
    for (size_t q = 0; q < 4; q++)
        assert_true(fabs(below[q] / n - shares[q]) <
                    ERRORS_MOST * sqrt(shares[q] * (1 - shares[q]) / n));
}

static void check_arrival(ifm_arrival arrival, const struct reference *r)
{
    static double gaps[DRAWS];
    const double rate = 50;
    ifm_schedule s = begin(
        (ifm_schedule_options){.arrival = arrival, .rate = rate, .burstiness = r->shape});
    assert_int_equal(s.due_ns, 0);
    for (size_t i = 0; i < DRAWS; i++) {
        const int64_t before = s.due_ns;
        ifm_schedule_advance(&s);
        assert_true(s.due_ns >= before);
        gaps[i] = (double)(s.due_ns - before) * rate / 1e9;
    }
    check_gaps(gaps, r);
}

static void gaps_are_distributed_as_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++)
        check_arrival(IFM_ARRIVAL_GAMMA, &references[i]);
    check_arrival(IFM_ARRIVAL_POISSON, &references[1]);
}

static void constant_gaps_do_not_drift(void **state)
{
    (void)state;
    ifm_schedule s =
        begin((ifm_schedule_options){.arrival = IFM_ARRIVAL_CONSTANT, .rate = 3});
    for (int i = 0; i < 3000000; i++)
        ifm_schedule_advance(&s);
    assert_int_equal(s.index, 3000000);
    assert_int_equal(s.due_ns, 1000000000000000);
}

static void the_same_seed_gives_the_same_moments(void **state)
{
    (void)state;
    const ifm_schedule_options options = {
        .arrival = IFM_ARRIVAL_GAMMA, .rate = 10, .burstiness = 0.5, .seed = 1};
    ifm_schedule_options other = options;
    other.seed = 2;
    ifm_schedule a, b, c;
    ifm_schedule_init(&a, &options);
    ifm_schedule_init(&c, &other);
    ifm_schedule_advance(&a);
    ifm_schedule_advance(&c);
    b = a;
    assert_true(a.due_ns != c.due_ns);
    for (int i = 0; i < 100; i++) {
        ifm_schedule_advance(&a);
        ifm_schedule_advance(&b);
        assert_int_equal(a.due_ns, b.due_ns);
    }
}

static int64_t due_before(ifm_schedule_options options, double seconds)
{
    ifm_schedule s = begin(options);
    while ((double)s.due_ns < seconds * 1e9)
        ifm_schedule_advance(&s);
    return s.index;
}

static void the_rate_rises(void **state)
{
    (void)state;
    ifm_schedule_options options = {
        .arrival = IFM_ARRIVAL_CONSTANT, .rate = 100, .ramp_s = 10};
    /* Linear: 100 · 5²/20 = 125, 100 · 10/2 = 500, then 100 a second. One more is the first,
     * at 0; a rounded nanosecond may take one more or less over the edge. */
    assert_in_range(due_before(options, 5), 124, 126);
    assert_in_range(due_before(options, 10), 499, 501);
    assert_in_range(due_before(options, 20), 1499, 1501);
    /* Exponential from 1 to 100 a second: the integral over 10 s is 99 · 10 / ln 100. */
    options.ramp = IFM_RAMP_EXPONENTIAL;
    const int64_t ramped = (int64_t)(99 * 10 / log(100));
    assert_in_range(due_before(options, 10), ramped - 1, ramped + 2);
    assert_in_range(due_before(options, 20), ramped + 998, ramped + 1003);
}

static void places_open_one_after_another(void **state)
{
    (void)state;
    ifm_schedule_options o = {
        .arrival = IFM_ARRIVAL_CLOSED, .places = 5, .ramp_s = 8, .ramp = IFM_RAMP_LINEAR};
    for (int64_t place = 0; place < 5; place++)
        assert_int_equal(ifm_schedule_place_opens(&o, place), place * 2000000000);
    assert_true(ifm_schedule_place_opens(&o, 5) == INT64_MAX);
    o.ramp = IFM_RAMP_EXPONENTIAL;
    o.places = 16;
    assert_int_equal(ifm_schedule_place_opens(&o, 0), 0);
    assert_int_equal(ifm_schedule_place_opens(&o, 1), 2000000000); /* 16^(2/8) = 2 */
    assert_int_equal(ifm_schedule_place_opens(&o, 15), 8000000000);
    o.ramp_s = 0;
    assert_int_equal(ifm_schedule_place_opens(&o, 15), 0);
    o.places = 0; /* no limit */
    assert_int_equal(ifm_schedule_place_opens(&o, 1000000), 0);
    o.places = 1;
    o.ramp_s = 3;
    assert_int_equal(ifm_schedule_place_opens(&o, 0), 0);
}

static void traces_are_followed(void **state)
{
    (void)state;
    static const int64_t times[] = {500000000, 500000000, 2000000000};
    ifm_schedule s = begin((ifm_schedule_options){
        .arrival = IFM_ARRIVAL_TRACE, .times = times, .n_times = 3, .speed = 2});
    assert_int_equal(s.due_ns, 0);
    ifm_schedule_advance(&s);
    assert_int_equal(s.due_ns, 0);
    ifm_schedule_advance(&s);
    assert_int_equal(s.due_ns, 750000000);
    ifm_schedule_advance(&s);
    assert_true(s.due_ns == INT64_MAX);
}

static void a_burst_is_all_at_once(void **state)
{
    (void)state;
    ifm_schedule s = begin((ifm_schedule_options){.arrival = IFM_ARRIVAL_BURST});
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(s.due_ns, 0);
        ifm_schedule_advance(&s);
    }
}

/* ---- lengths ------------------------------------------------------------------------ */

static void lengths_are_read(void **state)
{
    (void)state;
    ifm_lengths l;
    assert_int_equal(ifm_lengths_parse("--input-len", "512", &l, NULL), IFM_OK);
    assert_int_equal(l.kind, IFM_LENGTH_FIXED);
    assert_int_equal(l.min, 512);
    assert_int_equal(ifm_lengths_parse("--input-len", "uniform:1,9", &l, NULL), IFM_OK);
    assert_int_equal(l.kind, IFM_LENGTH_UNIFORM);
    assert_int_equal(l.max, 9);
    assert_int_equal(ifm_lengths_parse("--input-len", "normal:100,7.5", &l, NULL),
                     IFM_OK);
    assert_true(l.mean == 100 && l.sd == 7.5);
    assert_int_equal(l.min, 1);
    assert_int_equal(ifm_lengths_parse("--input-len", "normal:100,0,50,150", &l, NULL),
                     IFM_OK);
    assert_int_equal(l.max, 150);
}

static void nonsense_is_no_length(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "-1",
        "1.5",
        "ten",
        "uniform:",
        "uniform:9,1",
        "uniform:1",
        "uniform:1,2,3",
        "normal:5",
        "normal:0,1",
        "normal:5,1,2",
        "normal:5,1,9,2",
        "normal:5,1,1,2,3",
        "512,",
        "512 ",
        "1e99",
        "nan",
        "inf",
        "0x10,",
        "fixed:3",
        "uniform:1,99999999999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ifm_lengths l;
        ifm_error err;
        assert_int_equal(ifm_lengths_parse("--output-len", bad[i], &l, &err),
                         IFM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "--output-len"));
    }
}

static void lengths_are_drawn_within(void **state)
{
    (void)state;
    ifm_random random;
    ifm_random_init(&random, SEED);
    ifm_lengths l;
    assert_int_equal(ifm_lengths_parse("", "uniform:3,6", &l, NULL), IFM_OK);
    int seen[10] = {0};
    for (int i = 0; i < 4000; i++)
        seen[ifm_lengths_draw(&l, &random)]++;
    for (int n = 3; n <= 6; n++) /* binomial, 4000 and 1/4: sd 27 */
        assert_in_range(seen[n], 1000 - 5 * 27, 1000 + 5 * 27);
    assert_int_equal(ifm_lengths_parse("", "normal:100,10,95,120", &l, NULL), IFM_OK);
    for (int i = 0; i < 4000; i++)
        assert_in_range(ifm_lengths_draw(&l, &random), 95, 120);
    /* Where no draw can help, the nearer end. */
    assert_int_equal(ifm_lengths_parse("", "normal:1000,1,5,9", &l, NULL), IFM_OK);
    assert_int_equal(ifm_lengths_draw(&l, &random), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_distributed_as_said),
        cmocka_unit_test(constant_gaps_do_not_drift),
        cmocka_unit_test(the_same_seed_gives_the_same_moments),
        cmocka_unit_test(the_rate_rises),
        cmocka_unit_test(places_open_one_after_another),
        cmocka_unit_test(traces_are_followed),
        cmocka_unit_test(a_burst_is_all_at_once),
        cmocka_unit_test(lengths_are_read),
        cmocka_unit_test(nonsense_is_no_length),
        cmocka_unit_test(lengths_are_drawn_within),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
