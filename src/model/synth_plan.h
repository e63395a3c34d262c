/*
 * What a synthetic checkpoint consists of: the published shapes, their tensors, their
 * config.json.
 */
#ifndef IFM_MODEL_SYNTH_PLAN_H
#define IFM_MODEL_SYNTH_PLAN_H

#include "base/buffer.h"
#include "format/dtype.h"

enum { IFM_SYNTH_MAX_NAME = 64 };

/* Letters as in inferometer/model.h. */
typedef struct ifm_synth_shape {
    const char *name;    /* on the hub, in lower case */
    const char *family;  /* "gpt2", or one of the Llama family */
    int n_layer;         /* L */
    int n_head;          /* H */
    int n_kv_head;       /* G */
    int head_dim;        /* D */
    int n_embd;          /* C */
    int n_inner;         /* F */
    int n_positions;     /* P */
    int n_vocab;         /* V */
    bool tied;           /* the head is the embedding */
    int bos, eos;        /* -1: none */
    double rope_base;    /* of the Llama family, as what follows */
    const char *epsilon; /* of its norms, as config.json writes it */
    const char *scaling; /* "rope_scaling" in config.json */
} ifm_synth_shape;

typedef struct ifm_synth_tensor {
    char name[IFM_SYNTH_MAX_NAME];
    int64_t rows, columns; /* columns 0: a vector of `rows` */
    float mean, deviation;
    int64_t first_chunk; /* its chunks' numbers, for their seeds */
    int64_t first;       /* its first number, counted over the whole file */
} ifm_synth_tensor;

/* NULL: there is no such shape. */
const ifm_synth_shape *ifm_synth_shape_find(const char *name);

/* All tensors in the order of the file, which is that of their names, as the safetensors
 * library writes it; first and first_chunk are 0. The caller frees the list; NULL: no
 * memory. */
ifm_synth_tensor *ifm_synth_tensors(const ifm_synth_shape *shape, size_t *n);

/* config.json as the hub has it, with the type of the weights. */
void ifm_synth_config(const ifm_synth_shape *shape, ifm_dtype dtype, ifm_buffer *out);

#endif
