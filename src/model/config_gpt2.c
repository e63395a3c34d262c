/* The configuration of GPT-2, as Transformers' GPT2Config writes it. */
#include <string.h>

#include "base/error.h"
#include "format/json.h"
#include "model/config_parts.h"

/* What GPT2Config has for a key that the file lacks. */
enum { DEFAULT_VOCAB = 50257, DEFAULT_POSITIONS = 1024, TEXT_END = 50256 };

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

static ifm_status read_sizes(const json_t *json, const char *file, ifm_config *config,
                             ifm_error *err)
{
    const ifm_config_size sizes[] = {
        {"n_embd", IFM_CONFIG_MAX_WIDTH, &config->n_embd},
        {"n_head", IFM_CONFIG_MAX_WIDTH, &config->n_head},
        {"n_layer", IFM_CONFIG_MAX_LAYERS, &config->n_layer},
        {"n_ctx", IFM_CONFIG_MAX_POSITIONS, &config->n_positions}, /* older files */
        {"n_positions", IFM_CONFIG_MAX_POSITIONS, &config->n_positions},
        {"vocab_size", IFM_CONFIG_MAX_VOCAB, &config->n_vocab},
    };
    config->n_positions = DEFAULT_POSITIONS;
    config->n_vocab = DEFAULT_VOCAB;
    ifm_status st =
        ifm_config_sizes(json, file, sizes, sizeof sizes / sizeof sizes[0], err);
    if (st != IFM_OK)
        return st;
    if (config->n_embd % config->n_head != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: \"n_embd\" %d is no multiple of \"n_head\" %d", file,
                        config->n_embd, config->n_head);
    config->n_kv_head = config->n_head;
    config->head_dim = config->n_embd / config->n_head;
    config->n_inner = 4 * config->n_embd;
    const ifm_config_size inner = {"n_inner", IFM_CONFIG_MAX_INNER, &config->n_inner};
    return ifm_config_sizes(json, file, &inner, 1, err);
}

static ifm_status read_switches(const json_t *json, const char *file, ifm_config *config,
                                ifm_error *err)
{
    bool cross_attention = false;
    const ifm_config_switch switches[] = {
        {"scale_attn_weights", &config->scale_attn_weights},
        {"scale_attn_by_inverse_layer_idx", &config->scale_attn_by_inverse_layer_idx},
        {"tie_word_embeddings", &config->tied_head},
        {"add_cross_attention", &cross_attention},
        /* reorder_and_upcast_attn asks for scores in f32 where the weights are f16:
         * here they always are. */
    };
    config->scale_attn_weights = config->tied_head = true;
    ifm_status st = ifm_config_switches(json, file, switches,
                                        sizeof switches / sizeof switches[0], err);
    if (st == IFM_OK && cross_attention)
        st = ifm_fail(err, IFM_ERR_UNSUPPORTED,
                      "%s: \"add_cross_attention\" is true, but only models without an "
                      "encoder are supported",
                      file);
    return st;
}

ifm_status ifm_config_gpt2(const json_t *json, const char *file, ifm_config *config,
                           ifm_error *err)
{
    ifm_status st = read_sizes(json, file, config, err);
    if (st == IFM_OK)
        st = read_activation(json, file, config, err);
    if (st == IFM_OK)
        st = ifm_config_epsilon(json, file, "layer_norm_epsilon", 1e-5, config, err);
    if (st == IFM_OK)
        st = read_switches(json, file, config, err);
    if (st == IFM_OK)
        st = ifm_config_special_ids(json, file, TEXT_END, TEXT_END, config, err);
    return st;
}
