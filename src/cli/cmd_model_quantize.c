/* inferometer model quantize: a model as one GGUF file in another type. */
#include <stdlib.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "convert/convert.h"
#include "hub/resolve.h"

static bool on_progress(void *user, int64_t done, int64_t all)
{
    char text[64];
    snprintf(text, sizeof text, "writing: %lld %%",
             (long long)(all > 0 ? done * 100 / all : 0));
    ifm_progress_say(user, text);
    return !ifm_interrupt_happened();
}

static void print_report(const char *path, const ifm_convert_report *report)
{
    if (report->requantized != IFM_DTYPE_COUNT)
        fprintf(stderr,
                "inferometer: note: some weights were %s already: what that lost stays "
                "lost; start from f16 or f32 if you can\n",
                ifm_dtype_name(report->requantized));
    if (report->n_fallback > 0)
        fprintf(stderr,
                "inferometer: note: rows of %lld numbers are no whole blocks of %s: %lld "
                "tensors are %s instead\n",
                (long long)report->fallback_width, ifm_dtype_name(report->fallback_from),
                (long long)report->n_fallback, ifm_dtype_name(report->fallback_to));
    if (report->no_tokenizer)
        fputs(
            "inferometer: note: there was no tokenizer: the file takes token ids only\n",
            stderr);
    double before = (double)report->bytes_before, after = (double)report->file_bytes;
    double numbers = (double)report->n_numbers;
    printf("%s: %.1f MB, %.2f bits a weight (from %.1f MB, %.2f)\n", path, after / 1e6,
           numbers > 0 ? after * 8 / numbers : 0, before / 1e6,
           numbers > 0 ? before * 8 / numbers : 0);
}

static ifm_status quantize(const ifm_arguments *arguments, ifm_progress *progress,
                           ifm_convert_report *report, ifm_error *err)
{
    char *path = NULL;
    const char *type = ifm_arguments_string(arguments, "type");
    ifm_status st = ifm_interrupt_install(err);
    if (st == IFM_OK && type == NULL)
        st = ifm_fail(err, IFM_ERR_ARGUMENT, "--type is missing: one of %s",
                      ifm_convert_types());
    if (st == IFM_OK)
        st = ifm_hub_resolve(arguments->positional[0], &path, err);
    if (st == IFM_OK) {
        const ifm_convert_options options = {
            .from = path,
            .to = arguments->positional[1],
            .type = type,
            .threads = (int)ifm_arguments_int(arguments, "threads"),
            .progress = on_progress,
            .progress_arg = progress,
        };
        st = ifm_convert(&options, report, err);
    }
    free(path);
    return st;
}

static int run_quantize(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    ifm_progress progress;
    ifm_convert_report report;
    bool quiet = ifm_arguments_flag(arguments, "quiet");
    ifm_progress_init(&progress, quiet);
    ifm_status st = quantize(arguments, &progress, &report, &err);
    ifm_progress_erase(&progress);
    if (st != IFM_OK)
        return ifm_command_fail(&ifm_command_model_quantize, &err);
    if (!quiet)
        print_report(arguments->positional[1], &report);
    return IFM_EXIT_FINE;
}

static const ifm_option quantize_options[] = {
    {"type", 't', IFM_OPTION_STRING, "TYPE",
     .help = "of the matrices: f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_K, q3_K, "
             "q4_K, q5_K, q6_K; or a mixture: q3_K_M, q4_K_M, q5_K_M"},
    {"threads", 0, IFM_OPTION_INT, "N", 1, 1024, NULL, NULL,
     "compute threads (default: physical cores)"},
    {"quiet", 'q', IFM_OPTION_FLAG, .help = "no progress, no summary"},
};

const ifm_command ifm_command_model_quantize = {
    .name = "model quantize",
    .summary = "write a model as a GGUF file in another type",
    .positional = "MODEL FILE",
    .min_positional = 2,
    .max_positional = 2,
    .details =
        "MODEL is a directory as the Hugging Face hub lays it out (GPT-2, Llama, "
        "Mistral, "
        "Qwen2, Qwen3), or a GGUF file; FILE becomes a GGUF file with tokenizer and chat "
        "template, for this program and for llama.cpp. Norms, biases and positions are "
        "f32. The output head (the token embedding, where it is tied) is q6_K in the "
        "4-bit and K types, or q8_0 where its rows are no multiple of 256, as llama.cpp "
        "makes it. docs/formats.md says more.",
    .examples =
        "inferometer model quantize distilgpt2 distilgpt2-q8_0.gguf -t q8_0\t8 bits\n"
        "inferometer model quantize llama-f16.gguf llama-q4_K_M.gguf -t q4_K_M\t4.8 "
        "bits\n",
    IFM_OPTIONS(quantize_options),
    .run = run_quantize,
};
