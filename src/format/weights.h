/*
 * Named weights: what every weight file becomes, whatever its format.
 *
 * A tensor borrows its bytes from the mapped file; nothing is copied. The order of tensors
 * is the order of their names, so that a lookup is a binary search.
 */
#ifndef IFM_FORMAT_WEIGHTS_H
#define IFM_FORMAT_WEIGHTS_H

#include "format/dtype.h"
#include "os/file.h"

enum { IFM_MAX_DIMENSIONS = 4 };

/* Limits on what a file may claim: the header is at most what the safetensors library
 * itself accepts. */
enum { IFM_SAFETENSORS_MAX_HEADER = 100 * 1000 * 1000 };

typedef struct ifm_tensor {
    const char *name; /* borrowed from the ifm_weights */
    ifm_dtype dtype;
    int32_t n_dimensions;
    int64_t shape[IFM_MAX_DIMENSIONS]; /* outermost first, as safetensors writes it; GGUF
                                          files write it reversed */
    const void *
        data; /* row-major, rows of a quantized type are whole blocks, at any address: the header of the hub's own gpt2 and
                         distilgpt2 files has an odd length */
    size_t n_bytes;
    const char *file; /* for messages; borrowed */
} ifm_tensor;

typedef struct ifm_weights ifm_weights;
typedef struct ifm_gguf ifm_gguf;

/* Opens the weights in the directory `path`: model.safetensors, or the shards that
 * model.safetensors.index.json names; or, when `path` is a .safetensors or .gguf file, that file.
 * Checks every name, type, shape and offset before it returns; reads no weights. Tensors
 * of types that are not computed with (I64, U8, BOOL and so on: GPT-2 files carry masks)
 * are checked and left out. The caller closes *out. Errors: NOT_FOUND, IO, FORMAT, LIMIT,
 * NO_MEMORY. */
ifm_status ifm_weights_open(const char *path, ifm_weights **out, ifm_error *err);
void ifm_weights_close(ifm_weights *self);

/* The metadata, when the weights came from a GGUF file; else NULL. Borrowed. */
const ifm_gguf *ifm_weights_gguf(const ifm_weights *self);

/* NULL when there is no such tensor. The weights are read-only: thread-safe. */
const ifm_tensor *ifm_weights_find(const ifm_weights *self, const char *name);
/* The file's name for the type ("I64", "F8_E4M3") of a tensor that is there but was left
 * out because nothing computes with it; NULL when there is none of that name. */
const char *ifm_weights_left_out(const ifm_weights *self, const char *name);
/* How many tensors were left out, and each of them with the file's name for its type. */
size_t ifm_weights_left_out_count(const ifm_weights *self);
const ifm_tensor *ifm_weights_left_out_at(const ifm_weights *self, size_t i,
                                          const char **type);
/* How many tensors there are, and each by its place in the order of names. */
size_t ifm_weights_count(const ifm_weights *self);
const ifm_tensor *ifm_weights_at(const ifm_weights *self, size_t i);

/* The mapped files, for prefetching and for counting bytes: returns the path, borrowed,
 * and lends *mapping; NULL when i is out of range. */
size_t ifm_weights_file_count(const ifm_weights *self);
const char *ifm_weights_file(const ifm_weights *self, size_t i, ifm_mapping *mapping);

/* How many numbers of `tensor` are NaN or infinite: allowed, but to be reported. Reads
 * every byte. Thread-safe. */
uint64_t ifm_tensor_count_nonfinite(const ifm_tensor *tensor);

#endif
