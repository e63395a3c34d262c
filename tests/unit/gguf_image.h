/* A GGUF file in the making, for tests: written field by field, so that each can lie. */
#ifndef IFM_TESTS_GGUF_IMAGE_H
#define IFM_TESTS_GGUF_IMAGE_H

#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "format/gguf.h"

static inline void put_u32(ifm_buffer *to, uint32_t x)
{
    ifm_buffer_append(to, &x, sizeof x);
}

static inline void put_u64(ifm_buffer *to, uint64_t x)
{
    ifm_buffer_append(to, &x, sizeof x);
}

static inline void put_string(ifm_buffer *to, const char *text)
{
    put_u64(to, strlen(text));
    ifm_buffer_puts(to, text);
}

static inline void put_header(ifm_buffer *to, uint64_t n_tensors, uint64_t n_keys)
{
    ifm_buffer_puts(to, "GGUF");
    put_u32(to, 3);
    put_u64(to, n_tensors);
    put_u64(to, n_keys);
}

static inline void put_key(ifm_buffer *to, const char *key, uint32_t type)
{
    put_string(to, key);
    put_u32(to, type);
}

static inline void put_u32_key(ifm_buffer *to, const char *key, uint32_t value)
{
    put_key(to, key, IFM_GGUF_U32);
    put_u32(to, value);
}

/* A tensor of one or two dimensions, the inner one first; `outer` 0: only one. */
static inline void put_tensor(ifm_buffer *to, const char *name, uint64_t inner,
                              uint64_t outer, uint32_t type, uint64_t offset)
{
    put_string(to, name);
    put_u32(to, outer > 0 ? 2 : 1);
    put_u64(to, inner);
    if (outer > 0)
        put_u64(to, outer);
    put_u32(to, type);
    put_u64(to, offset);
}

/* Pads to the alignment and puts n bytes behind it. */
static inline void put_data(ifm_buffer *to, size_t alignment, size_t n)
{
    static const char zeros[4096];
    ifm_buffer_append(to, zeros, (alignment - to->length % alignment) % alignment);
    for (; n > 0; n -= n < sizeof zeros ? n : sizeof zeros)
        ifm_buffer_append(to, zeros, n < sizeof zeros ? n : sizeof zeros);
}

#endif
