#include "target/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"
#include "os/page_cache.h"
#include "os/program.h"

typedef struct native {
    ifm_target target;
    ifm_native_options options;
    ifm_worker worker;
    char *program;
    const char *argv[2];
    bool filled; /* the model's files were read into the page cache */
} native;

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

/* ---- the target -------------------------------------------------------------------- */

/* Brings the page cache into the state that was asked for, and notes what it is. */
static ifm_status set_page_cache(native *self, ifm_record *record, ifm_error *err)
{
    const char *path = self->options.model.path;
    ifm_status st = IFM_OK;
    if (self->options.evict)
        st = ifm_page_cache_evict(path, err);
    else if (!self->filled)
        st = ifm_page_cache_fill(path, err);
    self->filled = true;
    record->resident_frac_before = ifm_page_cache_resident_frac(path);
    return st;
}

static ifm_status request_native(ifm_target *target, const ifm_target_request *request,
                                 ifm_start start, ifm_record *record, ifm_error *err)
{
    native *self = (native *)target;
    ifm_status st = IFM_OK;
    if (start == IFM_START_COLD) {
        /* What an earlier process has mapped cannot be evicted. */
        ifm_worker_end(&self->worker);
        st = set_page_cache(self, record, err);
        if (st == IFM_OK)
            st = ifm_worker_cold(&self->worker, &self->options.model, request, target,
                                 record, err);
        return st;
    }
    if (!self->worker.running)
        st = ifm_worker_start(&self->worker, &self->options.model, target->facts, err);
    if (st == IFM_OK)
        st = ifm_worker_warm(&self->worker, request, target, record, err);
    return st;
}

static void free_native(ifm_target *target)
{
    native *self = (native *)target;
    ifm_worker_end(&self->worker);
    free(self->program);
    free(self);
}

static const ifm_target_ops native_ops = {request_native, free_native};

ifm_status ifm_native_new(const ifm_native_options *options, ifm_target_facts *facts,
                          ifm_target **out, ifm_error *err)
{
    native *self = calloc(1, sizeof *self);
    if (self == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "native target: no memory");
    self->target = (ifm_target){.ops = &native_ops, .facts = facts};
    self->options = *options;
    ifm_status st = find_worker(options->worker, &self->program, err);
    if (st != IFM_OK) {
        free(self->program);
        free(self);
        return st;
    }
    self->argv[0] = self->program;
    ifm_worker_init(&self->worker, &(ifm_worker_options){
                                       .argv = self->argv,
                                       .name = "inferometer-worker",
                                       .timeout_ns = options->timeout_ns,
                                       .cancel_fd = options->cancel_fd,
                                       .group = options->group,
                                   });
    *out = &self->target;
    return IFM_OK;
}
