/* A growing array of token ids. */
#ifndef IFM_TEXT_IDS_H
#define IFM_TEXT_IDS_H

#include <stdlib.h>

#include "inferometer/base.h"

typedef struct ifm_ids {
    int32_t *data; /* free() it */
    size_t n, capacity;
} ifm_ids;

/* False without memory; the array then stays as it was. */
static inline bool ifm_ids_push(ifm_ids *self, int32_t id)
{
    if (self->n == self->capacity) {
        size_t capacity = self->capacity < 64 ? 64 : self->capacity * 2;
        int32_t *data = capacity <= SIZE_MAX / sizeof *data
                            ? realloc(self->data, capacity * sizeof *data)
                            : NULL;
        if (data == NULL)
            return false;
        self->data = data;
        self->capacity = capacity;
    }
    self->data[self->n++] = id;
    return true;
}

#endif
