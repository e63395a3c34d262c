#include "os/cpu.h"
#include "probe/loops.h"

size_t ifm_probe_loops_usable(const ifm_probe_loops *usable[IFM_PROBE_MAX_SETS])
{
    uint32_t features = ifm_cpu_features();
    size_t n = 0;
    for (size_t i = 0; i < ifm_probe_n_sets; i++) {
        uint32_t needed = ifm_probe_sets[i].features;
        if ((features & needed) != needed)
            continue;
        bool tiles = (needed & (IFM_CPU_AMX_BF16 | IFM_CPU_AMX_INT8)) != 0;
        if (tiles && !ifm_cpu_request_tiles())
            continue;
        usable[n++] = ifm_probe_sets[i].loops;
    }
    return n;
}
