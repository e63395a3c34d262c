/* What of a load counts for the search of a rate. The search itself: load_rate_search.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drive/find_rate.h"
#include "load_pictures.h"

static const simulated even = {.n = 1000,
                               .gap_ns = 10000000,
                               .service_ns = 90000000,
                               .itl_ns = 2000000,
                               .n_tokens = 4,
                               .places = 1000,
                               .fail_every = 10};

static void counted(const simulated *m, double ttft_ms, int64_t from_ns,
                    ifm_rate_count *out)
{
    ifm_load_run load;
    ifm_load_summary s;
    ifm_error err = {0};
    simulate(&load, &s, m);
    load.plan.slo = (ifm_slo){ttft_ms, NAN, NAN};
    load.plan.request_rate = 1e9 / (double)m->gap_ns;
    load.plan.n_prompts = (int64_t)m->n;
    assert_int_equal(ifm_rate_count_of(&load, from_ns, out, &err), IFM_OK);
    simulated_free(&load, &s);
}

static void failed_requests_are_not_good(void **state)
{
    (void)state;
    ifm_rate_count c;
    counted(&even, 10000, 0, &c);
    assert_int_equal(c.n, 1000);
    assert_int_equal(c.n_good, 900);
    /* One in ten, evenly: less clustered than chance would have it. */
    assert_true(c.spread >= 1 && c.spread < 1.5);
    counted(&even, 1, 0, &c);
    assert_int_equal(c.n_good, 0);
    assert_true(fabs(c.spread - 1) < 1e-12);
}

static void the_beginning_does_not_count(void **state)
{
    (void)state;
    ifm_rate_count all, rest;
    counted(&even, 10000, 0, &all);
    counted(&even, 10000, 2000000000, &rest);
    assert_in_range(rest.n, 700, 900);
    counted(&even, 10000, INT64_MAX, &rest);
    assert_int_equal(rest.n, 0);
}

/* A second in which the server stands still makes bad requests come together: they count for
 * fewer. */
static void clusters_spread(void **state)
{
    (void)state;
    simulated pause = even;
    ifm_rate_count c;
    pause.fail_every = 0;
    pause.itl_ns = 30000000;
    pause.pause_at_ns = 3000000000;
    pause.pause_ns = 1000000000;
    ifm_load_run load;
    ifm_load_summary s;
    ifm_error err = {0};
    simulate(&load, &s, &pause);
    load.plan.slo = (ifm_slo){NAN, NAN, 500};
    load.plan.request_rate = 100;
    load.plan.n_prompts = 1000;
    assert_int_equal(ifm_rate_count_of(&load, 0, &c, &err), IFM_OK);
    assert_true(c.n_good > 0 && c.n_good < c.n);
    assert_true(c.spread > 3);
    simulated_free(&load, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_requests_are_not_good),
        cmocka_unit_test(the_beginning_does_not_count),
        cmocka_unit_test(clusters_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
