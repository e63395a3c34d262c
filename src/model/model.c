/* Opening a model: its config, its weights, the kernels that will compute it, and what it
 * is in a few numbers. */
#include "model/label.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/cpu.h"
#include "os/file.h"

static const ifm_tensor *find_in_weights(const void *source, const char *name)
{
    return ifm_weights_find(source, name);
}

static const char *left_out_of_weights(const void *source, const char *name)
{
    return ifm_weights_left_out(source, name);
}

const ifm_family_ops *ifm_family_ops_of(ifm_family family)
{
    return family == IFM_FAMILY_GPT2 ? &ifm_gpt2_ops : &ifm_llama_ops;
}

/* What the model is, from its config and what binding has counted. */
static void describe(ifm_model *self)
{
    const ifm_config *c = &self->config;
    const ifm_weight_count *count = &self->count;
    ifm_dtype most = IFM_DTYPE_F32;
    int64_t weight_bytes = 0;
    for (int i = 0; i < IFM_DTYPE_COUNT; i++) {
        most = count->bytes[i] > count->bytes[most] ? (ifm_dtype)i : most;
        weight_bytes += count->bytes[i];
    }
    self->info = (ifm_model_info){
        .name = self->name,
        .family = ifm_family_name(c->family),
        .path = self->path,
        .dtype = ifm_dtype_name(most),
        .kernels = self->kern->name,
        .parameters = count->parameters,
        .weight_bytes = weight_bytes,
        .decode_bytes = count->decode_bytes,
        .n_layer = c->n_layer,
        .n_head = c->n_head,
        .n_kv_head = c->n_kv_head,
        .head_dim = c->head_dim,
        .n_embd = c->n_embd,
        .n_inner = c->n_inner,
        .n_positions = c->n_positions,
        .n_vocab = c->n_vocab,
        .tied_head = c->tied_head,
        .bos_id = c->bos_id,
        .eos_id = c->eos_id,
    };
    for (size_t i = 0; i < ifm_weights_file_count(self->weights); i++) {
        ifm_mapping mapping = {0};
        (void)ifm_weights_file(self->weights, i, &mapping);
        self->info.file_bytes += (int64_t)mapping.size;
    }
}

static ifm_status start_loading(ifm_model *self, const ifm_model_options *options,
                                ifm_error *err)
{
    int threads = 1;
    if (options->load == IFM_LOAD_EAGER)
        threads = options->threads > 0 ? options->threads : ifm_cpu_room_now().threads;
    return ifm_loader_start(self->weights, threads, &self->loader, err);
}

static ifm_status bind(ifm_model *self, ifm_error *err)
{
    const ifm_tensor_source source = {
        .find = find_in_weights,
        .left_out = left_out_of_weights,
        .arg = self->weights,
        .gguf = ifm_weights_gguf(self->weights) != NULL,
    };
    self->ops = ifm_family_ops_of(self->config.family);
    return self->ops->bind(self, &source, err);
}

static ifm_status open_parts(ifm_model *self, const char *path,
                             const ifm_model_options *options, ifm_error *err)
{
    ifm_status status = ifm_kernels_find(options->kernels, &self->kern, err);
    if (status == IFM_OK && ifm_file_is_directory(path)) /* tells best what is wrong */
        status = ifm_config_read(path, &self->config, err);
    if (status == IFM_OK)
        status = ifm_weights_open(path, &self->weights, err);
    if (status == IFM_OK && ifm_weights_gguf(self->weights))
        status = ifm_config_read_gguf(self->weights, path, &self->config, err);
    else if (status == IFM_OK && !ifm_file_is_directory(path))
        status = ifm_config_read(path, &self->config, err);
    if (status == IFM_OK)
        status = start_loading(self, options, err);
    if (status == IFM_OK)
        status = bind(self, err);
    if (status != IFM_OK)
        return status;
    self->path = strdup(path);
    self->name = ifm_model_label(path);
    if (!self->path || !self->name)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    describe(self);
    if (options->load == IFM_LOAD_EAGER)
        ifm_loader_wait(self->loader);
    return IFM_OK;
}

ifm_status ifm_model_open(const char *path, const ifm_model_options *options,
                          ifm_model **out, ifm_error *err)
{
    static const ifm_model_options defaults = {.load = IFM_LOAD_LAZY};
    ifm_model *self = calloc(1, sizeof *self);
    *out = NULL;
    if (!self)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    const ifm_status status = open_parts(self, path, options ? options : &defaults, err);
    if (status != IFM_OK) {
        ifm_model_close(self);
        return status;
    }
    *out = self;
    return IFM_OK;
}

void ifm_model_close(ifm_model *model)
{
    if (!model)
        return;
    if (model->ops)
        model->ops->unbind(model);
    free(model->vectors);
    ifm_loader_free(model->loader);
    ifm_weights_close(model->weights);
    free(model->path);
    free(model->name);
    free(model);
}

const ifm_model_info *ifm_model_describe(const ifm_model *model)
{
    return &model->info;
}
