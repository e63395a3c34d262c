/* The tables of 64-bit Arm. */
#include "kern/tables.h"

const ifm_kern_fill ifm_kern_fills[] = {ifm_kern_scalar, ifm_kern_neon,
                                        ifm_kern_neon_dotprod};
const int ifm_kern_n_fills = sizeof ifm_kern_fills / sizeof *ifm_kern_fills;
