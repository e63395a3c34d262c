/*
 * Finds and opens the module that knows MPI, when there are other processes. It is a module,
 * and not linked, so that the program starts as fast and runs as well without MPI: loading
 * Open MPI alone takes longer than many a load's first token.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"
#include "os/program.h"
#include "ranks/inner.h"
#include "ranks/launch.h"

static const char *from_environment(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

static char *join_path(const char *directory, const char *name)
{
    const size_t n = strlen(directory) + strlen(name) + 2;
    char *path = malloc(n);
    if (path != NULL)
        snprintf(path, n, "%s/%s", directory, name);
    return path;
}

/* Heap; NULL: not found. */
static char *find_module(void)
{
    static const char *const places[] = {"ifm-mpi.so",
                                         IFM_LIBEXEC_FROM_BIN "/ifm-mpi.so"};
    const char *given = getenv("IFM_MPI");
    if (given != NULL && *given != '\0')
        return strdup(given);
    char *directory = ifm_program_directory();
    char *path = NULL;
    for (size_t i = 0; directory != NULL && path == NULL && i < 2; i++) {
        path = join_path(directory, places[i]);
        if (path != NULL && !ifm_file_exists(path)) {
            free(path);
            path = NULL;
        }
    }
    free(directory);
    if (path == NULL && ifm_file_exists(IFM_LIBEXECDIR "/ifm-mpi.so"))
        path = strdup(IFM_LIBEXECDIR "/ifm-mpi.so");
    return path;
}

static ifm_status fail_without(const ifm_launch *launch, ifm_error *err)
{
    char many[64] = "one of several processes";
    if (launch->size > 1)
        snprintf(many, sizeof many, "one of %lld processes", (long long)launch->size);
    return ifm_fail(err, IFM_ERR_NOT_FOUND,
                    "started as %s (%s says so), but this build has no MPI: build again "
                    "where mpicc and its headers are, or start one process",
                    many, launch->variable);
}

static ifm_status open_module(const char *path, const ifm_ranks_ops **ops, ifm_error *err)
{
    /* Open MPI's own plugins look for its symbols among the global ones. Never closed:
     * MPI leaves threads and handlers behind. */
    void *handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (handle == NULL) {
        const char *why = dlerror();
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "%s: cannot be opened (%s): is the MPI installed that it was "
                        "built with?",
                        path, why != NULL ? why : "no reason given");
    }
    *ops = dlsym(handle, IFM_RANKS_MODULE_SYMBOL);
    if (*ops == NULL || (*ops)->seam != IFM_RANKS_SEAM)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: is of another version of this program", path);
    return IFM_OK;
}

/* MPI and the launcher must know each other. */
static ifm_status check_size(const ifm_launch *launch, const ifm_ranks_place *place,
                             ifm_error *err)
{
    if (launch->size <= 1 || place->size > 1)
        return IFM_OK;
    return ifm_fail(
        err, IFM_ERR_UNSUPPORTED,
        "started as one of %lld processes (%s says so), but %s, which this build uses, "
        "sees "
        "one alone: start it with the launcher of that MPI (srun: --mpi=pmix or pmi2)",
        (long long)launch->size, launch->variable, place->library);
}

ifm_status ifm_ranks_open(ifm_ranks **out, ifm_error *err)
{
    *out = NULL;
    const ifm_launch launch = ifm_launch_read(from_environment, NULL);
    if (launch.size == 0 || launch.size == 1)
        return IFM_OK;
    char *path = find_module();
    if (path == NULL)
        return launch.size < 0 && launch.first ? IFM_OK : fail_without(&launch, err);
    const ifm_ranks_ops *ops = NULL;
    void *group = NULL;
    ifm_ranks_place place = {0};
    ifm_status st = open_module(path, &ops, err);
    free(path);
    if (st == IFM_OK)
        st = ops->join(&group, &place, err);
    if (st != IFM_OK)
        return st;
    st = check_size(&launch, &place, err);
    if (st == IFM_OK && place.size > 1)
        st = ifm_ranks_new(ops, group, &place, out, err);
    if (*out == NULL)
        ops->leave(group, st == IFM_OK);
    return st;
}
