#include "probe/loops.h"

extern const ifm_probe_loops ifm_probe_loops_generic;

const ifm_probe_set ifm_probe_sets[] = {{0, &ifm_probe_loops_generic}};
const size_t ifm_probe_n_sets = 1;
