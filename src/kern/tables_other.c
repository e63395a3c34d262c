/* The tables of processors without kernels of their own. */
#include "kern/tables.h"

const ifm_kern_set ifm_kern_sets[] = {{"scalar", 0, ifm_kern_scalar}};
const int ifm_kern_n_sets = sizeof ifm_kern_sets / sizeof *ifm_kern_sets;
