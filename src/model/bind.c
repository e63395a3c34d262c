#include "model/bind.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

enum {
    VECTOR_UNIT = 16, /* floats: vectors start at cache lines */
    MAX_NAME = 96,
};

int64_t ifm_vector_room(int64_t n)
{
    return (int64_t)ifm_align_up((size_t)n, VECTOR_UNIT);
}

ifm_status ifm_binder_begin(ifm_binder *self, ifm_model *model,
                            const ifm_tensor_source *source, const ifm_names *hub_names,
                            int64_t floats, ifm_error *err)
{
    model->vectors = aligned_alloc(64, (size_t)floats * sizeof(float));
    if (!model->vectors)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory for its vectors");
    *self = (ifm_binder){
        .model = model,
        .source = source,
        .names = source->gguf ? &ifm_names_gguf : hub_names,
        .next = model->vectors,
        .end = model->vectors + floats,
        .err = err,
    };
    return IFM_OK;
}

/* ---- finding ----------------------------------------------------------------------- */

/* The name of a tensor, with or without the file's prefix. */
static void name_of(const ifm_binder *self, bool prefix, int32_t layer, ifm_part part,
                    const char *suffix, char name[MAX_NAME])
{
    const ifm_names *names = self->names;
    const char *front = prefix ? names->prefix : "";
    if (layer == IFM_NO_LAYER)
        snprintf(name, MAX_NAME, "%s%s.%s", front, names->parts[part], suffix);
    else
        snprintf(name, MAX_NAME, "%s%s%" PRId32 ".%s.%s", front, names->layers, layer,
                 names->parts[part], suffix);
}

static const ifm_tensor *look_up(const ifm_binder *self, int32_t layer, ifm_part part,
                                 const char *suffix)
{
    const ifm_tensor_source *source = self->source;
    char name[MAX_NAME];
    name_of(self, true, layer, part, suffix, name);
    const ifm_tensor *x = source->find(source->arg, name);
    if (x || !self->names->prefix[0])
        return x;
    name_of(self, false, layer, part, suffix, name);
    return source->find(source->arg, name);
}

bool ifm_bind_has(const ifm_binder *self, int32_t layer, ifm_part part)
{
    return look_up(self, layer, part, "weight") != NULL;
}

/* Why a tensor was not found: its type, or it is not there. */
static ifm_status fail_missing(const ifm_binder *self, int32_t layer, ifm_part part,
                               const char *suffix)
{
    const ifm_tensor_source *source = self->source;
    const ifm_config *config = &self->model->config;
    char with[MAX_NAME], without[MAX_NAME], or_without[MAX_NAME + 8] = "";
    name_of(self, true, layer, part, suffix, with);
    name_of(self, false, layer, part, suffix, without);
    const char *type = NULL;
    if (source->left_out && !(type = source->left_out(source->arg, with)))
        type = source->left_out(source->arg, without);
    if (type)
        return ifm_fail(self->err, IFM_ERR_UNSUPPORTED,
                        "tensor \"%s\" has the type %s, which nothing here computes "
                        "with",
                        with, type);
    if (part == IFM_PART_HEAD && !source->gguf)
        return ifm_fail(self->err, IFM_ERR_FORMAT,
                        "tensor \"%s\" is in none of the weight files, but config.json "
                        "says \"tie_word_embeddings\": false",
                        without);
    if (strcmp(with, without) != 0)
        snprintf(or_without, sizeof or_without, " (or \"%s\")", without);
    return ifm_fail(self->err, IFM_ERR_FORMAT,
                    "tensor \"%s\"%s is in none of the weight files, expected of a %s "
                    "with %" PRId32 " layers: %s?",
                    with, or_without, ifm_family_name(config->family), config->n_layer,
                    source->gguf ? "is a part of the file missing"
                                 : "is it another model's config.json");
}

static void print_shape(const ifm_tensor *x, char out[128])
{
    size_t at = (size_t)snprintf(out, 128, "[");
    for (int32_t i = 0; i < x->n_dimensions; i++)
        at += (size_t)snprintf(out + at, 128 - at, "%s%" PRId64, i ? ", " : "",
                               x->shape[i]);
    snprintf(out + at, 128 - at, "]");
}

/* The tensor, which must have the shape [rows, columns], or [columns] when rows is 0. */
static ifm_status find_shaped(const ifm_binder *self, int32_t layer, ifm_part part,
                              const char *suffix, int64_t rows, int64_t columns,
                              const ifm_tensor **out)
{
    char expected[64], found[128];
    const ifm_tensor *x = look_up(self, layer, part, suffix);
    const int32_t n = rows ? 2 : 1;
    if (!x)
        return fail_missing(self, layer, part, suffix);
    *out = x;
    if (x->n_dimensions == n && x->shape[n - 1] == columns &&
        (!rows || x->shape[0] == rows))
        return IFM_OK;
    if (rows)
        snprintf(expected, sizeof expected, "[%" PRId64 ", %" PRId64 "]", rows, columns);
    else
        snprintf(expected, sizeof expected, "[%" PRId64 "]", columns);
    print_shape(x, found);
    return ifm_fail(self->err, IFM_ERR_FORMAT,
                    "%s: tensor \"%s\" has the shape %s, %s expects %s", x->file, x->name,
                    found, self->source->gguf ? "the metadata" : "config.json", expected);
}

/* ---- what becomes of it ------------------------------------------------------------ */

static ifm_status fail_type(const ifm_binder *self, const ifm_tensor *x)
{
    return ifm_fail(self->err, IFM_ERR_UNSUPPORTED,
                    "%s: tensor \"%s\" has the type %s, which is not supported there",
                    x->file, x->name, ifm_dtype_name(x->dtype));
}

static void count(ifm_binder *self, const ifm_tensor *x, int64_t decode_bytes)
{
    ifm_weight_count *counted = &self->model->count;
    counted->bytes[x->dtype] += (int64_t)x->n_bytes;
    counted->decode_bytes += decode_bytes;
    counted->parameters += x->shape[0] * (x->n_dimensions == 2 ? x->shape[1] : 1);
}

static ifm_status bind_vector(ifm_binder *self, int32_t layer, ifm_part part,
                              const char *suffix, int64_t n, const float **out)
{
    const ifm_tensor *x;
    const ifm_status status = find_shaped(self, layer, part, suffix, 0, n, &x);
    if (status != IFM_OK)
        return status;
    if (!self->model->kern->to_f32[x->dtype])
        return fail_type(self, x);
    assert(self->end - self->next >= ifm_vector_room(n));
    self->model->kern->to_f32[x->dtype](self->next, x->data, n);
    *out = self->next;
    self->next += ifm_vector_room(n);
    count(self, x, n * (int64_t)sizeof(float));
    return IFM_OK;
}

ifm_status ifm_bind_vector(ifm_binder *self, int32_t layer, ifm_part part, int64_t n,
                           const float **out)
{
    return bind_vector(self, layer, part, "weight", n, out);
}

ifm_status ifm_bind_norm(ifm_binder *self, int32_t layer, ifm_part part, int64_t n,
                         bool bias, ifm_norm *out)
{
    *out = (ifm_norm){0};
    const ifm_status status = bind_vector(self, layer, part, "weight", n, &out->gain);
    return status == IFM_OK && bias
               ? bind_vector(self, layer, part, "bias", n, &out->bias)
               : status;
}

/* A matrix as the kernels take it. */
static ifm_status use_matrix(ifm_binder *self, const ifm_tensor *x, ifm_layout layout,
                             int64_t k, int64_t n, ifm_matrix *out)
{
    if (!self->model->kern->ways[layout][x->dtype][IFM_WAY_ONE].multiply)
        return fail_type(self, x);
    *out = (ifm_matrix){x->data, x->dtype, layout, k, n};
    count(self, x, (int64_t)x->n_bytes);
    return IFM_OK;
}

ifm_status ifm_bind_linear(ifm_binder *self, int32_t layer, ifm_part part, int64_t k,
                           int64_t n, bool bias, ifm_linear *out)
{
    const ifm_layout layout = self->names->layout;
    const bool kn = layout == IFM_LAYOUT_KN;
    const ifm_tensor *x;
    *out = (ifm_linear){0};
    ifm_status status =
        find_shaped(self, layer, part, "weight", kn ? k : n, kn ? n : k, &x);
    if (status == IFM_OK)
        status = use_matrix(self, x, layout, k, n, &out->w);
    return status == IFM_OK && bias
               ? bind_vector(self, layer, part, "bias", n, &out->bias)
               : status;
}

ifm_status ifm_bind_embedding(ifm_binder *self, ifm_part part, int64_t rows,
                              const ifm_tensor **out)
{
    const ifm_config *config = &self->model->config;
    const ifm_status status =
        find_shaped(self, IFM_NO_LAYER, part, "weight", rows, config->n_embd, out);
    if (status != IFM_OK)
        return status;
    if (!self->model->kern->to_f32[(*out)->dtype])
        return fail_type(self, *out);
    if (part != IFM_PART_EMBEDDING || !config->tied_head) /* else the head counts it */
        count(self, *out, 0);
    return IFM_OK;
}

ifm_status ifm_bind_head(ifm_binder *self, const ifm_tensor *embedding, ifm_linear *out)
{
    const ifm_config *config = &self->model->config;
    const ifm_tensor *x = embedding;
    ifm_status status = IFM_OK;
    *out = (ifm_linear){0};
    if (!config->tied_head)
        status = find_shaped(self, IFM_NO_LAYER, IFM_PART_HEAD, "weight", config->n_vocab,
                             config->n_embd, &x);
    return status == IFM_OK ? use_matrix(self, x, IFM_LAYOUT_NK, config->n_embd,
                                         config->n_vocab, &out->w)
                            : status;
}
