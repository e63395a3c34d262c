/*
 * Dot products of bytes where the processor has products of pairs that it adds in 16 bits,
 * and nothing that adds four: AVX2, AVX-512 without VNNI. Included before vec_quant.h.
 *
 * A pair is at most 2 · 128 · 127, which fits. Of weights with few bits the sums of several
 * pairs fit, too: with four bits 8 · 2 · 15 · 127 = 30,480, so that a part of 32 numbers is
 * widened to 32 bits once instead of eight times: two instructions for four products of each
 * lane instead of three.
 */
#ifndef IFM_KERN_VEC_DOT_PAIRS_H
#define IFM_KERN_VEC_DOT_PAIRS_H

enum {
    SIGNED_DOT = 1,
    SIGNED_FREE = 0, /* 1: signed bytes take no longer than unsigned ones */
    DOT_CHAINS = 1,  /* the sums of 16 bits take one cycle each */
};

/* Double word i of a part of x, for step i of dot_add. */
ALWAYS_INLINE vint dot_x(const char *x, int i)
{
    return i_broadcast(x + 4 * i);
}

/* A sum that grows: step 0 begins it. */
typedef struct dot {
    vint pairs, whole;
} dot;

/* Pairs whose sum 16 bits hold when u has so many bits. */
ALWAYS_INLINE int pair_steps(int bits)
{
    return bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
}

/* += Σ of four u x; u unsigned of so many bits. */
ALWAYS_INLINE void dot_add(dot *d, vint u, vint x, int step, int bits)
{
    const int room = pair_steps(bits);
    const vint pairs = i_pairs(u, x);
    d->pairs = step % room ? i_add16(d->pairs, pairs) : pairs;
    if (step % room == room - 1) {
        const vint sum = i_sum_pairs(d->pairs);
        d->whole = step < room ? sum : i_add(d->whole, sum);
    }
}

/* The same of signed w: |w| may be 128. */
ALWAYS_INLINE void dot_add_signed(dot *d, vint w, vint x, int step)
{
    dot_add(d, i_abs8(w), i_with_sign(x, w), step, 8);
}

/* The sum after so many steps; 8 bits after dot_add_signed. */
ALWAYS_INLINE vint dot_sum(const dot *d, int steps, int bits)
{
    return steps < pair_steps(bits) ? i_sum_pairs(d->pairs) : d->whole;
}

#endif
