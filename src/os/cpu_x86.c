/* Features of x86: CPUID leaves 1 and 7, and XCR0 (Intel SDM vol. 1, 13.3 and 14.3). */
#include "os/cpu.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    XCR0_YMM = 0x6,  /* SSE and AVX state */
    XCR0_ZMM = 0xe6, /* and opmask, upper halves, upper registers */
    XCR0_TILES = 0x60000,
};

typedef struct leaf {
    unsigned a, b, c, d;
} leaf;

static leaf read_leaf(unsigned number, unsigned part)
{
    leaf x = {0};
    if (!__get_cpuid_count(number, part, &x.a, &x.b, &x.c, &x.d))
        return (leaf){0};
    return x;
}

static bool bit(unsigned word, int n)
{
    return (word >> n & 1) != 0;
}

static uint64_t read_xcr0(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

uint32_t ifm_cpu_features(void)
{
    const leaf one = read_leaf(1, 0), seven = read_leaf(7, 0), more = read_leaf(7, 1);
    const bool osxsave = bit(one.c, 27);
    const uint64_t state = osxsave ? read_xcr0() : 0;
    const bool ymm = (state & XCR0_YMM) == XCR0_YMM;
    const bool zmm = (state & XCR0_ZMM) == XCR0_ZMM;
    const bool tiles = (state & XCR0_TILES) == XCR0_TILES;
    uint32_t set = 0;
    /* FMA, F16C, AVX, AVX2 */
    if (ymm && bit(one.c, 12) && bit(one.c, 29) && bit(one.c, 28) && bit(seven.b, 5))
        set |= IFM_CPU_AVX2;
    if (set & IFM_CPU_AVX2)
        set |= bit(more.a, 4) ? IFM_CPU_AVX_VNNI : 0;
    /* F, DQ, CD, BW, VL */
    if ((set & IFM_CPU_AVX2) && zmm && bit(seven.b, 16) && bit(seven.b, 17) &&
        bit(seven.b, 28) && bit(seven.b, 30) && bit(seven.b, 31))
        set |= IFM_CPU_AVX512;
    if (set & IFM_CPU_AVX512) {
        set |= bit(seven.c, 11) ? IFM_CPU_AVX512_VNNI : 0;
        set |= bit(more.a, 5) ? IFM_CPU_AVX512_BF16 : 0;
        set |= bit(seven.d, 23) ? IFM_CPU_AVX512_FP16 : 0;
        if (tiles && bit(seven.d, 24)) {
            set |= bit(seven.d, 22) ? IFM_CPU_AMX_BF16 : 0;
            set |= bit(seven.d, 25) ? IFM_CPU_AMX_INT8 : 0;
        }
    }
    return set;
}

bool ifm_cpu_request_tiles(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return (ifm_cpu_features() & IFM_CPU_AMX_BF16) &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}
