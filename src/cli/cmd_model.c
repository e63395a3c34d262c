/* inferometer model info: what a model is, before anybody runs it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/commands.h"
#include "format/weights.h"
#include "hub/resolve.h"
#include "inferometer/model.h"

/* "327.7 MB": three or four digits, powers of ten, as disks and bandwidths are counted. */
static const char *bytes_text(int64_t bytes, char text[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1000 && unit < 4; unit++)
        value /= 1000;
    snprintf(text, 32, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
    return text;
}

static const char *count_text(int64_t n, char text[32])
{
    double value = (double)n;
    if (n >= 1000000000)
        snprintf(text, 32, "%.2f billion", value / 1e9);
    else if (n >= 1000000)
        snprintf(text, 32, "%.1f million", value / 1e6);
    else
        snprintf(text, 32, "%" PRId64, n);
    return text;
}

static void print_info(const ifm_model_info *info)
{
    char a[32], b[32];
    printf("model        %s\n", info->name);
    printf("path         %s\n", info->path);
    printf("family       %s\n", info->family);
    printf("parameters   %s (%" PRId64 ")\n", count_text(info->parameters, a),
           info->parameters);
    printf("weights      %s, %s in use, of %s in files\n", info->dtype,
           bytes_text(info->weight_bytes, a), bytes_text(info->file_bytes, b));
    printf("decode step  reads %s of weights\n", bytes_text(info->decode_bytes, a));
    printf("shape        %d layers, width %d, %d heads, inner width %d\n", info->n_layer,
           info->n_embd, info->n_head, info->n_inner);
    printf("context      %d positions\n", info->n_positions);
    printf("vocabulary   %d tokens, %s output head\n", info->n_vocab,
           info->tied_head ? "tied" : "separate");
    if (info->bos_id >= 0 || info->eos_id >= 0)
        printf("special      begin %d, end %d\n", info->bos_id, info->eos_id);
    printf("kernels      %s on this CPU\n", info->kernels);
}

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
    ifm_model *model = NULL;
    ifm_weights *weights = NULL;
    ifm_status st = ifm_model_open(path, NULL, &model, err);
    if (st == IFM_OK)
        st = ifm_weights_open(path, &weights, err);
    if (st == IFM_OK) {
        print_info(ifm_model_describe(model));
        if (ifm_arguments_flag(arguments, "check"))
            print_nonfinite(weights);
        if (ifm_arguments_flag(arguments, "tensors"))
            print_tensors(weights);
    }
    ifm_weights_close(weights);
    ifm_model_close(model);
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
    {.name = "tensors", .type = IFM_OPTION_FLAG, .help = "list every tensor"},
};

const ifm_command ifm_command_model_info = {
    .name = "model info",
    .summary = "say what a model is: family, shape, types, sizes",
    .positional = "[MODEL]",
    .max_positional = 1,
    .details = "MODEL is a directory as the Hugging Face hub lays it out, a .safetensors "
               "file, or the bundled model, counting.",

    IFM_OPTIONS(info_options),
    .run = run_info,
};
