/* The tables of 64-bit Arm. */
#include "kern/tables.h"
#include "os/cpu.h"

#define DOTPROD IFM_CPU_NEON | IFM_CPU_NEON_DOTPROD

const ifm_kern_set ifm_kern_sets[] = {
    {"scalar", 0, ifm_kern_scalar},
    {"neon", IFM_CPU_NEON, ifm_kern_neon},
    {"neon-dotprod", DOTPROD, ifm_kern_neon_dotprod},
    {"neon-i8mm", DOTPROD | IFM_CPU_NEON_I8MM, ifm_kern_neon_i8mm},
};
const int ifm_kern_n_sets = sizeof ifm_kern_sets / sizeof *ifm_kern_sets;
