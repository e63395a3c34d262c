/* NEON with dot products: many rows with quantized weights. */
#include "kern/vec_ints_neon.h"

#include "kern/tables.h"
#include "kern/vec_unroll.h"
#include "kern/unpack.h"
#include "kern/vec_dot_lanes.h"
#include "kern/vec_gemm_floats.h"
#include "kern/vec_quant_gemm.h"

void ifm_kern_neon_dotprod_gemm(ifm_kern *table)
{
    fill_quant_gemm(table);
}
