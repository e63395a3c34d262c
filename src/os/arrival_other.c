/* No system's note for TCP here that this program knows of. */
#include <sys/socket.h>

#include "os/arrival.h"

void ifm_arrival_clock_read(ifm_arrival_clock *self)
{
    self->steady = false;
}

bool ifm_arrival_watch(int fd)
{
    (void)fd;
    return false;
}

ssize_t ifm_arrival_recv(int fd, void *bytes, size_t n, const ifm_arrival_clock *clock,
                         int64_t *at_ns)
{
    (void)clock;
    *at_ns = 0;
    return recv(fd, bytes, n, MSG_DONTWAIT);
}

int64_t ifm_arrival_peek(int fd, size_t n, const ifm_arrival_clock *clock)
{
    (void)fd, (void)n, (void)clock;
    return 0;
}
