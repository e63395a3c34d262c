/* inferometer model synth: a checkpoint of a published shape with random weights. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "hub/resolve.h"
#include "model/synth.h"

static bool on_synth_progress(void *user, int64_t done, int64_t all)
{
    char text[64];
    snprintf(text, sizeof text, "writing: %lld %%",
             (long long)(all > 0 ? done * 100 / all : 0));
    ifm_progress_say(user, text);
    return !ifm_interrupt_happened();
}

static ifm_dtype dtype_of(const char *name)
{
    if (strcmp(name, "f16") == 0)
        return IFM_DTYPE_F16;
    return strcmp(name, "bf16") == 0 ? IFM_DTYPE_BF16 : IFM_DTYPE_F32;
}

/* The directory whose tokenizer is copied: the bundled model's, which has GPT-2's whole
 * vocabulary, unless another is named. Heap. */
static ifm_status tokenizer_of(const ifm_arguments *arguments, char **path,
                               ifm_error *err)
{
    return ifm_hub_resolve(ifm_arguments_string(arguments, "tokenizer"), path, err);
}

static int run_synth(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    char *tokenizer = NULL;
    ifm_progress progress;
    const char *directory = ifm_arguments_string(arguments, "output");
    ifm_progress_init(&progress, ifm_arguments_flag(arguments, "quiet"));
    ifm_status st = ifm_interrupt_install(&err);
    if (st == IFM_OK && directory == NULL)
        st = ifm_fail(&err, IFM_ERR_ARGUMENT, "--output is missing: -o DIR");
    if (st == IFM_OK)
        st = tokenizer_of(arguments, &tokenizer, &err);
    if (st == IFM_OK) {
        const ifm_synth_options options = {
            .shape = arguments->positional[0],
            .directory = directory,
            .dtype = dtype_of(ifm_arguments_string(arguments, "dtype")),
            .seed = (uint64_t)ifm_arguments_int(arguments, "seed"),
            .tokenizer = tokenizer,
            .odd_addresses = ifm_arguments_flag(arguments, "odd-addresses"),
            .progress = on_synth_progress,
            .progress_arg = &progress,
        };
        st = ifm_model_synth(&options, &err);
    }
    ifm_progress_erase(&progress);
    free(tokenizer);
    return st == IFM_OK ? IFM_EXIT_FINE
                        : ifm_command_fail(&ifm_command_model_synth, &err);
}

static const ifm_option synth_options[] = {
    {"output", 'o', IFM_OPTION_STRING, "DIR",
     .help = "where to write it; made if needed"},
    {"dtype", 0, IFM_OPTION_CHOICE, "f32|f16|bf16", .fallback = "f32",
     .help = "of the weights"},
    {"seed", 0, IFM_OPTION_INT, "N", 0, 9007199254740991, "0", NULL,
     "of the random numbers"},
    {"tokenizer", 0, IFM_OPTION_STRING, "MODEL",
     .help =
         "the model whose tokenizer is copied; by default the bundled one's, GPT-2's"},
    {"odd-addresses", 0, IFM_OPTION_FLAG,
     .help = "leave the weights unaligned, as some files on the hub have them"},
    {"quiet", 'q', IFM_OPTION_FLAG, .help = "no progress"},
};

const ifm_command ifm_command_model_synth = {
    .name = "model synth",
    .summary = "write a model of a published shape with random weights",
    .positional = "SHAPE",
    .min_positional = 1,
    .max_positional = 1,
    .details =
        "SHAPE is tiny-gpt2, distilgpt2, gpt2, gpt2-medium, gpt2-large, gpt2-xl, "
        "tiny-llama, smollm2-135m, tinyllama, llama-3.2-1b, qwen2.5-0.5b or qwen3-0.6b. "
        "The model computes exactly as much as the published one and says nothing "
        "sensible: for measuring speed where the weights cannot be had. The same "
        "options give the same bytes.",
    .examples = "inferometer model synth distilgpt2 -o distilgpt2-random\tabout 330 MB\n"
                "inferometer run -m distilgpt2-random\tmeasure it\n",
    IFM_OPTIONS(synth_options),
    .run = run_synth,
};
