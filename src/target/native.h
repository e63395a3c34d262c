/* The native target: our engine, in inferometer-worker, a small program that links the engine
 * and nothing else. */
#ifndef IFM_TARGET_NATIVE_H
#define IFM_TARGET_NATIVE_H

#include "target/child.h"

/* Looks for the worker program (`worker` if not NULL, $IFM_WORKER, beside this program, in
 * libexec), so that a missing one is known at once. The caller ends it with ifm_target_free.
 * Errors: NOT_FOUND, NO_MEMORY. */
ifm_status ifm_native_new(const ifm_child_options *options, const char *worker,
                          ifm_target_facts *facts, ifm_target **out, ifm_error *err);

#endif
