/*
 * Part of vec_quant_gemm.h, where the processor adds four products to a double word
 * (vec_dot_whole.h): sums are multiplied by x's scale as floats.
 */
#ifndef IFM_KERN_VEC_GEMM_FLOATS_H
#define IFM_KERN_VEC_GEMM_FLOATS_H

ALWAYS_INLINE bool by_words(int bits)
{
    (void)bits;
    return false;
}

ALWAYS_INLINE void dot_add_words(dot *d, vint u, vint x, int step, int bits,
                                 const char *s)
{
    (void)s;
    dot_add(d, u, x, step, bits);
}

ALWAYS_INLINE vint dot_sum_words(const dot *d, int steps, int bits, const char *s)
{
    (void)s;
    return dot_sum(d, steps, bits);
}

#endif
