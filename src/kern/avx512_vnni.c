/* AVX-512 VNNI: products of bytes that add to double words, for quantized weights. */
#include "kern/vec_ints_avx512.h"

#include "kern/vec.h"

enum { SIGNED_DOT = 0 };

static inline vint i_dot(vint a, vint u, vint x)
{
    return _mm512_dpbusd_epi32(a, u, x);
}

static inline vint i_dot_signed(vint a, vint w, vint x)
{
    return _mm512_dpbusd_epi32(a, w, x);
}

#include "kern/vec_dot_whole.h"
#include "kern/vec_quant.h"

void ifm_kern_avx512_vnni(ifm_kern *table)
{
    fill_quant(table);
    ifm_kern_avx512_vnni_gemm(table);
}
