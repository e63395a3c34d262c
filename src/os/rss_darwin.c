#include <libproc.h>
#include <unistd.h>

#include "os/rss.h"

int64_t ifm_rss_bytes(void)
{
    struct proc_taskinfo info;
    const int n = proc_pidinfo(getpid(), PROC_PIDTASKINFO, 0, &info, (int)sizeof info);
    return n == (int)sizeof info ? (int64_t)info.pti_resident_size : -1;
}
