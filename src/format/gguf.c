/*
 * A GGUF file (ggml's docs/gguf.md):
 *
 *     "GGUF" │ version u32 │ tensors u64 │ keys u64
 *     keys ×    key string │ type u32 │ value              string = length u64, bytes
 *     tensors × name string │ dimensions u32 │ sizes u64 × dimensions │ type u32 │ offset u64
 *     padding to general.alignment (32) │ the tensors' bytes, each padded likewise
 *
 * Nothing says how long the metadata is: it has to be walked, strings of arrays one by one.
 * That walk is nearly all that opening costs, some 0.2 ms for 100,000 strings, and so it
 * checks lengths and nothing else: whoever reads a token checks what is in it.
 */
#include "format/gguf.h"

#include <stdlib.h>

#include "base/error.h"
#include "format/gguf_read.h"
#include "format/scan.h"

/* More than any file needs (Gemma's tokenizer takes 15 MB, DeepSeek's 1,000 tensors), and
 * little enough that a hostile file costs no more than a good one. */
enum {
    MAX_METADATA_BYTES = 80 * 1000 * 1000,
    MAX_KEYS = 65536,
    MAX_KEY_BYTES = 65535,
    DEFAULT_ALIGNMENT = 32,
    MAX_ALIGNMENT = 1 << 20,
};

/* Bytes of a value of that type; 0 when it has no fixed size. */
static size_t value_bytes(ifm_gguf_type type)
{
    static const unsigned char sizes[] = {
        [IFM_GGUF_U8] = 1,  [IFM_GGUF_I8] = 1,  [IFM_GGUF_U16] = 2, [IFM_GGUF_I16] = 2,
        [IFM_GGUF_U32] = 4, [IFM_GGUF_I32] = 4, [IFM_GGUF_F32] = 4, [IFM_GGUF_BOOL] = 1,
        [IFM_GGUF_U64] = 8, [IFM_GGUF_I64] = 8, [IFM_GGUF_F64] = 8,
    };
    return (unsigned)type < sizeof sizes ? sizes[type] : 0;
}

/* A number of that type, at any address. */
static int64_t read_int(ifm_gguf_type type, const void *at)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        int64_t i64;
        float f32;
        double f64;
    } x = {0};
    memcpy(&x, at, value_bytes(type));
    switch (type) {
    case IFM_GGUF_U8:
    case IFM_GGUF_BOOL:
        return x.u8;
    case IFM_GGUF_I8:
        return x.i8;
    case IFM_GGUF_U16:
        return x.u16;
    case IFM_GGUF_I16:
        return x.i16;
    case IFM_GGUF_U32:
        return x.u32;
    case IFM_GGUF_I32:
        return x.i32;
    case IFM_GGUF_U64: /* the same bits: whoever needs them unsigned casts back */
    case IFM_GGUF_I64:
        return x.i64;
    default:
        return 0;
    }
}

static double read_float(ifm_gguf_type type, const void *at)
{
    float single;
    double wide;
    switch (type) {
    case IFM_GGUF_F32:
        memcpy(&single, at, sizeof single);
        return single;
    case IFM_GGUF_F64:
        memcpy(&wide, at, sizeof wide);
        return wide;
    case IFM_GGUF_U64:
        return (double)(uint64_t)read_int(type, at);
    default:
        return (double)read_int(type, at);
    }
}

static bool is_float(ifm_gguf_type type)
{
    return type == IFM_GGUF_F32 || type == IFM_GGUF_F64;
}

static bool is_signed(ifm_gguf_type type)
{
    return type == IFM_GGUF_I8 || type == IFM_GGUF_I16 || type == IFM_GGUF_I32 ||
           type == IFM_GGUF_I64;
}

ifm_status ifm_gguf_cut(const ifm_gguf_cursor *self, const char *what, ifm_error *err)
{
    size_t at = (size_t)(self->at - self->begin),
           size = (size_t)(self->end - self->begin);
    if (self->cut_short)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "%s: %s at byte %zu claims to be larger than the %d MB of "
                        "metadata that are read",
                        self->file, what, at, MAX_METADATA_BYTES / 1000000);
    return ifm_fail(err, IFM_ERR_FORMAT,
                    "%s: %s at byte %zu reaches past the end of the file (%zu bytes): is "
                    "the download complete?",
                    self->file, what, at, size);
}

/* What is wrong with the value of `key`. */
static ifm_status bad_value(const ifm_gguf_cursor *self, ifm_gguf_string key,
                            const char *what, unsigned long long number, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_FORMAT, "%s: key \"%.*s\": %s %llu", self->file,
                    (int)(key.n < 100 ? key.n : 100), key.text, what, number);
}

static ifm_status open_header(ifm_gguf_cursor *self, uint64_t *n_tensors,
                              uint64_t *n_keys, ifm_error *err)
{
    char magic[4] = {0};
    uint32_t version;
    if (!ifm_gguf_take(self, magic, sizeof magic) || memcmp(magic, "GGUF", 4) != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: does not begin with \"GGUF\": is it a GGUF file?",
                        self->file);
    if (!ifm_gguf_take(self, &version, sizeof version))
        return ifm_gguf_cut(self, "the version", err);
    if (version != 0 && (version & 0xffff) == 0)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: a big-endian GGUF file, expected little-endian", self->file);
    if (version != 2 && version != 3)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: GGUF version %u, expected 2 or 3: convert the model again "
                        "with a newer converter",
                        self->file, version);
    if (!ifm_gguf_take(self, n_tensors, 8) || !ifm_gguf_take(self, n_keys, 8))
        return ifm_gguf_cut(self, "the header", err);
    if (*n_keys > MAX_KEYS)
        return ifm_fail(err, IFM_ERR_LIMIT, "%s: claims %llu keys, at most %d are read",
                        self->file, (unsigned long long)*n_keys, MAX_KEYS);
    return IFM_OK;
}

static ifm_status read_array(ifm_gguf_cursor *self, ifm_gguf_string key,
                             ifm_gguf_value *value, ifm_error *err)
{
    uint32_t type;
    uint64_t n;
    if (!ifm_gguf_take(self, &type, sizeof type) || !ifm_gguf_take(self, &n, sizeof n))
        return ifm_gguf_cut(self, "an array", err);
    if (type == IFM_GGUF_ARRAY)
        return bad_value(self, key, "an array of arrays, type", type, err);
    if (type > IFM_GGUF_F64)
        return bad_value(self, key, "an array of the unknown type", type, err);
    value->array.type = (ifm_gguf_type)type;
    value->array.n = n;
    value->array.data = self->at;
    size_t left = (size_t)(self->end - self->at), each = value_bytes(value->array.type);
    if (n > left / (each > 0 ? each : 8))
        return ifm_gguf_cut(self, "an array", err);
    if (each > 0) {
        value->array.n_bytes = n * each;
        self->at += n * each;
        return IFM_OK;
    }
    const unsigned char *at = self->at, *end = self->end;
    for (uint64_t i = 0, length; i < n; i++, at += 8 + length) {
        if ((size_t)(end - at) < 8)
            return ifm_gguf_cut(self, "an array of strings", err);
        memcpy(&length, at, 8);
        if (length > (size_t)(end - at) - 8)
            return ifm_gguf_cut(self, "an array of strings", err);
    }
    value->array.n_bytes = (size_t)(at - self->at);
    self->at = at;
    return IFM_OK;
}

static ifm_status read_value(ifm_gguf_cursor *self, ifm_gguf_string key,
                             ifm_gguf_value *value, ifm_error *err)
{
    uint32_t type;
    if (!ifm_gguf_take(self, &type, sizeof type))
        return ifm_gguf_cut(self, "the type of a value", err);
    if (type > IFM_GGUF_F64)
        return bad_value(self, key, "a value of the unknown type", type, err);
    value->type = (ifm_gguf_type)type;
    if (value->type == IFM_GGUF_STRING)
        return ifm_gguf_take_string(self, &value->string)
                   ? IFM_OK
                   : ifm_gguf_cut(self, "a string", err);
    if (value->type == IFM_GGUF_ARRAY)
        return read_array(self, key, value, err);
    const unsigned char *at = self->at;
    size_t n = value_bytes(value->type);
    if ((size_t)(self->end - at) < n)
        return ifm_gguf_cut(self, "a value", err);
    self->at += n;
    if (is_float(value->type))
        value->f = read_float(value->type, at);
    else
        value->i = read_int(value->type, at);
    if (value->type == IFM_GGUF_BOOL && value->u > 1)
        return bad_value(self, key, "a truth value of", (unsigned long long)value->u,
                         err);
    return IFM_OK;
}

static ifm_status read_entry(ifm_gguf_cursor *self, ifm_gguf_entry *entry, ifm_error *err)
{
    if (!ifm_gguf_take_string(self, &entry->key))
        return ifm_gguf_cut(self, "a key", err);
    ifm_gguf_string key = entry->key;
    if (key.n == 0 || key.n > MAX_KEY_BYTES || !ifm_scan_is_text(key.text, key.n))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: the key in front of byte %zu is empty, longer than %d bytes "
                        "or no valid UTF-8",
                        self->file, (size_t)(self->at - self->begin), MAX_KEY_BYTES);
    return read_value(self, key, &entry->value, err);
}

static int compare_strings(ifm_gguf_string a, ifm_gguf_string b)
{
    int order = memcmp(a.text, b.text, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int compare_keys(const void *a, const void *b)
{
    const ifm_gguf_entry *const *x = a, *const *y = b;
    return compare_strings((*x)->key, (*y)->key);
}

/* For lookups. One key with two values is refused: which one is meant? */
static ifm_status sort_keys(ifm_gguf *self, const char *file, ifm_error *err)
{
    for (size_t i = 0; i < self->count; i++)
        self->by_name[i] = &self->entries[i];
    if (self->count > 0)
        qsort(self->by_name, self->count, sizeof(ifm_gguf_entry *), compare_keys);
    for (size_t i = 1; i < self->count; i++) {
        ifm_gguf_string key = self->by_name[i]->key;
        if (compare_strings(self->by_name[i - 1]->key, key) == 0)
            return ifm_fail(err, IFM_ERR_FORMAT, "%s: key \"%.*s\" is there twice", file,
                            (int)(key.n < 100 ? key.n : 100), key.text);
    }
    return IFM_OK;
}

static ifm_status read_entries(ifm_gguf *self, ifm_gguf_cursor *cursor, size_t n,
                               ifm_error *err)
{
    self->entries = calloc(n > 0 ? n : 1, sizeof *self->entries);
    self->by_name = calloc(n > 0 ? n : 1, sizeof *self->by_name);
    if (self->entries == NULL || self->by_name == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for %zu keys",
                        cursor->file, n);
    for (; self->count < n; self->count++) {
        ifm_status st = read_entry(cursor, &self->entries[self->count], err);
        if (st != IFM_OK)
            return st;
    }
    return sort_keys(self, cursor->file, err);
}

static ifm_status read_alignment(const ifm_gguf *self, const char *file, uint32_t *out,
                                 ifm_error *err)
{
    static const char key[] = "general.alignment";
    int64_t alignment = DEFAULT_ALIGNMENT;
    if (ifm_gguf_find(self, key) != NULL && !ifm_gguf_get_int(self, key, &alignment))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is no whole number", file, key);
    if (alignment < 1 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: \"%s\" is %lld, expected a power of two up to %d", file, key,
                        (long long)alignment, MAX_ALIGNMENT);
    *out = (uint32_t)alignment;
    return IFM_OK;
}

static ifm_status parse(ifm_gguf *self, const ifm_mapping *mapping, const char *file,
                        ifm_tensor_list *list, ifm_error *err)
{
    ifm_gguf_cursor cursor = {mapping->data, mapping->data, mapping->data, false, file};
    size_t size = mapping->size;
    cursor.cut_short = size > MAX_METADATA_BYTES;
    if (size > 0) /* an empty mapping has no address to add to */
        cursor.end += cursor.cut_short ? MAX_METADATA_BYTES : size;
    uint64_t n_tensors = 0, n_keys = 0;
    uint32_t alignment = 0;
    ifm_status st = open_header(&cursor, &n_tensors, &n_keys, err);
    if (st == IFM_OK)
        st = read_entries(self, &cursor, (size_t)n_keys, err);
    if (st == IFM_OK)
        st = read_alignment(self, file, &alignment, err);
    if (st == IFM_OK)
        st = ifm_gguf_read_tensors(&cursor, mapping, n_tensors, alignment, list,
                                   &self->data_offset, err);
    self->metadata_bytes = (size_t)(cursor.at - cursor.begin);
    return st;
}

ifm_status ifm_gguf_parse_into(const ifm_mapping *mapping, const char *file,
                               ifm_tensor_list *list, ifm_gguf **out, ifm_error *err)
{
    *out = NULL;
    ifm_gguf *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", file);
    ifm_status st = parse(self, mapping, file, list, err);
    if (st == IFM_OK)
        *out = self;
    else
        ifm_gguf_free(self);
    return st;
}

ifm_status ifm_gguf_parse(const ifm_mapping *mapping, const char *file, ifm_gguf **out,
                          ifm_error *err)
{
    ifm_tensor_list tensors = {0};
    ifm_status st = ifm_gguf_parse_into(mapping, file, &tensors, out, err);
    ifm_tensor_list_deinit(&tensors);
    return st;
}

void ifm_gguf_free(ifm_gguf *self)
{
    if (self == NULL)
        return;
    free(self->by_name);
    free(self->entries);
    free(self);
}

const ifm_gguf_value *ifm_gguf_find(const ifm_gguf *self, const char *key)
{
    const ifm_gguf_string wanted = {key, strlen(key)};
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_strings(wanted, self->by_name[middle]->key);
        if (order == 0)
            return &self->by_name[middle]->value;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool ifm_gguf_get_int(const ifm_gguf *self, const char *key, int64_t *out)
{
    const ifm_gguf_value *value = ifm_gguf_find(self, key);
    if (value == NULL || value_bytes(value->type) == 0 || is_float(value->type) ||
        value->type == IFM_GGUF_BOOL || (!is_signed(value->type) && value->i < 0))
        return false;
    *out = value->i;
    return true;
}

bool ifm_gguf_get_float(const ifm_gguf *self, const char *key, double *out)
{
    const ifm_gguf_value *value = ifm_gguf_find(self, key);
    if (value == NULL || value_bytes(value->type) == 0 || value->type == IFM_GGUF_BOOL)
        return false;
    *out = is_float(value->type)    ? value->f
           : is_signed(value->type) ? (double)value->i
                                    : (double)value->u;
    return true;
}

bool ifm_gguf_get_bool(const ifm_gguf *self, const char *key, bool *out)
{
    const ifm_gguf_value *value = ifm_gguf_find(self, key);
    if (value == NULL || value->type != IFM_GGUF_BOOL)
        return false;
    *out = value->u != 0;
    return true;
}

bool ifm_gguf_get_string(const ifm_gguf *self, const char *key, ifm_gguf_string *out)
{
    const ifm_gguf_value *value = ifm_gguf_find(self, key);
    if (value == NULL || value->type != IFM_GGUF_STRING)
        return false;
    *out = value->string;
    return true;
}

int64_t ifm_gguf_int_at(const ifm_gguf_value *array, uint64_t i)
{
    ifm_gguf_type type = array->array.type;
    return read_int(type, (const char *)array->array.data + i * value_bytes(type));
}

double ifm_gguf_float_at(const ifm_gguf_value *array, uint64_t i)
{
    ifm_gguf_type type = array->array.type;
    return read_float(type, (const char *)array->array.data + i * value_bytes(type));
}

bool ifm_gguf_next_string(const ifm_gguf_value *array, const char **at,
                          ifm_gguf_string *out)
{
    const char *begin = array->array.data, *end = begin + array->array.n_bytes;
    if (array->type != IFM_GGUF_ARRAY || array->array.type != IFM_GGUF_STRING)
        return false;
    if (*at == NULL)
        *at = begin;
    if (*at >= end)
        return false;
    uint64_t n; /* was checked when the file was opened */
    memcpy(&n, *at, sizeof n);
    *out = (ifm_gguf_string){*at + sizeof n, (size_t)n};
    *at += sizeof n + n;
    return true;
}

const char *ifm_gguf_key_at(const ifm_gguf *self, size_t i, size_t *n,
                            const ifm_gguf_value **value)
{
    if (i >= self->count)
        return NULL;
    *n = self->entries[i].key.n;
    *value = &self->entries[i].value;
    return self->entries[i].key.text;
}

size_t ifm_gguf_metadata_bytes(const ifm_gguf *self)
{
    return self->metadata_bytes;
}

size_t ifm_gguf_data_offset(const ifm_gguf *self)
{
    return self->data_offset;
}
