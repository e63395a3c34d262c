/* Part of vec_quant.h and neon_i8mm.c: 32 numbers of x in 8 bits, as kern/q8.h says. */
#ifndef IFM_KERN_VEC_PACK_Q8_H
#define IFM_KERN_VEC_PACK_Q8_H

#include "kern/q8.h"

/* As ifm_q8_block: the same operations, VEC at a time. */
ALWAYS_INLINE void pack_32(const float *x, int8_t *q, float *scale, float *sum32,
                           float *sum16)
{
    enum { N = 32 / VEC };
    vec v[N], largest = v_zero();
    float sum[2] = {0, 0};
    for (int i = 0; i < N; i++) {
        v[i] = v_load(x + i * VEC);
        largest = v_max(largest, v_max(v[i], v_sub(v_zero(), v[i])));
    }
    const float max = v_largest(largest);
    const float inverse = max > IFM_Q8_LEAST ? 127 / max : 0;
    *scale = max > IFM_Q8_LEAST ? max / 127 : 0;
    for (int i = 0; i < N; i++) {
        v[i] = v_round(v_mul(v[i], v_set(inverse)));
        i_store_bytes(q + i * VEC, v[i]);
    }
    for (int half = 0; half < 2; half++) {
        vec all = v[half * N / 2];
        for (int i = 1; i < N / 2; i++)
            all = v_add(all, v[half * N / 2 + i]);
        sum[half] = v_sum(all); /* of small whole numbers: exact */
        sum16[half] = *scale * sum[half];
    }
    *sum32 = *scale * (sum[0] + sum[1]);
}

#endif
