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

/* A set and what the processor must have for it, IFM_CPU_… bits. */
typedef struct ifm_probe_set {
    uint32_t features;
    const ifm_probe_loops *loops;
} ifm_probe_set;

enum { IFM_PROBE_MAX_SETS = 8 };

/* What this build has, slowest first; one file per processor family (sets_….c). The first
 * runs on every processor of the family. */
extern const ifm_probe_set ifm_probe_sets[];
extern const size_t ifm_probe_n_sets;

/* Those that this processor can run, slowest first; returns how many, at least one. */
size_t ifm_probe_loops_usable(const ifm_probe_loops *usable[IFM_PROBE_MAX_SETS]);

#endif
