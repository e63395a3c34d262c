/* AVX-VNNI: many rows with quantized weights. */
#include "kern/vec_ints_avx2.h"

#include "kern/tables.h"
#include "kern/vec_unroll.h"
#include "kern/unpack.h"
#include "kern/vec_ints_avx2_vnni.h"
#include "kern/vec_dot_whole.h"
#include "kern/vec_gemm_floats.h"
#include "kern/vec_quant_gemm.h"

void ifm_kern_avx2_vnni_gemm(ifm_kern *table)
{
    fill_quant_gemm(table);
}
