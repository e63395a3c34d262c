/*
 * A model in memory: what its file says, bound to what the forward pass needs.
 *
 * Matrices stay in the mapped file. Vectors (biases, norms) are copied to aligned f32 at
 * opening, whatever their type: they are a thousandth of the bytes, and a file may hold
 * them at odd addresses.
 */
#ifndef IFM_MODEL_MODEL_H
#define IFM_MODEL_MODEL_H

#include "inferometer/model.h"
#include "format/weights.h"
#include "kern/matmul.h"
#include "model/config.h"
#include "model/loader.h"

/* y = x W + bias. */
typedef struct ifm_linear {
    ifm_matrix w;
    const float *bias; /* [N], or NULL */
} ifm_linear;

typedef struct ifm_norm {
    const float *gain; /* [C] */
    const float *bias; /* [C] */
} ifm_norm;

typedef struct ifm_gpt2_layer {
    ifm_norm ln_1;
    ifm_linear attn_qkv;  /* [C, 3C]: queries, keys, values side by side */
    ifm_linear attn_proj; /* [C, C] */
    ifm_norm ln_2;
    ifm_linear mlp_fc;   /* [C, F] */
    ifm_linear mlp_proj; /* [F, C] */
} ifm_gpt2_layer;

typedef struct ifm_gpt2 {
    const ifm_tensor *wte;  /* [V, C] token embedding */
    const ifm_tensor *wpe;  /* [P, C] position embedding */
    ifm_gpt2_layer *layers; /* [L] */
    ifm_norm ln_f;
    ifm_linear head; /* [V, C] as NK: wte when tied */
} ifm_gpt2;

struct ifm_model {
    ifm_config config;
    ifm_weights *weights; /* NULL when the tensors are the caller's */
    ifm_loader *loader;   /* NULL when there is nothing to load */
    const ifm_kern *kern;
    ifm_gpt2 gpt2;
    float *vectors; /* one block that holds every bias and norm */
    char *path, *name;
    ifm_model_info info;
};

/* Looks up a tensor by name; NULL when there is none. */
typedef const ifm_tensor *(*ifm_tensor_finder)(const void *source, const char *name);

/* Binds the tensors that `find` knows to *self, whose config and kern are set: checks each
 * shape against the config, copies vectors to self->vectors and self->gpt2.layers (both
 * released by ifm_gpt2_unbind). Tensors outlive the model. Errors: NOT_FOUND
 * (a tensor), FORMAT (a shape), NO_MEMORY. */
ifm_status ifm_gpt2_bind(ifm_model *self, ifm_tensor_finder find, const void *source,
                         ifm_error *err);
void ifm_gpt2_unbind(ifm_model *self);

#endif
