/* A heap of moments, the earliest on top (Williams 1964): turns that are due, places that
 * are free. */
#ifndef IFM_DRIVE_HEAP_H
#define IFM_DRIVE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ifm_heap_item {
    int64_t key;
    void *value;
} ifm_heap_item;

typedef struct ifm_heap {
    ifm_heap_item *items; /* heap, [n] */
    size_t n, capacity;
} ifm_heap;

void ifm_heap_deinit(ifm_heap *self);
/* False without memory. */
bool ifm_heap_push(ifm_heap *self, int64_t key, void *value);
/* NULL when empty; borrowed until the next call. */
const ifm_heap_item *ifm_heap_top(const ifm_heap *self);
/* Removes the top; its value. The heap is not empty. */
void *ifm_heap_pop(ifm_heap *self);

#endif
