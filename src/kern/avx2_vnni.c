/* AVX-VNNI, of processors without AVX-512: products of bytes that add to double words. */
#include "kern/vec_ints_avx2.h"

#include "kern/vec.h"
#include "kern/vec_ints_avx2_vnni.h"
#include "kern/vec_dot_whole.h"
#include "kern/vec_quant.h"

void ifm_kern_avx2_vnni(ifm_kern *table)
{
    fill_quant(table);
    ifm_kern_avx2_vnni_gemm(table);
}
