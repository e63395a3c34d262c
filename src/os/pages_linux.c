/* Pages on Linux: madvise(2). */
#include "os/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Linux 5.14; the headers may be older than the kernel. */
enum { POPULATE_READ = 22 };

/* madvise wants the beginning of a page. */
static void *page_of(const void *data, size_t *bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data;
    *bytes += at % page;
    return (void *)(at - at % page);
}

void ifm_pages_prefer_huge(const void *data, size_t bytes)
{
    void *at = page_of(data, &bytes);
    (void)madvise(at, bytes, MADV_HUGEPAGE); /* a refusal costs nothing */
}

void ifm_pages_populate(const void *data, size_t bytes)
{
    void *at = page_of(data, &bytes);
    if (bytes == 0 || madvise(at, bytes, POPULATE_READ) == 0)
        return;
    /* An older kernel, or a file that was cut: the first has to fault, the second must not
     * be touched here. */
    (void)madvise(at, bytes, MADV_WILLNEED);
}
