/* The kernels of AVX2: the shared ones at this width. */
#include "kern/vec_ints_avx2.h"

#include "kern/vec.h"

enum { SIGNED_DOT = 1 };

/* Products of pairs fit into 16 bits: at most 2 · 128 · 127. */
static inline vint i_dot(vint a, vint u, vint x)
{
    const vint pairs = _mm256_maddubs_epi16(u, x);
    return _mm256_add_epi32(a, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline vint i_dot_signed(vint a, vint w, vint x)
{
    return i_dot(a, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}

#include "kern/vec_quant.h"

void ifm_kern_avx2(ifm_kern *table)
{
    fill_shared(table);
    fill_quant(table);
}
