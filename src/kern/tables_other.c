/* The tables of processors without kernels of their own. */
#include "kern/tables.h"

const ifm_kern_fill ifm_kern_fills[] = {ifm_kern_scalar};
const int ifm_kern_n_fills = sizeof ifm_kern_fills / sizeof *ifm_kern_fills;
