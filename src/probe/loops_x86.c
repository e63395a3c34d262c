#include "probe/loops.h"

extern const ifm_probe_loops ifm_probe_loops_sse2, ifm_probe_loops_avx2,
    ifm_probe_loops_avx512, ifm_probe_loops_avx512_vnni, ifm_probe_loops_avx512_bf16;

const ifm_probe_loops *const *ifm_probe_loops_usable(size_t *n)
{
    static const ifm_probe_loops *const all[] = {
        &ifm_probe_loops_sse2, &ifm_probe_loops_avx2, &ifm_probe_loops_avx512,
        &ifm_probe_loops_avx512_vnni, &ifm_probe_loops_avx512_bf16};
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 =
        avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    bool bf16 = vnni && __builtin_cpu_supports("avx512bf16");
    *n = 1 + (size_t)avx2 + avx512 + vnni + bf16;
    return all;
}
