#include "format/gguf_write.h"

#include <string.h>

#include "base/error.h"
#include "format/gguf_types.h"

void ifm_gguf_writer_deinit(ifm_gguf_writer *self)
{
    ifm_buffer_deinit(&self->keys);
    ifm_buffer_deinit(&self->tensors);
    *self = (ifm_gguf_writer){0};
}

static void put_u32(ifm_buffer *to, uint32_t x)
{
    ifm_buffer_append(to, &x, sizeof x);
}

static void put_u64(ifm_buffer *to, uint64_t x)
{
    ifm_buffer_append(to, &x, sizeof x);
}

static void put_text(ifm_buffer *to, const char *text, size_t n)
{
    put_u64(to, n);
    ifm_buffer_append(to, text, n);
}

static void begin_key(ifm_gguf_writer *self, const char *key, size_t n,
                      ifm_gguf_type type)
{
    put_text(&self->keys, key, n);
    put_u32(&self->keys, (uint32_t)type);
    self->n_keys++;
}

void ifm_gguf_put_u32(ifm_gguf_writer *self, const char *key, uint32_t value)
{
    begin_key(self, key, strlen(key), IFM_GGUF_U32);
    put_u32(&self->keys, value);
}

void ifm_gguf_put_f32(ifm_gguf_writer *self, const char *key, float value)
{
    begin_key(self, key, strlen(key), IFM_GGUF_F32);
    ifm_buffer_append(&self->keys, &value, sizeof value);
}

void ifm_gguf_put_bool(ifm_gguf_writer *self, const char *key, bool value)
{
    begin_key(self, key, strlen(key), IFM_GGUF_BOOL);
    ifm_buffer_append(&self->keys, value ? "\1" : "\0", 1);
}

void ifm_gguf_put_string(ifm_gguf_writer *self, const char *key, const char *text,
                         size_t n)
{
    begin_key(self, key, strlen(key), IFM_GGUF_STRING);
    put_text(&self->keys, text, n);
}

/* A number as the file has it: whole ones by their lowest bytes. */
static void put_number(ifm_buffer *to, const ifm_gguf_value *value)
{
    const float single = (float)value->f;
    switch (value->type) {
    case IFM_GGUF_U8:
    case IFM_GGUF_I8:
    case IFM_GGUF_BOOL:
        ifm_buffer_append(to, &value->u, 1);
        break;
    case IFM_GGUF_U16:
    case IFM_GGUF_I16:
        ifm_buffer_append(to, &value->u, 2);
        break;
    case IFM_GGUF_U32:
    case IFM_GGUF_I32:
        ifm_buffer_append(to, &value->u, 4);
        break;
    case IFM_GGUF_F32:
        ifm_buffer_append(to, &single, sizeof single);
        break;
    default: /* U64, I64, F64 */
        ifm_buffer_append(to, &value->u, 8);
        break;
    }
}

void ifm_gguf_put_value(ifm_gguf_writer *self, const char *key, size_t n_key,
                        const ifm_gguf_value *value)
{
    begin_key(self, key, n_key, value->type);
    if (value->type == IFM_GGUF_STRING) {
        put_text(&self->keys, value->string.text, value->string.n);
    } else if (value->type == IFM_GGUF_ARRAY) {
        put_u32(&self->keys, (uint32_t)value->array.type);
        put_u64(&self->keys, value->array.n);
        ifm_buffer_append(&self->keys, value->array.data, value->array.n_bytes);
    } else {
        put_number(&self->keys, value);
    }
}

void ifm_gguf_put_array(ifm_gguf_writer *self, const char *key, ifm_gguf_type type,
                        uint64_t n)
{
    begin_key(self, key, strlen(key), IFM_GGUF_ARRAY);
    put_u32(&self->keys, (uint32_t)type);
    put_u64(&self->keys, n);
}

void ifm_gguf_put_element(ifm_gguf_writer *self, const char *text, size_t n)
{
    put_text(&self->keys, text, n);
}

uint64_t ifm_gguf_put_tensor(ifm_gguf_writer *self, const char *name, ifm_dtype dtype,
                             int32_t n_dimensions, const int64_t *shape)
{
    ifm_buffer *to = &self->tensors;
    int64_t n = 1;
    put_text(to, name, strlen(name));
    put_u32(to, (uint32_t)n_dimensions);
    for (int32_t d = n_dimensions - 1; d >= 0; d--) {
        put_u64(to, (uint64_t)shape[d]);
        n *= shape[d];
    }
    put_u32(to, ifm_gguf_number_of(dtype));
    put_u64(to, self->data_bytes);
    self->n_tensors++;
    uint64_t n_bytes = (uint64_t)ifm_dtype_bytes_of(dtype, n);
    self->data_bytes += n_bytes + ifm_gguf_padding(n_bytes);
    return n_bytes;
}

enum { HEADER_BYTES = 24 };

uint64_t ifm_gguf_file_bytes(const ifm_gguf_writer *self)
{
    uint64_t n = HEADER_BYTES + self->keys.length + self->tensors.length;
    return n + ifm_gguf_padding(n) + self->data_bytes;
}

ifm_status ifm_gguf_finish_header(const ifm_gguf_writer *self, ifm_buffer *out,
                                  ifm_error *err)
{
    static const char zeros[IFM_GGUF_ALIGNMENT];
    ifm_buffer_puts(out, "GGUF");
    put_u32(out, 3);
    put_u64(out, self->n_tensors);
    put_u64(out, self->n_keys);
    ifm_buffer_append(out, self->keys.data, self->keys.length);
    ifm_buffer_append(out, self->tensors.data, self->tensors.length);
    ifm_buffer_append(out, zeros, ifm_gguf_padding(out->length));
    if (self->keys.failed || self->tensors.failed || out->failed)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a GGUF header");
    return IFM_OK;
}
