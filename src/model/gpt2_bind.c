/* The tensors of GPT-2. Old files also carry attn.bias and attn.masked_bias, the causal
 * mask, which nobody asks for here. */
#include <stdlib.h>

#include "base/error.h"
#include "model/bind.h"
#include "model/gpt2.h"

static ifm_status bind_layer(ifm_binder *b, int32_t i)
{
    ifm_gpt2_layer *layer = &b->model->gpt2.layers[i];
    const int64_t c = b->model->config.n_embd, f = b->model->config.n_inner;
    ifm_status status = ifm_bind_norm(b, i, IFM_PART_ATTN_NORM, c, true, &layer->ln_1);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_QKV, c, 3 * c, true, &layer->attn_qkv);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_O, c, c, true, &layer->attn_proj);
    if (status == IFM_OK)
        status = ifm_bind_norm(b, i, IFM_PART_MLP_NORM, c, true, &layer->ln_2);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_UP, c, f, true, &layer->mlp_fc);
    if (status == IFM_OK)
        status = ifm_bind_linear(b, i, IFM_PART_DOWN, f, c, true, &layer->mlp_proj);
    return status;
}

/* Two norms and four biases a layer, and the last norm. */
static int64_t vector_floats(const ifm_config *config)
{
    const int64_t c = ifm_vector_room(config->n_embd);
    return config->n_layer * (6 * c + ifm_vector_room(3 * (int64_t)config->n_embd) +
                              ifm_vector_room(config->n_inner)) +
           2 * c;
}

ifm_status ifm_gpt2_bind(ifm_model *self, const ifm_tensor_source *source, ifm_error *err)
{
    const ifm_config *config = &self->config;
    ifm_binder b;
    self->gpt2 =
        (ifm_gpt2){.layers = calloc((size_t)config->n_layer, sizeof *self->gpt2.layers)};
    if (!self->gpt2.layers)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory for its layers");
    ifm_status status =
        ifm_binder_begin(&b, self, source, &ifm_names_gpt2, vector_floats(config), err);
    if (status == IFM_OK)
        status =
            ifm_bind_embedding(&b, IFM_PART_EMBEDDING, config->n_vocab, &self->gpt2.wte);
    if (status == IFM_OK)
        status = ifm_bind_embedding(&b, IFM_PART_POSITIONS, config->n_positions,
                                    &self->gpt2.wpe);
    for (int32_t i = 0; status == IFM_OK && i < config->n_layer; i++)
        status = bind_layer(&b, i);
    if (status == IFM_OK)
        status = ifm_bind_norm(&b, IFM_NO_LAYER, IFM_PART_NORM, config->n_embd, true,
                               &self->gpt2.ln_f);
    if (status == IFM_OK)
        status = ifm_bind_head(&b, self->gpt2.wte, &self->gpt2.head);
    return status;
}

void ifm_gpt2_unbind(ifm_model *self)
{
    free(self->gpt2.layers);
    self->gpt2 = (ifm_gpt2){0};
}
