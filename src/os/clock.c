#include "os/clock.h"

#include <stdlib.h>
#include <time.h>

/* glibc, musl and macOS all have CLOCK_MONOTONIC; on macOS it counts the same ticks in
 * every process, as on Linux. */
ifm_time ifm_time_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ifm_time){.ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec};
}

void ifm_time_sleep(ifm_time until)
{
    const int64_t left = ifm_time_between(ifm_time_now(), until);
    if (left > 0)
        nanosleep(&(struct timespec){.tv_sec = (time_t)(left / 1000000000),
                                     .tv_nsec = (long)(left % 1000000000)},
                  NULL);
}

static int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

ifm_clock_facts ifm_clock_measure(void)
{
    enum { BATCHES = 31, READS = 256 };
    int64_t cost[BATCHES];
    int64_t resolution = INT64_MAX;
    for (int b = 0; b < BATCHES; b++) {
        ifm_time start = ifm_time_now(), last = start;
        for (int i = 0; i < READS; i++) {
            ifm_time now = ifm_time_now();
            int64_t step = ifm_time_between(last, now);
            if (step > 0 && step < resolution)
                resolution = step;
            last = now;
        }
        cost[b] = ifm_time_between(start, last) / READS;
    }
    qsort(cost, BATCHES, sizeof cost[0], compare_i64);
    struct timespec declared;
    /* A step can only be seen as fine as a reading is quick; what the system declares is
     * finer when the clock really is. */
    if (clock_getres(CLOCK_MONOTONIC, &declared) == 0 && declared.tv_sec == 0 &&
        declared.tv_nsec > 0 && resolution <= 2 * cost[BATCHES / 2] + 1)
        resolution = declared.tv_nsec;
    return (ifm_clock_facts){
        .name = "CLOCK_MONOTONIC",
        .resolution_ns = resolution,
        .read_cost_ns = cost[BATCHES / 2],
    };
}
