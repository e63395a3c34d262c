/* Model names: what a person writes after -m becomes a path. */
#ifndef IFM_HUB_RESOLVE_H
#define IFM_HUB_RESOLVE_H

#include "inferometer/base.h"

/* The model that is measured when none is named; bundled with the program. */
#define IFM_BUNDLED_MODEL "counting"

/* `name` is, the first that fits:
 *   - a directory with a config.json, or with one .gguf file and nothing else that is read;
 *   - a .safetensors or .gguf file;
 *   - the name of a bundled model, which lies in $IFM_MODELS, beside the program's build or
 *     source tree, or where it was installed; NULL: the bundled one;
 *   - a name on a hub (hub/name.h) whose files are in the hub's cache (hub/cache.h), or
 *     "smollm2", once it was pulled. Nothing is fetched.
 * *path is a heap string that the caller frees: a directory, or a GGUF file.
 * Errors: NOT_FOUND, saying where was looked and what to do; FORMAT (a broken shard index);
 * NO_MEMORY. */
ifm_status ifm_hub_resolve(const char *name, char **path, ifm_error *err);

/* The same for what is in the hub's cache only. */
ifm_status ifm_hub_resolve_cached(const char *name, char **path, ifm_error *err);

#endif
