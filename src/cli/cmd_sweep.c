/* inferometer sweep: `run` at every combination of some settings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/run_options.h"
#include "cli/sweep.h"
#include "cli/wire_options.h"
#include "os/terminal.h"

#define SWEPT "What is swept over (every combination is a point)"
#define SERVER                                                                           \
    "A server under load, in place of a model (points are as `load` measures them)"
#define REQUEST "The request"
#define RUNS    "The runs of each point"
#define ENGINE  "The engine"
#define CHOICE  "Choosing the next token"
#define OUTPUT  "Output"

static const ifm_option options[] = {
    {"model", 'm', IFM_OPTION_LIST, "MODEL", 0, 0, NULL, SWEPT,
     "a model, as `run` takes it; may be repeated, for files of several types"},
    {"target", 0, IFM_OPTION_STRING, "LIST", 0, 0, NULL, SWEPT,
     "engines, as `run` takes them, with commas between; each is measured by itself"},
    {"dtype", 0, IFM_OPTION_STRING, "T,T…", 0, 0, NULL, SWEPT,
     "types that transformers loads weights in: auto, float32, float16, bfloat16"},
    {"threads", 't', IFM_OPTION_STRING, "N,N…", 0, 0, NULL, SWEPT, "compute threads"},
    {"input-len", 0, IFM_OPTION_STRING, "N,N…", 0, 0, NULL, SWEPT,
     "prompts of exactly so many tokens, drawn with --seed"},
    {"batch-size", 0, IFM_OPTION_STRING, "N,N…", 0, 0, "1", SWEPT,
     "sequences of a request"},

    IFM_WIRE_OPTIONS(SERVER),
    {"concurrency", 'c', IFM_OPTION_STRING, "N,N…", 0, 0, NULL, SERVER,
     "swept over: requests at once"},
    {"request-rate", 'r', IFM_OPTION_STRING, "R,R…", 0, 0, NULL, SERVER,
     "swept over: requests that become due per second"},
    {"arrival", 0, IFM_OPTION_STRING, "KIND", 0, 0, NULL, SERVER,
     "constant, poisson or gamma, as `load` takes it"},
    {"burstiness", 0, IFM_OPTION_STRING, "K", 0, 0, NULL, SERVER, "of gamma arrivals"},
    {"num-prompts", 0, IFM_OPTION_STRING, "N", 0, 0, NULL, SERVER, "requests of a point"},
    {"duration", 'd', IFM_OPTION_STRING, "TIME", 0, 0, NULL, SERVER,
     "after which a point sends no more"},
    {"shared-prefix-tokens", 0, IFM_OPTION_STRING, "N", 0, 0, NULL, SERVER,
     "tokens in front of each prompt that all have in common"},
    {"turns", 0, IFM_OPTION_STRING, "N", 0, 0, NULL, SERVER,
     "messages of a person in each conversation"},
    {"think-time", 0, IFM_OPTION_STRING, "S", 0, 0, NULL, SERVER, "seconds between them"},
    {"tokenizer", 0, IFM_OPTION_STRING, "MODEL|none", 0, 0, NULL, SERVER,
     "whose tokens are counted"},
    {"honour-eos", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, SERVER,
     "do not ask the server to go on after its end-of-text token"},
    {"slo", 0, IFM_OPTION_STRING, "LIST", 0, 0, NULL, SERVER,
     "a promise, ttft:500,tpot:50: good requests per second are in --csv and --json"},

    {"prompt", 'p', IFM_OPTION_STRING, "TEXT", 0, 0, NULL, REQUEST,
     "the text to continue, in place of --input-len"},
    {"prompt-file", 'f', IFM_OPTION_STRING, "FILE", 0, 0, NULL, REQUEST,
     "read the prompt from a file"},
    {"prompt-ids", 0, IFM_OPTION_STRING, "IDS", 0, 0, NULL, REQUEST,
     "token ids instead of a text: 1,2,3"},
    {"prompts", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, REQUEST,
     "several prompts, as `run` reads them"},
    IFM_CHAT_OPTIONS(REQUEST),
    {"output-len", 0, IFM_OPTION_STRING, "N", 0, 0, NULL, REQUEST,
     "generate exactly N tokens: --max-new-tokens N --ignore-eos; of a server also "
     "normal:MEAN,SD or uniform:MIN,MAX"},
    {"max-new-tokens", 'n', IFM_OPTION_INT, "N", 1, 1000000, "20", REQUEST,
     "how many tokens to generate"},
    {"padding", 0, IFM_OPTION_CHOICE, "none|left|right", 0, 0, "none", REQUEST,
     "whether all sequences of a batch are computed as long as the longest"},
    IFM_RUN_END_OPTIONS(REQUEST),

    {"cold", 0, IFM_OPTION_INT, "N", 0, 10000, "0", RUNS,
     "cold starts: the first request of a fresh process, from its spawn"},
    IFM_RUN_WARM_OPTIONS(RUNS),
    {"repeat", 0, IFM_OPTION_INT, "N", 1, 100000, NULL, RUNS,
     "warm requests: all prompts N times, instead of --warm"},
    IFM_RUN_WATCH_OPTIONS(RUNS),

    IFM_RUN_ENGINE_OPTIONS(ENGINE),
    IFM_RUN_CHOICE_OPTIONS(CHOICE),

    {"out", 'o', IFM_OPTION_STRING, "DIR", 0, 0, NULL, OUTPUT,
     "keeps a result document a point; called again, what is there is not measured "
     "again"},
    {"json", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, OUTPUT,
     "all points with their summaries (- for standard output, without the table)"},
    {"csv", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, OUTPUT, "the table as CSV"},
    {"markdown", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, OUTPUT,
     "the table as Markdown"},
    {"plots", 0, IFM_OPTION_STRING, "DIR", 0, 0, NULL, OUTPUT,
     "throughput against latency as PNG and SVG (needs gnuplot)"},
    {"quiet", 'q', IFM_OPTION_FLAG, NULL, 0, 0, NULL, OUTPUT, "no table, no progress"},
};

static size_t count(const ifm_sweep *sweep, ifm_sweep_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < sweep->n_points; i++)
        n += sweep->points[i].state == state;
    return n;
}

/* What an earlier call has measured. */
static ifm_status read_documents(const char *directory, ifm_sweep *sweep, ifm_error *err)
{
    for (size_t i = 0; i < sweep->n_points; i++) {
        char *path = ifm_sweep_document_path(directory, &sweep->points[i], false);
        if (path == NULL)
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory");
        if (ifm_file_exists(path))
            ifm_sweep_document_read(path, &sweep->points[i], NULL);
        free(path);
    }
    return IFM_OK;
}

/* "point 3 of 20: batch 4, input 32; 40 s left": as long as those before took. */
static void show(ifm_progress *progress, const ifm_sweep *sweep, size_t i, size_t done,
                 ifm_time begin)
{
    char setting[200], left[64] = "", text[320];
    ifm_sweep_describe(sweep, &sweep->points[i], IFM_SWEEP_AXES, setting, sizeof setting);
    const size_t missing = count(sweep, IFM_SWEEP_MISSING);
    if (done > 0)
        snprintf(left, sizeof left, "; about %.0f s left",
                 (double)ifm_time_between(begin, ifm_time_now()) / 1e9 / (double)done *
                     (double)missing);
    snprintf(text, sizeof text, "measuring: point %zu of %zu%s%s%s", i + 1,
             sweep->n_points, setting[0] != '\0' ? ": " : "", setting, left);
    ifm_progress_say(progress, text);
}

/* Measures what is missing; a point that fails does not keep the others from it. */
static ifm_status measure(const ifm_arguments *arguments, ifm_sweep *sweep,
                          ifm_progress *progress, ifm_error *err)
{
    const char *directory = ifm_arguments_string(arguments, "out");
    const ifm_time begin = ifm_time_now();
    size_t done = 0;
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < sweep->n_points && st == IFM_OK; i++) {
        if (sweep->points[i].state != IFM_SWEEP_MISSING)
            continue;
        if (ifm_interrupt_happened()) {
            st = IFM_ERR_CANCELLED;
            break;
        }
        show(progress, sweep, i, done++, begin);
        st = ifm_sweep_child_run(directory, sweep, arguments, &sweep->points[i], err);
    }
    ifm_progress_erase(progress);
    if (st == IFM_ERR_CANCELLED)
        ifm_fail(err, st,
                 "interrupted: %zu of %zu points are measured; the same command goes on "
                 "with the others",
                 count(sweep, IFM_SWEEP_MEASURED), sweep->n_points);
    return st;
}

/* All points are measured or failed. */
static int exit_code(const ifm_sweep *sweep)
{
    bool usage = true, trustworthy = true;
    const char *why = NULL;
    for (size_t i = 0; i < sweep->n_points; i++) {
        why = why == NULL ? sweep->points[i].error : why;
        usage = usage && sweep->points[i].usage;
        trustworthy = trustworthy && sweep->points[i].trustworthy;
    }
    if (count(sweep, IFM_SWEEP_FAILED) > 0) {
        ifm_error err = {0};
        ifm_fail(&err, usage ? IFM_ERR_ARGUMENT : IFM_ERR_CHILD,
                 "%zu of %zu points failed (%.300s); the same command tries them again",
                 count(sweep, IFM_SWEEP_FAILED), sweep->n_points,
                 why != NULL ? why : "no memory");
        return ifm_command_fail(&ifm_command_sweep, &err);
    }
    return trustworthy ? IFM_EXIT_FINE : IFM_EXIT_UNTRUSTWORTHY;
}

static ifm_status sweep_all(const ifm_arguments *arguments, ifm_sweep *sweep,
                            ifm_sweep_outputs *outputs, ifm_error *err)
{
    const char *directory = ifm_arguments_string(arguments, "out");
    const bool quiet = ifm_arguments_flag(arguments, "quiet");
    ifm_progress progress;
    ifm_progress_init(&progress, quiet);
    ifm_status st = ifm_sweep_store_open(directory, sweep, arguments, err);
    if (st == IFM_OK)
        st = read_documents(directory, sweep, err);
    if (st == IFM_OK)
        st = measure(arguments, sweep, &progress, err);
    if (st == IFM_OK && !quiet && !outputs->to_stdout)
        st = ifm_sweep_print(sweep, ifm_terminal_unicode(), stdout, err);
    if (st == IFM_OK)
        st = ifm_sweep_outputs_write(outputs, sweep, arguments, err);
    return st;
}

static int run_sweep(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    ifm_sweep sweep = {0};
    ifm_sweep_outputs outputs = {0};
    ifm_status st = IFM_OK;
    if (!ifm_arguments_given(arguments, "out"))
        st =
            ifm_fail(&err, IFM_ERR_ARGUMENT,
                     "--out DIR is missing: it keeps a document a point, so that a sweep "
                     "that was interrupted can go on");
    if (st == IFM_OK)
        st = ifm_sweep_init(&sweep, arguments, &err);
    if (st == IFM_OK)
        st = ifm_interrupt_install(&err);
    if (st == IFM_OK)
        st = ifm_sweep_outputs_open(&outputs, arguments, &err);
    if (st == IFM_OK)
        st = sweep_all(arguments, &sweep, &outputs, &err);
    const int code =
        st == IFM_OK ? exit_code(&sweep) : ifm_command_fail(&ifm_command_sweep, &err);
    ifm_sweep_outputs_abort(&outputs);
    ifm_sweep_deinit(&sweep);
    return code;
}

const ifm_command ifm_command_sweep = {
    .name = "sweep",
    .summary = "measure a model or a server at every combination of some settings",
    .details =
        "Measures every combination of --batch-size, --input-len, --threads, models, "
        "targets and types, each as `run` does and in a process of its own, and prints a "
        "row for each: the median TTFT, TPOT and E2EL, tokens per second of the whole "
        "batch and of one sequence. The pictures show throughput against latency, a "
        "curve "
        "a setting.\n"
        "\n"
        "With --url the points are loads of a server, one for each --concurrency, "
        "--request-rate, --input-len and model, each measured as `load` does: the "
        "throughput-latency curve.\n"
        "\n"
        "--out DIR keeps a result document a point. A sweep that was interrupted goes on "
        "where it was when it is called again with the same options; a point that failed "
        "is marked and the others are measured.",
    .examples =
        "inferometer sweep -m ./distilgpt2 --batch-size 1,2,4,8,16 --input-len 32,128 "
        "--output-len 20 -o out --plots out\tbatches of prompts of two lengths\n"
        "inferometer sweep -m f32.gguf -m q8_0.gguf --threads 1,2,4 -o types\tfiles of "
        "two types\n"
        "inferometer sweep -m ./gpt2 --target transformers --dtype float32,bfloat16 -o "
        "hf\tHugging Face Transformers in two types\n"
        "inferometer sweep --url http://localhost:8000 -c 1,2,4,8,16 --num-prompts 200 "
        "-o served --plots served\ta server's throughput-latency curve\n",
    IFM_OPTIONS(options),
    .run = run_sweep,
};
