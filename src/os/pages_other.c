/* Pages where the system fills page tables by faults only: it can be asked to read ahead. */
#include "os/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void ifm_pages_prefer_huge(const void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
}

void ifm_pages_populate(const void *data, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    (void)posix_madvise((void *)(at - at % page), bytes + at % page, POSIX_MADV_WILLNEED);
}
