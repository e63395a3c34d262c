/*
 * The processor: which instructions it has and the operating system lets a program use,
 * and how many cores this process may occupy.
 *
 * Features come from CPUID and XCR0 on x86 (an operating system that does not save the
 * wide registers makes them useless), from the auxiliary vector on Arm.
 */
#ifndef IFM_OS_CPU_H
#define IFM_OS_CPU_H

#include "inferometer/base.h"

/* X(NAME, "name in results"). AVX2 stands for AVX2 + FMA + F16C, AVX512 for F, BW, CD, DQ
 * and VL: what every processor that has the one has. */
#define IFM_CPU_FEATURE_LIST(X)                                                          \
    X(AVX2, "avx2")                                                                      \
    X(AVX_VNNI, "avx-vnni")                                                              \
    X(AVX512, "avx512")                                                                  \
    X(AVX512_VNNI, "avx512-vnni")                                                        \
    X(AVX512_BF16, "avx512-bf16")                                                        \
    X(AVX512_FP16, "avx512-fp16")                                                        \
    X(AMX_BF16, "amx-bf16")                                                              \
    X(AMX_INT8, "amx-int8")                                                              \
    X(NEON, "neon")                                                                      \
    X(NEON_DOTPROD, "dotprod")                                                           \
    X(NEON_I8MM, "i8mm")                                                                 \
    X(NEON_BF16, "bf16")

enum {
#define X(NAME, name) IFM_CPU_INDEX_##NAME,
    IFM_CPU_FEATURE_LIST(X)
#undef X
        IFM_CPU_FEATURE_COUNT
};

enum {
#define X(NAME, name) IFM_CPU_##NAME = 1 << IFM_CPU_INDEX_##NAME,
    IFM_CPU_FEATURE_LIST(X)
#undef X
};

/* The features that may be used, as a set of IFM_CPU_… bits. Asks the processor each time
 * (under a microsecond, some tens under a hypervisor). Thread-safe. */
uint32_t ifm_cpu_features(void);

/* The name of feature number `index` (0 … IFM_CPU_FEATURE_COUNT - 1). */
const char *ifm_cpu_feature_name(int index);

/* Asks the operating system for the tile registers of AMX, once per process; true when
 * they may be used. Without it the first tile instruction is a SIGILL. Thread-safe. */
bool ifm_cpu_request_tiles(void);

/* What this process may occupy. */
typedef struct ifm_cpu_room {
    int logical;  /* logical processors in the affinity mask, ≥ 1 */
    int physical; /* physical cores among them, ≥ 1 */
    double quota; /* processors that the cgroup's time quota amounts to; 0: none */
    int threads;  /* compute threads that make sense: physical, no more than the quota
                       rounded up, ≥ 1 */
} ifm_cpu_room;

/* Reads affinity, /sys and /proc (cgroup v1 and v2, every ancestor of this process's
 * group). What cannot be read counts as no limit. */
ifm_cpu_room ifm_cpu_room_now(void);

/* The logical processor that the calling thread runs on just now; -1 where the system does
 * not tell. Nanoseconds. */
int ifm_cpu_current(void);

/* Processors that one cgroup quota amounts to: `text` is the content of cpu.max ("max
 * 100000", "150000 100000"); 0 when there is none. Pure; here for its test. */
double ifm_cpu_parse_cpu_max(const char *text);

#endif
