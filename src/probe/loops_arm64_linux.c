#include "probe/loops.h"

#include <sys/auxv.h>

/* Linux's names for these bits, arch/arm64/include/uapi/asm/hwcap.h; older C libraries
 * lack the second. */
#define HAS_DOTPROD (1UL << 20) /* AT_HWCAP */
#define HAS_BF16    (1UL << 14) /* AT_HWCAP2 */

extern const ifm_probe_loops ifm_probe_loops_neon, ifm_probe_loops_neon_dotprod,
    ifm_probe_loops_neon_bf16;

const ifm_probe_loops *const *ifm_probe_loops_usable(size_t *n)
{
    static const ifm_probe_loops *const all[] = {
        &ifm_probe_loops_neon, &ifm_probe_loops_neon_dotprod, &ifm_probe_loops_neon_bf16};
    bool dotprod = (getauxval(AT_HWCAP) & HAS_DOTPROD) != 0;
    bool bf16 = dotprod && (getauxval(AT_HWCAP2) & HAS_BF16) != 0;
    *n = 1 + (size_t)dotprod + bf16;
    return all;
}
