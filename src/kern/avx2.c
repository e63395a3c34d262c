/* The kernels of AVX2: the shared ones at this width. */
#include "kern/vec_ints_avx2.h"

#include "kern/vec.h"
#include "kern/vec_dot_pairs.h"
#include "kern/vec_quant.h"
#include "kern/avx2_attend.h"

void ifm_kern_avx2(ifm_kern *table)
{
    fill_shared(table);
    fill_quant(table);
    fill_attend_words(table);
    ifm_kern_avx2_gemm(table);
}
