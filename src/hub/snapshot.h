/* Writing into a repository of the hub's cache what makes blobs a snapshot: links and refs,
 * each of them there or not, never half. */
#ifndef IFM_HUB_SNAPSHOT_H
#define IFM_HUB_SNAPSHOT_H

#include "inferometer/base.h"

/* Makes `directory`/snapshots/COMMIT/FILE a link to the blob ETAG. */
ifm_status ifm_hub_link(const char *directory, const char *commit, const char *file,
                        const char *etag, ifm_error *err);

/* Makes `directory`/refs/REVISION say COMMIT. */
ifm_status ifm_hub_write_ref(const char *directory, const char *revision,
                             const char *commit, ifm_error *err);

#endif
