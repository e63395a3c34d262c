/* The plan itself, and the one for a GGUF file: it is what it was, in other types. */
#include "convert/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void ifm_convert_plan_deinit(ifm_convert_plan *self)
{
    for (size_t i = 0; i < self->n_tensors; i++) {
        free(self->tensors[i].name);
        free(self->tensors[i].made);
    }
    free(self->tensors);
    ifm_gguf_writer_deinit(&self->writer);
    *self = (ifm_convert_plan){0};
}

static void set_shape(ifm_convert_tensor *self)
{
    const ifm_tensor *from = self->from;
    int64_t n = 1;
    self->n_dimensions = from->n_dimensions;
    for (int32_t d = 0; d < from->n_dimensions; d++) {
        self->shape[d] = from->shape[d];
        n *= from->shape[d];
    }
    if (self->change == IFM_CONVERT_TRANSPOSED) {
        self->shape[0] = from->shape[1];
        self->shape[1] = from->shape[0];
    }
    self->width = self->n_dimensions > 0 ? self->shape[self->n_dimensions - 1] : 1;
    if (self->change == IFM_CONVERT_ROTATED && self->n_dimensions == 1)
        self->width = 1; /* a bias: one number a row */
    self->n_rows = self->width > 0 ? n / self->width : 0;
}

ifm_convert_tensor *ifm_convert_plan_add(ifm_convert_plan *self, const char *name,
                                         const ifm_tensor *from,
                                         ifm_convert_change change)
{
    if (self->n_tensors == self->capacity) {
        size_t capacity = self->capacity > 0 ? 2 * self->capacity : 128;
        void *grown = realloc(self->tensors, capacity * sizeof *self->tensors);
        if (grown == NULL)
            return NULL;
        self->tensors = grown;
        self->capacity = capacity;
    }
    ifm_convert_tensor *tensor = &self->tensors[self->n_tensors];
    *tensor = (ifm_convert_tensor){.name = strdup(name), .from = from, .change = change};
    if (tensor->name == NULL)
        return NULL;
    self->n_tensors++;
    if (from != NULL)
        set_shape(tensor);
    return tensor;
}

static bool is_copied(const char *key, size_t n)
{
    static const char *const own[] = {"general.alignment", "general.file_type",
                                      "general.quantization_version"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (n == strlen(own[i]) && memcmp(key, own[i], n) == 0)
            return false;
    return n < 6 || memcmp(key, "split.", 6) != 0;
}

static int32_t count_layers(const ifm_gguf *gguf)
{
    ifm_gguf_string architecture = {0};
    char key[128];
    int64_t n = 0;
    if (!ifm_gguf_get_string(gguf, "general.architecture", &architecture) ||
        architecture.n > 64)
        return 0;
    snprintf(key, sizeof key, "%.*s.block_count", (int)architecture.n, architecture.text);
    return ifm_gguf_get_int(gguf, key, &n) && n > 0 && n < 65536 ? (int32_t)n : 0;
}

ifm_status ifm_convert_plan_gguf(ifm_convert_plan *self, const ifm_weights *weights,
                                 ifm_error *err)
{
    const ifm_gguf *gguf = ifm_weights_gguf(weights);
    const ifm_gguf_value *value;
    const char *key;
    size_t n;
    for (size_t i = 0; (key = ifm_gguf_key_at(gguf, i, &n, &value)) != NULL; i++)
        if (is_copied(key, n))
            ifm_gguf_put_value(&self->writer, key, n, value);
    self->n_layer = count_layers(gguf);
    const char *type;
    const ifm_tensor *other = ifm_weights_left_out_at(weights, 0, &type);
    if (other != NULL)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: tensor \"%s\" is %s, which is not read: start from a file "
                        "of another type",
                        other->file, other->name, type);
    for (size_t i = 0; i < ifm_weights_count(weights); i++) {
        const ifm_tensor *from = ifm_weights_at(weights, i);
        ifm_convert_tensor *tensor =
            ifm_convert_plan_add(self, from->name, from, IFM_CONVERT_ROWS);
        if (tensor == NULL)
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a list of tensors");
        tensor->order = (int64_t)(uintptr_t)from->data; /* of the file */
    }
    return IFM_OK;
}
