/* measure: the phases of a request over a network add up to its TTFT, whatever happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "measure/summary.h"

static int64_t sum(const int64_t ns[IFM_WIRE_PHASE_COUNT])
{
    int64_t all = 0;
    for (int i = 0; i < IFM_WIRE_PHASE_COUNT; i++)
        all += ns[i];
    return all;
}

static void each_has_its_time(void **state)
{
    (void)state;
    int64_t ns[IFM_WIRE_PHASE_COUNT];
    ifm_wire w = ifm_wire_unknown();
    w.service_start_ns = 5;
    w.dns_ns = 15;
    w.connect_ns = 40;
    w.tls_ns = 90;
    w.headers_ns = 300;
    w.first_event_ns = 310;
    ifm_wire_phases(&w, 100, 400, ns);
    const int64_t all[] = {5, 10, 25, 50, 10, 200, 10, 90};
    assert_memory_equal(ns, all, sizeof all);
    w.dns_ns = w.connect_ns = w.tls_ns = -1; /* an open connection */
    ifm_wire_phases(&w, 100, 400, ns);
    const int64_t open[] = {5, 0, 0, 0, 95, 200, 10, 90};
    assert_memory_equal(ns, open, sizeof open);
}

/* An answer may come before all of the request is sent; what is unknown is -1. */
static void they_add_up_in_any_order(void **state)
{
    (void)state;
    ifm_random random;
    ifm_random_init(&random, 7);
    for (int round = 0; round < 1000; round++) {
        int64_t ns[IFM_WIRE_PHASE_COUNT], t[8];
        for (int i = 0; i < 8; i++)
            t[i] = (int64_t)ifm_random_below(&random, 102) - 1;
        ifm_wire w = ifm_wire_unknown();
        w.service_start_ns = t[0];
        w.dns_ns = t[1];
        w.connect_ns = t[2];
        w.tls_ns = t[3];
        w.headers_ns = t[4];
        w.first_event_ns = t[5];
        const int64_t ttft = t[7] < 0 ? 0 : t[7];
        ifm_wire_phases(&w, t[6], ttft, ns);
        assert_int_equal(sum(ns), ttft);
        for (int i = 0; i < IFM_WIRE_PHASE_COUNT; i++)
            assert_true(ns[i] >= 0);
    }
}

/* Three pieces with two tokens each have two gaps, not five. */
static void gaps_lie_between_pieces(void **state)
{
    (void)state;
    int64_t tokens[] = {10, 10, 40, 40, 90, 90}, pieces[] = {10, 40, 90};
    ifm_wire wire = ifm_wire_unknown();
    wire.event_ns = pieces;
    wire.n_event_ns = 3;
    ifm_record record = ifm_record_empty();
    record.ok = true;
    record.start = IFM_START_WARM;
    record.token_ns = tokens;
    record.n_tokens = 6;
    record.wire = &wire;
    const ifm_run run = {.records = &record, .n_records = 1};
    ifm_summary summary;
    assert_int_equal(ifm_summary_of(&run, IFM_START_WARM, &summary, NULL), IFM_OK);
    assert_int_equal(summary.metric[IFM_METRIC_ITL].n, 2);
    assert_true(summary.metric[IFM_METRIC_ITL].p50 == 40);
    assert_true(summary.metric[IFM_METRIC_TPOT].p50 == 16);
    record.wire = NULL; /* token by token */
    assert_int_equal(ifm_summary_of(&run, IFM_START_WARM, &summary, NULL), IFM_OK);
    assert_int_equal(summary.metric[IFM_METRIC_ITL].n, 5);
}

static void names_are_all_different(void **state)
{
    (void)state;
    for (int i = 0; i < IFM_WIRE_PHASE_COUNT; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(ifm_wire_phase_name((ifm_wire_phase)i),
                                    ifm_wire_phase_name((ifm_wire_phase)k));
    assert_string_equal(ifm_wire_phase_name(IFM_WIRE_PHASE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_time),
        cmocka_unit_test(they_add_up_in_any_order),
        cmocka_unit_test(gaps_lie_between_pieces),
        cmocka_unit_test(names_are_all_different),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
