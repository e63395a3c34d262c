/* Is a model on the disk what it claims to be? */
#ifndef IFM_HUB_VERIFY_H
#define IFM_HUB_VERIFY_H

#include "hub/watch.h"

typedef enum ifm_hub_finding {
    IFM_HUB_FINE,
    IFM_HUB_UNCHECKED, /* there is nothing to check it against */
    IFM_HUB_WRONG,
} ifm_hub_finding;

/* One line for a person: about which file (or "weights"), and what. */
typedef void (*ifm_hub_report)(void *user, ifm_hub_finding finding, const char *about,
                               const char *what);

/* Verifies the model at `path`, as ifm_hub_resolve gives it: that every link of a snapshot
 * leads to a blob, and each blob's bytes have the hash that is its name; that all shards are
 * there; that the weights' headers are sound and their numbers finite. Reads every byte,
 * twice at most. *n_wrong findings are IFM_HUB_WRONG. Errors: only what ends it: CANCELLED,
 * NO_MEMORY. */
ifm_status ifm_hub_verify(const char *path, const ifm_hub_watch *watch,
                          ifm_hub_report report, void *user, size_t *n_wrong,
                          ifm_error *err);

#endif
