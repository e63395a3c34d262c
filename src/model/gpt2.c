/*
 * The forward pass of GPT-2 (Radford et al. 2019), read from top to bottom.
 *
 *     x = wte[id] + wpe[position]
 *     for each layer:  x += attention(norm(x));  x += mlp(norm(x))
 *     logits = norm(x) wteᵀ
 *
 * R rows of a pass, C width, H heads, D head width, F width of the feed-forward layer,
 * P positions, V vocabulary.
 */
#include "model/gpt2.h"

#include "model/pass.h"

/* x[i] = wte[id] + wpe[position] */
static void embed(const ifm_pass *self)
{
    const ifm_gpt2 *gpt2 = &self->model->gpt2;
    float *position = (float *)self->team.scratch; /* [C] */
    for (int64_t i = self->team.thread; i < self->rows; i += self->team.threads) {
        const ifm_row row = self->session->rows[i];
        float *x = self->x + i * self->at->x_stride;
        ifm_pass_row(self, gpt2->wte, row.id, x);
        ifm_pass_row(self, gpt2->wpe, row.position, position);
        for (int64_t j = 0; j < self->c; j++)
            x[j] += position[j];
    }
    ifm_pass_barrier(self);
}

/* y[n, N] = f(x[n, K] W + bias), or y += x W + bias. */
static void linear(const ifm_pass *self, const ifm_linear *w, const float *x,
                   int64_t x_stride, float *y, int64_t y_stride, int64_t n,
                   ifm_kern_activation activation, bool add)
{
    ifm_matmul job = ifm_pass_product(self, w, x, x_stride, y, y_stride, n);
    job.activation = activation;
    job.add = add;
    ifm_pass_run(self, &job, 1);
}

static ifm_kern_activation activation_of(const ifm_config *config)
{
    switch (config->activation) {
    case IFM_ACTIVATION_GELU:
        return IFM_KERN_GELU;
    case IFM_ACTIVATION_RELU:
        return IFM_KERN_RELU;
    default:
        return IFM_KERN_GELU_NEW;
    }
}

/* One layer. Of the last layer only the keys and values of all rows are needed, and the
 * rest of the rows from `first` on. */
static void run_layer(ifm_pass *self, int32_t i, int64_t first)
{
    const ifm_gpt2_layer *layer = &self->model->gpt2.layers[i];
    const int64_t x_stride = self->at->x_stride, wide_stride = self->at->wide_stride;
    const int64_t n = self->rows - first;
    float *x = self->x + first * x_stride, *mixed = self->mixed + first * x_stride;

    ifm_pass_normalise(self, &layer->ln_1, 0, self->rows);
    linear(self, &layer->attn_qkv, self->in, x_stride, self->wide, wide_stride,
           self->rows, IFM_KERN_LINEAR, false);
    ifm_pass_attend(self, i, first, self->wide, wide_stride);
    if (n == 0)
        return;
    linear(self, &layer->attn_proj, mixed, x_stride, x, x_stride, n, IFM_KERN_LINEAR,
           true);

    ifm_pass_normalise(self, &layer->ln_2, first, n);
    linear(self, &layer->mlp_fc, self->in, x_stride, self->wide, wide_stride, n,
           activation_of(self->config), false);
    linear(self, &layer->mlp_proj, self->wide, wide_stride, x, x_stride, n,
           IFM_KERN_LINEAR, true);
}

static void forward(void *session, int thread)
{
    ifm_pass self = ifm_pass_begin(session, thread);
    const ifm_gpt2 *gpt2 = &self.model->gpt2;
    const int32_t layers = self.config->n_layer;
    const int64_t first = self.rows - self.session->n_logits;

    embed(&self);
    for (int32_t i = 0; i < layers; i++)
        run_layer(&self, i, i + 1 < layers ? 0 : first);
    ifm_pass_logits(&self, &gpt2->ln_f, &gpt2->head);
}

const ifm_family_ops ifm_gpt2_ops = {ifm_gpt2_bind, ifm_gpt2_unbind, forward};
