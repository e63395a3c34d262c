/*
 * Dot products of bytes where the processor adds four products to a double word at once
 * (VNNI), or i_dot does so some other way. Included before vec_quant.h, after
 *     SIGNED_DOT                 1: i_dot_signed takes signed w, 0: w ^ 0x80
 *     i_dot(a, u, x)             a + Σ of four u x, u < 128 unsigned, x signed
 *     i_dot_signed(a, w, x)      the same of signed w, or with SIGNED_DOT 0 of w ^ 0x80
 */
#ifndef IFM_KERN_VEC_DOT_WHOLE_H
#define IFM_KERN_VEC_DOT_WHOLE_H

enum {
    DOT_CHAINS = 2,  /* each sum waits four or five cycles for the one before */
    SIGNED_FREE = 0, /* as in vec_dot_pairs.h */
};

/* Double word i of a part of x, for step i of dot_add. */
ALWAYS_INLINE vint dot_x(const char *x, int i)
{
    return i_broadcast(x + 4 * i);
}

/* A sum that grows: step 0 begins it. */
typedef struct dot {
    vint whole;
} dot;

ALWAYS_INLINE void dot_add(dot *d, vint u, vint x, int step, int bits)
{
    (void)bits;
    d->whole = i_dot(step ? d->whole : i_zero(), u, x);
}

ALWAYS_INLINE void dot_add_signed(dot *d, vint w, vint x, int step)
{
    d->whole = i_dot_signed(step ? d->whole : i_zero(), w, x);
}

ALWAYS_INLINE vint dot_sum(const dot *d, int steps, int bits)
{
    (void)steps;
    (void)bits;
    return d->whole;
}

#endif
