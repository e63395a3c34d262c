/*
 * Scales of random weights are those with which the models are initialised (Radford et al.
 * 2019, section 2.3; transformers, GPT2PreTrainedModel and LlamaPreTrainedModel): 0.02, and
 * 0.02/√(2L) where a layer writes to the residual stream. Gains and biases are given some
 * noise, so that a test would notice if one were forgotten.
 */
#include "model/synth_plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/synth.h"

#define GPT2(L, H, C)                                                                    \
    "gpt2", L, H, H, (C) / (H), C, 4 * (C), 1024, 50257, true, 50256, 50256, 0, NULL, NULL

static const char llama3[] =
    "{\"factor\": 32.0, \"high_freq_factor\": 4.0, \"low_freq_factor\": 1.0, "
    "\"original_max_position_embeddings\": 8192, \"rope_type\": \"llama3\"}";

static const ifm_synth_shape shapes[] = {
    {"tiny-gpt2", GPT2(2, 2, 2)},
    {"distilgpt2", GPT2(6, 12, 768)},
    {"gpt2", GPT2(12, 12, 768)},
    {"gpt2-medium", GPT2(24, 16, 1024)},
    {"gpt2-large", GPT2(36, 20, 1280)},
    {"gpt2-xl", GPT2(48, 25, 1600)},
    {"tiny-llama", "llama", 2, 4, 2, 8, 32, 64, 2048, 512, true, 1, 2, 1e4, "1e-05",
     "null"},
    {"smollm2-135m", "llama", 30, 9, 3, 64, 576, 1536, 8192, 49152, true, 0, 0, 1e5,
     "1e-05", "null"},
    {"tinyllama", "llama", 22, 32, 4, 64, 2048, 5632, 2048, 32000, false, 1, 2, 1e4,
     "1e-05", "null"},
    {"llama-3.2-1b", "llama", 16, 32, 8, 64, 2048, 8192, 131072, 128256, true, 128000,
     128001, 5e5, "1e-05", llama3},
    {"qwen2.5-0.5b", "qwen2", 24, 14, 2, 64, 896, 4864, 32768, 151936, true, 151643,
     151643, 1e6, "1e-06", "null"},
    {"qwen3-0.6b", "qwen3", 28, 16, 8, 128, 1024, 3072, 40960, 151936, true, 151643,
     151645, 1e6, "1e-06", "null"},
};

const char *ifm_synth_shapes(void)
{
    return "tiny-gpt2, distilgpt2, gpt2, gpt2-medium, gpt2-large, gpt2-xl, tiny-llama, "
           "smollm2-135m, tinyllama, llama-3.2-1b, qwen2.5-0.5b, qwen3-0.6b";
}

const ifm_synth_shape *ifm_synth_shape_find(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (strcmp(name, shapes[i].name) == 0)
            return &shapes[i];
    return NULL;
}

/* ---- tensors ----------------------------------------------------------------------- */

typedef struct list {
    const ifm_synth_shape *shape;
    ifm_synth_tensor *tensors;
    size_t n;
    const char *layers; /* "h.%d." without the rest: what stands before the number */
} list;

static const float normal = 0.02f, gain = 0.05f;

/* Of the model, or of a layer when layer ≥ 0; columns 0: a vector. */
static void add(list *self, int layer, const char *name, int64_t rows, int64_t columns,
                float mean, float deviation)
{
    ifm_synth_tensor *tensor = &self->tensors[self->n++];
    *tensor = (ifm_synth_tensor){
        .rows = rows, .columns = columns, .mean = mean, .deviation = deviation};
    if (layer >= 0)
        snprintf(tensor->name, sizeof tensor->name, "%s%d.%s", self->layers, layer, name);
    else
        snprintf(tensor->name, sizeof tensor->name, "%s", name);
}

static float residual(const ifm_synth_shape *shape)
{
    return normal / sqrtf(2.0f * (float)shape->n_layer);
}

static void add_gpt2_layer(list *self, int layer)
{
    const float to_residual = residual(self->shape);
    const int64_t c = self->shape->n_embd;
    add(self, layer, "ln_1.weight", c, 0, 1, gain);
    add(self, layer, "ln_1.bias", c, 0, 0, normal);
    add(self, layer, "attn.c_attn.weight", c, 3 * c, 0, normal);
    add(self, layer, "attn.c_attn.bias", 3 * c, 0, 0, normal);
    add(self, layer, "attn.c_proj.weight", c, c, 0, to_residual);
    add(self, layer, "attn.c_proj.bias", c, 0, 0, to_residual);
    add(self, layer, "ln_2.weight", c, 0, 1, gain);
    add(self, layer, "ln_2.bias", c, 0, 0, normal);
    add(self, layer, "mlp.c_fc.weight", c, 4 * c, 0, normal);
    add(self, layer, "mlp.c_fc.bias", 4 * c, 0, 0, normal);
    add(self, layer, "mlp.c_proj.weight", 4 * c, c, 0, to_residual);
    add(self, layer, "mlp.c_proj.bias", c, 0, 0, to_residual);
}

static void add_gpt2(list *self)
{
    const ifm_synth_shape *shape = self->shape;
    self->layers = "h.";
    for (int i = 0; i < shape->n_layer; i++)
        add_gpt2_layer(self, i);
    add(self, -1, "ln_f.weight", shape->n_embd, 0, 1, gain);
    add(self, -1, "ln_f.bias", shape->n_embd, 0, 0, normal);
    add(self, -1, "wpe.weight", shape->n_positions, shape->n_embd, 0, normal);
    add(self, -1, "wte.weight", shape->n_vocab, shape->n_embd, 0, normal);
}

static void add_llama_layer(list *self, int layer)
{
    const ifm_synth_shape *shape = self->shape;
    const float to_residual = residual(shape);
    const int64_t c = shape->n_embd, f = shape->n_inner, d = shape->head_dim;
    const int64_t heads = shape->n_head * d, kv_heads = shape->n_kv_head * d;
    add(self, layer, "input_layernorm.weight", c, 0, 1, gain);
    add(self, layer, "self_attn.q_proj.weight", heads, c, 0, normal);
    add(self, layer, "self_attn.k_proj.weight", kv_heads, c, 0, normal);
    add(self, layer, "self_attn.v_proj.weight", kv_heads, c, 0, normal);
    if (strcmp(shape->family, "qwen2") == 0) {
        add(self, layer, "self_attn.q_proj.bias", heads, 0, 0, normal);
        add(self, layer, "self_attn.k_proj.bias", kv_heads, 0, 0, normal);
        add(self, layer, "self_attn.v_proj.bias", kv_heads, 0, 0, normal);
    }
    if (strcmp(shape->family, "qwen3") == 0) {
        add(self, layer, "self_attn.q_norm.weight", d, 0, 1, gain);
        add(self, layer, "self_attn.k_norm.weight", d, 0, 1, gain);
    }
    add(self, layer, "self_attn.o_proj.weight", c, heads, 0, to_residual);
    add(self, layer, "post_attention_layernorm.weight", c, 0, 1, gain);
    add(self, layer, "mlp.gate_proj.weight", f, c, 0, normal);
    add(self, layer, "mlp.up_proj.weight", f, c, 0, normal);
    add(self, layer, "mlp.down_proj.weight", c, f, 0, to_residual);
}

static void add_llama(list *self)
{
    const ifm_synth_shape *shape = self->shape;
    self->layers = "model.layers.";
    for (int i = 0; i < shape->n_layer; i++)
        add_llama_layer(self, i);
    add(self, -1, "model.norm.weight", shape->n_embd, 0, 1, gain);
    add(self, -1, "model.embed_tokens.weight", shape->n_vocab, shape->n_embd, 0, normal);
    if (!shape->tied)
        add(self, -1, "lm_head.weight", shape->n_vocab, shape->n_embd, 0, normal);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const ifm_synth_tensor *)a)->name,
                  ((const ifm_synth_tensor *)b)->name);
}

ifm_synth_tensor *ifm_synth_tensors(const ifm_synth_shape *shape, size_t *n)
{
    enum { OF_LAYER = 12, OF_MODEL = 4 };
    list self = {.shape = shape};
    self.tensors =
        calloc((size_t)shape->n_layer * OF_LAYER + OF_MODEL, sizeof *self.tensors);
    if (self.tensors == NULL)
        return NULL;
    if (strcmp(shape->family, "gpt2") == 0)
        add_gpt2(&self);
    else
        add_llama(&self);
    qsort(self.tensors, self.n, sizeof *self.tensors, compare_names);
    *n = self.n;
    return self.tensors;
}

/* ---- config.json ------------------------------------------------------------------- */

static const char *torch_name(ifm_dtype dtype)
{
    return dtype == IFM_DTYPE_F16    ? "float16"
           : dtype == IFM_DTYPE_BF16 ? "bfloat16"
                                     : "float32";
}

static void gpt2_config(const ifm_synth_shape *shape, ifm_dtype dtype, ifm_buffer *out)
{
    ifm_buffer_printf(out,
                      "{\n"
                      "  \"activation_function\": \"gelu_new\",\n"
                      "  \"architectures\": [\n    \"GPT2LMHeadModel\"\n  ],\n"
                      "  \"attn_pdrop\": 0.1,\n"
                      "  \"bos_token_id\": 50256,\n"
                      "  \"embd_pdrop\": 0.1,\n"
                      "  \"eos_token_id\": 50256,\n"
                      "  \"initializer_range\": 0.02,\n"
                      "  \"layer_norm_epsilon\": 1e-05,\n"
                      "  \"model_type\": \"gpt2\",\n"
                      "  \"n_ctx\": %d,\n"
                      "  \"n_embd\": %d,\n"
                      "  \"n_head\": %d,\n"
                      "  \"n_layer\": %d,\n"
                      "  \"n_positions\": %d,\n"
                      "  \"resid_pdrop\": 0.1,\n"
                      "  \"summary_activation\": null,\n"
                      "  \"summary_first_dropout\": 0.1,\n"
                      "  \"summary_proj_to_labels\": true,\n"
                      "  \"summary_type\": \"cls_index\",\n"
                      "  \"summary_use_proj\": true,\n"
                      "  \"torch_dtype\": \"%s\",\n"
                      "  \"vocab_size\": %d\n"
                      "}\n",
                      shape->n_positions, shape->n_embd, shape->n_head, shape->n_layer,
                      shape->n_positions, torch_name(dtype), shape->n_vocab);
}

static void llama_config(const ifm_synth_shape *shape, ifm_dtype dtype, ifm_buffer *out)
{
    const char *class = strcmp(shape->family, "qwen2") == 0   ? "Qwen2"
                        : strcmp(shape->family, "qwen3") == 0 ? "Qwen3"
                                                              : "Llama";
    ifm_buffer_printf(out,
                      "{\n"
                      "  \"architectures\": [\n    \"%sForCausalLM\"\n  ],\n"
                      "  \"attention_bias\": false,\n"
                      "  \"bos_token_id\": %d,\n"
                      "  \"eos_token_id\": %d,\n"
                      "  \"head_dim\": %d,\n"
                      "  \"hidden_act\": \"silu\",\n"
                      "  \"hidden_size\": %d,\n"
                      "  \"initializer_range\": 0.02,\n"
                      "  \"intermediate_size\": %d,\n"
                      "  \"max_position_embeddings\": %d,\n"
                      "  \"model_type\": \"%s\",\n"
                      "  \"num_attention_heads\": %d,\n"
                      "  \"num_hidden_layers\": %d,\n"
                      "  \"num_key_value_heads\": %d,\n"
                      "  \"rms_norm_eps\": %s,\n"
                      "  \"rope_scaling\": %s,\n"
                      "  \"rope_theta\": %.1f,\n"
                      "  \"tie_word_embeddings\": %s,\n"
                      "  \"torch_dtype\": \"%s\",\n"
                      "  \"use_cache\": true,\n"
                      "  \"vocab_size\": %d\n"
                      "}\n",
                      class, shape->bos, shape->eos, shape->head_dim, shape->n_embd,
                      shape->n_inner, shape->n_positions, shape->family, shape->n_head,
                      shape->n_layer, shape->n_kv_head, shape->epsilon, shape->scaling,
                      shape->rope_base, shape->tied ? "true" : "false", torch_name(dtype),
                      shape->n_vocab);
}

void ifm_synth_config(const ifm_synth_shape *shape, ifm_dtype dtype, ifm_buffer *out)
{
    if (strcmp(shape->family, "gpt2") == 0)
        gpt2_config(shape, dtype, out);
    else
        llama_config(shape, dtype, out);
}
