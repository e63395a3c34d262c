/*
 * From named tensors to a bound GPT-2: names, shapes, and vectors copied to aligned f32.
 *
 * Names come with the prefix "transformer." (saved from the language model) or without
 * (saved from the bare model); old files also carry attn.bias and attn.masked_bias, the
 * causal mask, which nobody asks for here.
 */
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

enum { VECTOR_UNIT = 16 }; /* floats: vectors start at cache lines */

typedef struct binder {
    ifm_model *model;
    ifm_tensor_finder find;
    const void *source;
    float *next; /* where the next vector goes in model->vectors */
    ifm_error *err;
} binder;

static ifm_status find_tensor(const binder *b, const char *name, const ifm_tensor **out)
{
    char full[128];
    snprintf(full, sizeof full, "transformer.%s", name);
    *out = b->find(b->source, full);
    if (!*out)
        *out = b->find(b->source, name);
    if (*out)
        return IFM_OK;
    return ifm_fail(b->err, IFM_ERR_FORMAT,
                    "tensor \"%s\" (or \"%s\") is in none of the weight files, expected "
                    "of a GPT-2 with %" PRId32
                    " layers: is it another model's config.json?",
                    full, name, b->model->config.n_layer);
}

/* The tensor `name`, which must have the shape [rows, columns], or [columns] when rows is
 * 0. */
static ifm_status find_shaped(const binder *b, const char *name, int64_t rows,
                              int64_t columns, const ifm_tensor **out)
{
    char expected[48], found[128] = "[";
    const ifm_status status = find_tensor(b, name, out);
    if (status != IFM_OK)
        return status;
    const ifm_tensor *x = *out;
    const int32_t n = rows ? 2 : 1;
    if (x->n_dimensions == n && x->shape[n - 1] == columns &&
        (!rows || x->shape[0] == rows))
        return IFM_OK;
    if (rows)
        snprintf(expected, sizeof expected, "[%" PRId64 ", %" PRId64 "]", rows, columns);
    else
        snprintf(expected, sizeof expected, "[%" PRId64 "]", columns);
    for (int32_t i = 0; i < x->n_dimensions; i++) {
        const size_t at = strlen(found);
        snprintf(found + at, sizeof found - at, "%s%" PRId64, i ? ", " : "", x->shape[i]);
    }
    return ifm_fail(b->err, IFM_ERR_FORMAT,
                    "%s: tensor \"%s\" has the shape %s], config.json expects %s",
                    x->file, x->name, found, expected);
}

static ifm_status bind_vector(binder *b, const char *name, int64_t n, const float **out)
{
    const ifm_tensor *x;
    const ifm_status status = find_shaped(b, name, 0, n, &x);
    if (status != IFM_OK)
        return status;
    b->model->kern->to_f32[x->dtype](b->next, x->data, n);
    *out = b->next;
    b->next += ifm_align_up((size_t)n, VECTOR_UNIT);
    return IFM_OK;
}

/* "h.3.ln_1.weight" → part = "h.3.ln_1". */
static ifm_status bind_norm(binder *b, const char *part, ifm_norm *out)
{
    char name[96];
    const int64_t c = b->model->config.n_embd;
    snprintf(name, sizeof name, "%s.weight", part);
    const ifm_status status = bind_vector(b, name, c, &out->gain);
    if (status != IFM_OK)
        return status;
    snprintf(name, sizeof name, "%s.bias", part);
    return bind_vector(b, name, c, &out->bias);
}

/* A Conv1D of Transformers: weight [K in, N out]. */
static ifm_status bind_conv(binder *b, int32_t layer, const char *part, int64_t k,
                            int64_t n, ifm_linear *out)
{
    char name[96];
    const ifm_tensor *x;
    snprintf(name, sizeof name, "h.%" PRId32 ".%s.weight", layer, part);
    const ifm_status status = find_shaped(b, name, k, n, &x);
    if (status != IFM_OK)
        return status;
    out->w = (ifm_matrix){x->data, x->dtype, IFM_LAYOUT_KN, k, n};
    snprintf(name, sizeof name, "h.%" PRId32 ".%s.bias", layer, part);
    return bind_vector(b, name, n, &out->bias);
}

static ifm_status bind_layer(binder *b, int32_t i)
{
    ifm_gpt2_layer *layer = &b->model->gpt2.layers[i];
    const int64_t c = b->model->config.n_embd, f = b->model->config.n_inner;
    char ln_1[32], ln_2[32];
    snprintf(ln_1, sizeof ln_1, "h.%" PRId32 ".ln_1", i);
    snprintf(ln_2, sizeof ln_2, "h.%" PRId32 ".ln_2", i);
    ifm_status status = bind_norm(b, ln_1, &layer->ln_1);
    if (status == IFM_OK)
        status = bind_conv(b, i, "attn.c_attn", c, 3 * c, &layer->attn_qkv);
    if (status == IFM_OK)
        status = bind_conv(b, i, "attn.c_proj", c, c, &layer->attn_proj);
    if (status == IFM_OK)
        status = bind_norm(b, ln_2, &layer->ln_2);
    if (status == IFM_OK)
        status = bind_conv(b, i, "mlp.c_fc", c, f, &layer->mlp_fc);
    if (status == IFM_OK)
        status = bind_conv(b, i, "mlp.c_proj", f, c, &layer->mlp_proj);
    return status;
}

static ifm_status bind_head(binder *b)
{
    const ifm_config *config = &b->model->config;
    const ifm_tensor *x = b->model->gpt2.wte;
    if (!config->tied_head) {
        x = b->find(b->source, "lm_head.weight");
        if (!x)
            return ifm_fail(
                b->err, IFM_ERR_FORMAT,
                "tensor \"lm_head.weight\" is in none of the weight files, but "
                "config.json says \"tie_word_embeddings\": false");
        if (x->n_dimensions != 2 || x->shape[0] != config->n_vocab ||
            x->shape[1] != config->n_embd)
            return find_shaped(b, "lm_head.weight", config->n_vocab, config->n_embd, &x);
    }
    b->model->gpt2.head.w =
        (ifm_matrix){x->data, x->dtype, IFM_LAYOUT_NK, config->n_embd, config->n_vocab};
    return IFM_OK;
}

/* Floats of all vectors: four of C and three linear biases a layer, and the last norm. */
static size_t vector_floats(const ifm_config *config)
{
    const size_t c = ifm_align_up((size_t)config->n_embd, VECTOR_UNIT);
    const size_t qkv = ifm_align_up(3 * (size_t)config->n_embd, VECTOR_UNIT);
    const size_t f = ifm_align_up((size_t)config->n_inner, VECTOR_UNIT);
    return (size_t)config->n_layer * (6 * c + qkv + f) + 2 * c;
}

ifm_status ifm_gpt2_bind(ifm_model *self, ifm_tensor_finder find, const void *source,
                         ifm_error *err)
{
    const ifm_config *config = &self->config;
    binder b = {.model = self, .find = find, .source = source, .err = err};
    self->gpt2 = (ifm_gpt2){0};
    self->gpt2.layers = calloc((size_t)config->n_layer, sizeof *self->gpt2.layers);
    self->vectors = aligned_alloc(64, vector_floats(config) * sizeof(float));
    if (!self->gpt2.layers || !self->vectors) {
        ifm_gpt2_unbind(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory for its vectors");
    }
    b.next = self->vectors;
    ifm_status status =
        find_shaped(&b, "wte.weight", config->n_vocab, config->n_embd, &self->gpt2.wte);
    if (status == IFM_OK)
        status = find_shaped(&b, "wpe.weight", config->n_positions, config->n_embd,
                             &self->gpt2.wpe);
    for (int32_t i = 0; status == IFM_OK && i < config->n_layer; i++)
        status = bind_layer(&b, i);
    if (status == IFM_OK)
        status = bind_norm(&b, "ln_f", &self->gpt2.ln_f);
    if (status == IFM_OK)
        status = bind_head(&b);
    if (status != IFM_OK)
        ifm_gpt2_unbind(self);
    return status;
}

void ifm_gpt2_unbind(ifm_model *self)
{
    free(self->vectors);
    free(self->gpt2.layers);
    self->vectors = NULL;
    self->gpt2 = (ifm_gpt2){0};
}
