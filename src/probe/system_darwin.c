#include <mach/mach.h>
#include <stdlib.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "probe/system.h"
#include "probe/watch.h"

static int64_t number(const char *name)
{
    int64_t value = 0;
    size_t size = sizeof value;
    if (sysctlbyname(name, &value, &size, NULL, 0) != 0)
        return -1;
    return size == sizeof(int32_t) ? (int32_t)value : value;
}

void ifm_system_read(ifm_system *self, const char *root)
{
    (void)root;
    *self = (ifm_system){.smt = -1,
                         .numa_nodes = 1,
                         .hypervisor = -1,
                         .governors_other = -1,
                         .turbo = -1,
                         .throttled_by_heat = -1,
                         .hottest_celsius = -1,
                         .cgroup_throttled_count = -1,
                         .memory_available_bytes = -1,
                         .swap_bytes = -1,
                         .swap_used_bytes = -1,
                         .load_average = -1};
    self->logical_online = (int)sysconf(_SC_NPROCESSORS_ONLN);
    int64_t physical = number("hw.physicalcpu"), logical = number("hw.logicalcpu");
    if (physical > 0 && logical > 0)
        self->smt = logical > physical;
    self->hypervisor = (int)number("kern.hv_vmm_present");
    self->memory_bytes = number("hw.memsize");
    struct xsw_usage swap;
    size_t size = sizeof swap;
    if (sysctlbyname("vm.swapusage", &swap, &size, NULL, 0) == 0) {
        self->swap_bytes = (int64_t)swap.xsu_total;
        self->swap_used_bytes = (int64_t)swap.xsu_used;
    }
    double load;
    if (getloadavg(&load, 1) == 1)
        self->load_average = load;
}

ifm_machine_time ifm_machine_time_read(void)
{
    ifm_machine_time time = {-1, -1, -1, -1};
    host_cpu_load_info_data_t load;
    mach_msg_type_number_t count = HOST_CPU_LOAD_INFO_COUNT;
    if (host_statistics(mach_host_self(), HOST_CPU_LOAD_INFO, (host_info_t)&load,
                        &count) != KERN_SUCCESS)
        return time;
    double tick = (double)sysconf(_SC_CLK_TCK);
    double idle = (double)load.cpu_ticks[CPU_STATE_IDLE] / tick;
    time.busy = ((double)load.cpu_ticks[CPU_STATE_USER] +
                 (double)load.cpu_ticks[CPU_STATE_SYSTEM] +
                 (double)load.cpu_ticks[CPU_STATE_NICE]) /
                tick;
    time.all = time.busy + idle;
    return time;
}
