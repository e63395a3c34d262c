/* The kernels of NEON: the shared ones at this width. */
#include "kern/vec_ints_neon.h"

#include "kern/vec.h"

enum { SIGNED_DOT = 1 };

/* Products of bytes fit into 16 bits, and so do sums of two. */
static inline vint i_dot_signed(vint a, vint w, vint x)
{
    const int8x16_t p = i_as_bytes(w), q = i_as_bytes(x);
    const int16x8_t low = vmull_s8(vget_low_s8(p), vget_low_s8(q));
    const int16x8_t high = vmull_high_s8(p, q);
    return vaddq_s32(a, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}

/* What is unsigned is below 128. */
static inline vint i_dot(vint a, vint u, vint x)
{
    return i_dot_signed(a, u, x);
}

#include "kern/vec_dot_whole.h"
#include "kern/vec_quant.h"

void ifm_kern_neon(ifm_kern *table)
{
    fill_shared(table);
    fill_quant(table);
}
