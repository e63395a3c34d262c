/* The kernels of AVX-512: the shared ones at this width. */
#include "kern/vec_avx512.h"

#include "kern/vec.h"

void ifm_kern_avx512(ifm_kern *table)
{
    table->name = "avx512";
    table->needs = IFM_CPU_AVX512;
    fill_shared(table);
}
