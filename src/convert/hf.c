/*
 * A directory as the Hugging Face hub has it → what GGUF says of it: the keys that
 * config.json stands for, and where each tensor goes.
 *
 * llama.cpp rotates neighbouring numbers of a head in the architecture "llama", while the
 * checkpoints have the pairs half a head apart: rows of queries and keys are reordered, as
 * its converter does (convert_hf_to_gguf.py, LlamaModel.permute). Qwen's stay.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "convert/plan.h"
#include "format/json.h"

enum { MAX_CONFIG_BYTES = 16 * 1000 * 1000, MAX_SIZE = 1 << 24 };

/* What Transformers takes when a Mistral's or a Qwen's config does not say it. */
enum { DEFAULT_WINDOW = 4096, QWEN_FULL_LAYERS = 28 };

/* "model_type" → "general.architecture". */
typedef struct family {
    const char *model_type, *architecture;
    bool rotated;
} family;

static const family families[] = {
    {"gpt2", "gpt2", false},   {"llama", "llama", true},  {"mistral", "llama", true},
    {"qwen2", "qwen2", false}, {"qwen3", "qwen3", false},
};

/* A tensor's name in the checkpoint, behind its prefix, and in GGUF. */
typedef struct naming {
    const char *from, *to;
    ifm_convert_change change;
} naming;

static const naming gpt2_model[] = {
    {"wte", "token_embd", IFM_CONVERT_ROWS},
    {"wpe", "position_embd", IFM_CONVERT_ROWS},
    {"ln_f", "output_norm", IFM_CONVERT_ROWS},
    {"lm_head", "output", IFM_CONVERT_ROWS},
};
static const naming gpt2_layer[] = {
    {"ln_1", "attn_norm", IFM_CONVERT_ROWS},
    {"attn.c_attn", "attn_qkv", IFM_CONVERT_TRANSPOSED},
    {"attn.c_proj", "attn_output", IFM_CONVERT_TRANSPOSED},
    {"ln_2", "ffn_norm", IFM_CONVERT_ROWS},
    {"mlp.c_fc", "ffn_up", IFM_CONVERT_TRANSPOSED},
    {"mlp.c_proj", "ffn_down", IFM_CONVERT_TRANSPOSED},
};
static const naming llama_model[] = {
    {"embed_tokens", "token_embd", IFM_CONVERT_ROWS},
    {"norm", "output_norm", IFM_CONVERT_ROWS},
    {"lm_head", "output", IFM_CONVERT_ROWS},
};
static const naming llama_layer[] = {
    {"input_layernorm", "attn_norm", IFM_CONVERT_ROWS},
    {"self_attn.q_proj", "attn_q", IFM_CONVERT_ROTATED},
    {"self_attn.k_proj", "attn_k", IFM_CONVERT_ROTATED},
    {"self_attn.v_proj", "attn_v", IFM_CONVERT_ROWS},
    {"self_attn.o_proj", "attn_output", IFM_CONVERT_ROWS},
    {"self_attn.q_norm", "attn_q_norm", IFM_CONVERT_ROWS},
    {"self_attn.k_norm", "attn_k_norm", IFM_CONVERT_ROWS},
    {"post_attention_layernorm", "ffn_norm", IFM_CONVERT_ROWS},
    {"mlp.gate_proj", "ffn_gate", IFM_CONVERT_ROWS},
    {"mlp.up_proj", "ffn_up", IFM_CONVERT_ROWS},
    {"mlp.down_proj", "ffn_down", IFM_CONVERT_ROWS},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct reader {
    ifm_convert_plan *plan;
    const char *file; /* config.json */
    json_t *config;
    const family *family;
    const char *architecture;
    bool gpt2, tied;
    int64_t n_head, n_kv_head, head_dim;
    int64_t n_embd, n_positions;
} reader;

/* A size that must be there when `required`, else stays as it is. */
static ifm_status get_size(const reader *self, const char *key, bool required,
                           int64_t *value, ifm_error *err)
{
    const json_t *found = json_object_get(self->config, key);
    if (required && (found == NULL || json_is_null(found)))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is missing", self->file, key);
    return ifm_json_int(self->config, self->file, key, 1, MAX_SIZE, value, err);
}

/* Puts "architecture.key". */
static const char *key_of(const reader *self, const char *key, char text[96])
{
    snprintf(text, 96, "%s.%s", self->architecture, key);
    return text;
}

static void put_size(const reader *self, const char *key, int64_t value)
{
    char text[96];
    ifm_gguf_put_u32(&self->plan->writer, key_of(self, key, text), (uint32_t)value);
}

static void put_real(const reader *self, const char *key, double value)
{
    char text[96];
    ifm_gguf_put_f32(&self->plan->writer, key_of(self, key, text), (float)value);
}

static void put_text(const reader *self, const char *key, const char *value)
{
    char text[96];
    ifm_gguf_put_string(&self->plan->writer, key_of(self, key, text), value,
                        strlen(value));
}

static ifm_status unsupported(const reader *self, const char *what, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_UNSUPPORTED, "%s: %s: GGUF's \"%s\" has no word for it",
                    self->file, what, self->architecture);
}

static bool is_true(const reader *self, const char *key)
{
    return json_is_true(json_object_get(self->config, key));
}

static ifm_status put_gpt2(reader *self, ifm_error *err)
{
    double epsilon = 1e-5;
    const char *activation = "gelu_new";
    int64_t n_layer = 0, n_inner;
    ifm_status st = get_size(self, "n_embd", true, &self->n_embd, err);
    if (st == IFM_OK)
        st = get_size(self, "n_head", true, &self->n_head, err);
    if (st == IFM_OK)
        st = get_size(self, "n_layer", true, &n_layer, err);
    self->n_positions = 1024;
    n_inner = 4 * self->n_embd;
    if (st == IFM_OK)
        st = get_size(self, "n_positions", false, &self->n_positions, err);
    if (st == IFM_OK)
        st = get_size(self, "n_inner", false, &n_inner, err);
    if (st == IFM_OK)
        st = ifm_json_real(self->config, self->file, "layer_norm_epsilon", &epsilon, err);
    if (st == IFM_OK)
        st = ifm_json_string(self->config, self->file, "activation_function", &activation,
                             err);
    if (st != IFM_OK)
        return st;
    if (strcmp(activation, "gelu_new") != 0 &&
        strcmp(activation, "gelu_pytorch_tanh") != 0)
        return unsupported(self, "an activation other than gelu_new", err);
    if (is_true(self, "scale_attn_by_inverse_layer_idx"))
        return unsupported(self, "scale_attn_by_inverse_layer_idx", err);
    if (json_is_false(json_object_get(self->config, "scale_attn_weights")))
        return unsupported(self, "scale_attn_weights false", err);
    self->plan->n_layer = (int32_t)n_layer;
    put_size(self, "block_count", n_layer);
    put_size(self, "context_length", self->n_positions);
    put_size(self, "embedding_length", self->n_embd);
    put_size(self, "feed_forward_length", n_inner);
    put_size(self, "attention.head_count", self->n_head);
    put_real(self, "attention.layer_norm_epsilon", epsilon);
    return IFM_OK;
}

/* Llama 3.1 stretches slow rotations more than fast ones: GGUF has the factors of all pairs
 * as a tensor (Transformers, _compute_llama3_parameters). */
static ifm_status put_llama3_factors(reader *self, const json_t *rope, double theta,
                                     double factor, ifm_error *err)
{
    double low = 1, high = 4, before = 8192;
    ifm_status st = ifm_json_real(rope, self->file, "low_freq_factor", &low, err);
    if (st == IFM_OK)
        st = ifm_json_real(rope, self->file, "high_freq_factor", &high, err);
    if (st == IFM_OK)
        st = ifm_json_real(rope, self->file, "original_max_position_embeddings", &before,
                           err);
    if (st != IFM_OK)
        return st;
    if (!(low > 0 && high > low && before > 0))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: rope factors %g and %g make no sense",
                        self->file, low, high);
    int64_t n = self->head_dim / 2;
    ifm_convert_tensor *tensor =
        ifm_convert_plan_add(self->plan, "rope_freqs.weight", NULL, IFM_CONVERT_ROWS);
    float *made = malloc((size_t)n * sizeof *made);
    if (tensor == NULL || made == NULL) {
        free(made);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a list of tensors");
    }
    for (int64_t i = 0; i < n; i++) {
        double length = 2 * M_PI * pow(theta, 2 * (double)i / (double)self->head_dim);
        double smooth = (before / length - low) / (high - low);
        made[i] = (float)(length < before / high  ? 1
                          : length > before / low ? factor
                                                  : 1 / ((1 - smooth) / factor + smooth));
    }
    tensor->made = made;
    tensor->n_dimensions = 1;
    tensor->shape[0] = tensor->width = n;
    tensor->n_rows = 1;
    tensor->order = -1;
    return IFM_OK;
}

/* Both forms: "rope_theta" and "rope_scaling", or "rope_parameters" with everything. */
static ifm_status put_rope(reader *self, ifm_error *err)
{
    const json_t *rope = json_object_get(self->config, "rope_parameters");
    double theta = 10000, factor = 1, before = 0;
    const char *type = "default";
    ifm_status st = ifm_json_real(self->config, self->file, "rope_theta", &theta, err);
    if (!json_is_object(rope))
        rope = json_object_get(self->config, "rope_scaling");
    if (st == IFM_OK)
        st = ifm_json_real(rope, self->file, "rope_theta", &theta, err);
    if (st == IFM_OK)
        st = ifm_json_real(rope, self->file, "factor", &factor, err);
    if (st == IFM_OK)
        st = ifm_json_string(rope, self->file, "type", &type, err);
    if (st == IFM_OK)
        st = ifm_json_string(rope, self->file, "rope_type", &type, err);
    if (st == IFM_OK)
        st = ifm_json_real(rope, self->file, "original_max_position_embeddings", &before,
                           err);
    if (st != IFM_OK)
        return st;
    put_real(self, "rope.freq_base", theta);
    put_size(self, "rope.dimension_count", self->head_dim);
    if (strcmp(type, "default") == 0)
        return IFM_OK;
    if (strcmp(type, "llama3") == 0)
        return put_llama3_factors(self, rope, theta, factor, err);
    if (strcmp(type, "linear") != 0 && strcmp(type, "yarn") != 0)
        return unsupported(self, "this kind of rope scaling", err);
    put_text(self, "rope.scaling.type", type);
    put_real(self, "rope.scaling.factor", factor);
    if (before > 0 && before < MAX_SIZE)
        put_size(self, "rope.scaling.original_context_length", (int64_t)before);
    return IFM_OK;
}

/* How many of the layers look back only so far: all of Mistral's; of Qwen's, when that is
 * switched on, those that "layer_types" names, or those behind the first few; no Llama's. */
static ifm_status count_sliding(const reader *self, int64_t *n, ifm_error *err)
{
    const json_t *types = json_object_get(self->config, "layer_types");
    const int64_t n_layer = self->plan->n_layer;
    const char *model_type = self->family->model_type;
    int64_t first = QWEN_FULL_LAYERS;
    *n = strcmp(model_type, "mistral") == 0 ? n_layer : 0;
    if (strncmp(model_type, "qwen", 4) != 0 || !is_true(self, "use_sliding_window"))
        return IFM_OK;
    for (size_t i = 0; json_is_array(types) && i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        *n += type != NULL && strcmp(type, "sliding_attention") == 0;
    }
    if (json_is_array(types))
        return IFM_OK;
    ifm_status st = ifm_json_int(self->config, self->file, "max_window_layers", 0,
                                 MAX_SIZE, &first, err);
    *n = first < n_layer ? n_layer - first : 0;
    return st;
}

/* One window for all layers is what GGUF can say; llama.cpp looks at everything then. */
static ifm_status put_window(const reader *self, ifm_error *err)
{
    int64_t window = DEFAULT_WINDOW, n = 0;
    ifm_status st = count_sliding(self, &n, err);
    if (st == IFM_OK)
        st = get_size(self, "sliding_window", false, &window, err);
    if (st != IFM_OK || n == 0 || window >= self->n_positions ||
        json_is_null(json_object_get(self->config, "sliding_window")))
        return st;
    if (n != self->plan->n_layer)
        return unsupported(self, "a sliding window in some layers only", err);
    put_size(self, "attention.sliding_window", window);
    return IFM_OK;
}

static ifm_status get_llama(reader *self, int64_t *n_layer, int64_t *n_inner,
                            ifm_error *err)
{
    ifm_status st = get_size(self, "hidden_size", true, &self->n_embd, err);
    if (st == IFM_OK)
        st = get_size(self, "num_attention_heads", true, &self->n_head, err);
    self->n_kv_head = self->n_head;
    self->n_positions = 2048;
    if (st == IFM_OK)
        st = get_size(self, "num_key_value_heads", false, &self->n_kv_head, err);
    if (st == IFM_OK)
        st = get_size(self, "num_hidden_layers", true, n_layer, err);
    if (st == IFM_OK)
        st = get_size(self, "intermediate_size", true, n_inner, err);
    if (st == IFM_OK)
        st = get_size(self, "max_position_embeddings", false, &self->n_positions, err);
    self->head_dim = self->n_head > 0 ? self->n_embd / self->n_head : 0;
    if (st == IFM_OK)
        st = get_size(self, "head_dim", false, &self->head_dim, err);
    if (st == IFM_OK && (self->head_dim < 2 || self->head_dim % 2 != 0))
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: heads of %lld numbers, expected pairs",
                      self->file, (long long)self->head_dim);
    return st;
}

static ifm_status put_llama(reader *self, ifm_error *err)
{
    double epsilon = 1e-6;
    const char *activation = "silu";
    int64_t n_layer = 0, n_inner = 0;
    ifm_status st = get_llama(self, &n_layer, &n_inner, err);
    if (st == IFM_OK)
        st = ifm_json_real(self->config, self->file, "rms_norm_eps", &epsilon, err);
    if (st == IFM_OK)
        st = ifm_json_string(self->config, self->file, "hidden_act", &activation, err);
    if (st != IFM_OK)
        return st;
    if (strcmp(activation, "silu") != 0)
        return unsupported(self, "an activation other than silu", err);
    self->plan->n_layer = (int32_t)n_layer;
    put_size(self, "block_count", n_layer);
    put_size(self, "context_length", self->n_positions);
    put_size(self, "embedding_length", self->n_embd);
    put_size(self, "feed_forward_length", n_inner);
    put_size(self, "attention.head_count", self->n_head);
    put_size(self, "attention.head_count_kv", self->n_kv_head);
    put_size(self, "attention.key_length", self->head_dim);
    put_size(self, "attention.value_length", self->head_dim);
    put_real(self, "attention.layer_norm_rms_epsilon", epsilon);
    st = put_window(self, err);
    return st == IFM_OK ? put_rope(self, err) : st;
}

/* "prefix" + from + ".weight" or ".bias" → "to.weight"; NULL: another tensor's name. */
static const char *tail_behind(const char *name, const char *from)
{
    size_t n = strlen(from);
    if (strncmp(name, from, n) != 0)
        return NULL;
    return strcmp(name + n, ".weight") == 0 || strcmp(name + n, ".bias") == 0 ? name + n
                                                                              : NULL;
}

static const naming *find_naming(const naming *names, size_t n, const char *name,
                                 const char **tail)
{
    for (size_t i = 0; i < n; i++) {
        *tail = tail_behind(name, names[i].from);
        if (*tail != NULL)
            return &names[i];
    }
    return NULL;
}

/* Behind "transformer." or "model.", which some checkpoints leave out. */
static const char *skip_prefix(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : name;
}

/* Constants that old checkpoints have with their weights. */
static bool is_constant(const char *name)
{
    static const char *const ends[] = {".attn.bias", ".attn.masked_bias",
                                       "rotary_emb.inv_freq"};
    size_t n = strlen(name);
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t n_end = strlen(ends[i]);
        if (n >= n_end && strcmp(name + n - n_end, ends[i]) == 0)
            return true;
    }
    return false;
}

/* Queries and keys have the heads that config.json says. */
static ifm_status check_heads(const reader *self, const ifm_tensor *from,
                              ifm_convert_tensor *tensor, ifm_error *err)
{
    if (tensor->change != IFM_CONVERT_ROTATED)
        return IFM_OK;
    bool query = strstr(tensor->name, "attn_q.") != NULL;
    tensor->n_head = (int32_t)(query ? self->n_head : self->n_kv_head);
    if (from->n_dimensions < 1 || from->n_dimensions > 2 ||
        from->shape[0] != tensor->n_head * self->head_dim)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\" has not %d heads of %lld numbers, as %s says",
                        from->file, from->name, tensor->n_head, (long long)self->head_dim,
                        self->file);
    return IFM_OK;
}

/* Where a tensor of the checkpoint goes: `to` becomes its name, *order its place. NULL:
 * nowhere. */
static const naming *find_place(const reader *self, const char *checkpoint_name,
                                char to[128], int64_t *order)
{
    const char *prefix = self->gpt2 ? "transformer." : "model.";
    const char *name = skip_prefix(checkpoint_name, prefix), *tail = NULL;
    const naming *all = self->gpt2 ? gpt2_model : llama_model, *found;
    size_t count = self->gpt2 ? COUNT(gpt2_model) : COUNT(llama_model);
    int layer = -1, n = 0;
    bool inside = sscanf(name, self->gpt2 ? "h.%d.%n" : "layers.%d.%n", &layer, &n) == 1;
    if (inside && n > 0 && layer >= 0 && layer < self->plan->n_layer) {
        all = self->gpt2 ? gpt2_layer : llama_layer;
        count = self->gpt2 ? COUNT(gpt2_layer) : COUNT(llama_layer);
        found = find_naming(all, count, name + n, &tail);
        if (found != NULL)
            snprintf(to, 128, "blk.%d.%s%s", layer, found->to, tail);
        /* As the forward pass goes: embeddings, layers, head. */
        *order = 100 * (int64_t)layer + (found - all);
        return found;
    }
    found = find_naming(all, count, name, &tail);
    if (found != NULL)
        snprintf(to, 128, "%s%s", found->to, tail);
    *order = found != NULL && strstr(found->to, "_embd") != NULL ? -1 : INT64_MAX;
    return found;
}

static ifm_status add_tensor(reader *self, const ifm_tensor *from, ifm_error *err)
{
    char to[128];
    int64_t order = 0;
    if (is_constant(from->name) ||
        (self->tied && strcmp(from->name, "lm_head.weight") == 0))
        return IFM_OK;
    const naming *place = find_place(self, from->name, to, &order);
    if (place == NULL)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: tensor \"%s\" has no place in a %s model", from->file,
                        from->name, self->family->model_type);
    ifm_convert_change change = place->change;
    bool bias = from->n_dimensions == 1;
    if ((change == IFM_CONVERT_TRANSPOSED && bias) ||
        (change == IFM_CONVERT_ROTATED && !self->family->rotated))
        change = IFM_CONVERT_ROWS;
    if (change == IFM_CONVERT_TRANSPOSED && from->n_dimensions != 2)
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: tensor \"%s\" is no matrix", from->file,
                        from->name);
    ifm_convert_tensor *tensor = ifm_convert_plan_add(self->plan, to, from, change);
    if (tensor == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a list of tensors");
    tensor->order = order;
    return check_heads(self, from, tensor, err);
}

static ifm_status find_family(reader *self, ifm_error *err)
{
    const char *type = NULL;
    ifm_status st = ifm_json_string(self->config, self->file, "model_type", &type, err);
    if (st != IFM_OK)
        return st;
    for (size_t i = 0; type != NULL && i < COUNT(families); i++)
        if (strcmp(families[i].model_type, type) == 0)
            self->family = &families[i];
    if (self->family == NULL)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: model_type \"%s\", expected gpt2, llama, mistral, qwen2 or "
                        "qwen3",
                        self->file, type != NULL ? type : "");
    self->architecture = self->family->architecture;
    self->gpt2 = strcmp(self->architecture, "gpt2") == 0;
    self->tied = self->gpt2;
    return ifm_json_bool(self->config, self->file, "tie_word_embeddings", &self->tied,
                         err);
}

/* The last part of a path, as a name for people. */
static void put_general(const reader *self, const char *directory)
{
    ifm_gguf_writer *writer = &self->plan->writer;
    size_t n = strlen(directory), begin;
    while (n > 1 && directory[n - 1] == '/')
        n--;
    for (begin = n; begin > 0 && directory[begin - 1] != '/'; begin--)
        ;
    ifm_gguf_put_string(writer, "general.architecture", self->architecture,
                        strlen(self->architecture));
    ifm_gguf_put_string(writer, "general.type", "model", 5);
    ifm_gguf_put_string(writer, "general.name", directory + begin, n - begin);
}

static ifm_status put_all(reader *self, const ifm_weights *weights, const char *directory,
                          ifm_error *err)
{
    int64_t n_vocab = 0;
    ifm_status st = find_family(self, err);
    if (st != IFM_OK)
        return st;
    put_general(self, directory);
    st = self->gpt2 ? put_gpt2(self, err) : put_llama(self, err);
    for (size_t i = 0; st == IFM_OK && i < ifm_weights_count(weights); i++)
        st = add_tensor(self, ifm_weights_at(weights, i), err);
    bool head = self->tied;
    for (size_t i = 0; st == IFM_OK && i < self->plan->n_tensors; i++) {
        const ifm_convert_tensor *tensor = &self->plan->tensors[i];
        head = head || strcmp(tensor->name, "output.weight") == 0;
        if (strcmp(tensor->name, "token_embd.weight") == 0)
            n_vocab = tensor->shape[0];
    }
    if (st == IFM_OK && (n_vocab < 1 || n_vocab > MAX_SIZE || !head))
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: has no %s", directory,
                      head ? "token embedding" : "lm_head.weight, which is not tied");
    if (st != IFM_OK)
        return st;
    bool found = true;
    put_size(self, "vocab_size", n_vocab);
    st = ifm_convert_put_tokenizer(&self->plan->writer, directory, self->config, n_vocab,
                                   &found, err);
    self->plan->no_tokenizer = !found;
    return st;
}

ifm_status ifm_convert_plan_directory(ifm_convert_plan *self, const ifm_weights *weights,
                                      const char *directory, ifm_error *err)
{
    ifm_buffer path = {0};
    ifm_buffer_printf(&path, "%s/config.json", directory);
    reader source = {.plan = self, .file = ifm_buffer_text(&path)};
    ifm_status st = ifm_json_read(source.file, MAX_CONFIG_BYTES, &source.config, err);
    if (st == IFM_OK)
        st = put_all(&source, weights, directory, err);
    json_decref(source.config);
    ifm_buffer_deinit(&path);
    return st;
}
