/*
 * Binding: from named tensors to what a forward pass reads.
 *
 * A family asks for parts of a layer; a table of names says how a file calls them; here
 * they are found, their shapes and types checked, counted, and vectors copied to aligned
 * f32.
 */
#ifndef IFM_MODEL_BIND_H
#define IFM_MODEL_BIND_H

#include "model/model.h"

/* What tensors are for, whatever they are called. */
typedef enum ifm_part {
    /* of a model: */
    IFM_PART_EMBEDDING, /* [V, C] */
    IFM_PART_POSITIONS, /* [P, C] */
    IFM_PART_NORM,      /* before the head */
    IFM_PART_HEAD,      /* [V, C] */
    IFM_PART_FACTORS,   /* [r/2] of rotation */
    /* of a layer: */
    IFM_PART_ATTN_NORM,
    IFM_PART_QKV,
    IFM_PART_Q,
    IFM_PART_K,
    IFM_PART_V,
    IFM_PART_Q_NORM,
    IFM_PART_K_NORM,
    IFM_PART_O,
    IFM_PART_MLP_NORM,
    IFM_PART_GATE,
    IFM_PART_UP,
    IFM_PART_DOWN,
    IFM_PART_COUNT,
} ifm_part;

/* How one kind of file calls them: prefix + layers + number + "." + part + ".weight". */
typedef struct ifm_names {
    const char *prefix; /* "model.": a file may have it or not; "": there is none */
    const char *layers; /* "layers." */
    const char *parts[IFM_PART_COUNT];
    ifm_layout layout; /* of the matrices of layers */
} ifm_names;

extern const ifm_names ifm_names_gpt2, ifm_names_llama; /* of the hub's files */
extern const ifm_names ifm_names_gguf;

typedef struct ifm_binder {
    ifm_model *model;
    const ifm_tensor_source *source;
    const ifm_names *names;
    float *next, *end; /* where the next vector goes in model->vectors */
    ifm_error *err;
} ifm_binder;

/* For parts of the model, in place of the number of a layer. */
enum { IFM_NO_LAYER = -1 };

/* Floats that a vector of n takes. */
int64_t ifm_vector_room(int64_t n);

/* Begins to bind, with room for `floats` floats of vectors, the sum of their
 * ifm_vector_room. Errors: NO_MEMORY. */
ifm_status ifm_binder_begin(ifm_binder *self, ifm_model *model,
                            const ifm_tensor_source *source, const ifm_names *hub_names,
                            int64_t floats, ifm_error *err);

/* The vector "<part>.weight" of n. */
ifm_status ifm_bind_vector(ifm_binder *self, int32_t layer, ifm_part part, int64_t n,
                           const float **out);
/* "<part>.weight" of n and, when there is to be one, "<part>.bias". */
ifm_status ifm_bind_norm(ifm_binder *self, int32_t layer, ifm_part part, int64_t n,
                         bool bias, ifm_norm *out);
/* A matrix from k to n and, when there is to be one, its bias. */
ifm_status ifm_bind_linear(ifm_binder *self, int32_t layer, ifm_part part, int64_t k,
                           int64_t n, bool bias, ifm_linear *out);
/* A table of which passes take rows: [rows, C]. */
ifm_status ifm_bind_embedding(ifm_binder *self, ifm_part part, int64_t rows,
                              const ifm_tensor **out);
/* The output head: a matrix of its own or, when config says so, the embedding. */
ifm_status ifm_bind_head(ifm_binder *self, const ifm_tensor *embedding, ifm_linear *out);

/* Whether the file has "<part>.weight", of any shape. */
bool ifm_bind_has(const ifm_binder *self, int32_t layer, ifm_part part);

#endif
