/* Fuzzes the reader of GGUF files: any bytes are either refused with a message or become
 * keys and tensors that lie inside the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format/gguf_read.h"
#include "fuzz/fuzz.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

static bool is_inside(const uint8_t *data, size_t size, const void *part, size_t n)
{
    const uint8_t *begin = part;
    return begin >= data && begin <= data + size && n <= size - (size_t)(begin - data);
}

static void use_array(const uint8_t *data, size_t size, const ifm_gguf_value *value)
{
    const char *at = NULL;
    ifm_gguf_string text;
    uint64_t n = 0;
    require(is_inside(data, size, value->array.data, value->array.n_bytes));
    if (value->array.type != IFM_GGUF_STRING) {
        if (value->array.n > 0)
            (void)ifm_gguf_float_at(value, value->array.n - 1);
        return;
    }
    for (; ifm_gguf_next_string(value, &at, &text); n++)
        require(is_inside(data, size, text.text, text.n));
    require(n == value->array.n);
}

static void use_keys(const uint8_t *data, size_t size, const ifm_gguf *gguf)
{
    size_t n;
    const ifm_gguf_value *value;
    const char *key;
    for (size_t i = 0; (key = ifm_gguf_key_at(gguf, i, &n, &value)) != NULL; i++) {
        char name[256];
        require(is_inside(data, size, key, n));
        if (n < sizeof name) {
            memcpy(name, key, n);
            name[n] = '\0';
            require(ifm_gguf_find(gguf, name) == value);
        }
        if (value->type == IFM_GGUF_ARRAY)
            use_array(data, size, value);
        else if (value->type == IFM_GGUF_STRING)
            require(is_inside(data, size, value->string.text, value->string.n));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ifm_mapping mapping = {data, size};
    ifm_tensor_list list = {0};
    ifm_gguf *gguf = NULL;
    ifm_error err = {0};
    ifm_status status = ifm_gguf_parse_into(&mapping, "fuzz", &list, &gguf, &err);
    require((status == IFM_OK) == (err.message[0] == '\0'));
    require(strchr(err.message, '\n') == NULL);
    if (status == IFM_OK) {
        use_keys(data, size, gguf);
        for (size_t i = 0; i < list.count; i++) {
            const ifm_tensor *tensor = &list.entries[i].tensor;
            require(is_inside(data, size, tensor->data, tensor->n_bytes));
            (void)ifm_tensor_count_nonfinite(tensor);
        }
    }
    ifm_gguf_free(gguf);
    ifm_tensor_list_deinit(&list);
    return 0;
}
