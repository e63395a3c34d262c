#include "probe/disk_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* macOS cannot drop one file's pages, but reads of this descriptor then bypass the cache
 * where the pages are not in it, and msync invalidates those of a mapping. */
void ifm_disk_file_forget(int fd)
{
    fcntl(fd, F_FULLFSYNC);
    fcntl(fd, F_NOCACHE, 1);
    off_t size = lseek(fd, 0, SEEK_END);
    void *map =
        size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (map != MAP_FAILED) {
        msync(map, (size_t)size, MS_INVALIDATE);
        munmap(map, (size_t)size);
    }
}

double ifm_disk_file_resident_frac(int fd, int64_t bytes)
{
    double frac = -1;
    size_t page = (size_t)getpagesize(), n = ((size_t)bytes + page - 1) / page;
    char *present = malloc(n + 1);
    void *map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED && present != NULL && n > 0 &&
        mincore(map, (size_t)bytes, present) == 0) {
        size_t resident = 0;
        for (size_t i = 0; i < n; i++)
            resident += (unsigned char)present[i] & 1U;
        frac = (double)resident / (double)n;
    }
    if (map != MAP_FAILED)
        munmap(map, (size_t)bytes);
    free(present);
    return frac;
}
