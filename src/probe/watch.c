#include <sys/resource.h>
#include <time.h>

#include "probe/system.h"
#include "probe/watch.h"

/* Shorter gaps between two looks at the clock are timer interrupts and cache misses. */
enum { INTERRUPTION_NS = 10 * 1000 };

static double own_cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

static void spin(ifm_system_sample *self, int64_t duration_ns)
{
    ifm_time start = ifm_time_now(), last = start, now = start;
    int64_t lost_ns = 0;
    while (ifm_time_between(start, now) < duration_ns) {
        now = ifm_time_now();
        int64_t gap = ifm_time_between(last, now);
        last = now;
        if (gap < INTERRUPTION_NS)
            continue;
        self->interruptions++;
        lost_ns += gap;
        if (gap > self->longest_interruption_ns)
            self->longest_interruption_ns = gap;
    }
    self->interrupted_frac = (double)lost_ns / (double)ifm_time_between(start, now);
}

void ifm_system_watch(ifm_system_sample *self, int64_t duration_ns)
{
    *self = (ifm_system_sample){.others_cpus = -1, .steal_frac = -1, .swapped_pages = -1};
    int64_t half_ns = duration_ns / 2;
    ifm_machine_time before = ifm_machine_time_read();
    double own_before = own_cpu_seconds();
    ifm_time start = ifm_time_now();
    nanosleep(&(struct timespec){half_ns / 1000000000, half_ns % 1000000000}, NULL);
    spin(self, half_ns);
    double seconds = (double)ifm_time_between(start, ifm_time_now()) * 1e-9;
    double own = own_cpu_seconds() - own_before;
    ifm_machine_time after = ifm_machine_time_read();
    if (before.busy >= 0 && seconds > 0) {
        self->others_cpus = (after.busy - before.busy - own) / seconds;
        if (self->others_cpus < 0) /* the counters are coarse */
            self->others_cpus = 0;
    }
    if (before.stolen >= 0 && after.all > before.all)
        self->steal_frac = (after.stolen - before.stolen) / (after.all - before.all);
    if (before.swapped_pages >= 0)
        self->swapped_pages = after.swapped_pages - before.swapped_pages;
}
