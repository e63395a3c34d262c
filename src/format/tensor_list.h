/* The tensors of weight files while they are read: what each file's parser fills. */
#ifndef IFM_FORMAT_TENSOR_LIST_H
#define IFM_FORMAT_TENSOR_LIST_H

#include "format/weights.h"

/* A tensor of a type that is not computed with has dtype IFM_DTYPE_COUNT and its file's
 * name for the type in left_out. */
typedef struct ifm_tensor_entry {
    ifm_tensor tensor;    /* tensor.name is the entry's own heap string */
    const char *left_out; /* static: "I64"; NULL: usable */
} ifm_tensor_entry;

typedef struct ifm_tensor_list {
    ifm_tensor_entry *entries; /* heap; an all-zero list is empty */
    size_t count;
    size_t capacity;
} ifm_tensor_list;

/* A new entry at the end, all zero but for a copy of name[n]; NULL: no memory. It stays in
 * its place until the next append. */
ifm_tensor_entry *ifm_tensor_list_append(ifm_tensor_list *self, const char *name,
                                         size_t n);

/* Sorts entries[n] by where their bytes begin, then by how many they are. */
void ifm_tensor_sort_by_place(ifm_tensor_entry *entries, size_t n);

void ifm_tensor_list_deinit(ifm_tensor_list *self);

#endif
