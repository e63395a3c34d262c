/* Which files of a repository are the model: the weights in the one format that is read,
 * the configuration, the tokenizer; not the same weights again for other programs. */
#ifndef IFM_HUB_CHOOSE_H
#define IFM_HUB_CHOOSE_H

#include "hub/cache.h"

#define IFM_HUB_INDEX "model.safetensors.index.json"

/* What a repository, or a directory, offers. */
typedef enum ifm_hub_kind {
    IFM_HUB_SAFETENSORS, /* a directory with a config.json and weights beside it */
    IFM_HUB_GGUF,        /* one file has everything */
} ifm_hub_kind;

typedef struct ifm_hub_choice {
    ifm_hub_kind kind;
    const char *gguf;     /* the one; borrowed from the files; NULL for safetensors */
    ifm_hub_files wanted; /* every file that is needed, as far as their names tell: shards
                             with other names stand in the index only */
} ifm_hub_choice;

/* Chooses among `files`; `name` is for messages. With `select` (may be NULL) exactly one
 * GGUF must match. Without, safetensors go before GGUF, of which there must be only one.
 * The caller calls ifm_hub_choice_deinit. Errors: NOT_FOUND (nothing that is read; it says
 * what there is instead), UNSUPPORTED (several GGUFs, naming them; a part of one), NO_MEMORY. */
ifm_status ifm_hub_choose(const ifm_hub_files *files, const char *name,
                          const char *select, ifm_hub_choice *out, ifm_error *err);
void ifm_hub_choice_deinit(ifm_hub_choice *self);

/* Whether the name ends with ".gguf", and is no projector of a model that sees. */
bool ifm_hub_is_gguf(const char *path);

/* The files that the shard index at `path` names, each once. Errors: as ifm_json_read, and
 * FORMAT. */
ifm_status ifm_hub_shards(const char *path, ifm_hub_files *out, ifm_error *err);

#endif
