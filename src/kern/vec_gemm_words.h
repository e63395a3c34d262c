/*
 * Part of vec_quant_gemm.h, where the processor has products of pairs that it adds in 16
 * bits (vec_dot_pairs.h): x's scale, a whole number of units (kern/q8.h), takes the place of
 * the ones by which sums of 16 bits are widened, and no multiplication by it is left. Not
 * with 8 bits, whose sums are too many and too large for 32 bits times a scale.
 */
#ifndef IFM_KERN_VEC_GEMM_WORDS_H
#define IFM_KERN_VEC_GEMM_WORDS_H

ALWAYS_INLINE bool by_words(int bits)
{
    return bits < 8;
}

/* As dot_add, the sum in units: s in both halves of the double word at `s`. */
ALWAYS_INLINE void dot_add_words(dot *d, vint u, vint x, int step, int bits,
                                 const char *s)
{
    const int room = pair_steps(bits);
    const vint pairs = i_pairs(u, x);
    d->pairs = step % room ? i_add16(d->pairs, pairs) : pairs;
    if (step % room == room - 1) {
        const vint sum = i_sum_pairs_by(d->pairs, i_broadcast(s));
        d->whole = step < room ? sum : i_add(d->whole, sum);
    }
}

/* The sum after so many steps. */
ALWAYS_INLINE vint dot_sum_words(const dot *d, int steps, int bits, const char *s)
{
    return steps < pair_steps(bits) ? i_sum_pairs_by(d->pairs, i_broadcast(s)) : d->whole;
}

#endif
