/*
 * Writing GGUF files (version 3): keys and tensors are announced one after another, then the
 * header is written, then the caller writes the tensors' bytes in the same order, each padded
 * to IFM_GGUF_ALIGNMENT.
 *
 * An allocation that fails is remembered: the caller asks once, at the header.
 */
#ifndef IFM_FORMAT_GGUF_WRITE_H
#define IFM_FORMAT_GGUF_WRITE_H

#include "base/buffer.h"
#include "format/gguf.h"

enum { IFM_GGUF_ALIGNMENT = 32 };

typedef struct ifm_gguf_writer {
    ifm_buffer keys, tensors; /* as the file has them */
    uint64_t n_keys, n_tensors;
    uint64_t data_bytes; /* of all tensors announced so far, padding included */
} ifm_gguf_writer;

/* An all-zero writer is empty. */
void ifm_gguf_writer_deinit(ifm_gguf_writer *self);

/* `key` must not have been put before. */
void ifm_gguf_put_u32(ifm_gguf_writer *self, const char *key, uint32_t value);
void ifm_gguf_put_f32(ifm_gguf_writer *self, const char *key, float value);
void ifm_gguf_put_bool(ifm_gguf_writer *self, const char *key, bool value);
void ifm_gguf_put_string(ifm_gguf_writer *self, const char *key, const char *text,
                         size_t n);
/* A key as another file has it. */
void ifm_gguf_put_value(ifm_gguf_writer *self, const char *key, size_t n_key,
                        const ifm_gguf_value *value);
/* An array of n elements, which the caller appends: numbers as they are in memory, strings
 * by the second function. */
void ifm_gguf_put_array(ifm_gguf_writer *self, const char *key, ifm_gguf_type type,
                        uint64_t n);
void ifm_gguf_put_element(ifm_gguf_writer *self, const char *text, size_t n);

/* Announces a tensor of that shape, outermost first; its rows are whole blocks. Returns its
 * bytes without padding. */
uint64_t ifm_gguf_put_tensor(ifm_gguf_writer *self, const char *name, ifm_dtype dtype,
                             int32_t n_dimensions, const int64_t *shape);

/* Zeros that follow n bytes of a tensor. */
static inline size_t ifm_gguf_padding(uint64_t n)
{
    return (size_t)(-n % IFM_GGUF_ALIGNMENT);
}

/* Bytes of the whole file. */
uint64_t ifm_gguf_file_bytes(const ifm_gguf_writer *self);

/* Appends the header, the keys, the tensors and their padding to *out: all that comes in
 * front of the tensors' bytes. Errors: NO_MEMORY, now or before. */
ifm_status ifm_gguf_finish_header(const ifm_gguf_writer *self, ifm_buffer *out,
                                  ifm_error *err);

#endif
