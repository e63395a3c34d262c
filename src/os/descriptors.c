#include "os/descriptors.h"

#include <stdint.h>
#include <sys/resource.h>

bool ifm_descriptors_allow(size_t n, size_t *limit)
{
    struct rlimit now = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < n) {
        struct rlimit more = {n < now.rlim_max ? n : now.rlim_max, now.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            now = more;
    }
    *limit = now.rlim_cur > SIZE_MAX ? SIZE_MAX : (size_t)now.rlim_cur;
    return *limit >= n;
}
