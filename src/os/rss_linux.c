#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "os/rss.h"

int64_t ifm_rss_bytes(void)
{
    char text[128];
    long long all, resident;
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    return sscanf(text, "%lld %lld", &all, &resident) == 2
               ? (int64_t)resident * sysconf(_SC_PAGESIZE)
               : -1;
}
