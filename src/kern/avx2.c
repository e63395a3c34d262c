/* The kernels of AVX2: the shared ones at this width. */
#include "kern/vec_avx2.h"

#include "kern/vec.h"

void ifm_kern_avx2(ifm_kern *table)
{
    table->name = "avx2";
    table->needs = IFM_CPU_AVX2;
    fill_shared(table);
}
