/* What a hub says about a repository: GET /api/models/NAME/revision/REVISION. */
#ifndef IFM_HUB_REPOSITORY_H
#define IFM_HUB_REPOSITORY_H

#include "hub/cache.h"

typedef struct ifm_hub_repository {
    char *commit;  /* of the revision that was asked for; heap */
    char *license; /* "apache-2.0"; NULL: not said; heap */
    ifm_hub_files files;
} ifm_hub_repository;

/* Reads the answer, n_bytes of hostile JSON; `what` is for messages. Every path that is
 * returned is safe (ifm_hub_path_is_safe), the commit is 40 hexadecimal digits. The caller
 * calls ifm_hub_repository_deinit. Errors: FORMAT, LIMIT, NO_MEMORY. */
ifm_status ifm_hub_repository_parse(const char *text, size_t n_bytes, const char *what,
                                    ifm_hub_repository *out, ifm_error *err);
void ifm_hub_repository_deinit(ifm_hub_repository *self);

#endif
