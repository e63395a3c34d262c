/* A processor that this project has no kernels for: the scalar ones run everywhere. */
#include "os/cpu.h"

uint32_t ifm_cpu_features(void)
{
    return 0;
}

bool ifm_cpu_request_tiles(void)
{
    return false;
}
