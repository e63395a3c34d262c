#include "os/cpu.h"
#include "probe/loops.h"

extern const ifm_probe_loops ifm_probe_loops_sse2, ifm_probe_loops_avx2,
    ifm_probe_loops_avx512, ifm_probe_loops_avx512_vnni, ifm_probe_loops_avx512_bf16,
    ifm_probe_loops_amx_int8, ifm_probe_loops_amx_bf16;

const ifm_probe_set ifm_probe_sets[] = {
    {0, &ifm_probe_loops_sse2},
    {IFM_CPU_AVX2, &ifm_probe_loops_avx2},
    {IFM_CPU_AVX512, &ifm_probe_loops_avx512},
    {IFM_CPU_AVX512_VNNI, &ifm_probe_loops_avx512_vnni},
    {IFM_CPU_AVX512_BF16, &ifm_probe_loops_avx512_bf16},
    {IFM_CPU_AVX512 | IFM_CPU_AMX_INT8, &ifm_probe_loops_amx_int8},
    {IFM_CPU_AVX512 | IFM_CPU_AMX_BF16, &ifm_probe_loops_amx_bf16},
};
const size_t ifm_probe_n_sets = sizeof ifm_probe_sets / sizeof *ifm_probe_sets;
