/*
 * The configuration of a GGUF file: metadata under "<architecture>.…", and what only its
 * tensors tell: whether there are biases, norms of queries and keys, a head of its own.
 *
 * Files of the architecture "llama" (Mistral's are, too) have the rows of queries and keys
 * permuted so that pairs that turn together lie side by side; all others as the hub has
 * them.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "format/gguf.h"
#include "model/config_parts.h"

enum { MAX_KEY = 96 };

static const double default_base = 10000.0, max_base = 1e15, max_factor = 1e6;

typedef struct reader {
    const ifm_weights *weights;
    const ifm_gguf *gguf;
    const char *architecture, *file;
    ifm_error *err;
} reader;

static const struct {
    const char *architecture;
    ifm_family family;
    bool interleaved;
} families[] = {
    {"gpt2", IFM_FAMILY_GPT2, false},
    {"llama", IFM_FAMILY_LLAMA, true},
    {"qwen2", IFM_FAMILY_QWEN2, false},
    {"qwen3", IFM_FAMILY_QWEN3, false},
};

/* ---- one key ----------------------------------------------------------------------- */

/* "attention.head_count" → "llama.attention.head_count" */
static void full_key(const reader *self, const char *key, char out[MAX_KEY])
{
    snprintf(out, MAX_KEY, "%s.%s", self->architecture, key);
}

/* A whole number, or a list of as many equal ones as there are layers. */
static bool get_int(const reader *self, const char *key, int64_t *out)
{
    const ifm_gguf_value *value = ifm_gguf_find(self->gguf, key);
    if (ifm_gguf_get_int(self->gguf, key, out))
        return true;
    if (value == NULL || value->type != IFM_GGUF_ARRAY || value->array.n == 0 ||
        value->array.n > IFM_CONFIG_MAX_LAYERS || value->array.type == IFM_GGUF_STRING ||
        value->array.type == IFM_GGUF_F32 || value->array.type == IFM_GGUF_F64)
        return false;
    *out = ifm_gguf_int_at(value, 0);
    for (uint64_t i = 1; i < value->array.n; i++)
        if (ifm_gguf_int_at(value, i) != *out)
            return false;
    return true;
}

/* A count, 1 … max; *value is the default, 0: there is none. */
static ifm_status read_size(const reader *self, const char *key, int32_t max,
                            int32_t *value)
{
    char name[MAX_KEY];
    int64_t x = *value;
    full_key(self, key, name);
    if (ifm_gguf_find(self->gguf, name) != NULL && !get_int(self, name, &x))
        return ifm_fail(self->err, IFM_ERR_UNSUPPORTED,
                        "%s: \"%s\" is no whole number, the same for all layers",
                        self->file, name);
    if (x == 0)
        return ifm_fail(self->err, IFM_ERR_FORMAT, "%s: \"%s\" is missing or 0",
                        self->file, name);
    if (x < 1 || x > max)
        return ifm_fail(self->err, IFM_ERR_FORMAT, "%s: \"%s\" is %lld, expected 1 to %d",
                        self->file, name, (long long)x, max);
    *value = (int32_t)x;
    return IFM_OK;
}

/* A number above min and at most max; *value is the default. */
static ifm_status read_real(const reader *self, const char *key, double min, double max,
                            double *value)
{
    char name[MAX_KEY];
    full_key(self, key, name);
    if (ifm_gguf_find(self->gguf, name) != NULL &&
        !ifm_gguf_get_float(self->gguf, name, value))
        return ifm_fail(self->err, IFM_ERR_FORMAT, "%s: \"%s\" is no number", self->file,
                        name);
    if (!(*value > min && *value <= max))
        return ifm_fail(self->err, IFM_ERR_FORMAT,
                        "%s: \"%s\" is %g, expected more than %g and at most %g",
                        self->file, name, *value, min, max);
    return IFM_OK;
}

static bool has_tensor(const reader *self, const char *name)
{
    return ifm_weights_find(self->weights, name) != NULL ||
           ifm_weights_left_out(self->weights, name) != NULL;
}

/* ---- its parts --------------------------------------------------------------------- */

static ifm_status read_family(reader *self, ifm_config *config)
{
    ifm_gguf_string name;
    if (!ifm_gguf_get_string(self->gguf, "general.architecture", &name))
        return ifm_fail(self->err, IFM_ERR_FORMAT,
                        "%s: has no \"general.architecture\": is it a model?",
                        self->file);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (name.n != strlen(families[i].architecture) ||
            memcmp(name.text, families[i].architecture, name.n) != 0)
            continue;
        self->architecture = families[i].architecture;
        config->family = families[i].family;
        config->rope.interleaved = families[i].interleaved;
        return IFM_OK;
    }
    return ifm_fail(self->err, IFM_ERR_UNSUPPORTED,
                    "%s: the architecture \"%.*s\" is not supported, those that are: "
                    "gpt2, llama, qwen2, qwen3",
                    self->file, (int)(name.n < 40 ? name.n : 40), name.text);
}

static ifm_status read_heads(const reader *self, ifm_config *config)
{
    config->n_kv_head = config->n_head;
    config->head_dim = config->n_embd / config->n_head;
    ifm_status st = read_size(self, "attention.head_count_kv", IFM_CONFIG_MAX_WIDTH,
                              &config->n_kv_head);
    if (st == IFM_OK)
        st = read_size(self, "attention.key_length", IFM_CONFIG_MAX_WIDTH,
                       &config->head_dim);
    int32_t value_length = config->head_dim;
    if (st == IFM_OK)
        st = read_size(self, "attention.value_length", IFM_CONFIG_MAX_WIDTH,
                       &value_length);
    if (st == IFM_OK && value_length != config->head_dim)
        st = ifm_fail(self->err, IFM_ERR_UNSUPPORTED,
                      "%s: keys are %d wide and values %d: only equal widths are "
                      "supported",
                      self->file, config->head_dim, value_length);
    return st;
}

/* The vocabulary is what the embedding has rows for. */
static ifm_status read_vocabulary(const reader *self, ifm_config *config)
{
    const ifm_tensor *x = ifm_weights_find(self->weights, "token_embd.weight");
    config->n_vocab = 1; /* binding will say what is wrong with it */
    if (x == NULL || x->n_dimensions != 2)
        return IFM_OK;
    if (x->shape[0] < 1 || x->shape[0] > IFM_CONFIG_MAX_VOCAB)
        return ifm_fail(self->err, IFM_ERR_FORMAT,
                        "%s: \"token_embd.weight\" has %lld rows, expected 1 to %d",
                        self->file, (long long)x->shape[0], IFM_CONFIG_MAX_VOCAB);
    config->n_vocab = (int32_t)x->shape[0];
    return IFM_OK;
}

static ifm_status read_sizes(const reader *self, ifm_config *config)
{
    const ifm_config_size sizes[] = {
        {"embedding_length", IFM_CONFIG_MAX_WIDTH, &config->n_embd},
        {"attention.head_count", IFM_CONFIG_MAX_WIDTH, &config->n_head},
        {"block_count", IFM_CONFIG_MAX_LAYERS, &config->n_layer},
        {"feed_forward_length", IFM_CONFIG_MAX_INNER, &config->n_inner},
        {"context_length", IFM_CONFIG_MAX_POSITIONS, &config->n_positions},
    };
    char experts[MAX_KEY];
    int64_t n_experts = 0;
    ifm_status st = IFM_OK;
    full_key(self, "expert_count", experts);
    if (ifm_gguf_get_int(self->gguf, experts, &n_experts) && n_experts != 0)
        return ifm_fail(self->err, IFM_ERR_UNSUPPORTED,
                        "%s: is a mixture of %lld experts, which is not supported",
                        self->file, (long long)n_experts);
    for (size_t i = 0; st == IFM_OK && i < sizeof sizes / sizeof *sizes; i++)
        st = read_size(self, sizes[i].key, sizes[i].max, sizes[i].value);
    if (st == IFM_OK)
        st = read_heads(self, config);
    return st == IFM_OK ? read_vocabulary(self, config) : st;
}

static ifm_status read_epsilon(const reader *self, ifm_config *config)
{
    const bool gpt2 = config->family == IFM_FAMILY_GPT2;
    double epsilon = 1e-5;
    const ifm_status st = read_real(
        self, gpt2 ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
        0, 1, &epsilon);
    config->norm_eps = (float)epsilon;
    return st;
}

/* The tensor rope_freqs holds what Llama 3.1 divides frequencies by. */
static ifm_status read_scaling(const reader *self, ifm_rope *rope)
{
    char name[MAX_KEY];
    ifm_gguf_string type = {.text = "none", .n = 4};
    rope->divided = has_tensor(self, "rope_freqs.weight");
    full_key(self, "rope.scaling.type", name);
    (void)ifm_gguf_get_string(self->gguf, name, &type);
    if (type.n == 4 && memcmp(type.text, "none", 4) == 0)
        return IFM_OK;
    if (type.n != 6 || memcmp(type.text, "linear", 6) != 0)
        return ifm_fail(self->err, IFM_ERR_UNSUPPORTED,
                        "%s: the rotary embedding is scaled by \"%.*s\", supported are "
                        "none and linear",
                        self->file, (int)(type.n < 40 ? type.n : 40), type.text);
    rope->scaling = IFM_ROPE_LINEAR;
    rope->factor = 1;
    return read_real(self, "rope.scaling.factor", 0, max_factor, &rope->factor);
}

static ifm_status read_rope(const reader *self, ifm_config *config)
{
    ifm_rope *rope = &config->rope;
    if (config->family == IFM_FAMILY_GPT2)
        return IFM_OK;
    rope->r = config->head_dim;
    rope->base = default_base;
    ifm_status st = read_size(self, "rope.dimension_count", config->head_dim, &rope->r);
    if (st == IFM_OK && rope->r % 2 != 0)
        st = ifm_fail(self->err, IFM_ERR_FORMAT,
                      "%s: \"%s.rope.dimension_count\" is %d, expected an even number",
                      self->file, self->architecture, rope->r);
    if (st == IFM_OK)
        st = read_real(self, "rope.freq_base", 0, max_base, &rope->base);
    return st == IFM_OK ? read_scaling(self, rope) : st;
}

/* A window holds for every layer. */
static ifm_status read_window(const reader *self, ifm_config *config)
{
    char name[MAX_KEY];
    int64_t window = 0;
    full_key(self, "attention.sliding_window", name);
    if (ifm_gguf_find(self->gguf, name) == NULL || config->family == IFM_FAMILY_GPT2)
        return IFM_OK;
    if (!get_int(self, name, &window) || window < 0 || window > INT32_MAX)
        return ifm_fail(self->err, IFM_ERR_FORMAT, "%s: \"%s\" is no number of positions",
                        self->file, name);
    config->window = (int32_t)window;
    for (int32_t i = 0; i < config->n_layer; i++)
        config->slides[i] = true;
    return IFM_OK;
}

static ifm_status read_special_ids(const reader *self, ifm_config *config)
{
    static const char *const ends[] = {
        "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.eom_token_id",
    };
    int64_t id;
    ifm_status st = IFM_OK;
    config->bos_id = config->eos_id = -1;
    if (ifm_gguf_get_int(self->gguf, "tokenizer.ggml.bos_token_id", &id) && id >= 0 &&
        id < config->n_vocab)
        config->bos_id = (int32_t)id;
    for (size_t i = 0; st == IFM_OK && i < sizeof ends / sizeof *ends; i++)
        if (ifm_gguf_get_int(self->gguf, ends[i], &id))
            st = ifm_config_add_eos(config, id, self->file, self->err);
    return st;
}

static void read_tensors(const reader *self, ifm_config *config)
{
    config->scale_attn_weights = true;
    config->tied_head = !has_tensor(self, "output.weight");
    if (config->family == IFM_FAMILY_GPT2)
        return;
    config->activation = IFM_ACTIVATION_SILU;
    config->qkv_bias = has_tensor(self, "blk.0.attn_q.bias");
    config->o_bias = has_tensor(self, "blk.0.attn_output.bias");
    config->mlp_bias = has_tensor(self, "blk.0.ffn_gate.bias");
    config->qk_norm = has_tensor(self, "blk.0.attn_q_norm.weight");
}

ifm_status ifm_config_read_gguf(const ifm_weights *weights, const char *file,
                                ifm_config *config, ifm_error *err)
{
    reader self = {
        .weights = weights, .gguf = ifm_weights_gguf(weights), .file = file, .err = err};
    *config = (ifm_config){0};
    ifm_status st = read_family(&self, config);
    if (st == IFM_OK)
        st = read_sizes(&self, config);
    if (st == IFM_OK)
        st = read_epsilon(&self, config);
    if (st == IFM_OK)
        st = read_rope(&self, config);
    if (st == IFM_OK)
        st = read_window(&self, config);
    if (st == IFM_OK)
        st = read_special_ids(&self, config);
    if (st == IFM_OK)
        read_tensors(&self, config);
    return st == IFM_OK ? ifm_config_check(config, file, err) : st;
}
