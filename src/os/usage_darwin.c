#include <libproc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/usage.h"

ifm_usage ifm_usage_faults(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (ifm_usage){usage.ru_majflt, usage.ru_minflt, -1};
}

ifm_usage ifm_usage_all(void)
{
    ifm_usage usage = ifm_usage_faults();
    rusage_info_current info;
    if (proc_pid_rusage(getpid(), RUSAGE_INFO_CURRENT, (rusage_info_t *)&info) == 0)
        usage.read_bytes = (int64_t)info.ri_diskio_bytesread;
    return usage;
}

int64_t ifm_usage_peak_rss_bytes(void)
{
    struct rusage usage = {0};
    /* In bytes here, where Linux counts kibibytes. */
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss : -1;
}
