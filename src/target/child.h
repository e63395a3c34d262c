/*
 * The child target: an engine in a process that speaks the worker protocol, whosever it is.
 *
 * A cold request is a fresh process. With evict the model's files are dropped from the page
 * cache before each, and what mincore then says stands in the record; with keep they are
 * read once before the first, so that all cold runs begin alike.
 */
#ifndef IFM_TARGET_CHILD_H
#define IFM_TARGET_CHILD_H

#include "target/worker.h"

typedef struct ifm_child_options {
    ifm_worker_model model; /* borrowed */
    bool evict;
    int64_t timeout_ns;
    int cancel_fd;
    _Atomic int *group;
} ifm_child_options;

/* A target that starts argv[0 … n - 1] (copied); `name` says in messages who it is
 * (borrowed). The caller ends it with ifm_target_free. Errors: NO_MEMORY. */
ifm_status ifm_child_new(const ifm_child_options *options, const char *name,
                         const char *const *argv, size_t n, ifm_target_facts *facts,
                         ifm_target **out, ifm_error *err);

#endif
