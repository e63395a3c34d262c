/* The identities of docs/metrics.md, on traces made at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "inferometer/measure.h"
#include "measure/record.h"
#include "measure/summary.h"
#include "measure/verdict.h"

enum { MOST_TOKENS = 300, TRACES = 500 };

/* A request that went well: gaps from 0 ns to seconds, phases that add up to TTFT. */
static void make_record(ifm_record *r, ifm_random *random, size_t n)
{
    r->ok = true;
    r->n_tokens = n;
    r->token_ns = calloc(n + 1, sizeof *r->token_ns);
    assert_non_null(r->token_ns);
    int64_t t = 0;
    for (int p = 0; p < IFM_PHASE_COUNT; p++) {
        r->phases_ns[p] = (int64_t)ifm_random_below(random, 1 << 20);
        t += r->phases_ns[p];
    }
    for (size_t i = 0; i < n; i++) {
        r->token_ns[i] = t;
        t +=
            (int64_t)ifm_random_below(random, 1ull << (1 + ifm_random_below(random, 33)));
    }
}

static void check_identities(const ifm_trace *trace, int64_t *itl)
{
    ifm_metrics m = ifm_metrics_of(trace);
    size_t gaps = ifm_metrics_itl(trace, itl);
    assert_int_equal(gaps, trace->n_tokens - 1);
    int64_t sum = 0, phases = 0;
    for (size_t i = 0; i < gaps; i++)
        sum += itl[i];
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        phases += trace->phases_ns[p];
    assert_true(m.has_ttft);
    assert_int_equal(m.ttft_ns, trace->token_ns[0]);
    assert_int_equal(phases, m.ttft_ns);
    assert_int_equal(m.e2el_ns, m.ttft_ns + sum);
    assert_int_equal(m.e2el_ns, m.ttft_ns + m.generation_ns);
    assert_int_equal(m.has_tpot, trace->n_tokens > 1);
    if (m.has_tpot) /* mean ITL = TPOT: the same quotient of the same integers */
        assert_true(m.tpot_ns == (double)sum / (double)gaps);
}

static void identities_hold(void **state)
{
    (void)state;
    ifm_random random;
    ifm_random_init(&random, 1);
    int64_t itl[MOST_TOKENS];
    for (int k = 0; k < TRACES; k++) {
        ifm_record r = {0};
        make_record(&r, &random, 1 + ifm_random_below(&random, MOST_TOKENS));
        ifm_trace trace = ifm_record_trace(&r);
        check_identities(&trace, itl);
        ifm_record_deinit(&r);
    }
}

static void one_token_has_no_tpot(void **state)
{
    (void)state;
    const int64_t t[] = {812345};
    ifm_trace trace = {.token_ns = t, .n_tokens = 1};
    ifm_metrics m = ifm_metrics_of(&trace);
    int64_t itl[1];
    assert_true(m.has_ttft && !m.has_tpot && !m.has_text_ttft);
    assert_int_equal(m.ttft_ns, 812345);
    assert_int_equal(m.e2el_ns, 812345);
    assert_int_equal(m.generation_ns, 0);
    assert_int_equal(ifm_metrics_itl(&trace, itl), 0);
}

static void no_token_has_nothing(void **state)
{
    (void)state;
    ifm_trace trace = {0};
    ifm_metrics m = ifm_metrics_of(&trace);
    assert_false(m.has_ttft || m.has_tpot || m.has_text_ttft);
    assert_int_equal(ifm_metrics_itl(&trace, NULL), 0);
}

static void text_comes_with_the_first_character(void **state)
{
    (void)state;
    const int64_t t[] = {10, 20, 30};
    const ifm_text_event events[] = {{10, "", 0}, {20, "\xc3\xa9", 2}, {30, "x", 1}};
    ifm_trace trace = {
        .token_ns = t, .n_tokens = 3, .text_events = events, .n_text_events = 3};
    ifm_metrics m = ifm_metrics_of(&trace);
    assert_true(m.has_text_ttft);
    assert_int_equal(m.text_ttft_ns, 20);
    assert_int_equal(m.ttft_ns, 10);
}

/* n warm requests whose gaps are `gap` ns, each request `spread` ns slower than the last. */
static void make_run(ifm_run *run, size_t n, int64_t gap, int64_t spread)
{
    *run = (ifm_run){.clock_resolution_ns = 1};
    run->workload.n_warm = (int32_t)n;
    run->host.load_average = 0;
    for (size_t i = 0; i < n; i++) {
        ifm_record *r = ifm_run_add(run);
        r->ok = true;
        r->start = IFM_START_WARM;
        r->n_tokens = 3;
        r->token_ns = calloc(3, sizeof *r->token_ns);
        for (int64_t t = 0; t < 3; t++)
            r->token_ns[t] = (t + 1) * gap + (int64_t)i * spread;
    }
}

static bool warned(const ifm_run *run, const char *code)
{
    for (size_t i = 0; i < run->n_warnings; i++)
        if (strcmp(run->warnings[i].code, code) == 0)
            return true;
    return false;
}

static void summary_pools_gaps_and_skips_failures(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 7, 1000, 0);
    ifm_record *failed = ifm_run_add(&run);
    failed->start = IFM_START_WARM;
    failed->error = strdup("refused");
    ifm_summary s;
    assert_int_equal(ifm_summary_of(&run, IFM_START_WARM, &s, NULL), IFM_OK);
    assert_int_equal(s.n_ok, 7);
    assert_int_equal(s.n_failed, 1);
    assert_int_equal(s.metric[IFM_METRIC_ITL].n, 14);
    assert_int_equal(s.metric[IFM_METRIC_TPOT].n, 7);
    assert_true(s.metric[IFM_METRIC_TPOT].p50 == 1000);
    assert_true(s.tokens_per_s.p50 == 1e6);
    assert_int_equal(s.metric[IFM_METRIC_TEXT_TTFT].n, 0);
    ifm_verdict_judge(&run);
    assert_true(warned(&run, "failed-requests"));
    assert_false(ifm_run_trustworthy(&run));
    ifm_run_deinit(&run);
}

static void calm_runs_are_trusted(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 20, 100000, 10);
    ifm_verdict_judge(&run);
    assert_int_equal(run.n_warnings, 0);
    assert_true(ifm_run_trustworthy(&run));
    ifm_run_deinit(&run);
}

static void wild_runs_are_not(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 20, 100000, 100000);
    ifm_verdict_judge(&run);
    assert_true(warned(&run, "runs-disagree"));
    assert_true(warned(&run, "drift"));
    assert_false(ifm_run_trustworthy(&run));
    ifm_run_deinit(&run);
}

static void circumstances_warn_and_facts_spoil(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 20, 100000, 0);
    run.host.governor = strdup("powersave");
    run.host.cores = 2;
    run.host.load_average = 3;
    ifm_verdict_judge(&run);
    assert_true(warned(&run, "governor-not-performance"));
    assert_true(warned(&run, "busy-machine"));
    assert_true(ifm_run_trustworthy(&run));
    ifm_run_deinit(&run);

    make_run(&run, 20, 100000, 0);
    run.workload.evict = true;
    for (int i = 0; i < 6; i++) {
        run.records[i].start = IFM_START_COLD;
        run.records[i].resident_frac_before = 0.5;
    }
    run.clock_resolution_ns = 50000;
    ifm_verdict_judge(&run);
    assert_true(warned(&run, "page-cache-not-evicted"));
    assert_true(warned(&run, "coarse-clock"));
    assert_false(ifm_run_trustworthy(&run));
    ifm_run_deinit(&run);
}

/* Judges `run`, which must get the warning `code` and be trusted or not; releases it. */
static void expect_warning(ifm_run *run, const char *code, bool trusted)
{
    ifm_verdict_judge(run);
    if (!warned(run, code))
        fail_msg("no warning %s", code);
    assert_int_equal(ifm_run_trustworthy(run), trusted);
    for (size_t i = 0; i < run->n_warnings; i++)
        for (const char *c = run->warnings[i].message; *c != '\0'; c++)
            assert_in_range(*c, 0x20, 0x7e); /* one line that every terminal shows */
    ifm_run_deinit(run);
}

static void the_host_is_judged(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 20, 100000, 0);
    run.host.steal_frac = 0.05;
    expect_warning(&run, "steal", true);
    make_run(&run, 20, 100000, 0);
    run.host.steal_frac = 0.2;
    expect_warning(&run, "steal", false);
    make_run(&run, 20, 100000, 0);
    run.target.nan_weights = 3;
    expect_warning(&run, "nan-weights", true);
    /* 1,000,000 bytes in 100 microseconds are 10 GB/s. */
    make_run(&run, 20, 100000, 0);
    run.target.decode_bytes = 1000000;
    run.host.read_bandwidth_bytes_per_s = 8e9;
    expect_warning(&run, "bandwidth-doubtful", true);
    make_run(&run, 20, 100000, 0);
    run.target.decode_bytes = 1000000;
    run.host.read_bandwidth_bytes_per_s = 9.5e9;
    ifm_verdict_judge(&run);
    assert_int_equal(run.n_warnings, 0);
    ifm_run_deinit(&run);
}

static void the_runs_are_judged(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 5, 100000, 0);
    expect_warning(&run, "few-runs", true);
    make_run(&run, 20, 100000, 0);
    run.incomplete = true;
    expect_warning(&run, "incomplete", false);
    /* A third of many runs is slower by half: the median is known, a run is not. */
    make_run(&run, 301, 100000, 0);
    for (size_t i = 1; i < run.n_records; i += 3)
        run.records[i].token_ns[2] += run.records[i].token_ns[2] / 2;
    expect_warning(&run, "runs-spread", true);
    make_run(&run, 20, 100000, 0);
    for (size_t i = 0; i < run.n_records; i++) {
        run.records[i].handover_ns = calloc(3, sizeof(int64_t));
        for (int t = 0; t < 3; t++)
            run.records[i].handover_ns[t] = 40000;
    }
    expect_warning(&run, "slow-handover", true);
}

/* Cold starts whose model was not in memory, as mincore saw it, and as page faults tell
 * where nothing else does. */
static void the_page_cache_is_judged(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        ifm_run run;
        make_run(&run, 20, 100000, 0);
        for (size_t i = 0; i < run.n_records; i++) {
            run.records[i].start = IFM_START_COLD;
            run.records[i].resident_frac_before = told ? 0.4 : -1;
            run.records[i].phase_io[IFM_PHASE_PREFILL].major_faults = told ? 0 : 500;
        }
        expect_warning(&run, "page-cache-not-warm", true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_hold),
        cmocka_unit_test(one_token_has_no_tpot),
        cmocka_unit_test(no_token_has_nothing),
        cmocka_unit_test(text_comes_with_the_first_character),
        cmocka_unit_test(summary_pools_gaps_and_skips_failures),
        cmocka_unit_test(calm_runs_are_trusted),
        cmocka_unit_test(wild_runs_are_not),
        cmocka_unit_test(circumstances_warn_and_facts_spoil),
        cmocka_unit_test(the_host_is_judged),
        cmocka_unit_test(the_runs_are_judged),
        cmocka_unit_test(the_page_cache_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
