/* What a conversion is going to write: metadata, and tensors with where they come from. */
#ifndef IFM_CONVERT_PLAN_H
#define IFM_CONVERT_PLAN_H

#include "convert/types.h"
#include "format/gguf_write.h"
#include "format/weights.h"

typedef enum ifm_convert_change {
    IFM_CONVERT_ROWS,       /* rows as they are */
    IFM_CONVERT_TRANSPOSED, /* GPT-2 multiplies by [inputs, outputs] */
    IFM_CONVERT_ROTATED,    /* the halves of each head interleaved */
} ifm_convert_change;

typedef struct ifm_convert_tensor {
    char *name;             /* GGUF's; heap */
    const ifm_tensor *from; /* borrowed; NULL: `made` */
    float *made;            /* f32 numbers that no file has; heap */
    ifm_convert_change change;
    int32_t n_head; /* of ROTATED */
    ifm_dtype dtype;
    int32_t n_dimensions;
    int64_t shape[IFM_MAX_DIMENSIONS]; /* after the change, outermost first */
    int64_t n_rows, width;
    int64_t order; /* tensors are written in this order */
} ifm_convert_tensor;

typedef struct ifm_convert_plan {
    const ifm_convert_mix *mix;
    ifm_gguf_writer writer;
    ifm_convert_tensor *tensors;
    size_t n_tensors, capacity;
    int32_t n_layer;
    bool no_tokenizer;
} ifm_convert_plan;

void ifm_convert_plan_deinit(ifm_convert_plan *self);

/* Adds a tensor with its shape after `change`; the entry is the plan's, NULL: no memory.
 * Types are chosen when all are there. */
ifm_convert_tensor *ifm_convert_plan_add(ifm_convert_plan *self, const char *name,
                                         const ifm_tensor *from,
                                         ifm_convert_change change);

/* Sources: metadata, tensors and n_layer. `directory` holds config.json and the
 * tokenizer's files. Errors: as ifm_convert. */
ifm_status ifm_convert_plan_gguf(ifm_convert_plan *self, const ifm_weights *weights,
                                 ifm_error *err);
ifm_status ifm_convert_plan_directory(ifm_convert_plan *self, const ifm_weights *weights,
                                      const char *directory, ifm_error *err);

/* The part of the latter that is the tokenizer's: the keys tokenizer.*. `config` is the
 * model's config.json, n_vocab the rows of its embedding. Without any of the tokenizer's
 * files *found is false, and the keys say that there is none. */
struct json_t;
ifm_status ifm_convert_put_tokenizer(ifm_gguf_writer *writer, const char *directory,
                                     const struct json_t *config, int64_t n_vocab,
                                     bool *found, ifm_error *err);

#endif
