#include "probe/loops.h"

#include <sys/sysctl.h>

extern const ifm_probe_loops ifm_probe_loops_neon, ifm_probe_loops_neon_dotprod,
    ifm_probe_loops_neon_bf16;

static bool has(const char *feature)
{
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(feature, &value, &size, NULL, 0) == 0 && value != 0;
}

const ifm_probe_loops *const *ifm_probe_loops_usable(size_t *n)
{
    static const ifm_probe_loops *const all[] = {
        &ifm_probe_loops_neon, &ifm_probe_loops_neon_dotprod, &ifm_probe_loops_neon_bf16};
    bool dotprod = has("hw.optional.arm.FEAT_DotProd");
    bool bf16 = dotprod && has("hw.optional.arm.FEAT_BF16");
    *n = 1 + (size_t)dotprod + bf16;
    return all;
}
