/* Blocks of pages: mmap, and advice to use huge ones. */
#include "os/pages.h"

#include <sys/mman.h>

/* Smaller blocks do not fill enough huge pages to be worth zeroing them. */
enum { HUGE_FROM_BYTES = 4 << 20 };

void *ifm_pages_new(size_t bytes)
{
    void *block =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    if (bytes >= HUGE_FROM_BYTES)
        ifm_pages_prefer_huge(block, bytes);
    return block;
}

void ifm_pages_free(void *block, size_t bytes)
{
    if (block)
        munmap(block, bytes);
}
