/* Which tensor becomes which type: mixtures as llama.cpp names and makes them. */
#ifndef IFM_CONVERT_TYPES_H
#define IFM_CONVERT_TYPES_H

#include "format/dtype.h"

typedef struct ifm_convert_mix {
    const char *name;
    ifm_dtype base;     /* of matrices without a rule of their own */
    uint32_t file_type; /* general.file_type */
} ifm_convert_mix;

/* The mixture of that name, in any case; NULL when there is none. */
const ifm_convert_mix *ifm_convert_find_mix(const char *name);

/* What the type of a tensor is chosen by. */
typedef struct ifm_convert_shape {
    const char *name; /* GGUF's */
    int32_t n_dimensions;
    int64_t width;   /* numbers of a row */
    bool is_head;    /* computes the logits: the output, or the embedding that is tied */
    int32_t n_layer; /* of the model */
} ifm_convert_shape;

/* Norms, biases, positions and everything else that is no matrix: f32. */
bool ifm_convert_is_matrix(const ifm_convert_shape *shape);

/* The type of a matrix by the mixture alone. */
ifm_dtype ifm_convert_wanted(const ifm_convert_mix *mix, const ifm_convert_shape *shape);
/* The same, or when rows are no whole blocks of it the type that llama.cpp takes instead. */
ifm_dtype ifm_convert_fitting(ifm_dtype wanted, int64_t width);

#endif
