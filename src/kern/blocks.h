/*
 * Walking a matrix in blocks that are packed and then multiplied with many rows, and
 * asking for the next block's cache lines while the present one is multiplied: a block is
 * short pieces of rows that lie kilobytes apart, which no prefetcher foresees. Without
 * asking, a third of a product's time is waiting for them.
 */
#ifndef IFM_KERN_BLOCKS_H
#define IFM_KERN_BLOCKS_H

#include "kern/kern.h"

/* Columns [n, n + width), rows [k0 + k, k0 + k + depth) of the product's matrix. */
typedef struct ifm_block {
    int64_t n, width, k, depth;
} ifm_block;

/* To the next block, along k, then along n; the first from {.n = p->n0}. At most `columns`
 * wide and `rows` deep. False when there are no more. */
static inline bool ifm_block_next(const ifm_product *p, int64_t columns, int64_t rows,
                                  ifm_block *b)
{
    const int64_t depth = p->k1 - p->k0;
    b->k += b->depth;
    if (b->k >= depth) {
        b->k = 0;
        b->n += b->width;
    }
    if (b->n >= p->n1)
        return false;
    b->width = p->n1 - b->n < columns ? p->n1 - b->n : columns;
    b->depth = depth - b->k < rows ? depth - b->k : rows;
    return true;
}

/* What is left to ask for of a block. */
typedef struct ifm_ahead {
    const char *row;      /* the next */
    int64_t rows, stride; /* how many are left; bytes from one to the next */
    int64_t bytes;        /* of each */
    int64_t each;         /* rows at a time */
} ifm_ahead;

/* Of block b, to be asked for in `steps` steps; numbers of `size` bytes. */
static inline ifm_ahead ifm_ahead_of(const ifm_product *p, const ifm_block *b,
                                     int64_t size, int64_t steps)
{
    return (ifm_ahead){
        .row = (const char *)p->w + ((p->k0 + b->k) * p->w_stride + b->n) * size,
        .rows = b->depth,
        .stride = p->w_stride * size,
        .bytes = b->width * size,
        .each = (b->depth + steps - 1) / steps,
    };
}

/* The same of an NK matrix: pieces of its rows, numbers in `type_block`s of `type_bytes`. */
static inline ifm_ahead ifm_ahead_of_nk(const ifm_product *p, const ifm_block *b,
                                        int64_t type_block, int64_t type_bytes,
                                        int64_t steps)
{
    const int64_t stride = p->w_stride / type_block * type_bytes;
    return (ifm_ahead){
        .row =
            (const char *)p->w + b->n * stride + (p->k0 + b->k) / type_block * type_bytes,
        .rows = b->width,
        .stride = stride,
        .bytes = b->depth / type_block * type_bytes,
        .each = (b->width + steps - 1) / steps,
    };
}

/* One step: into the second cache. */
static inline void ifm_ahead_ask(ifm_ahead *self)
{
    for (int64_t i = 0; i < self->each && self->rows > 0; i++, self->rows--) {
        for (int64_t b = 0; b < self->bytes; b += 64)
            __builtin_prefetch(self->row + b, 0, 2);
        self->row += self->stride;
    }
}

#endif
