#include "os/host.h"

double ifm_host_steal_frac(ifm_host_time from, ifm_host_time to)
{
    if (from.total == 0 || to.total < from.total || to.stolen < from.stolen)
        return -1;
    if (to.total == from.total) /* less than a tick apart: nothing was stolen */
        return 0;
    return (double)(to.stolen - from.stolen) / (double)(to.total - from.total);
}
