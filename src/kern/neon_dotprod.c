/* NEON with dot products (Armv8.2): four products of bytes that add to a double word. The
 * 8-bit matrix multiplication of i8mm does twice as many, for two rows of x by two of w: it
 * would want rows in pairs, not in lanes, and gains nothing where one row of x is multiplied
 * and reading the weights is what takes the time. */
#include "kern/vec_ints_neon.h"

#include "kern/vec.h"

enum { SIGNED_DOT = 1 };

static inline vint i_dot_signed(vint a, vint w, vint x)
{
    return vdotq_s32(a, i_as_bytes(w), i_as_bytes(x));
}

/* What is unsigned is below 128. */
static inline vint i_dot(vint a, vint u, vint x)
{
    return i_dot_signed(a, u, x);
}

#include "kern/vec_dot_whole.h"
#include "kern/vec_quant.h"

void ifm_kern_neon_dotprod(ifm_kern *table)
{
    fill_quant(table);
}
