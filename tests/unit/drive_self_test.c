/* The self-test, small: the program given as argument is the server. No time is judged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "drive/self_test.h"
#include "os/process.h"

static const char *program;

static void every_token_is_accounted_for(const ifm_self_test_case *test)
{
    const ifm_self_test_options options = {.program = program, .cancel_fd = -1};
    ifm_self_test_row row;
    ifm_error err = {0};
    const ifm_status st = ifm_self_test_run(&options, test, &row, &err);
    if (st != IFM_OK)
        fail_msg("%s: %s", test->name, err.message);
    const ifm_truth_errors *e = &row.errors;
    const size_t n = (size_t)test->n_requests;
    assert_int_equal(e->n_requests, n);
    assert_int_equal(e->n_failed + e->n_miscounted + e->n_unknown, 0);
    assert_int_equal(e->ttft.n, n);
    assert_int_equal(e->itl.n, n * ((size_t)test->tokens - 1));
    assert_int_equal(e->late.n, n * (size_t)test->tokens);
    assert_true(e->n_events >= n * (size_t)test->tokens);
    assert_true(row.cpu_s_per_1000_events > 0 && row.bytes_per_event > 0);
    const ifm_floor floor = ifm_self_test_floor(&row);
    assert_int_equal(floor.streams, test->streams);
    assert_true(floor.ttft_p50_ns <= floor.ttft_max_ns);
}

static void streams_one_after_the_other(void **state)
{
    (void)state;
    const ifm_self_test_case test = {"1", 1, false, 5, 1, 4, 3};
    every_token_is_accounted_for(&test);
}

static void streams_side_by_side(void **state)
{
    (void)state;
    const ifm_self_test_case test = {"8", 8, false, 20, 5, 6, 32};
    every_token_is_accounted_for(&test);
}

static void streams_all_at_once(void **state)
{
    (void)state;
    const ifm_self_test_case test = {"burst", 64, true, 20, 5, 4, 64};
    every_token_is_accounted_for(&test);
}

static void a_program_that_is_no_server_is_named(void **state)
{
    (void)state;
    const ifm_self_test_options options = {.program = "/bin/false", .cancel_fd = -1};
    const ifm_self_test_case test = {"1", 1, false, 5, 1, 4, 1};
    ifm_self_test_row row;
    ifm_error err;
    assert_int_equal(ifm_self_test_run(&options, &test, &row, &err), IFM_ERR_CHILD);
}

int main(int argc, char **argv)
{
    program = argc > 1 ? argv[1] : NULL;
    ifm_process_ignore_sigpipe();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_one_after_the_other),
        cmocka_unit_test(streams_side_by_side),
        cmocka_unit_test(streams_all_at_once),
        cmocka_unit_test(a_program_that_is_no_server_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
