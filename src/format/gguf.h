/*
 * GGUF files, versions 2 and 3: metadata (keys with typed values) and tensors in one file.
 *
 * The file is mapped; every string, array and tensor is a view into it, checked when it is
 * opened. Nothing of the arrays is copied, so that opening costs a walk over the metadata.
 */
#ifndef IFM_FORMAT_GGUF_H
#define IFM_FORMAT_GGUF_H

#include "format/weights.h"

/* Types of values, numbered as the file numbers them. */
typedef enum ifm_gguf_type {
    IFM_GGUF_U8,
    IFM_GGUF_I8,
    IFM_GGUF_U16,
    IFM_GGUF_I16,
    IFM_GGUF_U32,
    IFM_GGUF_I32,
    IFM_GGUF_F32,
    IFM_GGUF_BOOL,
    IFM_GGUF_STRING,
    IFM_GGUF_ARRAY,
    IFM_GGUF_U64,
    IFM_GGUF_I64,
    IFM_GGUF_F64,
} ifm_gguf_type;

typedef struct ifm_gguf_string {
    const char *text; /* borrowed from the mapping, not terminated; may hold any bytes */
    size_t n;
} ifm_gguf_string;

typedef struct ifm_gguf_value {
    ifm_gguf_type type;
    union {
        uint64_t u; /* unsigned, and BOOL (0, 1) */
        int64_t i;  /* signed */
        double f;
        ifm_gguf_string string;
        struct {
            ifm_gguf_type type; /* never ARRAY: nested arrays are refused */
            uint64_t n;
            const void *data; /* at any address; strings: see ifm_gguf_next_string */
            size_t n_bytes;   /* of data */
        } array;
    };
} ifm_gguf_value;

typedef struct ifm_gguf ifm_gguf;

/* Reads the file at `path` (which the mapping outlives only if the caller keeps it): the
 * metadata of bytes[n]. Errors: FORMAT, LIMIT, UNSUPPORTED (version 1, big-endian),
 * NO_MEMORY. The caller frees *out; all of it borrows `mapping`. */
ifm_status ifm_gguf_parse(const ifm_mapping *mapping, const char *file, ifm_gguf **out,
                          ifm_error *err);
void ifm_gguf_free(ifm_gguf *self);

/* The value of `key`; NULL when there is none. Thread-safe. */
const ifm_gguf_value *ifm_gguf_find(const ifm_gguf *self, const char *key);

/* Typed lookups: true, and *out, when the key is there and its value fits; any whole type
 * is an integer. */
bool ifm_gguf_get_int(const ifm_gguf *self, const char *key, int64_t *out);
bool ifm_gguf_get_float(const ifm_gguf *self, const char *key, double *out);
bool ifm_gguf_get_bool(const ifm_gguf *self, const char *key, bool *out);
bool ifm_gguf_get_string(const ifm_gguf *self, const char *key, ifm_gguf_string *out);

/* Element i of an array of numbers. */
int64_t ifm_gguf_int_at(const ifm_gguf_value *array, uint64_t i);
double ifm_gguf_float_at(const ifm_gguf_value *array, uint64_t i);

/* Walks an array of strings: *at starts as NULL; false after the last. */
bool ifm_gguf_next_string(const ifm_gguf_value *array, const char **at,
                          ifm_gguf_string *out);

/* Keys in the order of the file; NULL when i is out of range. */
const char *ifm_gguf_key_at(const ifm_gguf *self, size_t i, size_t *n,
                            const ifm_gguf_value **value);

/* Where the metadata ends and the data of the tensors begins, in bytes: what a cache of
 * the tokenizer has to look at. */
size_t ifm_gguf_metadata_bytes(const ifm_gguf *self);
size_t ifm_gguf_data_offset(const ifm_gguf *self);

#endif
