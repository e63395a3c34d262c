/* inferometer model info: what a model is, before anybody runs it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/model_facts.h"
#include "hub/resolve.h"

static void print_tensors(const ifm_weights *weights)
{
    printf("\n%-44s %-6s %s\n", "tensor", "type", "shape");
    for (size_t i = 0; i < ifm_weights_count(weights); i++) {
        const ifm_tensor *tensor = ifm_weights_at(weights, i);
        printf("%-44s %-6s ", tensor->name, ifm_dtype_name(tensor->dtype));
        for (int32_t d = 0; d < tensor->n_dimensions; d++)
            printf("%s%" PRId64, d > 0 ? " x " : "", tensor->shape[d]);
        puts(tensor->n_dimensions == 0 ? "scalar" : "");
    }
}

static void print_nonfinite(const ifm_weights *weights)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < ifm_weights_count(weights); i++) {
        uint64_t n = ifm_tensor_count_nonfinite(ifm_weights_at(weights, i));
        if (n > 0)
            printf("not finite   %" PRIu64 " numbers of %s\n", n,
                   ifm_weights_at(weights, i)->name);
        sum += n;
    }
    if (sum == 0)
        puts("not finite   none: no weight is NaN or infinite");
}

static ifm_status show(const ifm_arguments *arguments, const char *path, ifm_error *err)
{
    ifm_model_facts facts;
    int32_t n_context = (int32_t)ifm_arguments_int(arguments, "ctx");
    ifm_status st = ifm_model_facts_gather(&facts, path, n_context, err);
    if (st == IFM_OK && ifm_arguments_flag(arguments, "json")) {
        st = ifm_model_facts_print_json(&facts, err);
    } else if (st == IFM_OK) {
        ifm_model_facts_print(&facts);
        if (ifm_arguments_flag(arguments, "check"))
            print_nonfinite(facts.weights);
        if (ifm_arguments_flag(arguments, "tensors"))
            print_tensors(facts.weights);
    }
    ifm_model_facts_deinit(&facts);
    return st;
}

static int run_info(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    char *path = NULL;
    const char *name = arguments->n_positional > 0 ? arguments->positional[0] : NULL;
    ifm_status st = ifm_hub_resolve(name, &path, &err);
    if (st == IFM_OK)
        st = show(arguments, path, &err);
    free(path);
    return st == IFM_OK ? IFM_EXIT_FINE : ifm_command_fail(&ifm_command_model_info, &err);
}

static const ifm_option info_options[] = {
    {.name = "check",
     .type = IFM_OPTION_FLAG,
     .help = "read every weight and count those that are NaN or infinite"},
    {"ctx", 'c', IFM_OPTION_INT, "N", 1, 16777216, NULL, NULL,
     "positions to say the memory for (default: all that the model has)"},
    {.name = "json",
     .type = IFM_OPTION_FLAG,
     .help = "the same as a JSON document, less what --check and --tensors tell"},
    {.name = "tensors", .type = IFM_OPTION_FLAG, .help = "list every tensor"},
};

const ifm_command ifm_command_model_info = {
    .name = "model info",
    .summary = "say what a model is: family, shape, types, sizes",
    .positional = "[MODEL]",
    .max_positional = 1,
    .details = "MODEL is a directory as the Hugging Face hub lays it out, a .safetensors "
               "or .gguf file, a name on the hub, or the bundled model, counting.",

    IFM_OPTIONS(info_options),
    .run = run_info,
};
