#include "model/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "format/json.h"
#include "model/config_parts.h"
#include "os/file.h"

enum { MAX_CONFIG_BYTES = 16 * 1000 * 1000 };

/* ---- families ---------------------------------------------------------------------- */

typedef struct reader {
    const char *name;         /* "model_type" */
    const char *architecture; /* what a file without it has in "architectures" */
    ifm_status (*read)(const json_t *json, const char *file, ifm_config *config,
                       ifm_error *err);
} reader;

static const reader families[] = {
    [IFM_FAMILY_GPT2] = {"gpt2", "GPT2LMHeadModel", ifm_config_gpt2},
    [IFM_FAMILY_LLAMA] = {"llama", "LlamaForCausalLM", ifm_config_llama},
    [IFM_FAMILY_MISTRAL] = {"mistral", "MistralForCausalLM", ifm_config_llama},
    [IFM_FAMILY_QWEN2] = {"qwen2", "Qwen2ForCausalLM", ifm_config_llama},
    [IFM_FAMILY_QWEN3] = {"qwen3", "Qwen3ForCausalLM", ifm_config_llama},
};

enum { N_FAMILIES = sizeof families / sizeof families[0] };

const char *ifm_family_name(ifm_family family)
{
    return (size_t)family < N_FAMILIES ? families[family].name : "unknown";
}

const char *ifm_activation_name(ifm_activation activation)
{
    switch (activation) {
    case IFM_ACTIVATION_GELU_NEW:
        return "gelu_new";
    case IFM_ACTIVATION_GELU:
        return "gelu";
    case IFM_ACTIVATION_RELU:
        return "relu";
    case IFM_ACTIVATION_SILU:
        return "silu";
    }
    return "unknown";
}

/* "model_type" decides; a file without it is judged by "architectures". */
static ifm_status read_family(const json_t *json, const char *file, ifm_config *config,
                              ifm_error *err)
{
    const char *type = NULL, *architecture = NULL;
    ifm_status st = ifm_json_string(json, file, "model_type", &type, err);
    if (st != IFM_OK)
        return st;
    if (type == NULL)
        architecture =
            json_string_value(json_array_get(json_object_get(json, "architectures"), 0));
    if (type == NULL && architecture == NULL)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: has no \"model_type\": is it a model's configuration?",
                        file);
    for (int i = 0; i < N_FAMILIES; i++) {
        if (type != NULL ? strcmp(type, families[i].name) == 0
                         : strcmp(architecture, families[i].architecture) == 0) {
            config->family = (ifm_family)i;
            return IFM_OK;
        }
    }
    return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                    "%s: the model family \"%s\" is not supported, those that are: "
                    "gpt2, llama (SmolLM2 and TinyLlama are), mistral, qwen2, qwen3",
                    file, type != NULL ? type : architecture);
}

/* ---- what the families share ------------------------------------------------------- */

ifm_status ifm_config_sizes(const json_t *json, const char *file,
                            const ifm_config_size *sizes, size_t n, ifm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int64_t x = *sizes[i].value;
        ifm_status st = ifm_json_int(json, file, sizes[i].key, 1, sizes[i].max, &x, err);
        if (st != IFM_OK)
            return st;
        if (x == 0)
            return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is missing", file,
                            sizes[i].key);
        *sizes[i].value = (int32_t)x;
    }
    return IFM_OK;
}

ifm_status ifm_config_switches(const json_t *json, const char *file,
                               const ifm_config_switch *switches, size_t n,
                               ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (size_t i = 0; st == IFM_OK && i < n; i++)
        st = ifm_json_bool(json, file, switches[i].key, switches[i].value, err);
    return st;
}

ifm_status ifm_config_epsilon(const json_t *json, const char *file, const char *key,
                              double fallback, ifm_config *config, ifm_error *err)
{
    double epsilon = fallback;
    ifm_status st = ifm_json_real(json, file, key, &epsilon, err);
    if (st != IFM_OK)
        return st;
    if (!(epsilon >= 0 && epsilon <= 1))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %g, expected 0 to 1", file,
                        key, epsilon);
    config->norm_eps = (float)epsilon;
    return IFM_OK;
}

/* A token id, or -1. */
static ifm_status check_id(const json_t *value, const char *file, const char *key,
                           int64_t *id, ifm_error *err)
{
    json_int_t x = json_integer_value(value);
    if (!json_is_integer(value))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %s, expected a token id",
                        file, key, ifm_json_kind(value));
    if (x < -1 || x > INT32_MAX)
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %lld, expected a token id",
                        file, key, (long long)x);
    *id = x;
    return IFM_OK;
}

ifm_status ifm_config_add_eos(ifm_config *config, int64_t id, const char *file,
                              ifm_error *err)
{
    if (id < 0 || id >= config->n_vocab)
        return IFM_OK;
    for (int32_t i = 0; i < config->n_eos; i++)
        if (config->eos_ids[i] == id)
            return IFM_OK;
    if (config->n_eos == IFM_CONFIG_MAX_EOS)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "%s: \"eos_token_id\" lists more than %d tokens", file,
                        IFM_CONFIG_MAX_EOS);
    config->eos_ids[config->n_eos++] = (int32_t)id;
    config->eos_id = config->eos_ids[0];
    return IFM_OK;
}

static ifm_status add_eos(const json_t *value, const char *file, ifm_config *config,
                          ifm_error *err)
{
    int64_t id = -1;
    ifm_status st = check_id(value, file, "eos_token_id", &id, err);
    return st == IFM_OK ? ifm_config_add_eos(config, id, file, err) : st;
}

/* One id, a list, or null. */
static ifm_status add_all_eos(const json_t *eos, const char *file, ifm_config *config,
                              ifm_error *err)
{
    ifm_status st = IFM_OK;
    if (!json_is_array(eos))
        return json_is_null(eos) ? IFM_OK : add_eos(eos, file, config, err);
    for (size_t i = 0; st == IFM_OK && i < json_array_size(eos); i++)
        st = add_eos(json_array_get(eos, i), file, config, err);
    return st;
}

ifm_status ifm_config_special_ids(const json_t *json, const char *file, int32_t bos,
                                  int32_t eos, ifm_config *config, ifm_error *err)
{
    const json_t *given_bos = json_object_get(json, "bos_token_id");
    const json_t *given_eos = json_object_get(json, "eos_token_id");
    int64_t id = given_bos == NULL ? bos : -1;
    ifm_status st = IFM_OK;
    config->n_eos = 0;
    config->eos_id = -1;
    if (given_bos != NULL && !json_is_null(given_bos))
        st = check_id(given_bos, file, "bos_token_id", &id, err);
    config->bos_id = id < config->n_vocab ? (int32_t)id : -1;
    if (st != IFM_OK)
        return st;
    return given_eos == NULL ? ifm_config_add_eos(config, eos, file, err)
                             : add_all_eos(given_eos, file, config, err);
}

ifm_status ifm_config_check(const ifm_config *config, const char *file, ifm_error *err)
{
    const int64_t width = (int64_t)config->n_head * config->head_dim;
    if (config->n_head % config->n_kv_head != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: %d attention heads cannot share %d key-value heads evenly",
                        file, config->n_head, config->n_kv_head);
    if (width > IFM_CONFIG_MAX_INNER)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: %d attention heads of width %d are %lld wide, expected at "
                        "most %d",
                        file, config->n_head, config->head_dim, (long long)width,
                        IFM_CONFIG_MAX_INNER);
    return IFM_OK;
}

/* ---- whole files ------------------------------------------------------------------- */

static ifm_status read_all(const json_t *json, const char *file, ifm_config *config,
                           ifm_error *err)
{
    *config = (ifm_config){0};
    if (!json_is_object(json))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: is %s, expected an object", file,
                        ifm_json_kind(json));
    ifm_status st = read_family(json, file, config, err);
    if (st == IFM_OK)
        st = families[config->family].read(json, file, config, err);
    if (st == IFM_OK)
        st = ifm_config_check(config, file, err);
    return st;
}

ifm_status ifm_config_parse(const char *json, size_t n_bytes, const char *file,
                            ifm_config *config, ifm_error *err)
{
    json_t *parsed;
    ifm_status st = ifm_json_parse(json, n_bytes, file, &parsed, err);
    if (st == IFM_OK)
        st = read_all(parsed, file, config, err);
    json_decref(parsed);
    return st;
}

/* Ends of texts, and the first token where config.json names none. */
static ifm_status add_generation(const json_t *json, const char *file, ifm_config *config,
                                 ifm_error *err)
{
    const json_t *bos = json_object_get(json, "bos_token_id");
    const json_t *eos = json_object_get(json, "eos_token_id");
    int64_t id = config->bos_id;
    ifm_status st = IFM_OK;
    if (eos != NULL)
        st = add_all_eos(eos, file, config, err);
    if (st == IFM_OK && id < 0 && bos != NULL && !json_is_null(bos))
        st = check_id(bos, file, "bos_token_id", &id, err);
    if (st == IFM_OK && id < config->n_vocab)
        config->bos_id = (int32_t)id;
    return st;
}

/* The file `name` in the directory `path`, or beside the file `path`. */
static void beside(ifm_buffer *out, const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    ifm_buffer_clear(out);
    if (ifm_file_is_directory(path))
        ifm_buffer_printf(out, "%s/%s", path, name);
    else if (slash != NULL)
        ifm_buffer_printf(out, "%.*s/%s", (int)(slash - path), path, name);
    else
        ifm_buffer_puts(out, name);
}

typedef ifm_status object_reader(const json_t *json, const char *file, ifm_config *config,
                                 ifm_error *err);

static ifm_status read_file(const char *file, object_reader *read, ifm_config *config,
                            ifm_error *err)
{
    json_t *parsed = NULL;
    ifm_status st = ifm_json_read(file, MAX_CONFIG_BYTES, &parsed, err);
    if (st == IFM_OK)
        st = read(parsed, file, config, err);
    json_decref(parsed);
    return st;
}

ifm_status ifm_config_read(const char *path, ifm_config *config, ifm_error *err)
{
    ifm_buffer file = {0};
    ifm_status st = IFM_OK;
    beside(&file, path, "config.json");
    if (!file.failed)
        st = read_file(file.data, read_all, config, err);
    beside(&file, path, "generation_config.json");
    if (st == IFM_OK && !file.failed && ifm_file_exists(file.data))
        st = read_file(file.data, add_generation, config, err);
    if (file.failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    ifm_buffer_deinit(&file);
    return st;
}

/* ---- what follows from it ---------------------------------------------------------- */

float ifm_config_attention_scale(const ifm_config *config, int32_t layer)
{
    float scale = 1.0f;
    if (config->scale_attn_weights)
        scale /= sqrtf((float)config->head_dim);
    if (config->scale_attn_by_inverse_layer_idx)
        scale /= (float)(layer + 1);
    return scale;
}

int32_t ifm_config_window(const ifm_config *config, int32_t layer)
{
    return config->slides[layer] ? config->window : 0;
}
