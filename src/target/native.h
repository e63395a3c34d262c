/*
 * The native target: our engine, in inferometer-worker.
 *
 * A cold request is a fresh process of that small program, which links the engine and
 * nothing else. With evict the model's files are dropped from the page cache before each,
 * and what mincore then says stands in the record; with keep they are read once before the
 * first, so that all cold runs begin alike.
 */
#ifndef IFM_TARGET_NATIVE_H
#define IFM_TARGET_NATIVE_H

#include "target/worker.h"

typedef struct ifm_native_options {
    ifm_worker_model model; /* borrowed */
    bool evict;
    int64_t timeout_ns;
    int cancel_fd;
    _Atomic int *group;
    const char *worker; /* the program's path; NULL: looked for */
} ifm_native_options;

/* Looks for the worker program ($IFM_WORKER, beside this program, in libexec), so that a
 * missing one is known at once. The caller ends it with ifm_target_free. Errors: NOT_FOUND,
 * NO_MEMORY. */
ifm_status ifm_native_new(const ifm_native_options *options, ifm_target_facts *facts,
                          ifm_target **out, ifm_error *err);

#endif
