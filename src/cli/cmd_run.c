/* inferometer run: one request, cold and warm. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/run_options.h"
#include "cli/run_outputs.h"
#include "cli/run_server.h"
#include "cli/run_setup.h"
#include "cli/wire_options.h"
#include "format/weights.h"
#include "measure/verdict.h"
#include "os/host.h"
#include "os/terminal.h"
#include "probe/probe.h"
#include "report/report.h"
#include "target/plan.h"

#define REQUEST "The request"
#define RUNS    "The runs"
#define ENGINE  "The engine"
#define SERVER  "A server"
#define CHOICE  "Choosing the next token"
#define OUTPUT  "Output"

static const ifm_option options[] = {
    {"model", 'm', IFM_OPTION_STRING, "MODEL", 0, 0, NULL, REQUEST,
     "a directory as the Hugging Face hub lays it out, a .gguf or .safetensors file, a "
     "name that `model pull` has fetched (org/name, smollm2), or the bundled model, "
     "counting"},
    {"prompt", 'p', IFM_OPTION_STRING, "TEXT", 0, 0, "An increasing sequence: one,",
     REQUEST, "the text to continue"},
    {"prompt-file", 'f', IFM_OPTION_STRING, "FILE", 0, 0, NULL, REQUEST,
     "read the prompt from a file (- for standard input), less one line feed at its end"},
    {"prompt-ids", 0, IFM_OPTION_STRING, "IDS", 0, 0, NULL, REQUEST,
     "token ids instead of a text: 1,2,3"},
    IFM_CHAT_OPTIONS(REQUEST),
    {"prompts", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, REQUEST,
     "several prompts: JSON lines with \"prompt\" and, if wanted, \"max_new_tokens\" and "
     "\"id\", or a prompt a line; requests take them in turn"},
    {"input-len", 0, IFM_OPTION_STRING, "N,N…", 0, 0, NULL, REQUEST,
     "prompts of exactly so many tokens, drawn with --seed: 32,128,512"},
    {"output-len", 0, IFM_OPTION_INT, "N", 1, 1000000, NULL, REQUEST,
     "generate exactly N tokens: --max-new-tokens N --ignore-eos"},
    {"batch-size", 0, IFM_OPTION_INT, "N", 1, IFM_BATCH_MAX, "1", REQUEST,
     "sequences of a request; prompts are repeated to fill it"},
    {"padding", 0, IFM_OPTION_CHOICE, "none|left|right", 0, 0, "none", REQUEST,
     "whether all sequences of a batch are computed as long as the longest, as other "
     "frameworks do; what that costs is measured, too (with transformers: left)"},
    {"max-new-tokens", 'n', IFM_OPTION_INT, "N", 1, 1000000, "20", REQUEST,
     "how many tokens to generate"},
    IFM_RUN_END_OPTIONS(REQUEST),
    {"logprobs", 0, IFM_OPTION_INT, "N", 0, 20, "0", REQUEST,
     "log-probabilities of each token and of the N likeliest, in the JSON document"},

    {"cold", 0, IFM_OPTION_INT, "N", 0, 10000, "10", RUNS,
     "cold starts: the first request of a fresh process, from its spawn"},
    IFM_RUN_WARM_OPTIONS(RUNS),
    {"repeat", 0, IFM_OPTION_INT, "N", 1, 100000, NULL, RUNS,
     "warm requests: all prompts N times, instead of --warm"},
    IFM_RUN_WATCH_OPTIONS(RUNS),

    {"target", 0, IFM_OPTION_STRING, "LIST", 0, 0, "native", ENGINE,
     "what is measured: native (our own engine), transformers (Hugging Face "
     "Transformers), url:URL (a server, as --url), worker:COMMAND (anybody's, see the "
     "worker protocol); several with commas between take turns and stand side by side"},
    {"dtype", 0, IFM_OPTION_CHOICE, "auto|float32|float16|bfloat16", 0, 0, NULL, ENGINE,
     "the type that transformers loads weights in (default: auto, the checkpoint's)"},
    {"threads", 't', IFM_OPTION_INT, "N", 0, 1024, NULL, ENGINE,
     "compute threads; by default one for each physical core this process may use"},
    IFM_RUN_ENGINE_OPTIONS(ENGINE),

    IFM_WIRE_OPTIONS(SERVER),

    IFM_RUN_CHOICE_OPTIONS(CHOICE),

    {"json", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, OUTPUT,
     "the whole result, raw times included (- for standard output, without the report)"},
    {"csv", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, OUTPUT, "a line for each request"},
    {"markdown", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, OUTPUT,
     "the report as Markdown"},
    IFM_EXPORT_OPTION(OUTPUT, "llama-bench (compare-llama-bench.py reads it)"),
    {"plots", 0, IFM_OPTION_STRING, "DIR", 0, 0, NULL, OUTPUT,
     "pictures as PNG and SVG (needs gnuplot)"},
    {"stream", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, OUTPUT,
     "print the text of the first request as it is made"},
    {"quiet", 'q', IFM_OPTION_FLAG, NULL, 0, 0, NULL, OUTPUT, "no report, no progress"},
};

/* What the callbacks of the plan print to. */
typedef struct run_screen {
    ifm_progress progress;
    FILE *text; /* of --stream */
} run_screen;

static void on_progress(void *user, const ifm_plan_progress *at)
{
    ifm_progress_show(&((run_screen *)user)->progress, at);
}

/* Length of the control character at text[0] that a terminal would obey: C0 but for line
 * feed and tab, DEL, C1. 0: none. */
static size_t control_at(const char *text, size_t n)
{
    unsigned char c = (unsigned char)text[0];
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
        return 1;
    bool c1 = c == 0xc2 && n > 1 && (unsigned char)text[1] < 0xa0;
    return c1 ? 2 : 0;
}

/* A model's text must not command the terminal that shows it. */
static void print_text(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t control = control_at(text + i, n - i);
        fputc(control > 0 ? '?' : text[i], out);
        i += control > 0 ? control : 1;
    }
}

static void on_text(void *user, const char *text, size_t n)
{
    run_screen *self = user;
    ifm_progress_erase(&self->progress);
    print_text(self->text, text, n);
    fflush(self->text);
}

static void on_text_end(void *user)
{
    fputs("\n\n", ((run_screen *)user)->text);
}

/* The runs of all targets. */
typedef struct run_set {
    ifm_run runs[IFM_TARGETS_MAX];
    size_t n;
} run_set;

static ifm_status open_targets(const ifm_run_setup *setup, run_set *set,
                               ifm_target **targets, ifm_error *err)
{
    const ifm_child_options common = {
        .model = setup->model,
        .evict = setup->evict,
        .timeout_ns = setup->timeout_ns,
        .cancel_fd = ifm_interrupt_fd(),
    };
    ifm_status st = IFM_OK;
    for (size_t k = 0; k < set->n && st == IFM_OK; k++) {
        ifm_child_options own = common;
        own.group = ifm_interrupt_group(k);
        const ifm_server_options server =
            ifm_run_server_options(setup, k, ifm_interrupt_fd());
        st = ifm_target_choice_open(&setup->choices[k], &own, setup->python, &server,
                                    &set->runs[k].target, &targets[k], err);
    }
    return st;
}

static ifm_subject subject_of(const ifm_run_setup *setup, size_t k, ifm_target *target,
                              ifm_run *run)
{
    const bool server = setup->choices[k].kind == IFM_TARGET_URL;
    const ifm_requests *requests = setup->choices[k].ragged       ? &setup->ragged
                                   : server && setup->asked.n > 0 ? &setup->asked
                                                                  : &setup->requests;
    return (ifm_subject){target, requests->items, requests->n, run, server};
}

/* Measures; what the machine did meanwhile is noted as well. */
static ifm_status measure(const ifm_run_setup *setup, const ifm_arguments *arguments,
                          run_screen *screen, run_set *set, ifm_error *err)
{
    const ifm_plan plan = {
        .n_cold = setup->n_cold,
        .n_warmup = setup->n_warmup,
        .n_warm = setup->n_warm,
        .on_progress = on_progress,
        .on_text = ifm_arguments_flag(arguments, "stream") ? on_text : NULL,
        .on_text_end = on_text_end,
        .user = screen,
    };
    ifm_target *targets[IFM_TARGETS_MAX] = {NULL};
    size_t failed = 0;
    ifm_status st = open_targets(setup, set, targets, err);
    if (st == IFM_OK) {
        ifm_host_time before = ifm_host_cpu_time();
        ifm_subject subjects[IFM_TARGETS_MAX];
        for (size_t k = 0; k < set->n; k++)
            subjects[k] = subject_of(setup, k, targets[k], &set->runs[k]);
        st = ifm_plan_run(&plan, subjects, set->n, &failed, err);
        double steal = ifm_host_steal_frac(before, ifm_host_cpu_time());
        for (size_t k = 0; k < set->n; k++)
            set->runs[k].host.steal_frac = steal;
        if (st != IFM_OK && set->n > 1)
            ifm_fail_within(err, st, "%s", setup->choices[failed].label);
    }
    for (size_t k = 0; k < set->n; k++)
        ifm_target_free(targets[k]);
    return st;
}

/* NaN is allowed in weights, and worth knowing about. Every byte is read, so not when that
 * would push everything else out of memory. */
static void count_nonfinite(ifm_run *run)
{
    ifm_weights *weights = NULL;
    if (run->target.model_path == NULL ||
        run->target.file_bytes > run->host.memory_bytes / 2 ||
        ifm_weights_open(run->target.model_path, &weights, NULL) != IFM_OK)
        return;
    run->target.nan_weights = 0;
    for (size_t i = 0; i < ifm_weights_count(weights); i++)
        run->target.nan_weights +=
            (int64_t)ifm_tensor_count_nonfinite(ifm_weights_at(weights, i));
    ifm_weights_close(weights);
}

/* What is looked at when the measuring is over, so that it disturbs nothing: the yardstick
 * for decoding, this host's bandwidth over as many bytes as a step reads; and the weights. */
static void look_around(run_screen *screen, ifm_run *run)
{
    if (run->target.decode_bytes > 0 && run->target.threads > 0) {
        ifm_progress_say(&screen->progress, "measuring: read bandwidth of this host");
        run->host.read_bandwidth_bytes_per_s = ifm_probe_read_bandwidth(
            (size_t)run->target.decode_bytes, run->target.threads);
    }
    ifm_progress_say(&screen->progress, "looking for weights that are not finite");
    count_nonfinite(run);
}

/* A report that cannot be printed whole is not printed at all. */
static ifm_status print_report(const ifm_arguments *arguments,
                               const ifm_run_outputs *outputs, const run_set *set,
                               ifm_error *err)
{
    if (ifm_arguments_flag(arguments, "quiet") || outputs->to_stdout)
        return IFM_OK;
    ifm_report_style style = {
        .colour = ifm_terminal_colour(stdout),
        .unicode = ifm_terminal_unicode(),
        .width = ifm_terminal_width(stdout, 80),
    };
    return ifm_report_terminal(set->runs, set->n, stdout, &style, err);
}

/* Says how far an interrupted run came. Returns the exit code. */
static int tell_interrupted(const run_set *set)
{
    ifm_error err = {0};
    size_t measured = 0, all = 0;
    for (size_t k = 0; k < set->n; k++) {
        const ifm_workload *w = &set->runs[k].workload;
        measured += set->runs[k].n_records;
        all += (size_t)(w->n_cold + w->n_warmup + w->n_warm);
    }
    ifm_fail(&err, IFM_ERR_CANCELLED,
             "interrupted: %zu of %zu requests were measured, the result is marked "
             "incomplete",
             measured, all);
    return ifm_command_fail(&ifm_command_run, &err);
}

/* After measuring: judge, report, write. Returns the exit code. */
static int conclude(const ifm_arguments *arguments, ifm_run_outputs *outputs,
                    run_screen *screen, run_set *set)
{
    bool trusted = true;
    for (size_t k = 0; k < set->n; k++) {
        if (!set->runs[k].incomplete)
            look_around(screen, &set->runs[k]);
        ifm_verdict_judge(&set->runs[k]);
        trusted = trusted && ifm_run_trustworthy(&set->runs[k]);
    }
    ifm_progress_erase(&screen->progress);
    ifm_error err = {0};
    ifm_status st = print_report(arguments, outputs, set, &err);
    if (ifm_run_outputs_write(outputs, set->runs, set->n, st == IFM_OK ? &err : NULL) !=
            IFM_OK ||
        st != IFM_OK)
        return ifm_command_fail(&ifm_command_run, &err);
    if (set->runs[0].incomplete)
        return tell_interrupted(set);
    return trusted ? IFM_EXIT_FINE : IFM_EXIT_UNTRUSTWORTHY;
}

static int run_run(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    run_set set = {0};
    ifm_run_setup setup = {0};
    ifm_run_outputs outputs = {0};
    run_screen screen = {.text = stdout};
    ifm_progress_init(&screen.progress, ifm_arguments_flag(arguments, "quiet"));
    /* Before the handlers: a Ctrl-C while the prompt is typed on stdin ends the program. */
    ifm_status st = ifm_run_setup_init(&setup, arguments, &err);
    if (st == IFM_OK)
        st = ifm_interrupt_install(&err);
    if (st == IFM_OK)
        st = ifm_run_outputs_open(&outputs, arguments, &err);
    if (st == IFM_OK && outputs.to_stdout)
        screen.text = stderr;
    for (; st == IFM_OK && set.n < setup.n_choices; set.n++)
        st = ifm_run_setup_describe(&setup, set.n, arguments, &set.runs[set.n], &err);
    if (st == IFM_OK)
        st = measure(&setup, arguments, &screen, &set, &err);
    ifm_progress_erase(&screen.progress);
    int code;
    if (st == IFM_OK || (st == IFM_ERR_CANCELLED && set.runs[0].n_records > 0))
        code = conclude(arguments, &outputs, &screen, &set);
    else
        code = ifm_command_fail(&ifm_command_run, &err);
    ifm_run_outputs_abort(&outputs);
    for (size_t k = 0; k < set.n; k++)
        ifm_run_deinit(&set.runs[k]);
    ifm_run_setup_deinit(&setup);
    return code;
}

const ifm_command ifm_command_run = {
    .name = "run",
    .summary = "measure one request to a model or a server, cold and warm",
    .details =
        "Runs a model with Inferometer's own engine (or another, --target) and prints "
        "the time to first token "
        "(TTFT), the end-to-end latency (E2EL), the token generation time, the time per "
        "output token (TPOT) and the gaps between tokens (ITL).\n"
        "\n"
        "A cold start is the first request of a fresh process and its clock starts when "
        "that is spawned: loading the model is part of it. A warm start is a later "
        "request "
        "of the same process.\n"
        "\n"
        "With --url one request at a time goes to a server that speaks OpenAI's protocol "
        "(vLLM, SGLang, llama-server, TGI, Ollama, a cloud); it runs already, so that "
        "all "
        "requests are warm, and the network's phases stand where the engine's would.",
    .examples =
        "inferometer run\tthe bundled model, 10 cold and 30 warm starts\n"
        "inferometer run -m ./distilgpt2 -n 50 --json result.json\ta model of your "
        "own, all raw data kept\n"
        "inferometer run -m ./gpt2 --page-cache evict --cold 5 --warm 0\tcold starts "
        "from disk\n"
        "inferometer run -m ./gpt2 --target native,transformers --cold 3 --warm 10\tour "
        "engine beside Hugging Face Transformers\n"
        "inferometer run -m smollm2 --chat -p \"Name a bird\"\ta message to a chat "
        "model\n"
        "inferometer run --url http://localhost:8000 -p \"Name a bird\" --chat\ta "
        "server\n"
        "inferometer run --target native,url:http://localhost:8000 -m ./gpt2\tan engine "
        "beside a server\n"
        "inferometer run -p \"Once upon a time\" --stream --plots pictures\tthe text as "
        "it is made, and pictures\n",
    IFM_OPTIONS(options),
    .run = run_run,
};
