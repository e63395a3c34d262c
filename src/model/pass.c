#include "model/pass.h"

#include "model/attend.h"

ifm_pass ifm_pass_begin(ifm_session *session, int thread)
{
    const ifm_model *model = session->model;
    return (ifm_pass){
        .session = session,
        .model = model,
        .config = &model->config,
        .at = &session->at,
        .team = ifm_session_team(session, thread),
        .rows = session->n_rows,
        .c = model->config.n_embd,
        .x = ifm_session_floats(session, session->at.x),
        .wide = ifm_session_floats(session, session->at.wide),
        .mixed = ifm_session_floats(session, session->at.mixed),
    };
}

void ifm_pass_barrier(const ifm_pass *self)
{
    ifm_pool_barrier(self->team.pool);
}

float *ifm_pass_own(const ifm_pass *self)
{
    return ifm_session_floats(self->session, self->at->few) +
           self->team.thread * IFM_SESSION_FEW_ROWS * self->at->x_stride;
}

void ifm_pass_row(const ifm_pass *self, const ifm_tensor *table, int64_t index, float *y)
{
    const int64_t row_bytes = ifm_dtype_bytes_of(table->dtype, self->c);
    self->team.kern->to_f32[table->dtype](
        y, (const char *)table->data + index * row_bytes, self->c);
}

void ifm_pass_normalise(ifm_pass *self, const ifm_norm *norm, int64_t first, int64_t n)
{
    const int64_t stride = self->at->x_stride;
    const ifm_kern *kern = self->team.kern;
    const float eps = self->config->norm_eps;
    const bool few = n <= IFM_SESSION_FEW_ROWS;
    float *out =
        few ? ifm_pass_own(self) : ifm_session_floats(self->session, self->at->norm);
    int64_t begin = 0, end = n;
    if (!few)
        ifm_pool_part(n, 1, self->team.thread, self->team.threads, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const float *x = self->x + (first + i) * stride;
        if (norm->bias)
            kern->layer_norm(out + i * stride, x, norm->gain, norm->bias, self->c, eps);
        else
            kern->rms_norm(out + i * stride, x, norm->gain, self->c, eps);
    }
    if (!few)
        ifm_pass_barrier(self);
    self->in = out;
}

ifm_matmul ifm_pass_product(const ifm_pass *self, const ifm_linear *linear,
                            const float *x, int64_t x_stride, float *y, int64_t y_stride,
                            int64_t n)
{
    return (ifm_matmul){
        .x = x,
        .x_stride = x_stride,
        .w = &linear->w,
        .bias = linear->bias,
        .y = y,
        .y_stride = y_stride,
        .t = n,
        .activation = IFM_KERN_LINEAR,
        .exact = self->session->exact,
    };
}

void ifm_pass_run(const ifm_pass *self, const ifm_matmul *jobs, int n)
{
    ifm_matmul_run(&self->team, jobs, n);
    ifm_pass_barrier(self);
}

void ifm_pass_attend(const ifm_pass *self, int32_t layer, int64_t first, const float *qkv,
                     int64_t stride)
{
    const int64_t heads = (int64_t)self->config->n_head * self->config->head_dim;
    const int64_t kv_heads = (int64_t)self->config->n_kv_head * self->config->head_dim;
    ifm_attend_run(self->session, &self->team,
                   &(ifm_attend){
                       .layer = layer,
                       .first = first,
                       .q = qkv,
                       .k = qkv + heads,
                       .v = qkv + heads + kv_heads,
                       .stride = stride,
                       .out = self->mixed,
                       .out_stride = self->at->x_stride,
                       .scale = ifm_config_attention_scale(self->config, layer),
                       .window = ifm_config_window(self->config, layer),
                   });
    ifm_pass_barrier(self);
}

void ifm_pass_logits(ifm_pass *self, const ifm_norm *norm, const ifm_linear *head)
{
    const int64_t n = self->session->n_logits;
    if (n == 0)
        return;
    ifm_pass_normalise(self, norm, self->rows - n, n);
    const ifm_matmul job =
        ifm_pass_product(self, head, self->in, self->at->x_stride, self->session->logits,
                         self->config->n_vocab, n);
    ifm_pass_run(self, &job, 1);
}
