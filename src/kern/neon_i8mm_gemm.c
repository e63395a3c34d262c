/* NEON with products of 8-bit matrices: many rows with quantized weights. */
#include "kern/vec_ints_neon.h"

#include "kern/tables.h"
#include "kern/vec_unroll.h"
#include "kern/unpack.h"

#define BY_PAIRS
enum { SIGNED_DOT = 1, SIGNED_FREE = 1 };

#include "kern/vec_quant_gemm.h"

void ifm_kern_neon_i8mm_gemm(ifm_kern *table)
{
    fill_quant_gemm(table);
}
