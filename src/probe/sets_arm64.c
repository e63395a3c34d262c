#include "os/cpu.h"
#include "probe/loops.h"

extern const ifm_probe_loops ifm_probe_loops_neon, ifm_probe_loops_neon_dotprod,
    ifm_probe_loops_neon_i8mm, ifm_probe_loops_neon_bf16;

const ifm_probe_set ifm_probe_sets[] = {
    {0, &ifm_probe_loops_neon},
    {IFM_CPU_NEON_DOTPROD, &ifm_probe_loops_neon_dotprod},
    {IFM_CPU_NEON_I8MM, &ifm_probe_loops_neon_i8mm},
    {IFM_CPU_NEON_BF16, &ifm_probe_loops_neon_bf16},
};
const size_t ifm_probe_n_sets = sizeof ifm_probe_sets / sizeof *ifm_probe_sets;
