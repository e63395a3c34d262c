/*
 * The weights of a model: one safetensors file, or shards that an index names; or one GGUF
 * file, or the parts of one.
 *
 *     model.safetensors.index.json: {"metadata": {…}, "weight_map": {tensor: shard file}}
 *     name-00001-of-00003.gguf: metadata; "split.no" 0, "split.count" 3 in it
 *
 * All shards are mapped and checked at opening; only headers are read. The index is
 * checked against the shards, then forgotten: names are looked up in one sorted list.
 */
#include "format/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "format/gguf_read.h"
#include "format/json.h"
#include "format/quant.h"
#include "format/safetensors.h"

static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

enum { MAX_SHARDS = 4096, MAX_INDEX_BYTES = 100 * 1000 * 1000 };

typedef struct weight_file {
    char *path;
    ifm_mapping mapping;
} weight_file;

struct ifm_weights {
    ifm_tensor_list list; /* sorted by name; what is left out stands behind the rest */
    size_t n_usable;
    weight_file *files;
    size_t n_files;
    ifm_gguf *gguf; /* of the first file; NULL: not a GGUF file */
};

void ifm_weights_close(ifm_weights *self)
{
    if (self == NULL)
        return;
    ifm_gguf_free(self->gguf);
    ifm_tensor_list_deinit(&self->list);
    for (size_t i = 0; i < self->n_files; i++) {
        ifm_mapping_close(&self->files[i].mapping);
        free(self->files[i].path);
    }
    free(self->files);
    free(self);
}

/* directory/name, the caller's; NULL: no memory. */
static char *join(const char *directory, const char *name)
{
    ifm_buffer path = {0};
    ifm_buffer_printf(&path, "%s/%s", directory, name);
    char *text = ifm_buffer_take(&path);
    ifm_buffer_deinit(&path);
    return text;
}

static bool is_gguf(const ifm_mapping *mapping)
{
    return mapping->size >= 4 && memcmp(mapping->data, "GGUF", 4) == 0;
}

/* Maps the file at `path` (taken) into the next slot and reads its tensors; *gguf becomes
 * its metadata (the caller's) when it is a GGUF file, else NULL. */
static ifm_status read_file(ifm_weights *self, char *path, ifm_gguf **gguf,
                            ifm_error *err)
{
    *gguf = NULL;
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a path");
    weight_file *file = &self->files[self->n_files++];
    file->path = path;
    ifm_status st = ifm_mapping_open(&file->mapping, path, err);
    if (st != IFM_OK)
        return st;
    if (is_gguf(&file->mapping))
        return ifm_gguf_parse_into(&file->mapping, path, &self->list, gguf, err);
    return ifm_safetensors_parse(&file->mapping, path, &self->list, err);
}

/* A shard of safetensors. */
static ifm_status add_file(ifm_weights *self, char *path, ifm_error *err)
{
    ifm_gguf *gguf;
    ifm_status st = read_file(self, path, &gguf, err);
    if (st == IFM_OK && gguf != NULL)
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: a GGUF file, expected safetensors", path);
    ifm_gguf_free(gguf);
    return st;
}

/* Room for n files in all; their paths stay where they are. */
static ifm_status reserve_files(ifm_weights *self, size_t n, ifm_error *err)
{
    void *files = realloc(self->files, (n > 0 ? n : 1) * sizeof *self->files);
    if (files == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu weight files", n);
    self->files = files;
    memset(self->files + self->n_files, 0, (n - self->n_files) * sizeof *self->files);
    return IFM_OK;
}

/* The path of part i (from 0) beside `path`, which is part 0 of n; the caller's. NULL: it
 * is not named as parts are. */
static char *part_path(const char *path, int64_t i, int64_t n)
{
    char first[32], other[32];
    snprintf(first, sizeof first, "-00001-of-%05d.gguf", (int)n);
    snprintf(other, sizeof other, "-%05d-of-%05d.gguf", (int)i + 1, (int)n);
    size_t length = strlen(path), tail = strlen(first);
    if (length < tail || strcmp(path + length - tail, first) != 0)
        return NULL;
    ifm_buffer text = {0};
    ifm_buffer_append(&text, path, length - tail);
    ifm_buffer_puts(&text, other);
    char *result = ifm_buffer_take(&text);
    ifm_buffer_deinit(&text);
    return result;
}

static ifm_status add_part(ifm_weights *self, int64_t i, int64_t n, ifm_error *err)
{
    int64_t number = -1, count = -1;
    ifm_gguf *gguf;
    char *path = part_path(self->files[0].path, i, n);
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: the first of %lld parts, which are found when it is named "
                        "NAME-00001-of-%05lld.gguf",
                        self->files[0].path, (long long)n, (long long)n);
    ifm_status st = read_file(self, path, &gguf, err);
    if (st == IFM_ERR_NOT_FOUND)
        return ifm_fail(err, st,
                        "%s: missing, but it is a part of %s: is the download "
                        "complete?",
                        path, self->files[0].path);
    if (st == IFM_OK &&
        (gguf == NULL || !ifm_gguf_get_int(gguf, "split.no", &number) ||
         !ifm_gguf_get_int(gguf, "split.count", &count) || number != i || count != n))
        st = ifm_fail(err, IFM_ERR_FORMAT,
                      "%s: says that it is part %lld of %lld, expected %lld of %lld",
                      path, (long long)number + 1, (long long)count, (long long)i + 1,
                      (long long)n);
    ifm_gguf_free(gguf);
    return st;
}

/* The other parts of a GGUF file that is one of several. */
static ifm_status add_parts(ifm_weights *self, ifm_error *err)
{
    int64_t number = 0, count = 1, n_tensors = -1;
    const char *path = self->files[0].path;
    ifm_gguf_get_int(self->gguf, "split.no", &number);
    ifm_gguf_get_int(self->gguf, "split.count", &count);
    if (count <= 1)
        return IFM_OK;
    if (count > MAX_SHARDS)
        return ifm_fail(err, IFM_ERR_LIMIT, "%s: is in %lld parts, at most %d are read",
                        path, (long long)count, MAX_SHARDS);
    if (number != 0)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "%s: is part %lld of %lld: name the first one, and the others are "
            "found beside it",
            path, (long long)number + 1, (long long)count);
    ifm_status st = reserve_files(self, (size_t)count, err);
    for (int64_t i = 1; st == IFM_OK && i < count; i++)
        st = add_part(self, i, count, err);
    if (st == IFM_OK && ifm_gguf_get_int(self->gguf, "split.tensors.count", &n_tensors) &&
        (uint64_t)n_tensors != self->list.count)
        st = ifm_fail(err, IFM_ERR_FORMAT,
                      "%s: the parts hold %zu tensors, expected %lld: are all of one "
                      "version?",
                      path, self->list.count, (long long)n_tensors);
    return st;
}

/* Takes `path`. */
static ifm_status open_single(ifm_weights *self, char *path, ifm_error *err)
{
    ifm_status st = reserve_files(self, 1, err);
    if (st != IFM_OK) {
        free(path);
        return st;
    }
    st = read_file(self, path, &self->gguf, err);
    if (st == IFM_OK && self->gguf != NULL)
        st = add_parts(self, err);
    return st;
}

/* Usable tensors first, each part by name. */
static int compare_names(const void *a, const void *b)
{
    const ifm_tensor_entry *x = a, *y = b;
    int left_out = (x->left_out != NULL) - (y->left_out != NULL);
    return left_out != 0 ? left_out : strcmp(x->tensor.name, y->tensor.name);
}

static const ifm_tensor_entry *find_in(const ifm_tensor_entry *entries, size_t n,
                                       const char *name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, entries[middle].tensor.name);
        if (order == 0)
            return &entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const ifm_tensor_entry *find_entry(const ifm_weights *self, const char *name)
{
    const ifm_tensor_entry *entries = self->list.entries;
    const ifm_tensor_entry *found = find_in(entries, self->n_usable, name);
    if (found == NULL && self->list.count > self->n_usable)
        found =
            find_in(entries + self->n_usable, self->list.count - self->n_usable, name);
    return found;
}

/* The tensor of the same name in front of entries[i], or among the usable ones when this
 * one is left out; NULL when its name is its own. */
static const ifm_tensor *find_twin(const ifm_weights *self, size_t i)
{
    const ifm_tensor_entry *entries = self->list.entries;
    const char *name = entries[i].tensor.name;
    if (i > 0 && strcmp(name, entries[i - 1].tensor.name) == 0)
        return &entries[i - 1].tensor;
    if (i < self->n_usable)
        return NULL;
    const ifm_tensor_entry *found = find_in(entries, self->n_usable, name);
    return found != NULL ? &found->tensor : NULL;
}

/* Files of nothing but types that are not computed with would otherwise seem to lack every
 * tensor that the model asks for. */
static ifm_status check_usable(const ifm_weights *self, ifm_error *err)
{
    if (self->list.count == 0)
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: holds no tensors",
                        self->n_files > 0 ? self->files[0].path : index_name);
    if (self->n_usable > 0)
        return IFM_OK;
    const ifm_tensor_entry *entry = &self->list.entries[0];
    return ifm_fail(
        err, IFM_ERR_UNSUPPORTED,
        "%s: all tensors are of types that nothing here computes with: \"%s\" is %s",
        entry->tensor.file, entry->tensor.name, entry->left_out);
}

/* Sorts for lookup. One name for two tensors is refused: which one is meant? */
static ifm_status sort_tensors(ifm_weights *self, ifm_error *err)
{
    ifm_tensor_entry *entries = self->list.entries;
    size_t n = self->list.count;
    if (n > 0)
        qsort(entries, n, sizeof *entries, compare_names);
    while (self->n_usable < n && entries[self->n_usable].left_out == NULL)
        self->n_usable++;
    for (size_t i = 0; i < n; i++) {
        const ifm_tensor *tensor = &entries[i].tensor, *twin = find_twin(self, i);
        if (twin != NULL)
            return ifm_fail(err, IFM_ERR_FORMAT, "%s: tensor \"%s\" is there twice%s%s",
                            tensor->file, tensor->name,
                            twin->file == tensor->file ? "" : ", the other time in ",
                            twin->file == tensor->file ? "" : twin->file);
    }
    return IFM_OK;
}

/* A shard's name comes from a file that somebody else wrote: it must stay in its
 * directory. */
static bool is_plain_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strchr(name, '\\') == NULL &&
           strstr(name, "..") == NULL && strcmp(name, ".") != 0;
}

/* The set of shard names, as the keys of *shards (the caller's), each with its number. */
static ifm_status collect_shards(const char *path, json_t *weight_map, json_t **shards,
                                 ifm_error *err)
{
    const char *name;
    json_t *value;
    *shards = json_object();
    if (*shards == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    json_object_foreach(weight_map, name, value)
    {
        const char *shard = json_string_value(value);
        if (shard == NULL)
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "%s: the shard of tensor \"%s\" is %s, expected a file name",
                            path, name, ifm_json_kind(value));
        if (!is_plain_name(shard))
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "%s: shard \"%s\" of tensor \"%s\" is no plain file name in "
                            "the same directory",
                            path, shard, name);
        if (json_object_get(*shards, shard) != NULL)
            continue;
        if (json_object_size(*shards) >= MAX_SHARDS)
            return ifm_fail(err, IFM_ERR_LIMIT, "%s: names more than %d shards", path,
                            MAX_SHARDS);
        json_t *number = json_integer((json_int_t)json_object_size(*shards));
        if (json_object_set_new(*shards, shard, number) != 0)
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    }
    return IFM_OK;
}

static ifm_status add_shards(ifm_weights *self, const char *directory, const char *path,
                             json_t *shards, ifm_error *err)
{
    const char *shard;
    json_t *number;
    ifm_status st = reserve_files(self, json_object_size(shards), err);
    json_object_foreach(shards, shard, number)
    {
        if (st != IFM_OK)
            return st;
        st = add_file(self, join(directory, shard), err);
        if (st == IFM_ERR_NOT_FOUND)
            st = ifm_fail(err, st,
                          "%s/%s: missing, but %s needs it: is the download complete?",
                          directory, shard, path);
    }
    return st;
}

/* Every tensor that the index promises is in the shard that it names. */
static ifm_status check_index(const ifm_weights *self, const char *path,
                              json_t *weight_map, json_t *shards, ifm_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(weight_map, name, value)
    {
        const char *shard = json_string_value(value);
        size_t number = (size_t)json_integer_value(json_object_get(shards, shard));
        const ifm_tensor_entry *entry = find_entry(self, name);
        if (entry == NULL || entry->tensor.file != self->files[number].path)
            return ifm_fail(
                err, IFM_ERR_FORMAT,
                "%s: says that tensor \"%s\" is in %s, but it is not: are all "
                "files of one version?",
                path, name, shard);
    }
    return IFM_OK;
}

static ifm_status open_sharded(ifm_weights *self, const char *directory, const char *path,
                               ifm_error *err)
{
    json_t *index = NULL, *shards = NULL;
    ifm_status st = ifm_json_read(path, MAX_INDEX_BYTES, &index, err);
    if (st != IFM_OK)
        goto done;
    json_t *weight_map = json_object_get(index, "weight_map");
    if (!json_is_object(weight_map)) {
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: \"weight_map\" is %s, expected an object",
                      path, ifm_json_kind(weight_map));
        goto done;
    }
    st = collect_shards(path, weight_map, &shards, err);
    if (st == IFM_OK)
        st = add_shards(self, directory, path, shards, err);
    if (st == IFM_OK)
        st = sort_tensors(self, err);
    if (st == IFM_OK)
        st = check_index(self, path, weight_map, shards, err);
done:
    json_decref(shards);
    json_decref(index);
    return st;
}

/* Says what is there instead, since the reader probably knows the directory well. */
static ifm_status no_weights(const char *directory, ifm_error *err)
{
    static const char *const others[] = {"pytorch_model.bin", "tf_model.h5",
                                         "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char *path = join(directory, others[i]);
        bool found = path != NULL && ifm_file_exists(path);
        free(path);
        if (found)
            return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                            "%s: has %s, but weights are read from %s: save the model "
                            "with save_pretrained(…, safe_serialization=True)",
                            directory, others[i], single_name);
    }
    return ifm_fail(err, IFM_ERR_NOT_FOUND,
                    "%s: has neither %s nor %s: is it a model directory?", directory,
                    single_name, index_name);
}

static ifm_status open_directory(ifm_weights *self, const char *directory, ifm_error *err)
{
    ifm_status st;
    char *single = join(directory, single_name);
    char *index = join(directory, index_name);
    if (single == NULL || index == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", directory);
    } else if (ifm_file_exists(single)) {
        st = open_single(self, single, err);
        single = NULL;
        if (st == IFM_OK)
            st = sort_tensors(self, err);
    } else if (ifm_file_exists(index)) {
        st = open_sharded(self, directory, index, err);
    } else {
        st = no_weights(directory, err);
    }
    free(index);
    free(single);
    return st;
}

ifm_status ifm_weights_open(const char *path, ifm_weights **out, ifm_error *err)
{
    *out = NULL;
    ifm_weights *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    ifm_status st;
    if (ifm_file_is_directory(path)) {
        st = open_directory(self, path, err);
    } else {
        char *copy = strdup(path);
        st = copy == NULL ? ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path)
                          : open_single(self, copy, err);
        if (st == IFM_OK)
            st = sort_tensors(self, err);
    }
    if (st == IFM_OK)
        st = check_usable(self, err);
    if (st == IFM_OK)
        *out = self;
    else
        ifm_weights_close(self);
    return st;
}

const ifm_gguf *ifm_weights_gguf(const ifm_weights *self)
{
    return self->gguf;
}

const ifm_tensor *ifm_weights_find(const ifm_weights *self, const char *name)
{
    const ifm_tensor_entry *entry = find_in(self->list.entries, self->n_usable, name);
    return entry != NULL ? &entry->tensor : NULL;
}

const char *ifm_weights_left_out(const ifm_weights *self, const char *name)
{
    const ifm_tensor_entry *entry = find_entry(self, name);
    return entry != NULL ? entry->left_out : NULL;
}

size_t ifm_weights_left_out_count(const ifm_weights *self)
{
    return self->list.count - self->n_usable;
}

const ifm_tensor *ifm_weights_left_out_at(const ifm_weights *self, size_t i,
                                          const char **type)
{
    if (i >= ifm_weights_left_out_count(self))
        return NULL;
    const ifm_tensor_entry *entry = &self->list.entries[self->n_usable + i];
    *type = entry->left_out;
    return &entry->tensor;
}

size_t ifm_weights_count(const ifm_weights *self)
{
    return self->n_usable;
}

const ifm_tensor *ifm_weights_at(const ifm_weights *self, size_t i)
{
    return i < self->n_usable ? &self->list.entries[i].tensor : NULL;
}

size_t ifm_weights_file_count(const ifm_weights *self)
{
    return self->n_files;
}

const char *ifm_weights_file(const ifm_weights *self, size_t i, ifm_mapping *mapping)
{
    if (i >= self->n_files)
        return NULL;
    *mapping = self->files[i].mapping;
    return self->files[i].path;
}

static uint64_t count_f32(const unsigned char *bytes, size_t n)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t x;
        memcpy(&x, bytes + 4 * i, sizeof x); /* the file may place it anywhere */
        count += (x & 0x7f800000u) == 0x7f800000u;
    }
    return count;
}

static uint64_t count_16(const unsigned char *bytes, size_t n, uint16_t exponent)
{
    uint64_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t x;
        memcpy(&x, bytes + 2 * i, sizeof x);
        count += (x & exponent) == exponent;
    }
    return count;
}

/* Of the numbers that the blocks stand for: a scale that is infinite spoils all of its. */
static uint64_t count_quantized(const ifm_tensor *tensor)
{
    float x[256];
    uint64_t count = 0;
    const unsigned char *bytes = tensor->data;
    const size_t n_block = (size_t)ifm_dtype_block(tensor->dtype);
    const size_t n_bytes = ifm_dtype_block_bytes(tensor->dtype);
    for (size_t i = 0; n_bytes > 0 && i < tensor->n_bytes / n_bytes; i++) {
        ifm_dequantize(tensor->dtype, bytes + i * n_bytes, (int64_t)n_block, x);
        count += count_f32((const unsigned char *)x, n_block);
    }
    return count;
}

uint64_t ifm_tensor_count_nonfinite(const ifm_tensor *tensor)
{
    switch (tensor->dtype) {
    case IFM_DTYPE_F32:
        return count_f32(tensor->data, tensor->n_bytes / 4);
    case IFM_DTYPE_F16:
        return count_16(tensor->data, tensor->n_bytes / 2, 0x7c00);
    case IFM_DTYPE_BF16:
        return count_16(tensor->data, tensor->n_bytes / 2, 0x7f80);
    default:
        return count_quantized(tensor);
    }
}
