#include "target/child.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/page_cache.h"

typedef struct child {
    ifm_target target;
    ifm_child_options options;
    ifm_worker worker;
    char **argv;
    bool filled; /* the model's files were read into the page cache */
} child;

/* Brings the page cache into the state that was asked for, and notes what it is. */
static ifm_status set_page_cache(child *self, ifm_record *records, size_t n,
                                 ifm_error *err)
{
    const char *path = self->options.model.path;
    ifm_status st = IFM_OK;
    if (self->options.evict)
        st = ifm_page_cache_evict(path, err);
    else if (!self->filled)
        st = ifm_page_cache_fill(path, err);
    self->filled = true;
    const double frac = ifm_page_cache_resident_frac(path);
    for (size_t i = 0; i < n; i++)
        records[i].resident_frac_before = frac;
    return st;
}

static ifm_status request_child(ifm_target *target, const ifm_target_request *request,
                                ifm_start start, ifm_record *records, ifm_error *err)
{
    child *self = (child *)target;
    ifm_status st = IFM_OK;
    if (start == IFM_START_COLD) {
        /* What an earlier process has mapped cannot be evicted. */
        ifm_worker_end(&self->worker);
        st = set_page_cache(self, records, ifm_target_records(request), err);
        if (st == IFM_OK)
            st = ifm_worker_cold(&self->worker, &self->options.model, request, target,
                                 records, err);
        return st;
    }
    if (!self->worker.running)
        st = ifm_worker_start(&self->worker, &self->options.model, target->facts, err);
    if (st == IFM_OK)
        st = ifm_worker_warm(&self->worker, request, target, records, err);
    return st;
}

static void free_child(ifm_target *target)
{
    child *self = (child *)target;
    ifm_worker_end(&self->worker);
    for (char **word = self->argv; word != NULL && *word != NULL; word++)
        free(*word);
    free(self->argv);
    free(self);
}

static const ifm_target_ops child_ops = {request_child, free_child};

ifm_status ifm_child_new(const ifm_child_options *options, const char *name,
                         const char *const *argv, size_t n, ifm_target_facts *facts,
                         ifm_target **out, ifm_error *err)
{
    child *self = calloc(1, sizeof *self);
    if (self != NULL)
        self->argv = calloc(n + 1, sizeof *self->argv);
    bool ok = self != NULL && self->argv != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        self->argv[i] = strdup(argv[i]);
        ok = self->argv[i] != NULL;
    }
    if (!ok) {
        if (self != NULL)
            free_child(&self->target);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", name);
    }
    self->target = (ifm_target){.ops = &child_ops, .facts = facts};
    self->options = *options;
    ifm_worker_init(&self->worker, &(ifm_worker_options){
                                       .argv = (const char *const *)self->argv,
                                       .name = name,
                                       .timeout_ns = options->timeout_ns,
                                       .cancel_fd = options->cancel_fd,
                                       .group = options->group,
                                   });
    *out = &self->target;
    return IFM_OK;
}
