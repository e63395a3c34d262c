/*
 * A model's name on a hub, as a person writes it:
 *
 *     distilgpt2                         a repository without an owner
 *     org/name                           the default branch, "main"
 *     org/name@revision                  a branch, a tag, or a commit
 *     org/name:Q4_K_M                    one GGUF of several: by its type,
 *     org/name:file-q4_k_m.gguf          by its file name,
 *     org/name@revision:*q4_k_m*         or by a pattern (* ? [a-z]), whatever the case
 */
#ifndef IFM_HUB_NAME_H
#define IFM_HUB_NAME_H

#include "inferometer/base.h"

/* Heap strings, released by ifm_hub_name_deinit; an all-zero one is empty. */
typedef struct ifm_hub_name {
    char *repo;     /* "org/name" or "name" */
    char *revision; /* never NULL: "main" */
    char *select;   /* what stands behind the ':'; NULL: nothing */
} ifm_hub_name;

/* What a hub accepts as a name, and nothing that could leave a directory: parts of letters,
 * digits, '.', '_', '-', at most 96 bytes, no ".." and no "--". Errors: ARGUMENT, saying
 * which part is wrong; NO_MEMORY. */
ifm_status ifm_hub_name_parse(const char *text, ifm_hub_name *out, ifm_error *err);
void ifm_hub_name_deinit(ifm_hub_name *self);

/* Whether a file of a repository is what `select` means: equal to its path or its file name,
 * a pattern that matches one of them, or the type in "name-TYPE.gguf" ("name.TYPE.gguf");
 * without regard to case. */
bool ifm_hub_select_matches(const char *select, const char *path);

/* A path that stays below the directory it is put in: not absolute, no empty part, no "."
 * or "..", no control characters or backslashes, at most 1,000 bytes. */
bool ifm_hub_path_is_safe(const char *path);

#endif
