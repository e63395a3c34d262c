/* The kernels of NEON: the shared ones at this width. */
#include "kern/vec_neon.h"

#include "kern/vec.h"

void ifm_kern_neon(ifm_kern *table)
{
    table->name = "neon";
    table->needs = IFM_CPU_NEON;
    fill_shared(table);
}
