#include "probe/memory.h"

#include <stdint.h>
#include <sys/sysctl.h>

/* macOS compresses and swaps before it refuses: half of the memory is taken as available. */
size_t ifm_probe_memory_available(void)
{
    uint64_t bytes = 0;
    size_t size = sizeof bytes;
    if (sysctlbyname("hw.memsize", &bytes, &size, NULL, 0) != 0 || bytes == 0)
        return SIZE_MAX;
    return (size_t)(bytes / 2);
}

void ifm_probe_memory_advise_huge(void *data, size_t n)
{
    (void)data;
    (void)n;
}
