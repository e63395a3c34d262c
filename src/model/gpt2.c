/*
 * The forward pass of GPT-2 (Radford et al. 2019), read from top to bottom.
 *
 *     x = wte[id] + wpe[position]
 *     for each layer:  x += attention(norm(x));  x += mlp(norm(x))
 *     logits = norm(x) wteᵀ
 *
 * Every thread of the pool runs this function at once on its part of each step; a barrier
 * stands wherever a step reads what another thread wrote. R rows of a pass, C width,
 * H heads, D head width, F width of the feed-forward layer, P positions, V vocabulary.
 */
#include "model/attend.h"

/* One thread in one pass. */
typedef struct pass {
    ifm_session *session;
    const ifm_model *model;
    ifm_team team;
    int64_t c;
    float *x;     /* [R, C] */
    float *wide;  /* [R, 3C] or [R, F] */
    float *mixed; /* [R, C] */
} pass;

static pass begin_pass(ifm_session *session, int thread)
{
    const ifm_model *model = session->model;
    const ifm_config *config = &model->config;
    return (pass){
        .session = session,
        .model = model,
        .team = ifm_session_team(session, thread),
        .c = config->n_embd,
        .x = ifm_session_floats(session, session->at.x),
        .wide = ifm_session_floats(session, session->at.wide),
        .mixed = ifm_session_floats(session, session->at.mixed),
    };
}

static void barrier(const pass *self)
{
    ifm_pool_barrier(self->team.pool);
}

/* x[i] = wte[id] + wpe[position] */
static void embed(const pass *self)
{
    const ifm_tensor *wte = self->model->gpt2.wte, *wpe = self->model->gpt2.wpe;
    const ifm_kern *kern = self->team.kern;
    const int64_t wte_row = self->c * (int64_t)ifm_dtype_block_bytes(wte->dtype);
    const int64_t wpe_row = self->c * (int64_t)ifm_dtype_block_bytes(wpe->dtype);
    float *position = (float *)self->team.scratch; /* [C] */
    for (int32_t i = self->team.thread; i < self->session->n_rows;
         i += self->team.threads) {
        const ifm_row row = self->session->rows[i];
        float *x = self->x + i * self->session->at.x_stride;
        kern->to_f32[wte->dtype](x, (const char *)wte->data + row.id * wte_row, self->c);
        kern->to_f32[wpe->dtype](
            position, (const char *)wpe->data + row.position * wpe_row, self->c);
        for (int64_t j = 0; j < self->c; j++)
            x[j] += position[j];
    }
}

/* norm(x) of rows [first, first + n): [n, C], rows x_stride apart, ready to be read. Few
 * rows are computed by each thread for itself. */
static const float *normalise(const pass *self, const ifm_norm *norm, int64_t first,
                              int64_t n)
{
    const ifm_session_layout *at = &self->session->at;
    const float eps = self->model->config.layer_norm_eps;
    const bool few = n <= IFM_SESSION_FEW_ROWS;
    float *out = ifm_session_floats(self->session, few ? at->few : at->norm);
    int64_t begin = 0, end = n;
    if (few)
        out += self->team.thread * IFM_SESSION_FEW_ROWS * at->x_stride;
    else
        ifm_pool_part(n, 1, self->team.thread, self->team.threads, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        self->team.kern->layer_norm(out + i * at->x_stride,
                                    self->x + (first + i) * at->x_stride, norm->gain,
                                    norm->bias, self->c, eps);
    if (!few)
        barrier(self);
    return out;
}

/* y[n, N] = f(x[n, K] W + bias), or y += x W + bias; then y is ready to be read. */
static void linear(const pass *self, const ifm_linear *linear, const float *x,
                   int64_t x_stride, float *y, int64_t y_stride, int64_t n,
                   ifm_kern_activation activation, bool add)
{
    ifm_matmul_run(&self->team,
                   &(ifm_matmul){.x = x,
                                 .x_stride = x_stride,
                                 .w = &linear->w,
                                 .bias = linear->bias,
                                 .y = y,
                                 .y_stride = y_stride,
                                 .t = n,
                                 .activation = activation,
                                 .add = add},
                   1);
    barrier(self);
}

/* mixed[i] of rows [first, R), whose queries, keys and values lie in `wide`. */
static void attend(const pass *self, int32_t layer, int64_t first)
{
    const ifm_session_layout *at = &self->session->at;
    ifm_attend_run(self->session, &self->team,
                   &(ifm_attend){
                       .layer = layer,
                       .first = first,
                       .q = self->wide,
                       .k = self->wide + self->c,
                       .v = self->wide + 2 * self->c,
                       .stride = at->wide_stride,
                       .out = self->mixed,
                       .out_stride = at->x_stride,
                       .scale = ifm_config_attention_scale(&self->model->config, layer),
                   });
    barrier(self);
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
static void run_layer(const pass *self, int32_t i, int64_t first)
{
    const ifm_gpt2_layer *layer = &self->model->gpt2.layers[i];
    const ifm_session_layout *at = &self->session->at;
    const int64_t all = self->session->n_rows, n = all - first;
    float *x = self->x + first * at->x_stride;

    const float *norm = normalise(self, &layer->ln_1, 0, all);
    linear(self, &layer->attn_qkv, norm, at->x_stride, self->wide, at->wide_stride, all,
           IFM_KERN_LINEAR, false);
    attend(self, i, first);
    if (n == 0)
        return;
    linear(self, &layer->attn_proj, self->mixed + first * at->x_stride, at->x_stride, x,
           at->x_stride, n, IFM_KERN_LINEAR, true);

    norm = normalise(self, &layer->ln_2, first, n);
    linear(self, &layer->mlp_fc, norm, at->x_stride, self->wide, at->wide_stride, n,
           activation_of(&self->model->config), false);
    linear(self, &layer->mlp_proj, self->wide, at->wide_stride, x, at->x_stride, n,
           IFM_KERN_LINEAR, true);
}

void ifm_gpt2_forward(void *session, int thread)
{
    const pass self = begin_pass(session, thread);
    const int32_t layers = self.model->config.n_layer;
    const int64_t wanted = self.session->n_logits;
    const int64_t last = self.session->n_rows - wanted;

    embed(&self);
    barrier(&self);
    for (int32_t i = 0; i < layers; i++)
        run_layer(&self, i, i + 1 < layers ? 0 : last);
    if (wanted == 0)
        return;
    const int64_t vocab = self.model->config.n_vocab;
    const float *norm = normalise(&self, &self.model->gpt2.ln_f, last, wanted);
    linear(&self, &self.model->gpt2.head, norm, self.session->at.x_stride,
           self.session->logits, vocab, wanted, IFM_KERN_LINEAR, false);
}
