/* Features of 64-bit Arm: Advanced SIMD is part of the architecture. */
#include "os/cpu.h"

#ifdef __linux__
#include <sys/auxv.h>

enum { HWCAP_BIT_ASIMDDP = 20, HWCAP2_BIT_I8MM = 13, HWCAP2_BIT_BF16 = 14 };

static uint32_t optional(void)
{
    uint32_t set = 0;
    set |= getauxval(AT_HWCAP) >> HWCAP_BIT_ASIMDDP & 1 ? IFM_CPU_NEON_DOTPROD : 0;
    set |= getauxval(AT_HWCAP2) >> HWCAP2_BIT_I8MM & 1 ? IFM_CPU_NEON_I8MM : 0;
    set |= getauxval(AT_HWCAP2) >> HWCAP2_BIT_BF16 & 1 ? IFM_CPU_NEON_BF16 : 0;
    return set;
}
#else
#include <sys/sysctl.h>

/* Every Apple processor that runs macOS has the dot product; those from the M2 on, the
 * products of 8-bit matrices. */
static uint32_t optional(void)
{
    int i8mm = 0;
    size_t n = sizeof i8mm;
    if (sysctlbyname("hw.optional.arm.FEAT_I8MM", &i8mm, &n, NULL, 0) != 0)
        i8mm = 0;
    return IFM_CPU_NEON_DOTPROD | (i8mm ? IFM_CPU_NEON_I8MM : 0);
}
#endif

uint32_t ifm_cpu_features(void)
{
    return IFM_CPU_NEON | optional();
}

bool ifm_cpu_request_tiles(void)
{
    return false;
}
