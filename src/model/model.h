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

/* A layer norm, or, without bias, an RMS norm. */
typedef struct ifm_norm {
    const float *gain; /* [C] */
    const float *bias; /* [C], or NULL */
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

/* H query heads, G key-value heads, D head width; all matrices as NK. */
typedef struct ifm_llama_layer {
    ifm_norm attn_norm;
    ifm_linear q, k, v;      /* [H D, C], [G D, C], [G D, C] */
    ifm_norm q_norm, k_norm; /* [D] of each head; gain NULL: none */
    ifm_linear o;            /* [C, H D] */
    ifm_norm mlp_norm;
    ifm_linear gate, up; /* [F, C] */
    ifm_linear down;     /* [C, F] */
} ifm_llama_layer;

typedef struct ifm_llama {
    const ifm_tensor *embedding; /* [V, C] */
    ifm_llama_layer *layers;     /* [L] */
    ifm_norm norm;
    ifm_linear head;          /* [V, C]: the embedding when tied */
    const float *frequencies; /* [r/2] angles that a position turns by */
} ifm_llama;

/* Where the tensors of a model are found. */
typedef struct ifm_tensor_source {
    /* The tensor `name`; NULL when there is none. */
    const ifm_tensor *(*find)(const void *arg, const char *name);
    /* The type of a tensor that is there, but that nothing computes with; or NULL. May be
     * NULL itself. */
    const char *(*left_out)(const void *arg, const char *name);
    const void *arg;
    bool gguf; /* names as GGUF files have them, else those of the hub */
} ifm_tensor_source;

/* What binding has counted of the tensors that are used. */
typedef struct ifm_weight_count {
    int64_t parameters;             /* tied weights once */
    int64_t bytes[IFM_DTYPE_COUNT]; /* of each type */
    int64_t decode_bytes; /* what a decode step reads: matrices, and vectors as f32; of
                             embeddings only a row, which is left out */
} ifm_weight_count;

/* What a family of models is to the rest of the engine. */
typedef struct ifm_family_ops {
    /* Binds the tensors of `source` to *self, whose config and kern are set: checks each
     * shape against the config and copies vectors. Tensors outlive the model. Whatever it
     * returns, `unbind` has to follow. Errors: FORMAT (a tensor is lacking, or of another
     * shape), UNSUPPORTED (a type), NO_MEMORY. */
    ifm_status (*bind)(ifm_model *self, const ifm_tensor_source *source, ifm_error *err);
    void (*unbind)(ifm_model *self);
    /* One pass over the rows of an ifm_session: appends them to the KV cache and computes
     * the logits of the last n_logits. A task for its pool. */
    void (*forward)(void *session, int thread);
} ifm_family_ops;

extern const ifm_family_ops ifm_gpt2_ops, ifm_llama_ops;

/* The operations of a family; never NULL. */
const ifm_family_ops *ifm_family_ops_of(ifm_family family);

struct ifm_model {
    ifm_config config;
    ifm_weights *weights; /* NULL when the tensors are the caller's */
    ifm_loader *loader;   /* NULL when there is nothing to load */
    const ifm_kern *kern;
    const ifm_family_ops *ops;
    union { /* which, the family says */
        ifm_gpt2 gpt2;
        ifm_llama llama;
    };
    float *vectors; /* one block that holds every bias and norm */
    ifm_weight_count count;
    char *path, *name;
    ifm_model_info info;
};

#endif
