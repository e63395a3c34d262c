/* target: a worker is driven, and whatever a broken one does ends in a named error with
 * nothing left behind. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/process.h"
#include "target/worker.h"

static const char *fake;
static ifm_error err;
static ifm_run run;
static ifm_target target;
static _Atomic int group;

static const ifm_worker_model model = {.path = "/nowhere"};
static const ifm_target_request request = {
    .prompt = "a\0b",
    .n_prompt = 3,
    .max_new_tokens = 5,
};

static ifm_worker worker_in(const char *mode, int64_t timeout_ns)
{
    static const char *argv[3];
    argv[0] = fake;
    argv[1] = mode;
    ifm_worker worker;
    ifm_worker_init(&worker, &(ifm_worker_options){
                                 .argv = argv,
                                 .name = "worker",
                                 .timeout_ns = timeout_ns,
                                 .cancel_fd = -1,
                                 .group = &group,
                             });
    return worker;
}

enum { SECOND = 1000000000 };

static int open_files(void)
{
    int n = 0;
    DIR *dir = opendir("/dev/fd");
    while (dir != NULL && readdir(dir) != NULL)
        n++;
    if (dir != NULL)
        closedir(dir);
    return n;
}

static void assert_nothing_left(int files_before)
{
    assert_int_equal(group, 0);
    assert_int_equal(open_files(), files_before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_cold_request_is_one_timeline(void **state)
{
    (void)state;
    int files = open_files();
    ifm_worker worker = worker_in("ok", 30LL * SECOND);
    ifm_record *record = ifm_run_add(&run);
    assert_int_equal(ifm_worker_cold(&worker, &model, &request, &target, record, &err),
                     IFM_OK);
    assert_true(record->ok);
    assert_int_equal(record->n_tokens, 5);
    assert_int_equal(record->n_input, 3);
    assert_int_equal(record->input_ids[2], 7);
    assert_string_equal(record->text, " 0 1 2 3 4");
    assert_int_equal(record->n_text_events, 5);
    assert_ptr_equal(record->text_events[2].text, record->text + 4);
    assert_string_equal(record->finish_reason, "length");
    assert_true(record->phases_ns[IFM_PHASE_SPAWN] > 0);
    assert_int_equal(record->phase_io[IFM_PHASE_LOAD].major_faults, 3);
    assert_int_equal(record->phase_io[IFM_PHASE_LOAD].read_bytes, -1);
    assert_non_null(record->handover_ns);
    assert_int_equal(record->handover_ns[0], 1000);
    int64_t sum = 0;
    for (int p = 0; p < IFM_PHASE_COUNT; p++)
        sum += record->phases_ns[p];
    assert_int_equal(sum, record->token_ns[0]);
    for (size_t i = 1; i < record->n_tokens; i++)
        assert_true(record->token_ns[i] > record->token_ns[i - 1]);
    assert_string_equal(run.target.model_name, "fake");
    assert_int_equal(run.target.threads, 2);
    assert_true(group > 0);

    ifm_record *warm = ifm_run_add(&run);
    assert_int_equal(ifm_worker_warm(&worker, &request, &target, warm, &err), IFM_OK);
    assert_int_equal(warm->n_tokens, 5);
    assert_int_equal(warm->phases_ns[IFM_PHASE_SPAWN], 0);
    assert_int_equal(warm->phases_ns[IFM_PHASE_LOAD], 0);
    ifm_worker_end(&worker);
    assert_nothing_left(files);
}

static void loading_alone_and_then_requests(void **state)
{
    (void)state;
    int files = open_files();
    ifm_worker worker = worker_in("ok", 30LL * SECOND);
    assert_int_equal(ifm_worker_start(&worker, &model, &run.target, &err), IFM_OK);
    ifm_target_request with_logprobs = request;
    with_logprobs.logprobs = 2;
    ifm_record *record = ifm_run_add(&run);
    assert_int_equal(ifm_worker_warm(&worker, &with_logprobs, &target, record, &err),
                     IFM_OK);
    assert_int_equal(record->n_logprobs, 2);
    assert_int_equal(record->top[3].id, 1);
    assert_true(record->top[3].logprob == -1.5f);
    ifm_worker_end(&worker);
    ifm_worker_end(&worker);
    assert_nothing_left(files);
}

/* A prompt larger than any pipe is written while the worker reads. */
static void a_large_prompt_fits(void **state)
{
    (void)state;
    enum { LARGE = 900000 }; /* under the fake worker's buffer */
    ifm_worker worker = worker_in("ok", 30LL * SECOND);
    char *prompt = malloc(LARGE);
    memset(prompt, 'x', LARGE);
    ifm_target_request large = request;
    large.prompt = prompt;
    large.n_prompt = LARGE;
    ifm_record *record = ifm_run_add(&run);
    ifm_status st = ifm_worker_cold(&worker, &model, &large, &target, record, &err);
    free(prompt);
    if (st != IFM_OK)
        fail_msg("%s", err.message);
    ifm_worker_end(&worker);
}

typedef struct streamed {
    char text[64];
} streamed;

static void on_text(void *user, const char *text, size_t n)
{
    streamed *self = user;
    strncat(self->text, text, n);
}

static void text_is_streamed(void **state)
{
    (void)state;
    ifm_worker worker = worker_in("ok", 30LL * SECOND);
    streamed out = {""};
    ifm_target listening = target;
    listening.on_text = on_text;
    listening.on_text_user = &out;
    ifm_record *record = ifm_run_add(&run);
    assert_int_equal(ifm_worker_cold(&worker, &model, &request, &listening, record, &err),
                     IFM_OK);
    assert_string_equal(out.text, " 0 1 2 3 4");
    ifm_worker_end(&worker);
}

static void hostile_workers_are_named_and_ended(void **state)
{
    (void)state;
    static const struct {
        const char *mode;
        ifm_status status;
        const char *says;
    } cases[] = {
        {"garbage", IFM_ERR_CHILD, "worker: expected one JSON object a line"},
        {"half", IFM_ERR_CHILD,
         "worker: exited with code 7 before it was done, in the middle "
         "of a line; its last words: \"Traceback: no torch\""},
        {"long-line", IFM_ERR_CHILD, "worker: a line of more than"},
        {"hang", IFM_ERR_CHILD, "worker: no answer within"},
        {"silent-exit", IFM_ERR_CHILD, "worker: exited with code 0 before it was done"},
        {"child", IFM_ERR_CHILD, "worker: "},
        {"killed", IFM_ERR_CHILD, "worker: was killed by signal 9"},
        {"segfault", IFM_ERR_CHILD, "worker: was killed by signal 11"},
        {"flood", IFM_ERR_CHILD, "worker: a flood"},
        {"flood-unknown", IFM_ERR_CHILD, "worker: a flood"},
        {"no-hello", IFM_ERR_CHILD, "worker: its first line is no \"hello\""},
        {"protocol-2", IFM_ERR_CHILD, "worker: it speaks protocol 2, expected 1"},
        {"load-error", IFM_ERR_FORMAT, "model.bin: bad"},
        {"backwards", IFM_ERR_CHILD, "worker: time stamps run backwards"},
        {"future", IFM_ERR_CHILD, "in the future"},
        {"too-many", IFM_ERR_CHILD, "worker: more than the 5 tokens"},
        {"wrong-request", IFM_ERR_CHILD, "worker: an event belongs to request 9"},
        {"overlap", IFM_ERR_CHILD, "worker: the phases add up to"},
        {"deaf", IFM_ERR_CHILD, "worker: exited with code 5"},
    };
    int files = open_files();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool hangs = strcmp(cases[i].mode, "hang") == 0;
        bool outlives = strcmp(cases[i].mode, "child") == 0;
        ifm_worker worker =
            worker_in(cases[i].mode, hangs || outlives ? SECOND / 10 : 30LL * SECOND);
        ifm_record *record = ifm_run_add(&run);
        err = (ifm_error){0};
        ifm_status st = ifm_worker_cold(&worker, &model, &request, &target, record, &err);
        if (st != cases[i].status || strstr(err.message, cases[i].says) == NULL)
            fail_msg("%s: %s \"%s\" lacks \"%s\"", cases[i].mode, ifm_status_name(st),
                     err.message, cases[i].says);
        assert_false(worker.running);
        assert_nothing_left(files);
    }
}

static void a_program_that_does_not_exist(void **state)
{
    (void)state;
    int files = open_files();
    static const char *argv[] = {"/nowhere/worker", NULL};
    ifm_worker worker;
    ifm_worker_init(
        &worker, &(ifm_worker_options){.argv = argv, .name = "worker", .cancel_fd = -1});
    assert_int_equal(ifm_worker_start(&worker, &model, NULL, &err), IFM_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/worker: cannot start"));
    assert_nothing_left(files);
}

static void a_readable_descriptor_cancels(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int files = open_files();
    ifm_worker worker = worker_in("hang", 60LL * SECOND);
    worker.options.cancel_fd = ends[0];
    assert_int_equal(write(ends[1], "", 1), 1);
    ifm_record *record = ifm_run_add(&run);
    assert_int_equal(ifm_worker_cold(&worker, &model, &request, &target, record, &err),
                     IFM_ERR_CANCELLED);
    assert_nothing_left(files);
    close(ends[0]);
    close(ends[1]);
}

static int prepare(void **state)
{
    (void)state;
    static char path[4096];
    snprintf(path, sizeof path, "%s/tests/unit/fake_worker", getenv("IFM_BUILD_ROOT"));
    fake = path;
    target.facts = &run.target;
    ifm_process_ignore_sigpipe();
    return 0;
}

static int release(void **state)
{
    (void)state;
    ifm_run_deinit(&run);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cold_request_is_one_timeline),
        cmocka_unit_test(loading_alone_and_then_requests),
        cmocka_unit_test(a_large_prompt_fits),
        cmocka_unit_test(text_is_streamed),
        cmocka_unit_test(hostile_workers_are_named_and_ended),
        cmocka_unit_test(a_program_that_does_not_exist),
        cmocka_unit_test(a_readable_descriptor_cancels),
    };
    return cmocka_run_group_tests(tests, prepare, release);
}
