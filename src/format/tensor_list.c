#include "format/tensor_list.h"

#include <stdlib.h>
#include <string.h>

ifm_tensor_entry *ifm_tensor_list_append(ifm_tensor_list *self, const char *name,
                                         size_t n)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity > 0 ? self->capacity * 2 : 128;
        void *grown = realloc(self->entries, capacity * sizeof *self->entries);
        if (grown == NULL)
            return NULL;
        self->entries = grown;
        self->capacity = capacity;
    }
    ifm_tensor_entry *entry = &self->entries[self->count];
    *entry = (ifm_tensor_entry){.tensor.name = strndup(name, n)};
    if (entry->tensor.name == NULL)
        return NULL;
    self->count++;
    return entry;
}

static int compare_places(const void *a, const void *b)
{
    const ifm_tensor *x = &((const ifm_tensor_entry *)a)->tensor;
    const ifm_tensor *y = &((const ifm_tensor_entry *)b)->tensor;
    uintptr_t begin_x = (uintptr_t)x->data, begin_y = (uintptr_t)y->data;
    if (begin_x != begin_y)
        return begin_x < begin_y ? -1 : 1;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

void ifm_tensor_sort_by_place(ifm_tensor_entry *entries, size_t n)
{
    if (n > 0)
        qsort(entries, n, sizeof *entries, compare_places);
}

void ifm_tensor_list_deinit(ifm_tensor_list *self)
{
    for (size_t i = 0; i < self->count; i++)
        free((void *)(uintptr_t)self->entries[i].tensor.name);
    free(self->entries);
    *self = (ifm_tensor_list){0};
}
