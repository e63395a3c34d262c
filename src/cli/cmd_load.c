/* `inferometer load`: a server under load. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/load_find.h"
#include "cli/load_outputs.h"
#include "cli/load_screen.h"
#include "cli/load_self_test.h"
#include "cli/load_setup.h"
#include "cli/wire_options.h"
#include "load/floor.h"
#include "os/host.h"
#include "os/terminal.h"
#include "ranks/ranks.h"
#include "report/load_report.h"

/* clang-format off */
static const ifm_option options[] = {
    IFM_WIRE_OPTIONS("Server"),
    {"model", 'm', IFM_OPTION_STRING, "NAME", 0, 0, NULL, "Server",
     "the server's name for the model (default: its first)"},
    {"timeout", 0, IFM_OPTION_STRING, "TIME", 0, 0, "600", "Server",
     "after which a request has failed, from when it was due: 30, 30s, 10m"},
    {"libcurl", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, "Server",
     "leave HTTP/1.1 without TLS and proxy to libcurl, too, at twice the processor time"},
    {"concurrency", 'c', IFM_OPTION_INT, "N", 1, 1000000, NULL, "Load",
     "requests at once: the next one begins when one has ended (default: 1); with a rate, "
     "or a trace, the most at once"},
    {"request-rate", 'r', IFM_OPTION_STRING, "R", 0, 0, NULL, "Load",
     "requests that become due per second, whatever the server does meanwhile; inf: all "
     "at once"},
    {"arrival", 0, IFM_OPTION_CHOICE, "closed|constant|poisson|gamma|trace", 0, 0, NULL,
     "Load", "when requests come (default: poisson with a rate, trace with a file of "
     "times, else closed)"},
    {"burstiness", 0, IFM_OPTION_FLOAT, "K", 0.001, 1000, "1", "Load",
     "gamma arrivals of this shape: below 1 they come in bursts, 1 is poisson, more is "
     "more even"},
    {"ramp", 0, IFM_OPTION_STRING, "TIME", 0, 0, NULL, "Load",
     "during which rate or concurrency rises to its value"},
    {"ramp-shape", 0, IFM_OPTION_CHOICE, "linear|exponential", 0, 0, "linear", "Load",
     "how it rises"},
    {"num-prompts", 'n', IFM_OPTION_INT, "N", 1, 1e12, NULL, "Load",
     "requests in all (default: 100, or all of --prompts, unless there is a --duration)"},
    {"duration", 'd', IFM_OPTION_STRING, "TIME", 0, 0, NULL, "Load",
     "after which no more requests are sent; those under way may end"},
    {"warmup", 0, IFM_OPTION_INT, "N", 0, 1000000, "0", "Load",
     "requests that are sent before, and end before, what is measured"},
    {"input-len", 0, IFM_OPTION_STRING, "N", 0, 0, "512", "Requests",
     "tokens of each prompt: 512, uniform:MIN,MAX or normal:MEAN,SD[,MIN,MAX]"},
    {"output-len", 0, IFM_OPTION_STRING, "N", 0, 0, "128", "Requests",
     "tokens of each answer, in the same words"},
    {"shared-prefix-tokens", 0, IFM_OPTION_INT, "N", 0, 16000000, "0", "Requests",
     "tokens in front of each prompt that all have in common"},
    {"prompts", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, "Requests",
     "prompts from a file: JSON Lines, a Mooncake trace, ShareGPT, or plain lines; - for "
     "standard input"},
    {"trace-speed", 0, IFM_OPTION_FLOAT, "X", 0.0001, 100000, "1", "Requests",
     "replay the file's times so many times as fast"},
    {"turns", 0, IFM_OPTION_INT, "N", 1, 4000, NULL, "Requests",
     "messages of a person in each conversation (default: 1; of --prompts, all; of "
     "ShareGPT, the first)"},
    {"think-time", 0, IFM_OPTION_FLOAT, "S", 0, 1000000, NULL, "Requests",
     "seconds from an answer's end to the next message (default: as --prompts says, else "
     "0)"},
    {"tokenizer", 0, IFM_OPTION_STRING, "MODEL|none", 0, 0, NULL, "Requests",
     "whose tokens are counted: a model here, by path or name (default: --model, if it is "
     "here); none: English words, which are a token each"},
    {"ignore-eos", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, "Requests",
     "ask the server to go on after its end-of-text token (as it does for made-up prompts "
     "and --output-len)"},
    {"honour-eos", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, "Requests",
     "never ask that: for servers that do not know ignore_eos"},
    {"temperature", 0, IFM_OPTION_FLOAT, "T", 0, 100, "0", "Requests",
     "0 takes the likeliest token"},
    {"seed", 0, IFM_OPTION_INT, "N", 0, 9007199254740991, NULL, "Requests",
     "of prompts and arrivals (default: another each time, so that no cache knows the "
     "prompts)"},
    {"slo", 0, IFM_OPTION_STRING, "LIST", 0, 0, NULL, "Verdict",
     "a promise in milliseconds, ttft:500,tpot:50,e2el:5000: what keeps it is goodput"},
    IFM_FIND_OPTIONS("Verdict"),
    {"self-test", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, "Verdict",
     "measure no server but this client, against one of known timing: how far its times "
     "are off on this host, which results then carry (takes a minute)"},
    {"json", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, "Output",
     "everything that was measured, each request with its id; - for standard output"},
    {"csv", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, "Output", "a line for each request"},
    IFM_EXPORT_OPTION("Output", "vllm (bench serve's JSON), aiperf (profile_export.jsonl)"),
    {"markdown", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, "Output",
     "the report as Markdown; - for standard output"},
    {"plots", 0, IFM_OPTION_STRING, "DIR", 0, 0, NULL, "Output",
     "pictures as PNG and SVG (gnuplot)"},
    {"quiet", 'q', IFM_OPTION_FLAG, NULL, 0, 0, NULL, "Output",
     "no report and no progress; errors and files only"},
};
/* clang-format on */

/* ---- what is seen meanwhile ------------------------------------------------------------- */

static void on_tick(void *user, const ifm_totals *totals)
{
    ifm_load_screen_show(user, totals);
}

static ifm_status measure(ifm_load_setup *setup, ifm_load_run *load, ifm_ranks *ranks,
                          bool quiet, ifm_error *err)
{
    ifm_load_screen screen;
    ifm_load_screen_init(&screen, &load->plan, quiet, ifm_ranks_size(ranks) > 1);
    const ifm_drive_options drive = {
        .client = setup->wire.client,
        .source = setup->source,
        .ranks = ranks,
        .cancel_fd = ifm_interrupt_fd(),
        .on_tick = ifm_ranks_rank(ranks) == 0 ? on_tick : NULL,
        .user = &screen,
    };
    const ifm_host_time before = ifm_host_cpu_time();
    const ifm_status st = ifm_drive_run(&drive, load, err);
    load->run.host.steal_frac = ifm_host_steal_frac(before, ifm_host_cpu_time());
    ifm_load_screen_erase(&screen);
    return st;
}

/* ---- what is said afterwards --------------------------------------------------------------- */

/* A file that was too short for the load began again: a server may have known the rest. */
static void note_repeats(const ifm_load_setup *setup, ifm_load_run *load,
                         const ifm_load_summary *summary)
{
    const int64_t conversations = (int64_t)setup->file.n;
    const int64_t asked = summary->n + summary->n_warmup;
    if (conversations > 0 && setup->asked.turns <= 1 &&
        asked > ifm_source_requests(&setup->asked))
        ifm_run_warn(&load->run, "prompts-repeated", false,
                     "%" PRId64 " requests were made of the %" PRId64
                     " in the file, which began again: a server with a prefix cache "
                     "answers the later ones sooner.",
                     asked, ifm_source_requests(&setup->asked));
}

static ifm_status print_report(const ifm_arguments *arguments,
                               const ifm_load_outputs *outputs, const ifm_load_run *load,
                               const ifm_load_summary *summary, ifm_error *err)
{
    if (ifm_arguments_flag(arguments, "quiet") || outputs->to_stdout)
        return IFM_OK;
    /* A launcher's terminal is not the person's (cli/load_screen.h). */
    const ifm_report_style style = {
        .colour = load->n_ranks < 2 && ifm_terminal_colour(stdout),
        .unicode = ifm_terminal_unicode(),
        .width = ifm_terminal_width(stdout, 80),
    };
    return ifm_report_load_terminal(load, summary, stdout, &style, err);
}

/* The exit code of a load that was measured, whole or in part; `st` and `ended` say how it
 * ended. */
static int code_of(const ifm_load_run *load, const ifm_load_summary *summary,
                   ifm_status st, const ifm_error *ended)
{
    ifm_error err = *ended;
    if (st == IFM_ERR_CANCELLED)
        ifm_fail(&err, st,
                 "interrupted: %" PRId64 " of %" PRId64
                 " requests that were due had been "
                 "answered, the result is marked incomplete",
                 summary->n_ok, summary->n);
    else if (st == IFM_OK && summary->n_ok == 0)
        st = ifm_fail(&err, IFM_ERR_IO, "none of %" PRId64 " requests was answered well",
                      summary->n);
    if (st != IFM_OK)
        return ifm_command_fail(&ifm_command_load, &err);
    return ifm_run_trustworthy(&load->run) ? IFM_EXIT_FINE : IFM_EXIT_UNTRUSTWORTHY;
}

static int conclude(const ifm_load_setup *setup, ifm_load_outputs *outputs,
                    ifm_load_run *load, ifm_status ended, const ifm_error *why)
{
    ifm_error err = {0};
    ifm_load_summary summary;
    ifm_floor_load(load);
    ifm_status st = ifm_load_summary_of(load, &summary, &err);
    if (st != IFM_OK)
        return ifm_command_fail(&ifm_command_load, &err);
    note_repeats(setup, load, &summary);
    ifm_load_judge(load, &summary);
    st = print_report(setup->arguments, outputs, load, &summary, &err);
    ifm_error written = {0};
    const ifm_status files = ifm_load_outputs_write(outputs, load, &summary, &written);
    if (st == IFM_OK && files != IFM_OK) {
        st = files;
        err = written;
    }
    const int code = st != IFM_OK ? ifm_command_fail(&ifm_command_load, &err)
                                  : code_of(load, &summary, ended, why);
    ifm_load_summary_deinit(&summary);
    return code;
}

/* Of several processes one speaks, and its exit code counts: a launcher ends all as soon
 * as one exits with another code than 0. */
static int fail(const ifm_ranks *ranks, const ifm_error *err)
{
    if (ifm_ranks_speaks(ranks))
        return ifm_command_fail(&ifm_command_load, err);
    return ifm_ranks_handed_over(ranks) ? IFM_EXIT_FINE : IFM_EXIT_FAILED;
}

/* Everything before the first request. All processes come to the same end, and have the same
 * seed. */
static ifm_status prepare(ifm_load_setup *setup, ifm_load_outputs *outputs,
                          ifm_load_run *load, ifm_ranks *ranks, ifm_error *err)
{
    const ifm_arguments *arguments = setup->arguments;
    ifm_status st = ifm_load_setup_init(setup, arguments, err);
    if (st == IFM_OK && ifm_arguments_flag(arguments, "find-rate"))
        st = ifm_load_find_check(setup, ifm_ranks_size(ranks), err);
    if (st == IFM_OK && ifm_ranks_rank(ranks) == 0)
        st = ifm_load_outputs_open(outputs, arguments, err);
    st = ifm_ranks_agree(ranks, st, 0, &setup->plan.seed, err);
    setup->asked.seed = setup->plan.seed;
    if (st != IFM_OK)
        return st;
    st = ifm_load_setup_meet(setup, ifm_interrupt_fd(), err);
    if (st == IFM_OK)
        st = ifm_load_setup_describe(setup, load, err);
    return ifm_ranks_agree(ranks, st, 0, NULL, err);
}

static int load_server(const ifm_arguments *arguments, ifm_ranks *ranks)
{
    ifm_error err = {0};
    ifm_load_setup setup = {.arguments = arguments};
    ifm_load_outputs outputs = {0};
    ifm_load_run load = {0};
    ifm_ranks_heed(ranks, ifm_interrupt_fd());
    ifm_status st = prepare(&setup, &outputs, &load, ranks, &err);
    if (st == IFM_OK)
        st = ifm_arguments_flag(arguments, "find-rate")
                 ? ifm_load_find(&setup, &load, &err)
                 : measure(&setup, &load, ranks, ifm_arguments_flag(arguments, "quiet"),
                           &err);
    int code;
    if (ifm_ranks_rank(ranks) == 0 && load.spool != NULL &&
        ifm_spool_count(load.spool) > 0)
        code = conclude(&setup, &outputs, &load, st, &err);
    else
        code = st == IFM_OK ? IFM_EXIT_FINE : fail(ranks, &err);
    ifm_load_outputs_abort(&outputs);
    ifm_load_deinit(&load);
    ifm_load_setup_deinit(&setup);
    return code;
}

/* What several processes cannot share. */
static ifm_status check_alone(const ifm_arguments *arguments, const ifm_ranks *ranks,
                              ifm_error *err)
{
    static const char *const names[] = {"self-test"};
    for (size_t i = 0; ranks != NULL && i < sizeof names / sizeof *names; i++)
        if (ifm_arguments_given(arguments, names[i]))
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--%s: works with one process, and mpirun started %d",
                            names[i], ifm_ranks_size(ranks));
    const char *prompts = ifm_arguments_string(arguments, "prompts");
    if (ranks != NULL && prompts != NULL && strcmp(prompts, "-") == 0)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--prompts -: every process reads the prompts: put them in a file");
    return IFM_OK;
}

static int run_load(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    ifm_ranks *ranks = NULL;
    ifm_status st = ifm_interrupt_install(&err);
    if (st == IFM_OK)
        st = ifm_ranks_open(&ranks, &err);
    if (st == IFM_OK)
        st = check_alone(arguments, ranks, &err);
    int code;
    if (st != IFM_OK)
        code = fail(ranks, &err);
    else if (ifm_arguments_flag(arguments, "self-test"))
        code = ifm_load_self_test(arguments);
    else
        code = load_server(arguments, ranks);
    ifm_ranks_close(ranks);
    return code;
}

const ifm_command ifm_command_load = {
    .name = "load",
    .summary = "measure a server under load",
    .details =
        "Sends requests to an OpenAI-compatible server (vLLM, SGLang, llama-server, TGI, "
        "Ollama, a cloud endpoint), as many at once or as many a second as asked, and "
        "prints what people waited for: TTFT, TPOT, ITL, E2EL, with their percentiles, "
        "throughput, failures by their kind, and whether the client itself kept up.\n"
        "\n"
        "A request's clock starts when it was due, not when somebody got around to "
        "sending it. Prompts are made up, of an exact number of tokens and without a "
        "common beginning, unless --prompts has them.",
    .examples =
        "inferometer load --url http://localhost:8000 -c 16 -n 500\tsixteen at once\n"
        "inferometer load --url http://localhost:8000 -r 5 -d 2m --slo "
        "ttft:500,tpot:50\tfive a second for two minutes, and how many kept the promise\n"
        "inferometer load --url http://localhost:8000 --slo ttft:500,tpot:50 "
        "--find-rate\tthe highest rate at which 95% keep it\n"
        "inferometer load --url http://localhost:8000 -r 5 --prompts trace.jsonl "
        "\ta file's prompts at a rate\n"
        "inferometer load --url unix:/run/llm.sock --turns 4 --think-time 2 -c "
        "8\tconversations of eight people\n",
    IFM_OPTIONS(options),
    .run = run_load,
};
