#include "base/error.h"
#include "os/page_cache_file.h"

/* macOS drops pages of all files (`purge`, as root) or of none. */
ifm_status ifm_page_cache_evict_file(const char *path, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                    "%s: macOS cannot drop one file's cached pages: run `sudo purge` and "
                    "use --page-cache keep --cold 1",
                    path);
}
