/* NEON with dot products (Armv8.2): four products of bytes that add to a double word. */
#include "kern/vec_ints_neon.h"

#include "kern/vec.h"
#include "kern/vec_dot_lanes.h"
#include "kern/vec_quant.h"

void ifm_kern_neon_dotprod(ifm_kern *table)
{
    fill_quant(table);
    ifm_kern_neon_dotprod_gemm(table);
}
