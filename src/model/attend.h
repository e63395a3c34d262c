/*
 * Attention of one layer in one pass: the pass's keys and values go into the KV cache, its
 * queries go over what is there.
 *
 * H query heads share G key-value heads, H/G each (grouped queries, Ainslie et al. 2023);
 * D head width.
 */
#ifndef IFM_MODEL_ATTEND_H
#define IFM_MODEL_ATTEND_H

#include "model/session.h"

typedef struct ifm_attend {
    int32_t layer;
    int64_t first;  /* rows [first, R) ask; keys and values of all rows are remembered */
    const float *q; /* [R, H, D], rows `stride` floats apart */
    const float *k, *v; /* [R, G, D], rows `stride` floats apart */
    int64_t stride;
    float *out; /* [R, H, D], rows out_stride floats apart; rows from `first` on */
    int64_t out_stride;
    float scale;    /* of scores */
    int32_t window; /* a position sees so many, itself included (Mistral); 0: all */
} ifm_attend;

/* Called by every thread of the team with the same job, whose q, k and v are complete; out
 * is complete after the next barrier, which is the caller's. Has barriers of its own when
 * it pays. */
void ifm_attend_run(const ifm_session *session, const ifm_team *team,
                    const ifm_attend *job);

#endif
