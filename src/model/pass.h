/*
 * What the forward passes of all families are made of: one thread's view of one pass, and
 * the steps that they share.
 *
 * Every thread of the pool runs a pass at once on its part of each step; a barrier stands
 * wherever a step reads what another thread wrote. R rows of a pass, C width.
 */
#ifndef IFM_MODEL_PASS_H
#define IFM_MODEL_PASS_H

#include "model/session.h"

typedef struct ifm_pass {
    ifm_session *session;
    const ifm_model *model;
    const ifm_config *config;
    const ifm_session_layout *at;
    ifm_team team;
    int64_t rows;    /* R of this pass */
    int64_t c;       /* C */
    float *x;        /* [R, C], rows at->x_stride apart */
    float *wide;     /* rows at->wide_stride apart, see session.h */
    float *mixed;    /* [R, H D], rows at->x_stride apart */
    const float *in; /* [n, C] what ifm_pass_normalise made last */
} ifm_pass;

/* Room for one or two rows of queries, keys and values, this thread's own: where
 * ifm_pass_normalise leaves few rows, which are not needed any more then. */
enum { IFM_PASS_OWN_ROWS = IFM_SESSION_FEW_ROWS / 3 };
float *ifm_pass_own(const ifm_pass *self);

ifm_pass ifm_pass_begin(ifm_session *session, int thread);

/* Waits for all threads of the team. */
void ifm_pass_barrier(const ifm_pass *self);

/* y[C] = row `index` of a table [N, C] of any type. */
void ifm_pass_row(const ifm_pass *self, const ifm_tensor *table, int64_t index, float *y);

/* self->in = norm(x) of rows [first, first + n), rows at->x_stride apart, ready to be read
 * by this thread. Few rows are computed by each thread for itself: cheaper than waiting. */
void ifm_pass_normalise(ifm_pass *self, const ifm_norm *norm, int64_t first, int64_t n);

/* The product y[n, N] = x[n, K] W + bias: to be run as it is, or with more asked of it. */
ifm_matmul ifm_pass_product(const ifm_pass *self, const ifm_linear *linear,
                            const float *x, int64_t x_stride, float *y, int64_t y_stride,
                            int64_t n);

/* Computes jobs[n], which share their x; then all y are ready to be read. */
void ifm_pass_run(const ifm_pass *self, const ifm_matmul *jobs, int n);

/* Attention of rows [first, R) in `layer` into `mixed`, ready to be read. Queries, keys and
 * values lie side by side in qkv[R, (H + 2G) D], rows `stride` floats apart: in `wide`, or
 * in equal copies that each thread has of its own. */
void ifm_pass_attend(const ifm_pass *self, int32_t layer, int64_t first, const float *qkv,
                     int64_t stride);

/* The logits that the session wants, of its last rows: their norm times the head. */
void ifm_pass_logits(ifm_pass *self, const ifm_norm *norm, const ifm_linear *head);

#endif
