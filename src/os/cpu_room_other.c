/* Cores that this process may occupy, where the system has neither affinity nor quotas. */
#include "os/cpu.h"

#include <unistd.h>

#ifdef __APPLE__
#include <sys/sysctl.h>

static int physical_cores(int logical)
{
    int n = 0;
    size_t size = sizeof n;
    /* Performance cores only: one slow core makes all others wait at each barrier. */
    if (sysctlbyname("hw.perflevel0.physicalcpu", &n, &size, NULL, 0) == 0 && n > 0)
        return n;
    if (sysctlbyname("hw.physicalcpu", &n, &size, NULL, 0) == 0 && n > 0)
        return n;
    return logical;
}
#else
static int physical_cores(int logical)
{
    return logical;
}
#endif

ifm_cpu_room ifm_cpu_room_now(void)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const int logical = online > 0 ? (int)online : 1;
    const int physical = physical_cores(logical);
    return (ifm_cpu_room){.logical = logical, .physical = physical, .threads = physical};
}

int ifm_cpu_current(void)
{
    return -1;
}
