/*
 * The configuration of the Llama family (llama, mistral, qwen2, qwen3), in both of its
 * forms: as Transformers 4 wrote it (rope_theta and rope_scaling at the top) and as
 * Transformers 5 does (rope_parameters, layer_types).
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "format/json.h"
#include "model/config_parts.h"

/* What Transformers' classes have for keys that the file lacks. */
enum {
    DEFAULT_POSITIONS = 2048,
    QWEN3_DEFAULT_HEAD_DIM = 128,
    DEFAULT_WINDOW = 4096,
    DEFAULT_MAX_WINDOW_LAYERS = 28,
    LLAMA_BOS = 1,
    LLAMA_EOS = 2,
};

static bool is_qwen(const ifm_config *config)
{
    return config->family == IFM_FAMILY_QWEN2 || config->family == IFM_FAMILY_QWEN3;
}

static ifm_status read_sizes(const json_t *json, const char *file, ifm_config *config,
                             ifm_error *err)
{
    const ifm_config_size sizes[] = {
        {"hidden_size", IFM_CONFIG_MAX_WIDTH, &config->n_embd},
        {"num_attention_heads", IFM_CONFIG_MAX_WIDTH, &config->n_head},
        {"num_hidden_layers", IFM_CONFIG_MAX_LAYERS, &config->n_layer},
        {"intermediate_size", IFM_CONFIG_MAX_INNER, &config->n_inner},
        {"max_position_embeddings", IFM_CONFIG_MAX_POSITIONS, &config->n_positions},
        {"vocab_size", IFM_CONFIG_MAX_VOCAB, &config->n_vocab},
    };
    config->n_positions = DEFAULT_POSITIONS;
    ifm_status st =
        ifm_config_sizes(json, file, sizes, sizeof sizes / sizeof sizes[0], err);
    if (st != IFM_OK)
        return st;
    const ifm_config_size heads[] = {
        {"num_key_value_heads", IFM_CONFIG_MAX_WIDTH, &config->n_kv_head},
        {"head_dim", IFM_CONFIG_MAX_WIDTH, &config->head_dim},
    };
    config->n_kv_head = config->n_head;
    config->head_dim = config->family == IFM_FAMILY_QWEN3
                           ? QWEN3_DEFAULT_HEAD_DIM
                           : config->n_embd / config->n_head;
    if (config->head_dim == 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: \"hidden_size\" %d is less than \"num_attention_heads\" %d",
                        file, config->n_embd, config->n_head);
    return ifm_config_sizes(json, file, heads, 2, err);
}

static ifm_status read_activation(const json_t *json, const char *file,
                                  ifm_config *config, ifm_error *err)
{
    const char *name = "silu";
    ifm_status st = ifm_json_string(json, file, "hidden_act", &name, err);
    config->activation = IFM_ACTIVATION_SILU;
    if (st == IFM_OK && strcmp(name, "silu") != 0 && strcmp(name, "swish") != 0)
        st = ifm_fail(err, IFM_ERR_UNSUPPORTED,
                      "%s: \"hidden_act\" is \"%s\", supported is silu", file, name);
    return st;
}

/* Which linear layers have a bias, and whether the head is the embedding. Mistral has no
 * biases, Qwen 2 always those of queries, keys and values. */
static ifm_status read_switches(const json_t *json, const char *file, ifm_config *config,
                                ifm_error *err)
{
    const ifm_family family = config->family;
    bool attention_bias = false, mlp_bias = false;
    const ifm_config_switch switches[] = {
        {"tie_word_embeddings", &config->tied_head},
        {"attention_bias", &attention_bias},
        {"mlp_bias", &mlp_bias},
    };
    config->scale_attn_weights = true;
    ifm_status st = ifm_config_switches(json, file, switches, 3, err);
    const bool both =
        attention_bias && (family == IFM_FAMILY_LLAMA || family == IFM_FAMILY_QWEN3);
    config->qkv_bias = both || family == IFM_FAMILY_QWEN2;
    config->o_bias = both;
    config->mlp_bias = mlp_bias && family == IFM_FAMILY_LLAMA;
    config->qk_norm = family == IFM_FAMILY_QWEN3;
    return st;
}

/* "layer_types": one word a layer. */
static ifm_status read_layer_types(const json_t *list, const char *file,
                                   ifm_config *config, ifm_error *err)
{
    if (json_array_size(list) != (size_t)config->n_layer)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: \"layer_types\" is %s of %zu, expected a list of %d, one a "
                        "layer",
                        file, ifm_json_kind(list), json_array_size(list),
                        config->n_layer);
    for (int32_t i = 0; i < config->n_layer; i++) {
        const char *type = json_string_value(json_array_get(list, (size_t)i));
        config->slides[i] = type != NULL && strcmp(type, "sliding_attention") == 0;
        if (type == NULL || (!config->slides[i] && strcmp(type, "full_attention") != 0))
            return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                            "%s: \"layer_types\" has \"%s\" for layer %d, supported are "
                            "full_attention and sliding_attention",
                            file, type != NULL ? type : "no text", i);
    }
    return IFM_OK;
}

/* In Mistral every layer slides, unless there is no window; in Qwen those from
 * max_window_layers on, or those that layer_types names, and only when use_sliding_window
 * says so. Llama has none. */
static ifm_status read_window(const json_t *json, const char *file, ifm_config *config,
                              ifm_error *err)
{
    const json_t *types = json_object_get(json, "layer_types");
    int64_t window = DEFAULT_WINDOW, full_layers = DEFAULT_MAX_WINDOW_LAYERS;
    bool used = config->family == IFM_FAMILY_MISTRAL;
    if (config->family == IFM_FAMILY_LLAMA)
        return IFM_OK;
    ifm_status st = IFM_OK;
    if (is_qwen(config)) {
        st = ifm_json_bool(json, file, "use_sliding_window", &used, err);
        if (st == IFM_OK)
            st = ifm_json_int(json, file, "max_window_layers", 0, INT32_MAX, &full_layers,
                              err);
    } else {
        full_layers = 0;
    }
    if (st == IFM_OK)
        st = ifm_json_int(json, file, "sliding_window", 1, INT32_MAX, &window, err);
    if (st != IFM_OK || !used || json_is_null(json_object_get(json, "sliding_window")))
        return st;
    config->window = (int32_t)window;
    for (int32_t i = 0; i < config->n_layer; i++)
        config->slides[i] = i >= full_layers;
    if (is_qwen(config) && types != NULL && !json_is_null(types))
        st = read_layer_types(types, file, config, err);
    return st;
}

ifm_status ifm_config_llama(const json_t *json, const char *file, ifm_config *config,
                            ifm_error *err)
{
    const int32_t bos = is_qwen(config) ? -1 : LLAMA_BOS;
    const int32_t eos = is_qwen(config) ? -1 : LLAMA_EOS;
    ifm_status st = read_sizes(json, file, config, err);
    if (st == IFM_OK)
        st = read_activation(json, file, config, err);
    if (st == IFM_OK)
        st = ifm_config_epsilon(json, file, "rms_norm_eps", 1e-6, config, err);
    if (st == IFM_OK)
        st = read_switches(json, file, config, err);
    if (st == IFM_OK)
        st = ifm_config_rope(json, file, config, err);
    if (st == IFM_OK)
        st = read_window(json, file, config, err);
    if (st == IFM_OK)
        st = ifm_config_special_ids(json, file, bos, eos, config, err);
    return st;
}
