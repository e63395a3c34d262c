/*
 * What this host can do: the yardsticks that a measurement is held against.
 *
 *     read bandwidth   bytes per second that all threads together read from a buffer;
 *                      decoding reads every weight once per token, so tokens per second ≤
 *                      bandwidth / bytes of weights (the roofline of Williams, Waterman and
 *                      Patterson, 2009)
 *     arithmetic peak  operations per second of each instruction set; prefill's bound
 *     disk             bytes per second that a cold start can hope for
 *
 * Every figure is the best of several passes, as STREAM does it (McCalpin 1995): what
 * disturbs a pass (another process, the hypervisor, a clock that still speeds up) only
 * ever makes it slower, so the best is nearest to what the hardware can do. Threads are
 * started before the clock is and begin each pass together.
 *
 * Nothing here prints. Functions may be called from any thread, but two probes at the same
 * time measure each other.
 */
#ifndef IFM_PROBE_PROBE_H
#define IFM_PROBE_PROBE_H

#include "inferometer/base.h"

enum { IFM_PROBE_MAX_THREADS = 1024 };

/* Bytes per second that `threads` threads (1 … IFM_PROBE_MAX_THREADS) together read from a
 * buffer of `bytes`, each its own equal part, which it has touched first; huge pages are
 * advised. A buffer smaller than a cache measures that cache. Takes 0.1 s and two passes
 * over the buffer, whichever is longer, besides the touching: about 0.2 s for 300 MB (more
 * where a hypervisor must find the memory first).
 * A size over half of the memory that is still available to this process (cgroup limits
 * counted) is cut down to that. 0: it could not be measured (no memory, no thread). */
double ifm_probe_read_bandwidth(size_t bytes, int threads);

/* The largest buffer that a probe takes: half of what is available to this process. */
size_t ifm_probe_memory_limit(void);

/* A peak of arithmetic: what `threads` threads do together in registers alone. */
typedef struct ifm_probe_peak {
    const char *kernels; /* "avx512": the instruction set; static */
    const char *type;    /* "f32", "bf16", "int8" (dot products of the last two) */
    double per_s;        /* operations per second; a multiply-add counts as two */
} ifm_probe_peak;

enum { IFM_PROBE_MAX_PEAKS = 16 };

/* Measures every instruction set that this build has and this CPU can run, slowest first;
 * returns how many peaks were filled in. About 50 ms each. */
size_t ifm_probe_arithmetic(int threads, ifm_probe_peak peaks[IFM_PROBE_MAX_PEAKS]);

typedef struct ifm_probe_disk {
    double bytes_per_s;
    int64_t bytes;        /* that were read */
    double resident_frac; /* of the file, just before reading; -1: not known */
    bool temporary;       /* a file that was written for the purpose, and removed */
} ifm_probe_disk;

/* Reads a file that is not in the page cache: `path` is a file of 4 MiB or more, of which
 * up to 256 MiB are read, or a directory, in which an unnamed file of 128 MiB is written
 * first. Four readers, 1 MiB at a time, 1.5 s at most. That the file was dropped from the
 * cache is verified; what a disk's own cache or a hypervisor holds cannot be seen from
 * here. Errors: NOT_FOUND, IO, NO_MEMORY, UNSUPPORTED (too small; or it stays in memory). */
ifm_status ifm_probe_disk_read(const char *path, ifm_probe_disk *out, ifm_error *err);

#endif
