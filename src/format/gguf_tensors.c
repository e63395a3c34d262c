/*
 * The tensors of a GGUF file. Their bytes may lie in any order and with holes between them
 * (padding to the alignment, at least), but not share anything, nor end behind the file.
 */
#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "format/gguf_read.h"
#include "format/gguf_types.h"
#include "format/scan.h"

enum { MAX_TENSORS = 65536, MAX_NAME = 1023 };

/* What the file says about one tensor, not yet believed. */
typedef struct claim {
    ifm_gguf_string name;
    uint32_t n_dimensions;
    uint64_t sizes[IFM_MAX_DIMENSIONS]; /* innermost first */
    uint32_t type;
    uint64_t offset;
} claim;

static ifm_status read_claim(ifm_gguf_cursor *self, claim *said, ifm_error *err)
{
    *said = (claim){0};
    if (!ifm_gguf_take_string(self, &said->name))
        return ifm_gguf_cut(self, "the name of a tensor", err);
    if (said->name.n > MAX_NAME || !ifm_scan_is_text(said->name.text, said->name.n))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: the name of a tensor in front of byte %zu is longer than %d "
                        "bytes or no valid UTF-8",
                        self->file, (size_t)(self->at - self->begin), MAX_NAME);
    if (!ifm_gguf_take(self, &said->n_dimensions, 4))
        return ifm_gguf_cut(self, "a tensor", err);
    if (said->n_dimensions > IFM_MAX_DIMENSIONS)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: tensor \"%.*s\" has %u dimensions, at most %d are handled",
                        self->file, (int)said->name.n, said->name.text,
                        said->n_dimensions, IFM_MAX_DIMENSIONS);
    for (uint32_t d = 0; d < said->n_dimensions; d++)
        if (!ifm_gguf_take(self, &said->sizes[d], 8))
            return ifm_gguf_cut(self, "the shape of a tensor", err);
    if (!ifm_gguf_take(self, &said->type, 4) || !ifm_gguf_take(self, &said->offset, 8))
        return ifm_gguf_cut(self, "a tensor", err);
    return IFM_OK;
}

/* The shape, outermost first, and the bytes that so many numbers of the type take. */
static ifm_status check_shape(const ifm_gguf_cursor *self, const claim *said,
                              const ifm_gguf_tensor_type *type, ifm_tensor *tensor,
                              ifm_error *err)
{
    uint64_t n = 1, n_bytes;
    uint32_t n_dimensions = said->n_dimensions;
    uint64_t row = n_dimensions > 0 ? said->sizes[0] : 1;
    tensor->n_dimensions = (int32_t)n_dimensions;
    for (uint32_t d = 0; d < n_dimensions; d++) {
        if (said->sizes[d] > INT64_MAX || !ifm_mul_u64(n, said->sizes[d], &n))
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "%s: tensor \"%s\": its shape is larger than any memory",
                            self->file, tensor->name);
        tensor->shape[n_dimensions - 1 - d] = (int64_t)said->sizes[d];
    }
    if (row % type->block != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\": rows of %llu numbers are no whole blocks of "
                        "%u, as type %s has them",
                        self->file, tensor->name, (unsigned long long)row, type->block,
                        type->name);
    if (!ifm_mul_u64(n / type->block, type->n_bytes, &n_bytes) || n_bytes > SIZE_MAX)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\": its shape is larger than any memory",
                        self->file, tensor->name);
    tensor->n_bytes = (size_t)n_bytes;
    return IFM_OK;
}

/* Keeps what was said in a new entry; the bytes are placed when it is known where the
 * metadata ends. */
static ifm_status add_tensor(const ifm_gguf_cursor *self, const claim *said,
                             uint32_t alignment, ifm_tensor_list *list, ifm_error *err)
{
    ifm_tensor_entry *entry = ifm_tensor_list_append(list, said->name.text, said->name.n);
    if (entry == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for its tensor list",
                        self->file);
    ifm_tensor *tensor = &entry->tensor;
    tensor->file = self->file;
    const ifm_gguf_tensor_type *type = ifm_gguf_type_of_number(said->type);
    if (type == NULL)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: tensor \"%s\" has the unknown type %u: a newer file than "
                        "this program knows, or a damaged one",
                        self->file, tensor->name, said->type);
    if (said->offset % alignment != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\" begins at byte %llu of the data, expected a "
                        "multiple of %u",
                        self->file, tensor->name, (unsigned long long)said->offset,
                        alignment);
    tensor->dtype = type->dtype;
    entry->left_out = type->dtype == IFM_DTYPE_COUNT ? type->name : NULL;
    return check_shape(self, said, type, tensor, err);
}

static ifm_status place_tensor(const ifm_mapping *mapping, size_t data_offset,
                               uint64_t offset, ifm_tensor *tensor, ifm_error *err)
{
    uint64_t begin, end;
    if (!ifm_add_u64(data_offset, offset, &begin) ||
        !ifm_add_u64(begin, tensor->n_bytes, &end) || end > mapping->size)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\", %zu bytes at %llu of the data, ends past the "
                        "end of the file (%zu bytes): is the download complete?",
                        tensor->file, tensor->name, tensor->n_bytes,
                        (unsigned long long)offset, mapping->size);
    tensor->data = mapping->data + begin;
    return IFM_OK;
}

/* Two tensors that share bytes mean a file that was tampered with. */
static ifm_status check_overlap(const unsigned char *base, ifm_tensor_entry *entries,
                                size_t n, ifm_error *err)
{
    ifm_tensor_sort_by_place(entries, n);
    const unsigned char *end = base;
    const char *before = "";
    for (size_t i = 0; i < n; i++) {
        const ifm_tensor *tensor = &entries[i].tensor;
        const unsigned char *begin = tensor->data;
        if (tensor->n_bytes == 0)
            continue;
        if (begin < end)
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "%s: tensors \"%s\" and \"%s\" overlap at byte %zu",
                            tensor->file, before, tensor->name, (size_t)(begin - base));
        end = begin + tensor->n_bytes;
        before = tensor->name;
    }
    return IFM_OK;
}

static ifm_status read_all(ifm_gguf_cursor *self, uint64_t n, uint32_t alignment,
                           ifm_tensor_list *list, uint64_t *offsets, ifm_error *err)
{
    for (uint64_t i = 0; i < n; i++) {
        claim said;
        ifm_status st = read_claim(self, &said, err);
        if (st == IFM_OK)
            st = add_tensor(self, &said, alignment, list, err);
        if (st != IFM_OK)
            return st;
        offsets[i] = said.offset;
    }
    return IFM_OK;
}

ifm_status ifm_gguf_read_tensors(ifm_gguf_cursor *self, const ifm_mapping *mapping,
                                 uint64_t n_tensors, uint32_t alignment,
                                 ifm_tensor_list *list, size_t *data_offset,
                                 ifm_error *err)
{
    if (n_tensors > MAX_TENSORS)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "%s: claims %llu tensors, at most %d are read", self->file,
                        (unsigned long long)n_tensors, MAX_TENSORS);
    uint64_t *offsets = calloc(n_tensors > 0 ? n_tensors : 1, sizeof *offsets);
    if (offsets == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for its tensor list",
                        self->file);
    size_t first = list->count;
    ifm_status st = read_all(self, n_tensors, alignment, list, offsets, err);
    *data_offset = ifm_align_up((size_t)(self->at - self->begin), alignment);
    for (size_t i = 0; st == IFM_OK && i < n_tensors; i++)
        st = place_tensor(mapping, *data_offset, offsets[i],
                          &list->entries[first + i].tensor, err);
    if (st == IFM_OK && list->count > first) /* a file may hold a tokenizer alone */
        st =
            check_overlap(mapping->data, list->entries + first, list->count - first, err);
    free(offsets);
    return st;
}
