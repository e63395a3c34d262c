/*
 * The forward pass of the Llama family (Touvron et al. 2023), read from top to bottom.
 *
 *     x = embedding[id]
 *     for each layer:  x += attention(norm(x));  x += mlp(norm(x))
 *     logits = norm(x) headᵀ
 *
 *     attention(x) = o(softmax(rotate(q x) · rotate(k x)) v x)
 *     mlp(x)       = down(silu(gate x) ∘ up x)
 *
 * Mistral sees a window of positions; Qwen 2 adds biases to q, k and v; Qwen 3 normalises
 * each head's queries and keys before they turn.
 *
 * R rows of a pass, C width, H query heads, G key-value heads, D head width, r components
 * that turn, F width of the feed-forward layer, V vocabulary.
 */
#include "model/llama.h"

#include <math.h>
#include <string.h>

#include "model/pass.h"

/* Cosines and sines of row i: [r/2] and [r/2]. */
static float *turns_of(const ifm_pass *self, int64_t i)
{
    return ifm_session_floats(self->session, self->at->turns) + i * self->config->rope.r;
}

/* x[i] = embedding[id], and the row's angles. */
static void embed(const ifm_pass *self)
{
    const ifm_llama *llama = &self->model->llama;
    const int32_t half = self->config->rope.r / 2;
    for (int64_t i = self->team.thread; i < self->rows; i += self->team.threads) {
        const ifm_row row = self->session->rows[i];
        float *turns = turns_of(self, i);
        ifm_pass_row(self, llama->embedding, row.id, self->x + i * self->at->x_stride);
        for (int32_t j = 0; j < half; j++) {
            const float angle = (float)row.position * llama->frequencies[j];
            turns[j] = cosf(angle);
            turns[half + j] = sinf(angle);
        }
    }
    ifm_pass_barrier(self);
}

/* Queries, keys and values of all rows, side by side in `wide`. */
static void project(const ifm_pass *self, const ifm_llama_layer *layer)
{
    const int64_t d = self->config->head_dim;
    const int64_t heads = self->config->n_head * d,
                  kv_heads = self->config->n_kv_head * d;
    const int64_t x_stride = self->at->x_stride, stride = self->at->wide_stride;
    float *q = self->wide, *k = q + heads, *v = k + kv_heads;
    const ifm_matmul jobs[] = {
        ifm_pass_product(self, &layer->q, self->in, x_stride, q, stride, self->rows),
        ifm_pass_product(self, &layer->k, self->in, x_stride, k, stride, self->rows),
        ifm_pass_product(self, &layer->v, self->in, x_stride, v, stride, self->rows),
    };
    ifm_pass_run(self, jobs, 3);
}

/* Normalises and turns heads [h0, h1) of row i, which lie at `heads`: the H of queries and
 * then the G of keys. */
static void turn_heads(const ifm_pass *self, const ifm_llama_layer *layer, int64_t i,
                       float *heads, int64_t h0, int64_t h1)
{
    const ifm_config *config = self->config;
    const ifm_kern *kern = self->team.kern;
    const int64_t d = config->head_dim;
    const float *turns = turns_of(self, i);
    for (int64_t h = h0; config->qk_norm && h < h1; h++) {
        const ifm_norm *norm = h < config->n_head ? &layer->q_norm : &layer->k_norm;
        kern->rms_norm(heads + h * d, heads + h * d, norm->gain, d, config->norm_eps);
    }
    kern->rotate(heads + h0 * d, h1 - h0, d, config->rope.r, turns,
                 turns + config->rope.r / 2, config->rope.interleaved);
}

/* Queries and keys of all rows, turned in place; the threads share all heads of all
 * rows. */
static void turn_together(const ifm_pass *self, const ifm_llama_layer *layer)
{
    const int64_t heads = self->config->n_head + self->config->n_kv_head;
    int64_t at, end;
    ifm_pool_part(self->rows * heads, 1, self->team.thread, self->team.threads, &at,
                  &end);
    while (at < end) {
        const int64_t row = at / heads, h0 = at % heads;
        const int64_t h1 = end - at < heads - h0 ? h0 + end - at : heads;
        turn_heads(self, layer, row, self->wide + row * self->at->wide_stride, h0, h1);
        at += h1 - h0;
    }
    ifm_pass_barrier(self);
}

/* Attention of rows [first, R). One or two rows are turned by each thread in a copy of its
 * own: a quarter of a microsecond in place of a barrier. */
static void attend(const ifm_pass *self, const ifm_llama_layer *layer, int32_t number,
                   int64_t first)
{
    const ifm_config *config = self->config;
    const int64_t heads = config->n_head + config->n_kv_head;
    const int64_t width = (heads + config->n_kv_head) * config->head_dim;
    if (self->rows > IFM_PASS_OWN_ROWS) {
        turn_together(self, layer);
        ifm_pass_attend(self, number, first, self->wide, self->at->wide_stride);
        return;
    }
    float *own = ifm_pass_own(self);
    for (int64_t i = 0; i < self->rows; i++) {
        memcpy(own + i * width, self->wide + i * self->at->wide_stride,
               (size_t)width * sizeof *own);
        turn_heads(self, layer, i, own + i * width, 0, heads);
    }
    ifm_pass_attend(self, number, first, own, width);
}

/* x += y W of rows [first, R). */
static void add_linear(const ifm_pass *self, const ifm_linear *w, const float *y,
                       int64_t y_stride, int64_t first)
{
    ifm_matmul job =
        ifm_pass_product(self, w, y, y_stride, self->x + first * self->at->x_stride,
                         self->at->x_stride, self->rows - first);
    job.add = true;
    ifm_pass_run(self, &job, 1);
}

/* wide[n, F] = silu(gate) ∘ up; the half of `wide` behind it holds up. */
static void gate(const ifm_pass *self, const ifm_llama_layer *layer, int64_t n)
{
    const int64_t x_stride = self->at->x_stride, stride = self->at->wide_stride;
    const int64_t f = self->config->n_inner;
    float *up = self->wide + f;
    ifm_matmul jobs[] = {
        ifm_pass_product(self, &layer->gate, self->in, x_stride, self->wide, stride, n),
        ifm_pass_product(self, &layer->up, self->in, x_stride, up, stride, n),
    };
    jobs[0].activation = IFM_KERN_SILU;
    if (layer->gate.w.dtype == layer->up.w.dtype && !layer->up.bias) {
        jobs[0].up = &layer->up.w;
        jobs[0].up_y = up;
        ifm_pass_run(self, jobs, 1);
        return;
    }
    ifm_pass_run(self, jobs, 2);
    int64_t begin, end;
    ifm_pool_part(n, 1, self->team.thread, self->team.threads, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        self->team.kern->multiply(self->wide + i * stride, up + i * stride, f);
    ifm_pass_barrier(self);
}

/* One layer. Of the last layer only the keys and values of all rows are needed, and the
 * rest of the rows from `first` on. */
static void run_layer(ifm_pass *self, int32_t i, int64_t first)
{
    const ifm_llama_layer *layer = &self->model->llama.layers[i];
    const int64_t n = self->rows - first;

    ifm_pass_normalise(self, &layer->attn_norm, 0, self->rows);
    project(self, layer);
    attend(self, layer, i, first);
    if (n == 0)
        return;
    add_linear(self, &layer->o, self->mixed + first * self->at->x_stride,
               self->at->x_stride, first);

    ifm_pass_normalise(self, &layer->mlp_norm, first, n);
    gate(self, layer, n);
    add_linear(self, &layer->down, self->wide, self->at->wide_stride, first);
}

static void forward(void *session, int thread)
{
    ifm_pass self = ifm_pass_begin(session, thread);
    const ifm_llama *llama = &self.model->llama;
    const int32_t layers = self.config->n_layer;
    const int64_t first = self.rows - self.session->n_logits;

    embed(&self);
    for (int32_t i = 0; i < layers; i++)
        run_layer(&self, i, i + 1 < layers ? 0 : first);
    ifm_pass_logits(&self, &llama->norm, &llama->head);
}

const ifm_family_ops ifm_llama_ops = {ifm_llama_bind, ifm_llama_unbind, forward};
