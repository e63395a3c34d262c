/*
 * safetensors: 8 bytes of header length (little-endian), a JSON header, the tensors' bytes.
 *
 *     ┌──────────┬───────────────────────────────────────────────┬────────────────────────┐
 *     │ n (u64)  │ {"wte.weight":{"dtype":"F32","shape":[V,C],    │ begin and end count    │
 *     │          │   "data_offsets":[begin,end]}, …}   n bytes    │ from here              │
 *     └──────────┴───────────────────────────────────────────────┴────────────────────────┘
 *
 * The rules are those of the format's own library (huggingface/safetensors, README and
 * `Metadata::validate`): at most 100 MB of header, no duplicate names, tensors that fill
 * the rest of the file without overlap or hole. The header need not be a multiple of 8
 * long, and in the hub's own gpt2 and distilgpt2 files it is odd: tensors may lie at any
 * address.
 */
#include "format/safetensors.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "format/scan.h"

/* Every type of the format. What is no dtype of ours is checked, then left out. */
typedef struct file_type {
    const char *name;
    uint8_t n_bits;
    ifm_dtype dtype;
} file_type;

static const file_type file_types[] = {
    {"F32", 32, IFM_DTYPE_F32},      {"F16", 16, IFM_DTYPE_F16},
    {"BF16", 16, IFM_DTYPE_BF16},    {"BOOL", 8, IFM_DTYPE_COUNT},
    {"U8", 8, IFM_DTYPE_COUNT},      {"I8", 8, IFM_DTYPE_COUNT},
    {"U16", 16, IFM_DTYPE_COUNT},    {"I16", 16, IFM_DTYPE_COUNT},
    {"U32", 32, IFM_DTYPE_COUNT},    {"I32", 32, IFM_DTYPE_COUNT},
    {"U64", 64, IFM_DTYPE_COUNT},    {"I64", 64, IFM_DTYPE_COUNT},
    {"F64", 64, IFM_DTYPE_COUNT},    {"C64", 64, IFM_DTYPE_COUNT},
    {"F8_E4M3", 8, IFM_DTYPE_COUNT}, {"F8_E5M2", 8, IFM_DTYPE_COUNT},
    {"F8_E8M0", 8, IFM_DTYPE_COUNT}, {"F6_E2M3", 6, IFM_DTYPE_COUNT},
    {"F6_E3M2", 6, IFM_DTYPE_COUNT}, {"F4", 4, IFM_DTYPE_COUNT},
};

static const file_type *find_type(const char *name)
{
    for (size_t i = 0; i < sizeof file_types / sizeof file_types[0]; i++) {
        if (strcmp(file_types[i].name, name) == 0)
            return &file_types[i];
    }
    return NULL;
}

/* A longer name is no tensor's. */
enum { MAX_NAME = 1024, MAX_TYPE = 16 };

/* The file being read, and where its tensors' bytes lie. */
typedef struct reader {
    const char *file;
    const unsigned char *data; /* first byte behind the header */
    uint64_t n_data_bytes;
    ifm_scan scan; /* the header */
} reader;

/* What the header says about one tensor, not yet believed. */
typedef struct claim {
    bool has_type, has_shape, has_offsets;
    char type[MAX_TYPE];
    size_t n_dimensions;
    int64_t shape[IFM_MAX_DIMENSIONS];
    int64_t begin, end;
} claim;

static uint64_t read_u64(const unsigned char *bytes)
{
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--)
        x = x << 8 | bytes[i];
    return x;
}

static ifm_status open_header(reader *self, const ifm_mapping *mapping, const char *file,
                              ifm_error *err)
{
    if (mapping->size < 8)
        return ifm_fail(
            err, IFM_ERR_FORMAT,
            "%s: %zu bytes, too short for a safetensors file: is the download "
            "complete?",
            file, mapping->size);
    uint64_t n = read_u64(mapping->data);
    if (n > IFM_SAFETENSORS_MAX_HEADER)
        return ifm_fail(
            err, IFM_ERR_FORMAT,
            "%s: claims a header of %llu bytes, at most %d are allowed: is it "
            "a safetensors file?",
            file, (unsigned long long)n, IFM_SAFETENSORS_MAX_HEADER);
    if (n > mapping->size - 8)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: header ends at byte %llu, past the end of the file (%zu "
                        "bytes): is the download complete?",
                        file, (unsigned long long)n + 8, mapping->size);
    const char *text = (const char *)mapping->data + 8;
    if (n == 0 || text[0] != '{')
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: header does not begin with '{': is it a safetensors file?",
                        file);
    self->file = file;
    self->data = mapping->data + 8 + n;
    self->n_data_bytes = mapping->size - 8 - n;
    ifm_scan_init(&self->scan, text, (size_t)n);
    return IFM_OK;
}

/* The header's JSON is not what it should be, at the scanner's place. */
static ifm_status bad_header(const reader *self, const char *name, ifm_error *err)
{
    const ifm_scan *scan = &self->scan;
    size_t at = (size_t)(scan->at - scan->begin);
    if (name == NULL)
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: expected %s at byte %zu of the header",
                        self->file, scan->error, at);
    return ifm_fail(err, IFM_ERR_FORMAT,
                    "%s: tensor \"%s\": expected %s at byte %zu of the header",
                    self->file, name, scan->error, at);
}

static ifm_status bad_tensor(const reader *self, const ifm_tensor *tensor,
                             const char *what, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_FORMAT, "%s: tensor \"%s\": %s", self->file,
                    tensor->name, what);
}

/* [V, C]: as many sizes as there are, of which the first few are kept. */
static bool scan_shape(ifm_scan *scan, claim *out)
{
    if (!ifm_scan_take(scan, '['))
        return false;
    for (bool first = true; ifm_scan_more(scan, ']', first); first = false) {
        int64_t size;
        if (!ifm_scan_natural(scan, &size))
            return false;
        if (out->n_dimensions < IFM_MAX_DIMENSIONS)
            out->shape[out->n_dimensions] = size;
        out->n_dimensions++;
    }
    return scan->error == NULL;
}

/* [begin, end] */
static bool scan_offsets(ifm_scan *scan, claim *out)
{
    return ifm_scan_take(scan, '[') && ifm_scan_natural(scan, &out->begin) &&
           ifm_scan_take(scan, ',') && ifm_scan_natural(scan, &out->end) &&
           ifm_scan_take(scan, ']');
}

/* One "key": value of a tensor; unknown keys are passed over, as the format's library does.
 * A key that comes twice is an error: which one is meant? */
static bool scan_member(ifm_scan *scan, claim *out)
{
    char key[MAX_NAME];
    if (!ifm_scan_string(scan, key, sizeof key, NULL) || !ifm_scan_take(scan, ':'))
        return false;
    bool *has = strcmp(key, "dtype") == 0          ? &out->has_type
                : strcmp(key, "shape") == 0        ? &out->has_shape
                : strcmp(key, "data_offsets") == 0 ? &out->has_offsets
                                                   : NULL;
    if (has == NULL)
        return ifm_scan_skip(scan);
    if (*has) {
        scan->error = "each key once";
        return false;
    }
    *has = true;
    if (has == &out->has_type)
        return ifm_scan_string(scan, out->type, sizeof out->type, NULL);
    return has == &out->has_shape ? scan_shape(scan, out) : scan_offsets(scan, out);
}

static bool scan_claim(ifm_scan *scan, claim *out)
{
    *out = (claim){0};
    if (!ifm_scan_take(scan, '{'))
        return false;
    for (bool first = true; ifm_scan_more(scan, '}', first); first = false)
        if (!scan_member(scan, out))
            return false;
    return scan->error == NULL;
}

static ifm_status check_shape(const reader *self, const claim *said, ifm_tensor *tensor,
                              uint64_t *n_elements, ifm_error *err)
{
    if (said->n_dimensions > IFM_MAX_DIMENSIONS)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: tensor \"%s\" has %zu dimensions, at most %d are handled",
                        self->file, tensor->name, said->n_dimensions, IFM_MAX_DIMENSIONS);
    tensor->n_dimensions = (int32_t)said->n_dimensions;
    *n_elements = 1;
    for (size_t i = 0; i < said->n_dimensions; i++) {
        tensor->shape[i] = said->shape[i];
        if (!ifm_mul_u64(*n_elements, (uint64_t)said->shape[i], n_elements))
            return bad_tensor(self, tensor, "\"shape\" is larger than any memory", err);
    }
    return IFM_OK;
}

static ifm_status check_offsets(const reader *self, const claim *said, ifm_tensor *tensor,
                                ifm_error *err)
{
    if (said->end < said->begin)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\" lies from byte %lld to %lld, expected begin ≤ "
                        "end",
                        self->file, tensor->name, (long long)said->begin,
                        (long long)said->end);
    if ((uint64_t)said->end > self->n_data_bytes)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\" ends at byte %lld, past the end of the file "
                        "(%llu bytes of tensors): is the download complete?",
                        self->file, tensor->name, (long long)said->end,
                        (unsigned long long)self->n_data_bytes);
    tensor->data = self->data + said->begin;
    tensor->n_bytes = (size_t)(said->end - said->begin);
    return IFM_OK;
}

static ifm_status check_claim(const reader *self, const claim *said,
                              ifm_tensor_entry *entry, ifm_error *err)
{
    ifm_tensor *tensor = &entry->tensor;
    uint64_t n_elements = 0, n_bits = 0;
    if (!said->has_type || !said->has_shape || !said->has_offsets)
        return bad_tensor(self, tensor,
                          !said->has_type    ? "has no \"dtype\""
                          : !said->has_shape ? "has no \"shape\""
                                             : "has no \"data_offsets\"",
                          err);
    const file_type *type = find_type(said->type);
    if (type == NULL)
        return ifm_fail(
            err, IFM_ERR_FORMAT,
            "%s: tensor \"%s\" has the unknown type \"%s\": safetensors knows "
            "F32, F16, BF16 and others",
            self->file, tensor->name, said->type);
    tensor->dtype = type->dtype;
    entry->left_out = type->dtype == IFM_DTYPE_COUNT ? type->name : NULL;
    ifm_status st = check_shape(self, said, tensor, &n_elements, err);
    if (st == IFM_OK)
        st = check_offsets(self, said, tensor, err);
    if (st != IFM_OK)
        return st;
    if (!ifm_mul_u64(n_elements, type->n_bits, &n_bits) || n_bits % 8 != 0 ||
        n_bits / 8 != tensor->n_bytes)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: tensor \"%s\": %llu numbers of type %s do not take the %zu "
                        "bytes that its offsets give it",
                        self->file, tensor->name, (unsigned long long)n_elements,
                        type->name, tensor->n_bytes);
    return IFM_OK;
}

/* One "name": {…} of the header. */
static ifm_status read_tensor(reader *self, ifm_tensor_list *list, ifm_error *err)
{
    char name[MAX_NAME];
    claim said;
    ifm_scan *scan = &self->scan;
    if (!ifm_scan_string(scan, name, sizeof name, NULL) || !ifm_scan_take(scan, ':'))
        return bad_header(self, NULL, err);
    if (strcmp(name, "__metadata__") == 0) {
        if (ifm_scan_peek(scan) != '{' && scan->error == NULL)
            scan->error = "an object";
        return ifm_scan_skip(scan) ? IFM_OK : bad_header(self, name, err);
    }
    if (!scan_claim(scan, &said))
        return bad_header(self, name, err);
    ifm_tensor_entry *entry = ifm_tensor_list_append(list, name, strlen(name));
    if (entry == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for its tensor list",
                        self->file);
    entry->tensor.file = self->file;
    return check_claim(self, &said, entry, err);
}

static ifm_status read_tensors(reader *self, ifm_tensor_list *list, ifm_error *err)
{
    ifm_scan *scan = &self->scan;
    ifm_scan_take(scan, '{');
    for (bool first = true; ifm_scan_more(scan, '}', first); first = false) {
        ifm_status st = read_tensor(self, list, err);
        if (st != IFM_OK)
            return st;
    }
    return ifm_scan_end(scan) ? IFM_OK : bad_header(self, NULL, err);
}

/* Sorts the tensors by place and checks that each begins where the one before ends: two
 * that share bytes, or bytes that no tensor owns, mean a file that was tampered with or
 * put together wrongly. */
static ifm_status check_coverage(const reader *self, ifm_tensor_entry *entries, size_t n,
                                 ifm_error *err)
{
    ifm_tensor_sort_by_place(entries, n);
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        const ifm_tensor *tensor = &entries[i].tensor;
        uint64_t begin = (uint64_t)((uintptr_t)tensor->data - (uintptr_t)self->data);
        if (begin < end)
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "%s: tensors \"%s\" and \"%s\" overlap at byte %llu",
                            self->file, entries[i - 1].tensor.name, tensor->name,
                            (unsigned long long)begin);
        if (begin > end)
            return ifm_fail(
                err, IFM_ERR_FORMAT,
                "%s: bytes %llu to %llu, in front of tensor \"%s\", belong to "
                "no tensor",
                self->file, (unsigned long long)end, (unsigned long long)begin,
                tensor->name);
        end = begin + tensor->n_bytes;
    }
    if (end != self->n_data_bytes)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: the tensors end at byte %llu, but the file goes on to %llu: "
                        "is it the right file, whole?",
                        self->file, (unsigned long long)end,
                        (unsigned long long)self->n_data_bytes);
    return IFM_OK;
}

ifm_status ifm_safetensors_parse(const ifm_mapping *mapping, const char *file,
                                 ifm_tensor_list *list, ifm_error *err)
{
    reader self = {0};
    size_t first = list->count;
    ifm_status st = open_header(&self, mapping, file, err);
    if (st == IFM_OK)
        st = read_tensors(&self, list, err);
    if (st == IFM_OK && list->count > first)
        st = check_coverage(&self, list->entries + first, list->count - first, err);
    return st;
}
