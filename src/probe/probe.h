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
 * over the buffer, whichever is longer, besides the touching: about 0.25 s for 300 MB.
 * A size over half of the memory that is still available to this process (cgroup limits
 * counted) is cut down to that. 0: it could not be measured (no memory, no thread). */
double ifm_probe_read_bandwidth(size_t bytes, int threads);

#endif
