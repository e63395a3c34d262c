/* Part of vec_quant.h and neon_i8mm.c: rows of x in 8 bits, as kern/q8.h says. */
#ifndef IFM_KERN_VEC_PACK_Q8_H
#define IFM_KERN_VEC_PACK_Q8_H

#include "kern/q8.h"

/* As ifm_q8_pack, VEC numbers at a time. */
ALWAYS_INLINE float largest_of_32(const float *x)
{
    vec largest = v_zero();
    UNROLL for (int i = 0; i < 32; i += VEC)
    {
        const vec v = v_load(x + i);
        largest = v_max(largest, v_max(v, v_sub(v_zero(), v)));
    }
    return v_largest(largest);
}

ALWAYS_INLINE void round_32(const float *x, float inverse, int8_t *q, float sum16[2])
{
    enum { N = 32 / VEC };
    vec v[N];
    UNROLL for (int i = 0; i < N; i++)
    {
        v[i] = v_round(v_mul(v_load(x + i * VEC), v_set(inverse)));
        i_store_bytes(q + i * VEC, v[i]);
    }
    UNROLL for (int half = 0; half < 2; half++)
    {
        vec all = v[half * N / 2];
        for (int i = 1; i < N / 2; i++)
            all = v_add(all, v[half * N / 2 + i]);
        sum16[half] = v_sum(all); /* of small whole numbers: exact */
    }
}

/* Scales, and in units32 what x is multiplied by. */
ALWAYS_INLINE void begin_row_q8(const float *x, const ifm_q8_row *row)
{
    float most = 0;
    for (int64_t i = 0; i < row->blocks; i++) {
        row->scale[i] = largest_of_32(x + 32 * i);
        most = row->scale[i] > most ? row->scale[i] : most;
    }
    ifm_q8_set_scales(row, most);
}

#endif
