/* What all processors and systems share. */
#include "os/cpu.h"

#include <stdio.h>

const char *ifm_cpu_feature_name(int index)
{
    static const char *const names[] = {
#define X(NAME, name) name,
        IFM_CPU_FEATURE_LIST(X)
#undef X
    };
    return index >= 0 && index < IFM_CPU_FEATURE_COUNT ? names[index] : "unknown";
}

double ifm_cpu_parse_cpu_max(const char *text)
{
    double quota = 0, period = 0;
    if (sscanf(text, "%lf %lf", &quota, &period) != 2 || quota <= 0 || period <= 0)
        return 0;
    return quota / period;
}
