#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "os/page_cache_file.h"

ifm_status ifm_page_cache_evict_file(const char *path, ifm_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ifm_fail_errno(err, errno, "%s: cannot open", path);
    /* Dirty pages stay in the cache, so they are written first. */
    int code = fsync(fd) != 0 && errno != EROFS && errno != EINVAL ? errno : 0;
    if (code == 0)
        code = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    if (code != 0)
        return ifm_fail_errno(err, code, "%s: cannot drop its cached pages", path);
    return IFM_OK;
}
