/* A load's summary: loads of known answers, and random ones against plain sorting. */
#include "load_made.h"

#include "base/random.h"
#include "load/steady.h"

static void assert_near(double value, double truth, double slack)
{
    if (!(fabs(value - truth) <= slack * fabs(truth)))
        fail_msg("%.12g, not %.12g", value, truth);
}

/* Four places, each request 1 s long with tokens at 0.1, 0.2, … 1.0 s: waves. */
static void a_closed_loop_in_waves(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CLOSED, 4);
    load.plan.slo.ttft_ms = 100;
    for (int i = 0; i < 40; i++)
        made_add(&load, made_answer(i, i / 4 * second, 100 * MS, 100 * MS, 10));
    ifm_load_summary s = made_summary(&load);
    assert_int_equal(s.n, 40);
    assert_int_equal(s.n_ok, 40);
    assert_int_equal(s.n_good, 40);
    assert_int_equal(s.outcome[IFM_OUTCOME_OK], 40);
    assert_true(s.metric[IFM_LOAD_TTFT].p50 == 100 * MS);
    assert_true(s.metric[IFM_LOAD_TPOT].max == 100 * MS);
    assert_int_equal(s.metric[IFM_LOAD_ITL].n, 40 * 9);
    assert_true(s.metric[IFM_LOAD_E2EL].mean == 1e9);
    assert_int_equal(s.metric[IFM_LOAD_QUEUE].n, 0);
    assert_int_equal(s.metric[IFM_LOAD_CONNECT].n, 0);
    assert_int_equal(s.sum_output_tokens, 400);
    assert_int_equal(s.sum_input_tokens, 4000);
    assert_true(s.steady_found);
    assert_near(s.steady.requests_per_s, 4, 0.001);
    assert_near(s.steady.output_tokens_per_s, 40, 0.02); /* a wave's last ends outside */
    assert_near(s.steady.input_tokens_per_s, 400, 0.001);
    assert_near(s.steady.good_requests_per_s, 4, 0.001);
    assert_near(s.steady.concurrency, 4, 0.001);
    assert_near(s.whole.requests_per_s, 4, 1e-9);
    assert_near(s.whole.concurrency, 4, 1e-9);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

/* Places are taken one a second; requests last 4 s; then nothing follows: 4 s of ramp, 4 s
 * of drain, whose rates are lower. */
static void ramp_and_drain_are_left_out(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CLOSED, 4);
    int32_t id = 0;
    for (int64_t place = 0; place < 4; place++)
        for (int64_t k = 0; k < 8; k++)
            made_add(&load,
                     made_answer(id++, (place + 4 * k) * second, second, second, 4));
    ifm_load_summary s = made_summary(&load);
    assert_true(s.steady_found);
    assert_near((double)s.steady_begin_ns, 3e9, 0.001);
    assert_near((double)s.steady_end_ns, 32e9, 0.001); /* the first place stays empty */
    assert_near(s.steady.requests_per_s, 1, 0.001);
    assert_near(s.steady.output_tokens_per_s, 4, 0.02);
    assert_near(s.steady.concurrency, 4, 0.001);
    assert_near(s.whole.requests_per_s, 32.0 / 35, 1e-9);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

/* Ten a second, each in flight for a second: ten in flight once one second is over. */
static void an_open_loop_settles(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CONSTANT, 0);
    load.plan.request_rate = 10;
    for (int i = 0; i < 200; i++)
        made_add(&load, made_answer(i, i * 100 * (int64_t)MS, 500 * MS, 100 * MS, 6));
    ifm_load_summary s = made_summary(&load);
    assert_true(s.steady_found);
    assert_near((double)s.steady_begin_ns, 0.9e9, 0.01);
    assert_near((double)s.steady_end_ns, 19.9e9, 1e-9);
    assert_near(s.steady.requests_per_s, 10, 0.01);
    assert_near(s.steady.output_tokens_per_s, 60, 0.02);
    assert_near(s.steady.concurrency, 10, 0.01);
    assert_true(s.whole.requests_per_s < 9.6);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

/* Ten a second are due, five a second answered, in order: nothing is steady. */
static void an_overloaded_server_is_not_steady(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CONSTANT, 0);
    for (int i = 0; i < 400; i++) {
        int64_t due = i * 100 * (int64_t)MS, end = (i + 1) * 200 * (int64_t)MS;
        made_add(&load, made_answer(i, due, end - due, 0, 1));
    }
    ifm_load_summary s = made_summary(&load);
    assert_false(s.steady_found);
    assert_true(isnan(s.steady.requests_per_s));
    assert_near(s.whole.requests_per_s, 5, 1e-9);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

static void a_burst_or_too_few_are_not_steady(void **state)
{
    (void)state;
    ifm_load_run burst = made_load(IFM_ARRIVAL_BURST, 0);
    for (int i = 0; i < 100; i++)
        made_add(&burst, made_answer(i, 0, (i + 1) * 10 * (int64_t)MS, 0, 1));
    ifm_load_summary s = made_summary(&burst);
    assert_false(s.steady_found);
    assert_near(s.whole.requests_per_s, 100, 1e-9);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&burst);

    ifm_load_run few = made_load(IFM_ARRIVAL_CLOSED, 1);
    for (int i = 0; i < IFM_STEADY_REQUESTS - 1; i++)
        made_add(&few, made_answer(i, i * second, second, 0, 1));
    s = made_summary(&few);
    assert_false(s.steady_found);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&few);

    ifm_load_run none = made_load(IFM_ARRIVAL_CLOSED, 1);
    s = made_summary(&none);
    assert_int_equal(s.n, 0);
    assert_false(s.steady_found);
    assert_true(isnan(s.whole.requests_per_s));
    assert_true(isnan(s.tokens_per_event));
    assert_int_equal(s.n_good, -1);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&none);
}

static void failures_and_warm_up_are_not_measured(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CONSTANT, 0);
    for (int i = 0; i < 4; i++) {
        ifm_record warm = made_answer(i, i * second, 900 * MS, 0, 1);
        warm.start = IFM_START_WARMUP;
        made_add(&load, warm);
    }
    load.warm_ns = 4 * second;
    for (int i = 4; i < 24; i++)
        made_add(&load, i % 2 == 0 ? made_answer(i, i * second, 100 * MS, 0, 1)
                                   : made_failure(
                                         i, i * second, 5 * MS,
                                         (ifm_outcome)(1 + i % (IFM_OUTCOME_COUNT - 1))));
    load.ranks = calloc(2, sizeof *load.ranks);
    load.n_ranks = 2;
    load.ranks[1] = (ifm_load_rank){.lost = true, .lost_requests = 3};
    ifm_load_summary s = made_summary(&load);
    assert_int_equal(s.n_warmup, 4);
    assert_int_equal(s.n, 23);
    assert_int_equal(s.n_ok, 10);
    assert_true(s.outcome[IFM_OUTCOME_LOST] >= 3);
    int64_t sum = 0;
    for (int i = 0; i < IFM_OUTCOME_COUNT; i++)
        sum += s.outcome[i];
    assert_int_equal(sum, s.n);
    assert_true(s.metric[IFM_LOAD_TTFT].max == 100 * MS);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

/* Connecting, sending, the gate, the client's lag: each from its own two moments. */
static void every_metric_has_its_moments(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_POISSON, 8);
    ifm_record r = made_answer(0, 0, 100 * MS, 10 * MS, 3);
    r.wire->reused = false;
    r.wire->gate_ns = 5 * MS;
    r.wire->service_start_ns = 6 * MS;
    r.wire->dns_ns = 7 * MS;
    r.wire->connect_ns = 9 * MS;
    r.wire->tls_ns = 20 * MS;
    r.sent_ns = 21 * MS;
    r.wire->headers_ns = 51 * MS;
    r.wire->ttfo_ns = 110 * MS;
    made_add(&load, r);
    ifm_load_summary s = made_summary(&load);
    const struct {
        ifm_load_metric metric;
        int ms;
    } expected[] = {
        {IFM_LOAD_TTFT, 100},        {IFM_LOAD_TTFO, 110},
        {IFM_LOAD_TEXT_TTFT, 100},   {IFM_LOAD_E2EL, 120},
        {IFM_LOAD_GENERATION, 20},   {IFM_LOAD_TPOT, 10},
        {IFM_LOAD_ITL, 10},          {IFM_LOAD_SERVER_TTFT, 79},
        {IFM_LOAD_SERVICE_TTFT, 94}, {IFM_LOAD_SERVICE_E2EL, 114},
        {IFM_LOAD_CONNECT, 14},      {IFM_LOAD_SEND, 1},
        {IFM_LOAD_HEADERS, 30},      {IFM_LOAD_QUEUE, 5},
        {IFM_LOAD_CLIENT_LAG, 1},
    };
    assert_int_equal(sizeof expected / sizeof *expected, IFM_LOAD_METRIC_COUNT);
    for (size_t i = 0; i < IFM_LOAD_METRIC_COUNT; i++)
        if (s.metric[expected[i].metric].max != expected[i].ms * (double)MS)
            fail_msg("%s: %g ns, not %d ms", ifm_load_metric_key(expected[i].metric),
                     s.metric[expected[i].metric].max, expected[i].ms);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

static void events_are_not_tokens(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CLOSED, 1);
    ifm_record r = made_answer(0, 0, 100 * MS, 0, 8); /* 8 tokens in 2 events, one read */
    r.wire->n_pieces = 2;
    r.wire->pieces[0].tokens = r.wire->pieces[1].tokens = 4;
    r.wire->pieces[1].read = 0;
    r.wire->event_ns = calloc(2, sizeof *r.wire->event_ns);
    r.wire->event_ns[0] = 100 * MS;
    r.wire->event_ns[1] = 140 * MS;
    r.token_ns[7] = 140 * MS;
    r.wire->n_event_ns = 2;
    r.wire->token_source = IFM_TOKENS_USAGE;
    r.wire->usage.cached_tokens = 64;
    r.wire->attempts = 2;
    r.wire->end_ns = 140 * MS;
    made_add(&load, r);
    ifm_load_summary s = made_summary(&load);
    assert_true(s.itl_per_event);
    assert_true(s.tokens_per_event == 4);
    assert_true(s.read_share_frac == 0.5);
    assert_int_equal(s.token_source, IFM_TOKENS_USAGE);
    assert_int_equal(s.n_cached, 1);
    assert_int_equal(s.n_sent_again, 1);
    assert_int_equal(s.metric[IFM_LOAD_ITL].n, 1);
    assert_true(s.metric[IFM_LOAD_ITL].p50 == 40 * MS);
    ifm_load_summary_deinit(&s);

    r = made_answer(1, 0, 100 * MS, 10 * MS, 4);
    r.wire->token_source = IFM_TOKENS_EVENTS;
    made_add(&load, r);
    s = made_summary(&load);
    assert_int_equal(s.token_source, IFM_TOKENS_EVENTS);
    assert_true(isnan(s.whole.output_tokens_per_s)); /* not all are tokens */
    assert_true(s.tokens_per_event == 4);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

static void a_promise_is_kept_or_not(void **state)
{
    (void)state;
    const ifm_slo none = {NAN, NAN, NAN}, all = {500, 50, 5000};
    ifm_metrics m = {
        .has_ttft = true, .ttft_ns = 500 * (int64_t)MS, .e2el_ns = 5 * second};
    assert_false(ifm_slo_given(&none));
    assert_true(ifm_slo_given(&all));
    assert_true(ifm_slo_kept(&none, &m));
    assert_true(ifm_slo_kept(&all, &m)); /* one token has no TPOT to break it with */
    m.has_tpot = true;
    m.tpot_ns = 50.001 * MS;
    assert_false(ifm_slo_kept(&all, &m));
    m.tpot_ns = 50.0 * MS;
    assert_true(ifm_slo_kept(&all, &m));
    m.e2el_ns++;
    assert_false(ifm_slo_kept(&all, &m));
    m = (ifm_metrics){.has_ttft = true, .ttft_ns = 500 * (int64_t)MS + 1};
    assert_false(ifm_slo_kept(&all, &m));
    m.has_ttft = false;
    assert_false(ifm_slo_kept(&none, &m)); /* nothing came: no promise is kept */
}

static void seconds_say_what_happened_in_them(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CONSTANT, 0);
    made_add(&load, made_answer(0, 0, 200 * MS, 500 * MS, 3)); /* ends at 1.2 s */
    made_add(&load, made_answer(1, 100 * MS, 400 * MS, 1, 2)); /* 0.5 s */
    made_add(&load, made_answer(2, 900 * MS, 1300 * (int64_t)MS, 1, 1)); /* 2.2 s */
    ifm_record late = made_failure(3, 2500 * (int64_t)MS, 700 * MS, IFM_OUTCOME_RESET);
    late.wire->service_start_ns = 3 * MS;
    made_add(&load, late);
    ifm_load_summary s = made_summary(&load);
    assert_int_equal(s.n_seconds, 4);
    assert_true(s.second_s == 1);
    const ifm_load_second *t = s.seconds;
    assert_int_equal(t[0].due, 3);
    assert_int_equal(t[0].completed, 1);
    assert_int_equal(t[0].in_flight, 2);
    assert_int_equal(t[0].output_tokens, 4);
    assert_true(t[0].ttft_p50_ns == 300 * MS && t[0].ttft_max_ns == 400 * MS);
    assert_true(t[0].lag_max_ns == 0);
    assert_int_equal(t[1].completed, 1);
    assert_int_equal(t[1].in_flight, 1);
    assert_true(isnan(t[1].ttft_p50_ns) && isnan(t[1].lag_max_ns));
    assert_int_equal(t[2].due, 1);
    assert_true(t[2].ttft_p50_ns == 1300 * (double)MS && t[2].lag_max_ns == 3 * MS);
    assert_int_equal(t[3].failed, 1);
    assert_int_equal(t[3].in_flight, 0);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

static void a_long_load_has_long_seconds(void **state)
{
    (void)state;
    ifm_load_run load = made_load(IFM_ARRIVAL_CONSTANT, 0);
    made_add(&load, made_answer(0, 0, 1, 1, 1));
    made_add(&load, made_answer(1, 30000 * second, 1, 1, 1));
    ifm_load_summary s = made_summary(&load);
    assert_true(s.second_s == 10);
    assert_int_equal(s.n_seconds, 3001);
    assert_int_equal(s.seconds[3000].completed, 1);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

/* More gaps and more requests than are kept in memory, against sorting all of them. */
static void large_loads_equal_plain_sorting(void **state)
{
    (void)state;
    enum { N = 70000, TOKENS = 3 };
    ifm_load_run load = made_load(IFM_ARRIVAL_POISSON, 0);
    double *tpot = calloc(N, sizeof *tpot), *itl = calloc(2 * N, sizeof *itl);
    ifm_random dice;
    ifm_random_init(&dice, 9);
    for (int i = 0; i < N; i++) {
        ifm_record r = made_answer(i, i * (int64_t)MS, 10 * MS, 20 * MS, TOKENS);
        for (int k = 1; k < TOKENS; k++) {
            int64_t gap = (int64_t)(2e7 * exp(0.3 * ifm_random_normal(&dice)));
            r.token_ns[k] = r.token_ns[k - 1] + gap;
            itl[2 * i + k - 1] = (double)gap;
        }
        tpot[i] = (double)(r.token_ns[2] - r.token_ns[0]) / 2;
        made_add(&load, r);
    }
    ifm_load_summary s = made_summary(&load);
    const ifm_stats truth[] = {ifm_stats_of(tpot, N), ifm_stats_of(itl, 2 * N)};
    const ifm_stats found[] = {s.metric[IFM_LOAD_TPOT], s.metric[IFM_LOAD_ITL]};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(found[i].n, truth[i].n);
        assert_true(found[i].p50 == truth[i].p50 && found[i].p99 == truth[i].p99);
        assert_true(found[i].median_ci95[0] == truth[i].median_ci95[0]);
        assert_int_equal(found[i].n_outliers, truth[i].n_outliers);
        assert_near(found[i].mean, truth[i].mean, 1e-12);
        assert_near(found[i].sd, truth[i].sd, 1e-10);
    }
    free(tpot);
    free(itl);
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closed_loop_in_waves),
        cmocka_unit_test(ramp_and_drain_are_left_out),
        cmocka_unit_test(an_open_loop_settles),
        cmocka_unit_test(an_overloaded_server_is_not_steady),
        cmocka_unit_test(a_burst_or_too_few_are_not_steady),
        cmocka_unit_test(failures_and_warm_up_are_not_measured),
        cmocka_unit_test(every_metric_has_its_moments),
        cmocka_unit_test(events_are_not_tokens),
        cmocka_unit_test(a_promise_is_kept_or_not),
        cmocka_unit_test(seconds_say_what_happened_in_them),
        cmocka_unit_test(a_long_load_has_long_seconds),
        cmocka_unit_test(large_loads_equal_plain_sorting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
