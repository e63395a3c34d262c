/* inferometer mock-server: a server whose timing is known, to measure what measures. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "mock/mock.h"
#include "os/descriptors.h"
#include "os/file.h"

enum { MANY_DESCRIPTORS = 65536, NS_PER_MS = 1000000 };

static ifm_mock_jitter jitter_kind(const char *name)
{
    if (strcmp(name, "normal") == 0)
        return IFM_MOCK_NORMAL;
    return strcmp(name, "exponential") == 0 ? IFM_MOCK_EXPONENTIAL : IFM_MOCK_UNIFORM;
}

static int64_t ms(const ifm_arguments *a, const char *name)
{
    return (int64_t)(ifm_arguments_float(a, name) * NS_PER_MS);
}

static ifm_status read_lists(const ifm_arguments *a, ifm_mock_options *options,
                             ifm_error *err)
{
    ifm_status st = IFM_OK;
    size_t n;
    const char *const *list = ifm_arguments_list(a, "shape", &n);
    for (size_t i = 0; i < n && st == IFM_OK; i++)
        st = ifm_mock_shapes_parse(&options->shapes, list[i], err);
    list = ifm_arguments_list(a, "fault", &n);
    for (size_t i = 0; i < n && st == IFM_OK; i++)
        st = ifm_mock_fault_parse(&options->faults, list[i], err);
    return st;
}

static ifm_status read_options(const ifm_arguments *a, ifm_mock_options *options,
                               ifm_error *err)
{
    *options = ifm_mock_defaults();
    options->host = ifm_arguments_string(a, "host");
    options->port = (int)ifm_arguments_int(a, "port");
    options->unix_path = ifm_arguments_string(a, "unix");
    options->log_path = ifm_arguments_string(a, "log");
    options->model = ifm_arguments_string(a, "model");
    options->api_key = ifm_arguments_string(a, "api-key");
    options->ttft_ns = ms(a, "ttft");
    options->itl_ns = ms(a, "itl");
    options->jitter_ns = ms(a, "jitter");
    options->jitter_kind = jitter_kind(ifm_arguments_string(a, "jitter-kind"));
    options->prompt_tokens_per_s = ifm_arguments_float(a, "prompt-rate");
    options->tokens = ifm_arguments_int(a, "tokens");
    options->concurrency = ifm_arguments_int(a, "concurrency");
    options->read_timeout_ns =
        (int64_t)(ifm_arguments_float(a, "read-timeout") * 1e3) * NS_PER_MS;
    options->keep_alive_ns =
        (int64_t)(ifm_arguments_float(a, "keep-alive") * 1e3) * NS_PER_MS;
    options->seed = (uint64_t)ifm_arguments_int(a, "seed");
    if (options->unix_path != NULL &&
        (ifm_arguments_given(a, "port") || ifm_arguments_given(a, "host")))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--unix is instead of --host and --port: give one of them");
    return read_lists(a, options, err);
}

/* One line that a script can wait for. */
static ifm_status tell_ready(const ifm_arguments *a, const ifm_mock *mock, ifm_error *err)
{
    const char *path = ifm_arguments_string(a, "ready-file");
    ifm_output file = {0};
    printf("listening on %s\n", ifm_mock_address(mock));
    fflush(stdout);
    if (path == NULL)
        return IFM_OK;
    ifm_status st = ifm_output_open(&file, path, err);
    if (st != IFM_OK)
        return st;
    fprintf(file.stream, "%s\n", ifm_mock_address(mock));
    return ifm_output_commit(&file, err);
}

static void count(int64_t n, const char *one, const char *many, const char *behind)
{
    fprintf(stderr, "%" PRId64 " %s%s", n, n == 1 ? one : many, behind);
}

static void summarize(const ifm_mock_totals *totals)
{
    count(totals->requests, "request", "requests", ", ");
    count(totals->tokens, "token", "tokens", " in ");
    count(totals->events, "event", "events", "");
    if (totals->events > 0)
        fprintf(stderr, "; late by p50 %.1f, p99 %.1f, max %.1f µs",
                (double)totals->late_p50_ns / 1e3, (double)totals->late_p99_ns / 1e3,
                (double)totals->late_max_ns / 1e3);
    if (totals->slow_readers > 0)
        count(totals->slow_readers, "answer", "answers", " with a slow reader");
    fputc('\n', stderr);
}

static ifm_status serve(const ifm_arguments *a, ifm_error *err)
{
    ifm_mock_options options;
    ifm_mock *mock = NULL;
    size_t descriptors;
    ifm_status st = read_options(a, &options, err);
    if (st == IFM_OK)
        st = ifm_interrupt_install(err);
    if (st != IFM_OK)
        return st;
    ifm_descriptors_allow(MANY_DESCRIPTORS, &descriptors);
    st = ifm_mock_new(&options, &mock, err);
    if (st == IFM_OK)
        st = tell_ready(a, mock, err);
    if (st == IFM_OK) {
        st = ifm_mock_run(mock, ifm_interrupt_fd(), err);
        const ifm_mock_totals totals = ifm_mock_totals_of(mock);
        summarize(&totals);
        if (st == IFM_OK && totals.died)
            st = ifm_fail(err, IFM_ERR_CANCELLED, "ended by --fault die, as it was told");
    }
    ifm_mock_free(mock);
    return st;
}

static int run_mock_server(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    const ifm_status st = serve(arguments, &err);
    return st == IFM_OK ? IFM_EXIT_FINE
                        : ifm_command_fail(&ifm_command_mock_server, &err);
}

static const ifm_option options[] = {
    {.name = "host",
     .type = IFM_OPTION_STRING,
     .argument = "HOST",
     .fallback = "127.0.0.1",
     .group = "Where",
     .help = "address to listen on"},
    {.name = "port",
     .letter = 'p',
     .type = IFM_OPTION_INT,
     .argument = "PORT",
     .min = 0,
     .max = 65535,
     .fallback = "0",
     .group = "Where",
     .help = "0: any that is free; the first line says which"},
    {.name = "unix",
     .type = IFM_OPTION_STRING,
     .argument = "PATH",
     .group = "Where",
     .help = "listen on a unix socket instead"},
    {.name = "ready-file",
     .type = IFM_OPTION_STRING,
     .argument = "FILE",
     .group = "Where",
     .help = "write the address into FILE once it listens"},
    {.name = "log",
     .type = IFM_OPTION_STRING,
     .argument = "FILE",
     .group = "Where",
     .help = "what was sent and when, a line of JSON for each request"},
    {.name = "model",
     .letter = 'm',
     .type = IFM_OPTION_STRING,
     .argument = "NAME",
     .group = "Where",
     .help = "name of the one model, and no other is answered (default: mock, and "
             "any is)"},
    {.name = "api-key",
     .type = IFM_OPTION_STRING,
     .argument = "KEY",
     .group = "Where",
     .help = "requests need \"Authorization: Bearer KEY\""},
    {.name = "read-timeout",
     .type = IFM_OPTION_FLOAT,
     .argument = "S",
     .min = 0,
     .max = 1e6,
     .fallback = "60",
     .group = "Where",
     .help = "seconds in which a request has to be complete; 0: no limit"},
    {.name = "keep-alive",
     .type = IFM_OPTION_FLOAT,
     .argument = "S",
     .min = 0,
     .max = 1e6,
     .fallback = "0",
     .group = "Where",
     .help = "seconds after which a connection without a request is closed; 0: never"},
    {.name = "ttft",
     .type = IFM_OPTION_FLOAT,
     .argument = "MS",
     .min = 0,
     .max = 1e8,
     .fallback = "100",
     .group = "Time",
     .help = "from the request's last byte, or its place in the queue, to the first "
             "token"},
    {.name = "itl",
     .type = IFM_OPTION_FLOAT,
     .argument = "MS",
     .min = 0,
     .max = 1e8,
     .fallback = "20",
     .group = "Time",
     .help = "between tokens"},
    {.name = "prompt-rate",
     .type = IFM_OPTION_FLOAT,
     .argument = "TOKENS_PER_S",
     .min = 0,
     .max = 1e12,
     .fallback = "0",
     .group = "Time",
     .help = "prompt tokens divided by this come on top of --ttft; 0: nothing does"},
    {.name = "tokens",
     .letter = 'n',
     .type = IFM_OPTION_INT,
     .argument = "N",
     .min = 0,
     .max = 10000000,
     .fallback = "0",
     .group = "Time",
     .help = "tokens of each answer, whatever was asked for; 0: max_tokens of the "
             "request, else 16"},
    {.name = "jitter",
     .type = IFM_OPTION_FLOAT,
     .argument = "MS",
     .min = 0,
     .max = 1e8,
     .fallback = "0",
     .group = "Time",
     .help = "each token's time varies by so much"},
    {.name = "jitter-kind",
     .type = IFM_OPTION_CHOICE,
     .argument = "uniform|normal|exponential",
     .fallback = "uniform",
     .group = "Time",
     .help = "± --jitter, or with that standard deviation, or later by that mean"},
    {.name = "concurrency",
     .letter = 'c',
     .type = IFM_OPTION_INT,
     .argument = "N",
     .min = 0,
     .max = 1000000,
     .fallback = "0",
     .group = "Time",
     .help = "requests served at once, others queue in the order in which they came; "
             "0: all"},
    {.name = "seed",
     .type = IFM_OPTION_INT,
     .argument = "N",
     .min = 0,
     .max = 9007199254740992.0,
     .fallback = "0",
     .group = "Time",
     .help = "of jitter, and of who meets a fault"},
    {.name = "shape",
     .type = IFM_OPTION_LIST,
     .argument = "NAMES",
     .group = "What",
     .help = "how answers look: role, empty, multi:N, coalesce:N, split, crlf, cr, "
             "comments, multiline, unicode, reasoning:N, tools, usage, continuous-usage, "
             "cached:N, no-done, named, big:BYTES, llama-timings, ollama; several with "
             "commas"},
    {.name = "fault",
     .type = IFM_OPTION_LIST,
     .argument = "KIND[:SHARE][@TOKEN]",
     .group = "What",
     .help = "refuse, reset, close, half-close, stall, http-429[=S], http-500, "
             "http-503[=S], error-event, bad-json, html, truncate, no-tokens, die; for "
             "SHARE (0 to 1) of the requests, after so many tokens; repeatable"},
};

const ifm_command ifm_command_mock_server = {
    .name = "mock-server",
    .summary = "serve the OpenAI protocol with known timing, to check what measures",
    .details =
        "Answers /v1/completions and /v1/chat/completions, streamed or not, with words "
        "that mean nothing, at the times that were asked for; /v1/models and /health "
        "too. "
        "Ends on Ctrl-C with a line about how well the times were kept. A prompt has as "
        "many tokens as words.",
    .examples =
        "inferometer mock-server --port 8000 --ttft 200 --itl 10\ta steady server\n"
        "inferometer mock-server --concurrency 8 --log mock.jsonl\tothers queue, all is "
        "logged\n"
        "inferometer mock-server --shape role,multi:4,crlf\tchat as some servers stream "
        "it\n"
        "inferometer mock-server --fault reset:0.1@5 --fault http-429=2:0.1\ta bad day\n",
    IFM_OPTIONS(options),
    .run = run_mock_server,
};
