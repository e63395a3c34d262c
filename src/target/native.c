#include "target/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"
#include "os/program.h"

/* ---- finding the worker ------------------------------------------------------------ */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0 && !ifm_file_is_directory(path);
}

static char *find_beside(const char *directory)
{
    static const char *const places[] = {
        "inferometer-worker",
        IFM_LIBEXEC_FROM_BIN "/inferometer-worker",
    };
    for (size_t i = 0; directory != NULL && i < sizeof places / sizeof *places; i++) {
        size_t n = strlen(directory) + strlen(places[i]) + 2;
        char *path = malloc(n);
        if (path == NULL)
            return NULL;
        snprintf(path, n, "%s/%s", directory, places[i]);
        if (is_program(path))
            return path;
        free(path);
    }
    return is_program(IFM_LIBEXECDIR "/inferometer-worker")
               ? strdup(IFM_LIBEXECDIR "/inferometer-worker")
               : NULL;
}

static ifm_status find_worker(const char *given, char **out, ifm_error *err)
{
    if (given == NULL)
        given = getenv("IFM_WORKER");
    if (given != NULL && *given != '\0') {
        *out = strdup(given);
        if (*out == NULL)
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "worker: no memory");
        if (!is_program(given))
            return ifm_fail(err, IFM_ERR_NOT_FOUND,
                            "%s: is no program that can be run (IFM_WORKER names the "
                            "worker)",
                            given);
        return IFM_OK;
    }
    char *directory = ifm_program_directory();
    *out = find_beside(directory);
    ifm_status st = IFM_OK;
    if (*out == NULL)
        st = ifm_fail(err, IFM_ERR_NOT_FOUND,
                      "inferometer-worker: not found beside the program (%s) nor in %s: "
                      "is the installation complete? IFM_WORKER can name it",
                      directory != NULL ? directory : "unknown", IFM_LIBEXECDIR);
    free(directory);
    return st;
}

ifm_status ifm_native_new(const ifm_child_options *options, const char *worker,
                          ifm_target_facts *facts, ifm_target **out, ifm_error *err)
{
    char *program = NULL;
    ifm_status st = find_worker(worker, &program, err);
    const char *const argv[] = {program};
    if (st == IFM_OK)
        st = ifm_child_new(options, "inferometer-worker", argv, 1, facts, out, err);
    free(program);
    return st;
}
