/* cli: durations, rates and promises as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "cli/load_parse.h"

static ifm_error err;

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"30", 30000},    {"30s", 30000}, {"1.5m", 90000}, {"2h", 7200000},
                {"2min", 120000}, {"250ms", 250}, {".5", 500}};
    static const char *const bad[] = {"",    "s",   "-1", "0",   "1 s",   "1d", "1e999",
                                      "nan", "inf", "1x", "0x1", "1.5.5", " 1"};
    int64_t ns;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(ifm_load_parse_duration("--duration", good[i].text, &ns, &err),
                         IFM_OK);
        assert_int_equal(ns, good[i].ms * 1000000);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ifm_load_parse_duration("--duration", bad[i], &ns, &err),
                         IFM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "--duration"));
    }
}

static void rates(void **state)
{
    (void)state;
    double rate;
    assert_int_equal(ifm_load_parse_rate("12.5", &rate, &err), IFM_OK);
    assert_true(rate == 12.5);
    assert_int_equal(ifm_load_parse_rate("inf", &rate, &err), IFM_OK);
    assert_true(isinf(rate));
    static const char *const bad[] = {"", "0", "-1", "nan", "1/s", "infinity", "1e300"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ifm_load_parse_rate(bad[i], &rate, &err), IFM_ERR_ARGUMENT);
}

static void promises(void **state)
{
    (void)state;
    ifm_slo slo;
    assert_int_equal(ifm_load_parse_slo("ttft:500,tpot:50,e2el:5000", &slo, &err),
                     IFM_OK);
    assert_true(slo.ttft_ms == 500 && slo.tpot_ms == 50 && slo.e2el_ms == 5000);
    assert_int_equal(ifm_load_parse_slo("tpot:12.5", &slo, &err), IFM_OK);
    assert_true(slo.tpot_ms == 12.5 && isnan(slo.ttft_ms) && isnan(slo.e2el_ms));
    static const char *const bad[] = {
        "",      "ttft",          "ttft:",         "ttft:0",    "ttft:-1", "ttft:5,",
        "itl:5", "ttft:5,ttft:6", "ttft:5;tpot:6", "ttft:5 ms", ":5",      "ttft:nan"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ifm_load_parse_slo(bad[i], &slo, &err), IFM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "--slo"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(rates),
        cmocka_unit_test(promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
