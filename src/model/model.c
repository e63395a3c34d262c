/* Opening a model: its config, its weights, the kernels that will compute it, and what it
 * is in a few numbers. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/cpu.h"

static const ifm_tensor *find_in_weights(const void *source, const char *name)
{
    return ifm_weights_find(source, name);
}

/* The last part of a path, without trailing slashes or ".safetensors"; a file's name says
 * little ("model.safetensors"), so a file is called after its directory. */
static char *name_of(const char *path)
{
    static const char suffix[] = ".safetensors";
    const size_t n_suffix = sizeof suffix - 1;
    char *whole = realpath(path, NULL);
    char *text = whole ? whole : strdup(path);
    if (!text)
        return NULL;
    const size_t n = strlen(text);
    if (n > n_suffix && !strcmp(text + n - n_suffix, suffix) && strrchr(text, '/'))
        *strrchr(text, '/') = '\0';
    const char *slash = strrchr(text, '/');
    char *name = strdup(slash && slash[1] ? slash + 1 : text);
    free(text);
    return name;
}

/* Adds up a matrix that is used. */
static void count_matrix(ifm_model *self, const ifm_linear *linear, int64_t bytes[])
{
    const int64_t n = linear->w.k * linear->w.n;
    const int64_t size = n * (int64_t)ifm_dtype_block_bytes(linear->w.dtype);
    self->info.decode_bytes += size;
    bytes[linear->w.dtype] += size;
    self->info.parameters += n;
}

static void count_embedding(ifm_model *self, const ifm_tensor *x, int64_t bytes[])
{
    const int64_t n = x->shape[0] * x->shape[1];
    bytes[x->dtype] += (int64_t)x->n_bytes;
    self->info.parameters += n;
}

/* Counts what is used. A decode step reads every matrix, every vector, and one row of each
 * embedding, which is left out. Vectors are read as the copies in f32. */
static void describe(ifm_model *self)
{
    const ifm_config *c = &self->config;
    const int64_t vectors = (int64_t)c->n_layer * (9 * (int64_t)c->n_embd + c->n_inner) +
                            2 * (int64_t)c->n_embd;
    int64_t bytes[IFM_DTYPE_COUNT] = {0};
    for (int32_t i = 0; i < c->n_layer; i++) {
        const ifm_gpt2_layer *layer = &self->gpt2.layers[i];
        count_matrix(self, &layer->attn_qkv, bytes);
        count_matrix(self, &layer->attn_proj, bytes);
        count_matrix(self, &layer->mlp_fc, bytes);
        count_matrix(self, &layer->mlp_proj, bytes);
    }
    count_matrix(self, &self->gpt2.head, bytes);
    count_embedding(self, self->gpt2.wpe, bytes);
    if (!c->tied_head)
        count_embedding(self, self->gpt2.wte, bytes);
    self->info.parameters += vectors;
    self->info.decode_bytes += vectors * (int64_t)sizeof(float);
    ifm_dtype most = IFM_DTYPE_F32;
    for (int i = 0; i < IFM_DTYPE_COUNT; i++) {
        most = bytes[i] > bytes[most] ? (ifm_dtype)i : most;
        self->info.weight_bytes += bytes[i];
    }
    self->info.weight_bytes += vectors * (int64_t)ifm_dtype_block_bytes(most);
    self->info.dtype = ifm_dtype_name(most);
    self->info.family = ifm_family_name(c->family);
    self->info.kernels = self->kern->name;
    self->info.n_layer = c->n_layer;
    self->info.n_head = c->n_head;
    self->info.n_embd = c->n_embd;
    self->info.n_inner = c->n_inner;
    self->info.n_positions = c->n_positions;
    self->info.n_vocab = c->n_vocab;
    self->info.tied_head = c->tied_head;
    self->info.bos_id = c->bos_id;
    self->info.eos_id = c->eos_id;
}

static ifm_status start_loading(ifm_model *self, const ifm_model_options *options,
                                ifm_error *err)
{
    int threads = 1;
    if (options->load == IFM_LOAD_EAGER)
        threads = options->threads > 0 ? options->threads : ifm_cpu_room_now().threads;
    return ifm_loader_start(self->weights, threads, &self->loader, err);
}

static ifm_status open_parts(ifm_model *self, const char *path,
                             const ifm_model_options *options, ifm_error *err)
{
    ifm_status status = ifm_kernels_find(options->kernels, &self->kern, err);
    if (status == IFM_OK)
        status = ifm_config_read(path, &self->config, err);
    if (status == IFM_OK)
        status = ifm_weights_open(path, &self->weights, err);
    if (status == IFM_OK)
        status = start_loading(self, options, err);
    if (status == IFM_OK)
        status = ifm_gpt2_bind(self, find_in_weights, self->weights, err);
    if (status != IFM_OK)
        return status;
    self->path = strdup(path);
    self->name = name_of(path);
    if (!self->path || !self->name)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    self->info.path = self->path;
    self->info.name = self->name;
    for (size_t i = 0; i < ifm_weights_file_count(self->weights); i++) {
        ifm_mapping mapping = {0};
        (void)ifm_weights_file(self->weights, i, &mapping);
        self->info.file_bytes += (int64_t)mapping.size;
    }
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
    ifm_gpt2_unbind(model);
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
