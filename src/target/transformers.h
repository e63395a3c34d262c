/* The Transformers target: Hugging Face Transformers, in workers/transformers_worker.py. */
#ifndef IFM_TARGET_TRANSFORMERS_H
#define IFM_TARGET_TRANSFORMERS_H

#include "target/child.h"

/* `python`: the interpreter that has torch and transformers; NULL: $IFM_PYTHON, else python3
 * on the PATH. Looks for the worker's script ($IFM_TRANSFORMERS_WORKER, beside this program
 * or its source tree, in the data directory), so that a missing one is known at once; what
 * the interpreter lacks the worker says itself. The caller ends it with ifm_target_free.
 * Errors: NOT_FOUND, NO_MEMORY. */
ifm_status ifm_transformers_new(const ifm_child_options *options, const char *python,
                                ifm_target_facts *facts, ifm_target **out,
                                ifm_error *err);

#endif
