/* Model names: what a person writes after -m becomes a path. */
#ifndef IFM_HUB_RESOLVE_H
#define IFM_HUB_RESOLVE_H

#include "inferometer/base.h"

/* The model that is measured when none is named; bundled with the program. */
#define IFM_BUNDLED_MODEL "counting"

/* `name` is a directory with a config.json, a .safetensors file, or the name of a bundled
 * model, which lies in $IFM_MODELS, beside the program's build or source tree, or where it
 * was installed. NULL: the bundled one. *path is a heap string that the caller frees.
 * Errors: NOT_FOUND, saying where was looked and what to do; NO_MEMORY. */
ifm_status ifm_hub_resolve(const char *name, char **path, ifm_error *err);

#endif
