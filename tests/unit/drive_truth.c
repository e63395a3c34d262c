/* The client's times beside a server's log: what differs is found, to the nanosecond. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "drive/truth.h"

static const char *write_log(const char *text)
{
    static char path[] = "/tmp/ifm-truth-XXXXXX";
    strcpy(path, "/tmp/ifm-truth-XXXXXX");
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

/* A request that was due 500 ns after the load began at 1,000,000, with three tokens. */
static void add_record(ifm_load_run *load, const char *id, const int64_t token_ns[3],
                       bool ok)
{
    ifm_record r = ifm_record_empty();
    ifm_wire wire = ifm_wire_unknown();
    int64_t times[3];
    memcpy(times, token_ns, sizeof times);
    snprintf(wire.request_id, sizeof wire.request_id, "%s", id);
    wire.outcome = ok ? IFM_OUTCOME_OK : IFM_OUTCOME_RESET;
    wire.due_at_ns = 500;
    r.start = IFM_START_WARM;
    r.ok = ok;
    r.sent_ns = 100;
    r.token_ns = times;
    r.n_tokens = 3;
    r.wire = &wire;
    ifm_error err;
    assert_int_equal(ifm_spool_append(load->spool, &r, &err), IFM_OK);
}

static void errors_are_what_was_built_in(void **state)
{
    (void)state;
    /* Received at 1,000,600, sent after 1,000, 2,000 and 3,000 ns. */
    const char *path = write_log(
        "{\"request_id\": \"a\", \"body_ns\": 1000600, \"completion_tokens\": 3,"
        " \"sent_ns\": [1001600, 1002600, 1003600]}\n"
        "{\"request_id\": \"b\", \"body_ns\": 1000600, \"completion_tokens\": 4,"
        " \"sent_ns\": [1001600, 1002600, 1003600, 1004600]}\n");
    ifm_load_run load = {.began = {1000000}};
    ifm_error err;
    assert_int_equal(ifm_spool_new(NULL, &load.spool, &err), IFM_OK);
    /* a: first token 30 ns late, the second 70 ns late, the third in time. */
    add_record(&load, "a", (const int64_t[]){1130, 2170, 3100}, true);
    add_record(&load, "b", (const int64_t[]){1130, 2170, 3100}, true);
    add_record(&load, "c", (const int64_t[]){1130, 2170, 3100}, true);
    add_record(&load, "d", (const int64_t[]){1130, 2170, 3100}, false);

    ifm_truth *truth = NULL;
    ifm_truth_errors e;
    assert_int_equal(ifm_truth_read(path, &truth, &err), IFM_OK);
    assert_int_equal(ifm_truth_count(truth), 2);
    assert_int_equal(ifm_truth_compare(truth, &load, &e, &err), IFM_OK);
    assert_int_equal(e.n_requests, 4);
    assert_int_equal(e.n_failed, 1);
    assert_int_equal(e.n_miscounted, 1);
    assert_int_equal(e.n_unknown, 1);
    assert_int_equal(e.ttft.n, 1);
    assert_true(e.ttft.p50 == 30);
    assert_int_equal(e.itl.n, 2); /* 1,040 and 930 for 1,000 */
    assert_true(e.itl.p50 == 55 && e.itl.max == 70);
    assert_true(e.tpot.max == 15); /* 985 for 1,000 */
    assert_int_equal(e.late.n, 3); /* 30, 70, 0 */
    assert_true(e.late.max == 70 && e.late.p50 == 30);
    ifm_truth_free(truth);
    ifm_load_deinit(&load);
    unlink(path);
}

static void logs_of_others_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "no JSON\n",
        "{\"request_id\": 7, \"body_ns\": 1, \"sent_ns\": []}\n",
        "{\"request_id\": \"a\", \"body_ns\": 1, \"sent_ns\": []}\n{}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *path = write_log(texts[i]);
        ifm_truth *truth = NULL;
        ifm_error err;
        assert_int_equal(ifm_truth_read(path, &truth, &err), IFM_ERR_FORMAT);
        assert_non_null(strstr(err.message, i == 2 ? "line 2" : "line 1"));
        assert_null(truth);
        unlink(path);
    }
    ifm_truth *truth = NULL;
    assert_int_equal(ifm_truth_read("/nowhere/log", &truth, NULL), IFM_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_what_was_built_in),
        cmocka_unit_test(logs_of_others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
