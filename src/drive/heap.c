#include "drive/heap.h"

#include <stdlib.h>

void ifm_heap_deinit(ifm_heap *self)
{
    free(self->items);
    *self = (ifm_heap){0};
}

bool ifm_heap_push(ifm_heap *self, int64_t key, void *value)
{
    if (self->n == self->capacity) {
        const size_t larger = self->capacity == 0 ? 64 : 2 * self->capacity;
        ifm_heap_item *grown = realloc(self->items, larger * sizeof *grown);
        if (grown == NULL)
            return false;
        self->items = grown;
        self->capacity = larger;
    }
    size_t i = self->n++;
    while (i > 0 && self->items[(i - 1) / 2].key > key) {
        self->items[i] = self->items[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    self->items[i] = (ifm_heap_item){key, value};
    return true;
}

const ifm_heap_item *ifm_heap_top(const ifm_heap *self)
{
    return self->n > 0 ? self->items : NULL;
}

void *ifm_heap_pop(ifm_heap *self)
{
    void *value = self->items[0].value;
    const ifm_heap_item last = self->items[--self->n];
    size_t i = 0;
    for (size_t child = 1; child < self->n; child = 2 * i + 1) {
        if (child + 1 < self->n && self->items[child + 1].key < self->items[child].key)
            child++;
        if (self->items[child].key >= last.key)
            break;
        self->items[i] = self->items[child];
        i = child;
    }
    if (self->n > 0)
        self->items[i] = last;
    return value;
}
