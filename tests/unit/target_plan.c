/* target: the plan measures in its order, and an interruption leaves what was measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target/plan.h"
#include "target/scripted.h"

static ifm_error err;
static const ifm_target_request request = {
    .prompt = "x", .n_prompt = 1, .max_new_tokens = 3};
static const int64_t times[] = {10, 20, 40};

static ifm_script_line line(ifm_start start, ifm_status status)
{
    return (ifm_script_line){start, status, times, 3};
}

typedef struct seen {
    int n;
    ifm_plan_progress last;
} seen;

static void on_progress(void *user, const ifm_plan_progress *progress)
{
    seen *self = user;
    self->n++;
    self->last = *progress;
}

static void records_come_in_order(void **state)
{
    (void)state;
    const ifm_script_line lines[] = {
        line(IFM_START_COLD, IFM_OK),   line(IFM_START_COLD, IFM_OK),
        line(IFM_START_WARMUP, IFM_OK), line(IFM_START_WARM, IFM_OK),
        line(IFM_START_WARM, IFM_OK),
    };
    ifm_run run = {0};
    seen told = {0};
    ifm_target *target = NULL;
    assert_int_equal(ifm_scripted_new(lines, 5, &run.target, &target, &err), IFM_OK);
    ifm_plan plan = {2, 1, 2, .on_progress = on_progress, .user = &told};
    assert_int_equal(
        ifm_plan_run(&plan, &(ifm_subject){target, &request, 1, &run}, 1, NULL, &err),
        IFM_OK);
    assert_int_equal(run.n_records, 5);
    assert_false(run.incomplete);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(run.records[i].id, i);
        assert_int_equal(run.records[i].start, lines[i].start);
        assert_int_equal(run.records[i].token_ns[2], 40);
    }
    assert_int_equal(told.n, 5);
    assert_int_equal(told.last.number, 2);
    assert_int_equal(told.last.of, 2);
    assert_true(told.last.eta_s >= 0);
    ifm_target_free(target);
    ifm_run_deinit(&run);
}

/* A server beside an engine takes its turns, but for the cold ones. */
static void a_server_has_no_cold_starts(void **state)
{
    (void)state;
    const ifm_script_line lines[] = {line(IFM_START_COLD, IFM_OK),
                                     line(IFM_START_WARMUP, IFM_OK),
                                     line(IFM_START_WARM, IFM_OK)};
    ifm_run runs[2] = {{0}, {0}};
    ifm_target *engine = NULL, *server = NULL;
    assert_int_equal(ifm_scripted_new(lines, 3, &runs[0].target, &engine, &err), IFM_OK);
    assert_int_equal(ifm_scripted_new(lines + 1, 2, &runs[1].target, &server, &err),
                     IFM_OK);
    const ifm_plan plan = {1, 1, 1};
    const ifm_subject subjects[] = {{engine, &request, 1, &runs[0], false},
                                    {server, &request, 1, &runs[1], true}};
    assert_int_equal(ifm_plan_run(&plan, subjects, 2, NULL, &err), IFM_OK);
    assert_int_equal(runs[0].n_records, 3);
    assert_int_equal(runs[1].n_records, 2);
    assert_int_equal(runs[1].records[0].id, 0);
    assert_int_equal(runs[1].records[1].start, IFM_START_WARM);
    ifm_target_free(engine);
    ifm_target_free(server);
    ifm_run_deinit(&runs[0]);
    ifm_run_deinit(&runs[1]);
}

static void a_failure_keeps_what_was_before(void **state)
{
    (void)state;
    const ifm_script_line lines[] = {
        line(IFM_START_COLD, IFM_OK),
        line(IFM_START_COLD, IFM_ERR_CANCELLED),
    };
    ifm_run run = {0};
    ifm_target *target = NULL;
    assert_int_equal(ifm_scripted_new(lines, 2, &run.target, &target, &err), IFM_OK);
    ifm_plan plan = {3, 0, 0};
    assert_int_equal(
        ifm_plan_run(&plan, &(ifm_subject){target, &request, 1, &run}, 1, NULL, &err),
        IFM_ERR_CANCELLED);
    assert_int_equal(run.n_records, 1);
    assert_true(run.incomplete);
    assert_false(ifm_run_trustworthy(&run));
    ifm_target_free(target);
    ifm_run_deinit(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_order),
        cmocka_unit_test(a_server_has_no_cold_starts),
        cmocka_unit_test(a_failure_keeps_what_was_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
