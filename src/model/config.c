#include "model/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "format/json.h"
#include "os/file.h"

enum { MAX_CONFIG_BYTES = 16 * 1000 * 1000 };

/* What Transformers' GPT2Config has for a key that the file lacks. */
enum { GPT2_DEFAULT_VOCAB = 50257, GPT2_DEFAULT_POSITIONS = 1024, GPT2_TEXT_END = 50256 };

const char *ifm_family_name(ifm_family family)
{
    return family == IFM_FAMILY_GPT2 ? "gpt2" : "unknown";
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
    }
    return "unknown";
}

/* Names of Transformers' table ACT2FN. gelu_pytorch_tanh and gelu_fast are gelu_new with
 * the constants multiplied out otherwise: the same function, to the last bits of an f32. */
static const struct {
    const char *name;
    ifm_activation activation;
} activations[] = {
    {"gelu_new", IFM_ACTIVATION_GELU_NEW},
    {"gelu_pytorch_tanh", IFM_ACTIVATION_GELU_NEW},
    {"gelu_fast", IFM_ACTIVATION_GELU_NEW},
    {"gelu", IFM_ACTIVATION_GELU},
    {"gelu_python", IFM_ACTIVATION_GELU},
    {"relu", IFM_ACTIVATION_RELU},
};

static ifm_status read_activation(const json_t *json, const char *file,
                                  ifm_config *config, ifm_error *err)
{
    const char *name = "gelu_new";
    ifm_status st = ifm_json_string(json, file, "activation_function", &name, err);
    if (st != IFM_OK)
        return st;
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        if (strcmp(activations[i].name, name) == 0) {
            config->activation = activations[i].activation;
            return IFM_OK;
        }
    }
    return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                    "%s: \"activation_function\" is \"%s\", supported are gelu_new "
                    "(gelu_pytorch_tanh, gelu_fast), gelu and relu",
                    file, name);
}

/* An int32 in min … max. */
static ifm_status read_size(const json_t *json, const char *file, const char *key,
                            int32_t max, int32_t *value, ifm_error *err)
{
    int64_t x = *value;
    ifm_status st = ifm_json_int(json, file, key, 1, max, &x, err);
    *value = (int32_t)x;
    return st;
}

static ifm_status read_sizes(const json_t *json, const char *file, ifm_config *config,
                             ifm_error *err)
{
    struct {
        const char *key;
        int32_t max;
        int32_t *value;
    } sizes[] = {
        {"n_embd", IFM_CONFIG_MAX_WIDTH, &config->n_embd},
        {"n_head", IFM_CONFIG_MAX_WIDTH, &config->n_head},
        {"n_layer", IFM_CONFIG_MAX_LAYERS, &config->n_layer},
        {"n_ctx", IFM_CONFIG_MAX_POSITIONS, &config->n_positions}, /* older files */
        {"n_positions", IFM_CONFIG_MAX_POSITIONS, &config->n_positions},
        {"vocab_size", IFM_CONFIG_MAX_VOCAB, &config->n_vocab},
    };
    config->n_positions = GPT2_DEFAULT_POSITIONS;
    config->n_vocab = GPT2_DEFAULT_VOCAB;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ifm_status st =
            read_size(json, file, sizes[i].key, sizes[i].max, sizes[i].value, err);
        if (st != IFM_OK)
            return st;
        if (*sizes[i].value == 0)
            return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is missing", file,
                            sizes[i].key);
    }
    if (config->n_embd % config->n_head != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: \"n_embd\" %d is no multiple of \"n_head\" %d", file,
                        config->n_embd, config->n_head);
    config->n_kv_head = config->n_head;
    config->head_dim = config->n_embd / config->n_head;
    config->n_inner = 4 * config->n_embd;
    return read_size(json, file, "n_inner", IFM_CONFIG_MAX_INNER, &config->n_inner, err);
}

static ifm_status read_epsilon(const json_t *json, const char *file, ifm_config *config,
                               ifm_error *err)
{
    double epsilon = 1e-5;
    ifm_status st = ifm_json_real(json, file, "layer_norm_epsilon", &epsilon, err);
    if (st != IFM_OK)
        return st;
    if (!(epsilon >= 0 && epsilon <= 1))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: \"layer_norm_epsilon\" is %g, expected 0 to 1", file,
                        epsilon);
    config->layer_norm_eps = (float)epsilon;
    return IFM_OK;
}

static ifm_status read_switches(const json_t *json, const char *file, ifm_config *config,
                                ifm_error *err)
{
    bool cross_attention = false;
    struct {
        const char *key;
        bool fallback;
        bool *value;
    } switches[] = {
        {"scale_attn_weights", true, &config->scale_attn_weights},
        {"scale_attn_by_inverse_layer_idx", false,
         &config->scale_attn_by_inverse_layer_idx},
        {"tie_word_embeddings", true, &config->tied_head},
        {"add_cross_attention", false, &cross_attention},
        /* reorder_and_upcast_attn asks for scores in f32 where the weights are f16:
         * here they always are. */
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        *switches[i].value = switches[i].fallback;
        ifm_status st =
            ifm_json_bool(json, file, switches[i].key, switches[i].value, err);
        if (st != IFM_OK)
            return st;
    }
    if (cross_attention)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: \"add_cross_attention\" is true, but only models without an "
                        "encoder are supported",
                        file);
    return IFM_OK;
}

/* One token id, or -1 for one that does not exist: GPT-2 configurations with a small
 * vocabulary often kept the 50256 of the large one, which then never occurs. */
static ifm_status check_id(const json_t *value, const char *file, const char *key,
                           const ifm_config *config, int32_t *id, ifm_error *err)
{
    json_int_t x = json_integer_value(value);
    if (!json_is_integer(value))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %s, expected a token id",
                        file, key, ifm_json_kind(value));
    if (x < -1 || x > INT32_MAX)
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %lld, expected a token id",
                        file, key, (long long)x);
    *id = x < config->n_vocab ? (int32_t)x : -1;
    return IFM_OK;
}

static ifm_status add_eos(const json_t *value, const char *file, ifm_config *config,
                          ifm_error *err)
{
    int32_t id = -1;
    ifm_status st = check_id(value, file, "eos_token_id", config, &id, err);
    if (st != IFM_OK || id < 0)
        return st;
    if (config->n_eos == IFM_CONFIG_MAX_EOS)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "%s: \"eos_token_id\" lists more than %d tokens", file,
                        IFM_CONFIG_MAX_EOS);
    config->eos_ids[config->n_eos++] = id;
    return IFM_OK;
}

static ifm_status read_special_ids(const json_t *json, const char *file,
                                   ifm_config *config, ifm_error *err)
{
    int32_t fallback = GPT2_TEXT_END < config->n_vocab ? GPT2_TEXT_END : -1;
    const json_t *bos = json_object_get(json, "bos_token_id");
    const json_t *eos = json_object_get(json, "eos_token_id");
    ifm_status st = IFM_OK;
    config->bos_id = bos == NULL ? fallback : -1;
    config->n_eos = 0;
    if (bos != NULL && !json_is_null(bos))
        st = check_id(bos, file, "bos_token_id", config, &config->bos_id, err);
    if (st != IFM_OK)
        return st;
    if (eos == NULL && fallback >= 0)
        config->eos_ids[config->n_eos++] = fallback;
    else if (json_is_array(eos))
        for (size_t i = 0; st == IFM_OK && i < json_array_size(eos); i++)
            st = add_eos(json_array_get(eos, i), file, config, err);
    else if (eos != NULL && !json_is_null(eos))
        st = add_eos(eos, file, config, err);
    config->eos_id = config->n_eos > 0 ? config->eos_ids[0] : -1;
    return st;
}

/* "model_type" decides; a file without it is judged by "architectures". */
static ifm_status read_family(const json_t *json, const char *file, ifm_config *config,
                              ifm_error *err)
{
    const char *type = NULL;
    ifm_status st = ifm_json_string(json, file, "model_type", &type, err);
    if (st != IFM_OK)
        return st;
    if (type == NULL) {
        const json_t *architectures = json_object_get(json, "architectures");
        type = json_string_value(json_array_get(architectures, 0));
        if (type != NULL && strcmp(type, "GPT2LMHeadModel") == 0)
            type = "gpt2";
    }
    if (type == NULL)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: has no \"model_type\": is it a model's configuration?",
                        file);
    if (strcmp(type, "gpt2") != 0)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: the model family \"%s\" is not supported, only gpt2 is "
                        "(GPT-2, distilgpt2 and their fine-tunings)",
                        file, type);
    config->family = IFM_FAMILY_GPT2;
    return IFM_OK;
}

static ifm_status read_all(const json_t *json, const char *file, ifm_config *config,
                           ifm_error *err)
{
    *config = (ifm_config){0};
    if (!json_is_object(json))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: is %s, expected an object", file,
                        ifm_json_kind(json));
    ifm_status st = read_family(json, file, config, err);
    if (st == IFM_OK)
        st = read_sizes(json, file, config, err);
    if (st == IFM_OK)
        st = read_activation(json, file, config, err);
    if (st == IFM_OK)
        st = read_epsilon(json, file, config, err);
    if (st == IFM_OK)
        st = read_switches(json, file, config, err);
    if (st == IFM_OK)
        st = read_special_ids(json, file, config, err);
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

ifm_status ifm_config_read(const char *path, ifm_config *config, ifm_error *err)
{
    ifm_buffer file = {0};
    json_t *parsed = NULL;
    ifm_status st;
    const char *slash = strrchr(path, '/');
    if (ifm_file_is_directory(path))
        ifm_buffer_printf(&file, "%s/config.json", path);
    else if (slash != NULL)
        ifm_buffer_printf(&file, "%.*s/config.json", (int)(slash - path), path);
    else
        ifm_buffer_puts(&file, "config.json");
    if (file.failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    else
        st = ifm_json_read(file.data, MAX_CONFIG_BYTES, &parsed, err);
    if (st == IFM_OK)
        st = read_all(parsed, file.data, config, err);
    json_decref(parsed);
    ifm_buffer_deinit(&file);
    return st;
}

float ifm_config_attention_scale(const ifm_config *config, int32_t layer)
{
    float scale = 1.0f;
    if (config->scale_attn_weights)
        scale /= sqrtf((float)(config->n_embd / config->n_head));
    if (config->scale_attn_by_inverse_layer_idx)
        scale /= (float)(layer + 1);
    return scale;
}
