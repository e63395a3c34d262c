#include "drive/self_test.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "drive/drive.h"
#include "drive/source.h"
#include "load/summary.h"
#include "os/process.h"
#include "os/program.h"

enum { WORDS_OF_A_PROMPT = 16 };

const ifm_self_test_case ifm_self_test_cases[] = {
    {"1 stream", 1, false, 100, 20, 50, 10},
    {"64 streams", 64, false, 200, 20, 50, 512},
    {"burst of 512", 512, true, 500, 100, 20, 512},
    {"1,000 streams", 1000, false, 500, 100, 50, 2000},
    {"4,000 streams", 4000, false, 500, 100, 50, 8000},
};
const size_t ifm_self_test_n_cases =
    sizeof ifm_self_test_cases / sizeof *ifm_self_test_cases;

/* ---- the server --------------------------------------------------------------------- */

typedef struct mock_child {
    ifm_process process;
    char log[1024];
    char url[128];
} mock_child;

static ifm_status make_log(mock_child *self, ifm_error *err)
{
    const char *set = getenv("TMPDIR");
    const char *where = set != NULL && *set != '\0' ? set : "/tmp";
    const int n = snprintf(self->log, sizeof self->log, "%s/inferometer-XXXXXX", where);
    const bool fits = n > 0 && (size_t)n < sizeof self->log;
    const int fd = fits ? mkstemp(self->log) : -1;
    if (fd < 0) {
        self->log[0] = '\0';
        return ifm_fail_errno(err, fits ? errno : ENAMETOOLONG,
                              "%s: cannot make a file for the server's log (TMPDIR says "
                              "where)",
                              where);
    }
    close(fd);
    return IFM_OK;
}

/* Reads "listening on URL" from the child. */
static ifm_status read_address(mock_child *self, int cancel_fd, ifm_error *err)
{
    static const char words[] = "listening on ";
    char line[128] = "";
    size_t n = 0;
    const ifm_time deadline = {ifm_time_now().ns + 10 * INT64_C(1000000000)};
    while (strchr(line, '\n') == NULL && n + 1 < sizeof line) {
        const ifm_process_ready ready =
            ifm_process_wait(&self->process, false, cancel_fd, deadline);
        if (ready.cancelled)
            return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
        const ssize_t got =
            ready.out ? read(self->process.out, line + n, sizeof line - 1 - n) : -1;
        if (ready.late || (ready.out && got == 0))
            break;
        n += got > 0 ? (size_t)got : 0;
        line[n] = '\0';
    }
    char *end = strchr(line, '\n');
    if (strncmp(line, words, sizeof words - 1) != 0 || end == NULL)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "self-test: the mock server did not say where it listens");
    *end = '\0';
    snprintf(self->url, sizeof self->url, "%s", line + sizeof words - 1);
    return IFM_OK;
}

static ifm_status start_server(mock_child *self, const char *program,
                               const ifm_self_test_case *test, int cancel_fd,
                               ifm_error *err)
{
    char ttft[32], itl[32], tokens[32];
    snprintf(ttft, sizeof ttft, "%g", test->ttft_ms);
    snprintf(itl, sizeof itl, "%g", test->itl_ms);
    snprintf(tokens, sizeof tokens, "%" PRId64, test->tokens);
    ifm_status st = make_log(self, err);
    const char *const argv[] = {program, "mock-server", "--port",  "0",        "--ttft",
                                ttft,    "--itl",       itl,       "--tokens", tokens,
                                "--log", self->log,     "--shape", "usage",    NULL};
    if (st == IFM_OK)
        st = ifm_process_prepare(&self->process, err);
    ifm_time before;
    if (st == IFM_OK)
        st = ifm_process_spawn(&self->process, argv, &before, err);
    if (st == IFM_OK)
        st = read_address(self, cancel_fd, err);
    return st;
}

/* Asked to end, it completes its log first. */
static void end_server(mock_child *self)
{
    if (self->process.pid > 0)
        kill(self->process.pid, SIGTERM);
    ifm_process_end(&self->process, 10 * INT64_C(1000000000));
}

/* ---- one load ----------------------------------------------------------------------- */

/* Streams that last `life` each and start at `streams` ÷ life a second: so many are there at
 * once, none together. */
static ifm_status plan_load(ifm_load_plan *plan, const ifm_self_test_case *test,
                            const char *url, ifm_error *err)
{
    const double life_s = (test->ttft_ms + test->itl_ms * (double)test->tokens) / 1e3;
    *plan = (ifm_load_plan){
        .url = strdup(url),
        .model = strdup("mock"),
        .endpoint = IFM_ENDPOINT_COMPLETIONS,
        .stream = true,
        .burstiness = 1,
        .think_ns = -1,
        .n_prompts = test->n_requests,
        .timeout_ns = 120 * INT64_C(1000000000),
        .idle_timeout_ns = 60 * INT64_C(1000000000),
        .slo = {NAN, NAN, NAN},
    };
    if (test->streams == 1) {
        plan->arrival = IFM_ARRIVAL_CLOSED;
        plan->concurrency = 1;
    } else {
        plan->arrival = test->burst ? IFM_ARRIVAL_BURST : IFM_ARRIVAL_CONSTANT;
        plan->request_rate = test->burst ? INFINITY : (double)test->streams / life_s;
    }
    return plan->url != NULL && plan->model != NULL
               ? IFM_OK
               : ifm_fail(err, IFM_ERR_NO_MEMORY, "self-test: no memory");
}

static ifm_status open_source(const ifm_self_test_case *test, ifm_requests_source **out,
                              ifm_error *err)
{
    const int32_t n = (int32_t)test->tokens;
    const ifm_source_options options = {
        .stream = true,
        .model = "mock",
        .input = {IFM_LENGTH_FIXED, WORDS_OF_A_PROMPT, WORDS_OF_A_PROMPT, 0, 0},
        .output = {IFM_LENGTH_FIXED, n, n, 0, 0},
        .output_given = true,
        .think_ns = -1,
        .ignore_eos = true,
    };
    return ifm_requests_source_new(&options, out, err);
}

static ifm_status make_load(const ifm_self_test_options *options,
                            const ifm_self_test_case *test, ifm_requests_source *source,
                            ifm_load_run *load, ifm_error *err)
{
    const ifm_drive_options drive = {
        .client = {.url = load->plan.url,
                   .stream = true,
                   .timeout_ns = load->plan.timeout_ns,
                   .idle_timeout_ns = load->plan.idle_timeout_ns,
                   .connections = (size_t)test->streams},
        .source = source,
        .cancel_fd = options->cancel_fd,
        .on_tick = options->on_tick,
        .user = options->user,
    };
    return ifm_drive_run(&drive, load, err);
}

/* ---- what it says ------------------------------------------------------------------- */

static ifm_status judge(const mock_child *server, const ifm_load_run *load,
                        ifm_self_test_row *row, ifm_error *err)
{
    ifm_truth *truth = NULL;
    ifm_load_summary summary = {0};
    ifm_status st = ifm_truth_read(server->log, &truth, err);
    if (st == IFM_OK)
        st = ifm_truth_compare(truth, load, &row->errors, err);
    if (st == IFM_OK)
        st = ifm_load_summary_of(load, &summary, err);
    if (st == IFM_OK) {
        const double cpu_s = (double)load->client_cpu_ns / 1e9;
        const double events = (double)load->n_events;
        row->peak_in_flight = load->peak_in_flight;
        row->memory_bytes = load->memory_bytes;
        row->cpu_s_per_1000_events = cpu_s / events * 1e3;
        row->events_per_s_per_core = events / cpu_s;
        row->events_per_s = events / ((double)load->ended_ns / 1e9);
        row->bytes_per_event = (double)load->n_body_bytes / events;
        row->lag_p99_ns = summary.metric[IFM_LOAD_CLIENT_LAG].p99;
    }
    ifm_load_summary_deinit(&summary);
    ifm_truth_free(truth);
    return st;
}

static char *own_program(void)
{
    char *directory = ifm_program_directory();
    const size_t n = directory != NULL ? strlen(directory) + 16 : 0;
    char *path = directory != NULL ? malloc(n) : NULL;
    if (path != NULL)
        snprintf(path, n, "%s/inferometer", directory);
    free(directory);
    return path;
}

ifm_status ifm_self_test_run(const ifm_self_test_options *options,
                             const ifm_self_test_case *test, ifm_self_test_row *row,
                             ifm_error *err)
{
    mock_child server = {.process = {.in = -1, .out = -1, .err = -1}};
    ifm_load_run load = {0};
    ifm_requests_source *source = NULL;
    *row = (ifm_self_test_row){.test = *test};
    char *program = options->program != NULL ? strdup(options->program) : own_program();
    ifm_status st = IFM_OK;
    if (program == NULL)
        st = ifm_fail(err, IFM_ERR_NOT_FOUND, "self-test: this program was not found");
    if (options->on_case != NULL)
        options->on_case(options->user, test);
    if (st == IFM_OK)
        st = start_server(&server, program, test, options->cancel_fd, err);
    if (st == IFM_OK)
        st = plan_load(&load.plan, test, server.url, err);
    if (st == IFM_OK)
        st = open_source(test, &source, err);
    if (st == IFM_OK)
        st = make_load(options, test, source, &load, err);
    end_server(&server);
    if (st == IFM_OK)
        st = judge(&server, &load, row, err);
    if (server.log[0] != '\0')
        unlink(server.log);
    ifm_requests_source_free(source);
    ifm_load_deinit(&load);
    free(program);
    return st;
}

ifm_floor ifm_self_test_floor(const ifm_self_test_row *row)
{
    const ifm_truth_errors *e = &row->errors;
    return (ifm_floor){
        .streams = row->test.streams,
        .ttft_p50_ns = e->ttft.p50,
        .ttft_p99_ns = e->ttft.p99,
        .ttft_max_ns = e->ttft.max,
        .itl_p50_ns = e->itl.p50,
        .itl_p99_ns = e->itl.p99,
        .itl_max_ns = e->itl.max,
        .events_per_s_per_core = row->events_per_s_per_core,
        .bytes_per_event = row->bytes_per_event,
        .cpu_s_per_1000_events = row->cpu_s_per_1000_events,
    };
}
