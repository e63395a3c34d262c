/* One safetensors file → its tensors. The file of several shards is weights.c's concern. */
#ifndef IFM_FORMAT_SAFETENSORS_H
#define IFM_FORMAT_SAFETENSORS_H

#include "format/weights.h"

/* Tensors of one or more files. A tensor of a type that is not computed with has dtype
 * IFM_DTYPE_COUNT and its file's name for the type in left_out. */
typedef struct ifm_tensor_entry {
    ifm_tensor tensor;    /* tensor.name is the entry's own heap string */
    const char *left_out; /* static: "I64"; NULL: usable */
} ifm_tensor_entry;

typedef struct ifm_tensor_list {
    ifm_tensor_entry *entries; /* heap; an all-zero list is empty */
    size_t count;
    size_t capacity;
} ifm_tensor_list;

/* Appends the tensors of the file bytes `mapping`, called `file` in messages and in the
 * tensors (both borrowed by the tensors), after checking all of them: header length, JSON,
 * types, shapes, offsets, that the tensors fill the file without overlap or hole. On an
 * error the list may have grown; the caller releases it all the same. Errors: FORMAT,
 * LIMIT, UNSUPPORTED, NO_MEMORY. */
ifm_status ifm_safetensors_parse(const ifm_mapping *mapping, const char *file,
                                 ifm_tensor_list *list, ifm_error *err);

void ifm_tensor_list_deinit(ifm_tensor_list *self);

#endif
