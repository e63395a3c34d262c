#include "ranks/launch.h"

#include <stddef.h>
#include <stdlib.h>

/* The first that is set decides. size NULL: this one tells no size. */
static const struct {
    const char *size, *rank;
} launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, /* Open MPI's mpirun */
    {"PMI_SIZE", "PMI_RANK"},                         /* MPICH's; srun --mpi=pmi2 */
    {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},   /* MVAPICH's */
    {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},         /* srun, also without any MPI */
    {NULL, "PMIX_RANK"},                              /* prterun */
};

static int64_t number(const char *text, int64_t otherwise)
{
    char *end;
    if (text == NULL || *text == '\0')
        return otherwise;
    const long long value = strtoll(text, &end, 10);
    return *end == '\0' && value >= 0 ? value : otherwise;
}

ifm_launch ifm_launch_read(const char *(*get)(void *user, const char *name), void *user)
{
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        const char *size = launchers[i].size, *rank = launchers[i].rank;
        const int64_t n = number(get(user, size != NULL ? size : rank), -1);
        if (n < 0)
            continue;
        return (ifm_launch){
            .variable = size != NULL ? size : rank,
            .size = size != NULL ? n : -1,
            .first = number(get(user, rank), 0) == 0,
        };
    }
    return (ifm_launch){.size = 1, .first = true};
}
