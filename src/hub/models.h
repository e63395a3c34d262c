/* All models that are on this machine: bundled ones, and what is in the hub's cache, whoever
 * put it there. */
#ifndef IFM_HUB_MODELS_H
#define IFM_HUB_MODELS_H

#include "inferometer/base.h"

typedef enum ifm_hub_state {
    IFM_HUB_READY,   /* -m NAME opens it */
    IFM_HUB_PARTIAL, /* `model pull NAME` would fetch something */
    IFM_HUB_OTHER,   /* it has no weights in a format that is read here */
} ifm_hub_state;

/* "ready", "partial", "other format". */
const char *ifm_hub_state_name(ifm_hub_state state);

typedef struct ifm_hub_model {
    char *name;         /* what -m takes */
    char *revision;     /* the commit or the version; NULL for a bundled one */
    char *path;         /* of the snapshot's directory, or of the GGUF */
    char *family;       /* "gpt2", as its configuration says; NULL: not known */
    const char *type;   /* of most bytes of weights, "bf16"; static; NULL: not known */
    const char *source; /* "bundled", "hub", "pypi"; static */
    ifm_hub_state state;
    int64_t bytes; /* of the files that belong to it */
    size_t n_files;
    int64_t used_s; /* when one of them was read last, as far as the file system notes it;
                       seconds since 1970 */
} ifm_hub_model;

typedef struct ifm_hub_models {
    ifm_hub_model *models; /* by name; heap, released by ifm_hub_models_deinit */
    size_t count;
} ifm_hub_models;

/* Looks at names and headers; reads no weights. What is damaged is listed, too. Errors:
 * NO_MEMORY, NOT_FOUND (no home directory). */
ifm_status ifm_hub_models_find(ifm_hub_models *out, ifm_error *err);
void ifm_hub_models_deinit(ifm_hub_models *self);

#endif
