/*
 * Dot products of bytes where the processor adds four products to a double word and takes
 * one of the four operands from a lane of a register (Arm's SDOT): 16 bytes of x are loaded
 * once for four steps, where vec_dot_whole.h loads and spreads four bytes for each.
 * Included before vec_quant.h or vec_quant_gemm.h.
 */
#ifndef IFM_KERN_VEC_DOT_LANES_H
#define IFM_KERN_VEC_DOT_LANES_H

enum {
    SIGNED_DOT = 1,
    SIGNED_FREE = 1,
    DOT_CHAINS =
        1, /* step i meets lane i % 4; a sum is passed on from step to step early */
};

/* A sum that grows: step 0 begins it. */
typedef struct dot {
    vint whole;
} dot;

/* The four double words of x among which is number i. */
ALWAYS_INLINE vint dot_x(const char *x, int i)
{
    return vreinterpretq_s32_s8(vld1q_s8((const int8_t *)x + i / 4 * 16));
}

ALWAYS_INLINE void dot_add_signed(dot *d, vint w, vint x, int step)
{
    const vint sum = step ? d->whole : i_zero();
    const int8x16_t a = i_as_bytes(w), b = i_as_bytes(x);
    switch (step % 4) {
    case 0:
        d->whole = vdotq_laneq_s32(sum, a, b, 0);
        break;
    case 1:
        d->whole = vdotq_laneq_s32(sum, a, b, 1);
        break;
    case 2:
        d->whole = vdotq_laneq_s32(sum, a, b, 2);
        break;
    default:
        d->whole = vdotq_laneq_s32(sum, a, b, 3);
    }
}

/* What is unsigned is below 128. */
ALWAYS_INLINE void dot_add(dot *d, vint u, vint x, int step, int bits)
{
    (void)bits;
    dot_add_signed(d, u, x, step);
}

ALWAYS_INLINE vint dot_sum(const dot *d, int steps, int bits)
{
    (void)steps;
    (void)bits;
    return d->whole;
}

#endif
