/* Inside of the GGUF reader: a cursor over the metadata, and what it makes of a file. */
#ifndef IFM_FORMAT_GGUF_READ_H
#define IFM_FORMAT_GGUF_READ_H

#include <string.h>

#include "format/gguf.h"
#include "format/tensor_list.h"

/* Where the reader stands. Nothing at or behind `end` is looked at. */
typedef struct ifm_gguf_cursor {
    const unsigned char *begin, *at, *end;
    bool cut_short; /* `end` is not the file's, but the limit of metadata */
    const char *file;
} ifm_gguf_cursor;

/* Little-endian numbers at any address, as every machine that we run on has them. */
static inline bool ifm_gguf_take(ifm_gguf_cursor *self, void *out, size_t n)
{
    if ((size_t)(self->end - self->at) < n)
        return false;
    memcpy(out, self->at, n);
    self->at += n;
    return true;
}

static inline bool ifm_gguf_take_string(ifm_gguf_cursor *self, ifm_gguf_string *out)
{
    uint64_t n;
    if (!ifm_gguf_take(self, &n, sizeof n) || n > (size_t)(self->end - self->at))
        return false;
    *out = (ifm_gguf_string){(const char *)self->at, (size_t)n};
    self->at += n;
    return true;
}

typedef struct ifm_gguf_entry {
    ifm_gguf_string key;
    ifm_gguf_value value;
} ifm_gguf_entry;

struct ifm_gguf {
    ifm_gguf_entry *entries;        /* in the order of the file */
    const ifm_gguf_entry **by_name; /* the same, in the order of their keys */
    size_t count;
    size_t metadata_bytes, data_offset;
};

/* The metadata ends too early, or claims more than there is, in `what`. */
ifm_status ifm_gguf_cut(const ifm_gguf_cursor *self, const char *what, ifm_error *err);

/* Appends the n_tensors that the cursor stands in front of to *list; their bytes lie behind them,
 * each at a multiple of `alignment`. *data_offset = where those begin. The list may have
 * grown when it fails. */
ifm_status ifm_gguf_read_tensors(ifm_gguf_cursor *self, const ifm_mapping *mapping,
                                 uint64_t n_tensors, uint32_t alignment,
                                 ifm_tensor_list *list, size_t *data_offset,
                                 ifm_error *err);

/* As ifm_gguf_parse, and appends the tensors to *list, which may have grown when it
 * fails. They borrow `file` and the mapping, not *out. */
ifm_status ifm_gguf_parse_into(const ifm_mapping *mapping, const char *file,
                               ifm_tensor_list *list, ifm_gguf **out, ifm_error *err);

#endif
