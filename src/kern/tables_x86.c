/* The tables of x86. */
#include "kern/tables.h"
#include "os/cpu.h"

#define VNNI IFM_CPU_AVX512 | IFM_CPU_AVX512_VNNI
#define BF16 VNNI | IFM_CPU_AVX512_BF16

const ifm_kern_set ifm_kern_sets[] = {
    {"scalar", 0, ifm_kern_scalar},
    {"avx2", IFM_CPU_AVX2, ifm_kern_avx2},
    {"avx2-vnni", IFM_CPU_AVX2 | IFM_CPU_AVX_VNNI, ifm_kern_avx2_vnni},
    {"avx512", IFM_CPU_AVX512, ifm_kern_avx512},
    {"avx512-vnni", VNNI, ifm_kern_avx512_vnni},
    {"avx512-bf16", BF16, ifm_kern_avx512_bf16},
    {"amx", BF16 | IFM_CPU_AMX_BF16 | IFM_CPU_AMX_INT8, ifm_kern_amx},
};
const int ifm_kern_n_sets = sizeof ifm_kern_sets / sizeof *ifm_kern_sets;
