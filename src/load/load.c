#include "load/load.h"

#include <stdlib.h>

const char *ifm_endpoint_name(ifm_endpoint endpoint)
{
    return endpoint == IFM_ENDPOINT_CHAT ? "chat" : "completions";
}

const char *ifm_arrival_name(ifm_arrival arrival)
{
    static const char *const names[] = {"closed", "constant", "poisson",
                                        "gamma",  "burst",    "trace"};
    return (unsigned)arrival <= IFM_ARRIVAL_TRACE ? names[arrival] : "unknown";
}

void ifm_load_deinit(ifm_load_run *self)
{
    ifm_spool_free(self->spool);
    ifm_run_deinit(&self->run);
    free(self->plan.url);
    free(self->plan.model);
    free(self->plan.input_len);
    free(self->plan.output_len);
    free(self->plan.prompts_path);
    free(self->ranks);
    free(self->search);
    *self = (ifm_load_run){0};
}
