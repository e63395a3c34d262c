/* The kernels of AVX-512: the shared ones at this width. */
#include "kern/vec_ints_avx512.h"

#include "kern/vec.h"

enum { SIGNED_DOT = 1 };

/* Products of pairs fit into 16 bits: at most 2 · 128 · 127. */
static inline vint i_dot(vint a, vint u, vint x)
{
    const vint pairs = _mm512_maddubs_epi16(u, x);
    return _mm512_add_epi32(a, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

static inline vint i_dot_signed(vint a, vint w, vint x)
{
    const __mmask64 negative = _mm512_movepi8_mask(w);
    return i_dot(a, _mm512_abs_epi8(w),
                 _mm512_mask_sub_epi8(x, negative, _mm512_setzero_si512(), x));
}

#include "kern/vec_quant.h"

void ifm_kern_avx512(ifm_kern *table)
{
    fill_shared(table);
    fill_quant(table);
}
