#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/usage.h"

/* The number behind `key` in a small file of /proc; -1 when it is not there. */
static int64_t number_in(const char *path, const char *key)
{
    char text[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    const char *at = strstr(text, key);
    return at == NULL ? -1 : strtoll(at + strlen(key), NULL, 10);
}

ifm_usage ifm_usage_faults(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (ifm_usage){usage.ru_majflt, usage.ru_minflt, -1};
}

ifm_usage ifm_usage_all(void)
{
    ifm_usage usage = ifm_usage_faults();
    /* The line feed keeps "cancelled_write_bytes" and the like apart. */
    usage.read_bytes = number_in("/proc/self/io", "\nread_bytes: ");
    return usage;
}

int64_t ifm_usage_peak_rss_bytes(void)
{
    int64_t kib = number_in("/proc/self/status", "\nVmHWM:");
    return kib < 0 ? -1 : kib * 1024;
}
