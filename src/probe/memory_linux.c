#include "probe/memory.h"

#include <stdint.h>
#include <sys/mman.h>

#include "probe/cgroup.h"
#include "probe/text_file.h"

size_t ifm_probe_memory_available(void)
{
    int64_t available = INT64_MAX, kib;
    char text[4096];
    if (ifm_text_file_read("/proc/meminfo", text, sizeof text) &&
        ifm_text_integer_after(text, "MemAvailable", &kib))
        available = kib * 1024;
    ifm_cgroup group;
    ifm_cgroup_read(&group, "");
    if (group.memory_bytes > 0) {
        int64_t left = group.memory_bytes - group.memory_used;
        if (left < available)
            available = left > 0 ? left : 0;
    }
    return (size_t)available;
}

void ifm_probe_memory_advise_huge(void *data, size_t n)
{
    madvise(data, n, MADV_HUGEPAGE); /* a refusal only means ordinary pages */
}
