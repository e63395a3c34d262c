/* The innermost loops of the probes, compiled once per instruction set (meson.build). */
#ifndef IFM_PROBE_LOOPS_H
#define IFM_PROBE_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IFM_PROBE_READ_WAYS = 2 };

typedef struct ifm_probe_loops {
    const char *name; /* "avx512" */
    /* Reads data[n] (n a multiple of 512, data 64-byte aligned) and returns a value that
     * depends on every byte, so that no load can be left out: from the beginning to the
     * end, and as eight streams at once. Which is faster depends on the memory and its
     * prefetchers (eight by a tenth on one host, but slower where the streams fall on the
     * same cache sets), so both are tried. */
    uint64_t (*read[IFM_PROBE_READ_WAYS])(const unsigned char *data, size_t n);
    /* `rounds` times a fixed number of operations on registers; *operations says how many
     * were done in all (a multiply-add is two). NULL: this set has nothing for the type. */
    float (*f32)(int64_t rounds, double *operations);
    float (*bf16)(int64_t rounds, double *operations);
    int32_t (*int8)(int64_t rounds, double *operations);
} ifm_probe_loops;

/* The sets that this build has and this CPU can run, slowest first; *n of them, at least
 * one. */
const ifm_probe_loops *const *ifm_probe_loops_usable(size_t *n);

#endif
