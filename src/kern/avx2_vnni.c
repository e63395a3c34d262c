/* AVX-VNNI, of processors without AVX-512: products of bytes that add to double words. */
#include "kern/vec_ints_avx2.h"

#include "kern/vec.h"

enum { SIGNED_DOT = 0 };

static inline vint i_dot(vint a, vint u, vint x)
{
    return _mm256_dpbusd_avx_epi32(a, u, x);
}

static inline vint i_dot_signed(vint a, vint w, vint x)
{
    return _mm256_dpbusd_avx_epi32(a, w, x);
}

#include "kern/vec_quant.h"

void ifm_kern_avx2_vnni(ifm_kern *table)
{
    fill_quant(table);
}
