/*
 * The kernels that every wide instruction set shares, written once in terms of a vector
 * type. A file <set>.c includes its vec_<set>.h, then this; everything is static, so each
 * set gets its own copy, compiled with its own flags.
 *
 * What vec_<set>.h gives:
 *     vec, VEC, VEC_REGISTERS   the type, its floats, how many registers there are
 *     v_load_part, v_store_part the first n floats (0 ≤ n < VEC); a load fills with zeros,
 *                               neither touches memory behind them
 *     v_load_number[_part]      numbers i … of an array of any type, exactly, as floats
 *     V_SPLITS(dtype)           whether numbers of that type are loaded faster in pairs of
 *                               vectors, those of even place and those of odd place:
 *     v_load_split, v_split, v_join  2 VEC numbers so; two vectors in order so, and back
 *     v_store_f16               rounded to nearest, ties to even
 *     v_fma(a, b, c)            a b + c, rounded once
 *     v_max, v_min              the second operand when one is NaN
 *     v_scale(x, n)             x 2ⁿ for whole n ≥ -126
 *     v_keep_first(x, n, y)     x in the first n lanes (0 ≤ n < VEC), y in the others
 *     v_sum, v_largest          across the lanes
 *     v_first                   the first lane
 *     v_equal(a, b)             a bit per lane
 *     v_number_f16(p)           one f16, as a float
 *     v_transpose(r)            rows r[VEC] to columns
 */
#ifndef IFM_KERN_VEC_H
#define IFM_KERN_VEC_H

#include <math.h>
#include <string.h>

#include "kern/blocks.h"
#include "kern/tables.h"
#include "os/cpu.h"

#include "kern/vec_unroll.h"
#include "kern/vec_ordered.h"
#include "kern/vec_math.h"
#include "kern/vec_rows.h"
#include "kern/vec_product.h"
#include "kern/vec_gemm.h"
#include "kern/unpack.h"
#include "kern/vec_gemm_nk.h"
#include "kern/vec_attend.h"

/* Fills in everything that these files have. */
static inline void fill_shared(ifm_kern *table)
{
    table->layer_norm = layer_norm;
    table->rms_norm = rms_norm;
    table->rotate = rotate;
    table->multiply = multiply;
    table->epilogue = epilogue;
    table->attend[IFM_WAY_ONE] =
        (ifm_attend_way){.attend = attend, .bytes = attend_bytes, .from_queries = 1};
    table->attend[IFM_WAY_MANY] = (ifm_attend_way){0}; /* of a lesser set */
    table->merge = merge;
    table->to_f16 = to_f16;
    table->argmax = argmax;
    table->max_sum_exp = max_sum_exp;
    table->scratch_bytes = GEMM_SCRATCH_BYTES;
#define FILL(NAME, name, bytes)                                                          \
    table->to_f32[IFM_DTYPE_##NAME] = to_f32_##NAME;                                     \
    table->ways[IFM_LAYOUT_KN][IFM_DTYPE_##NAME][IFM_WAY_ONE] =                          \
        (ifm_way){.multiply = product_kn_##NAME, .from_rows = 1};                        \
    table->ways[IFM_LAYOUT_KN][IFM_DTYPE_##NAME][IFM_WAY_MANY] =                         \
        (ifm_way){.multiply = gemm_kn_##NAME, .from_rows = GEMM_FROM};                   \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_ONE] =                          \
        (ifm_way){.multiply = product_nk_##NAME, .from_rows = 1};                        \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_MANY] =                         \
        (ifm_way){.multiply = gemm_nk_##NAME, .from_rows = GEMM_NK_FROM};
    IFM_DTYPE_FLOAT_LIST(FILL)
#undef FILL
#define FILL(NAME, name, bytes, numbers)                                                 \
    table->ways[IFM_LAYOUT_NK][IFM_DTYPE_##NAME][IFM_WAY_MANY] =                         \
        table->exact[IFM_DTYPE_##NAME][IFM_WAY_MANY] =                                   \
            (ifm_way){.multiply = gemm_nk_##NAME,                                        \
                      .from_rows = GEMM_NK_FROM,                                         \
                      .rounding = 0x1p-22f};
    IFM_DTYPE_QUANT_LIST(FILL)
#undef FILL
}

#endif
