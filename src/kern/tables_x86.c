/* The tables of x86. */
#include "kern/tables.h"

const ifm_kern_fill ifm_kern_fills[] = {
    ifm_kern_scalar,      ifm_kern_avx2,        ifm_kern_avx2_vnni, ifm_kern_avx512,
    ifm_kern_avx512_vnni, ifm_kern_avx512_bf16, ifm_kern_amx};
const int ifm_kern_n_fills = sizeof ifm_kern_fills / sizeof *ifm_kern_fills;
