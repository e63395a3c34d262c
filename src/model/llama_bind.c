/* The tensors of the Llama family, and the angles of its rotation. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "model/bind.h"
#include "model/llama.h"

/* ---- rotation ---------------------------------------------------------------------- */

/* What Llama 3.1 makes of a frequency: waves longer than the original context allows are
 * slowed down by `factor`, short ones are left, and between them it goes smoothly
 * (Transformers, modeling_rope_utils). In f32 as there. */
static float scale_llama3(const ifm_rope *rope, float frequency)
{
    const float factor = (float)rope->factor, low = (float)rope->low_freq_factor,
                high = (float)rope->high_freq_factor,
                original = (float)rope->original_positions;
    const float wave = 2 * (float)M_PI / frequency;
    if (wave > original / low)
        return frequency / factor;
    if (wave < original / high)
        return frequency;
    const float smooth = (original / wave - low) / (high - low);
    return (1 - smooth) * (frequency / factor) + smooth * frequency;
}

/* Radians by which pair i of r/2 turns from one position to the next, rounded to f32 at
 * the same places as in Transformers: at position 100,000 an angle differs visibly
 * otherwise. */
static float frequency_of(const ifm_rope *rope, int32_t i)
{
    const float exponent = (float)(2 * i) / (float)rope->r;
    const float frequency = 1.0f / (float)pow(rope->base, (double)exponent);
    switch (rope->scaling) {
    case IFM_ROPE_LINEAR:
        return frequency / (float)rope->factor;
    case IFM_ROPE_LLAMA3:
        return scale_llama3(rope, frequency);
    default:
        return frequency;
    }
}

static ifm_status bind_rotation(ifm_binder *b)
{
    const ifm_rope *rope = &b->model->config.rope;
    const int64_t half = rope->r / 2;
    const float *factors = NULL;
    ifm_status status = IFM_OK;
    if (rope->divided)
        status = ifm_bind_vector(b, IFM_NO_LAYER, IFM_PART_FACTORS, half, &factors);
    if (status != IFM_OK)
        return status;
    for (int32_t i = 0; i < half; i++)
        b->next[i] = frequency_of(rope, i) / (factors ? factors[i] : 1.0f);
    b->model->llama.frequencies = b->next;
    b->next += ifm_vector_room(half);
    return IFM_OK;
}

/* ---- layers ------------------------------------------------------------------------ */

static ifm_status bind_attention(ifm_binder *b, int32_t i)
{
    ifm_llama_layer *layer = &b->model->llama.layers[i];
    const ifm_config *config = &b->model->config;
    const int64_t c = config->n_embd, d = config->head_dim;
    const int64_t heads = config->n_head * d, kv_heads = config->n_kv_head * d;
    const bool bias = config->qkv_bias;
    ifm_status status =
        ifm_bind_norm(b, i, IFM_PART_ATTN_NORM, c, false, &layer->attn_norm);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_Q, c, heads, bias, &layer->q);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_K, c, kv_heads, bias, &layer->k);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_V, c, kv_heads, bias, &layer->v);
    if (status == IFM_OK && config->qk_norm)
        status = ifm_bind_norm(b, i, IFM_PART_Q_NORM, d, false, &layer->q_norm);
    if (status == IFM_OK && config->qk_norm)
        status = ifm_bind_norm(b, i, IFM_PART_K_NORM, d, false, &layer->k_norm);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_O, heads, c, config->o_bias, &layer->o);
    return status;
}

static ifm_status bind_mlp(ifm_binder *b, int32_t i)
{
    ifm_llama_layer *layer = &b->model->llama.layers[i];
    const ifm_config *config = &b->model->config;
    const int64_t c = config->n_embd, f = config->n_inner;
    const bool bias = config->mlp_bias;
    ifm_status status =
        ifm_bind_norm(b, i, IFM_PART_MLP_NORM, c, false, &layer->mlp_norm);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_GATE, c, f, bias, &layer->gate);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_UP, c, f, bias, &layer->up);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_DOWN, f, c, bias, &layer->down);
    return status;
}

/* Four norms and seven biases a layer, the last norm, factors and frequencies. */
static int64_t vector_floats(const ifm_config *config)
{
    const int64_t c = ifm_vector_room(config->n_embd), d = config->head_dim;
    const int64_t heads = ifm_vector_room(config->n_head * d);
    return config->n_layer * (4 * c + 2 * ifm_vector_room(d) + 3 * heads +
                              2 * ifm_vector_room(config->n_inner)) +
           c + 2 * ifm_vector_room(d);
}

ifm_status ifm_llama_bind(ifm_model *self, const ifm_tensor_source *source,
                          ifm_error *err)
{
    const ifm_config *config = &self->config;
    ifm_llama *llama = &self->llama;
    ifm_binder b;
    *llama =
        (ifm_llama){.layers = calloc((size_t)config->n_layer, sizeof *llama->layers)};
    if (!llama->layers)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory for its layers");
    ifm_status status =
        ifm_binder_begin(&b, self, source, &ifm_names_llama, vector_floats(config), err);
    if (status == IFM_OK)
        status = bind_rotation(&b);
    if (status == IFM_OK)
        status = ifm_bind_embedding(&b, IFM_PART_EMBEDDING, config->n_vocab,
                                    &llama->embedding);
    for (int32_t i = 0; status == IFM_OK && i < config->n_layer; i++) {
        status = bind_attention(&b, i);
        if (status == IFM_OK)
            status = bind_mlp(&b, i);
    }
    if (status == IFM_OK)
        status = ifm_bind_norm(&b, IFM_NO_LAYER, IFM_PART_NORM, config->n_embd, false,
                               &llama->norm);
    if (status == IFM_OK)
        status = ifm_bind_head(&b, llama->embedding, &llama->head);
    return status;
}

void ifm_llama_unbind(ifm_model *self)
{
    free(self->llama.layers);
    self->llama = (ifm_llama){0};
}
