#include "ranks/clock.h"

#include <math.h>
#include <stdlib.h>

void ifm_clock_estimate_add(ifm_clock_estimate *self, ifm_time asked, ifm_time theirs,
                            ifm_time answered)
{
    const int64_t trip = ifm_time_between(asked, answered);
    const int64_t uncertainty = trip / 2 + trip % 2;
    if (trip < 0 || (self->known && uncertainty >= self->uncertainty_ns))
        return;
    *self = (ifm_clock_estimate){
        .known = true,
        .at = theirs,
        .offset_ns = theirs.ns - (asked.ns + trip / 2),
        .uncertainty_ns = uncertainty,
    };
}

bool ifm_clock_drifted(const ifm_clock_estimate *before, const ifm_clock_estimate *after)
{
    return before->known && after->known && after->at.ns > before->at.ns &&
           llabs(after->offset_ns - before->offset_ns) >
               before->uncertainty_ns + after->uncertainty_ns;
}

int64_t ifm_clock_correction(const ifm_clock_estimate *before,
                             const ifm_clock_estimate *after, ifm_time t)
{
    if (!ifm_clock_drifted(before, after))
        return 0;
    const double share = (double)ifm_time_between(before->at, t) /
                         (double)ifm_time_between(before->at, after->at);
    return -llround(share * (double)(after->offset_ns - before->offset_ns));
}
