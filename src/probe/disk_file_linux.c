#include "probe/disk_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void ifm_disk_file_forget(int fd)
{
    fdatasync(fd); /* pages that were not written yet cannot be dropped */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

double ifm_disk_file_resident_frac(int fd, int64_t bytes)
{
    double frac = -1;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = ((size_t)bytes + page - 1) / page;
    unsigned char *present = malloc(n + 1);
    void *map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED && present != NULL && n > 0 &&
        mincore(map, (size_t)bytes, present) == 0) {
        size_t resident = 0;
        for (size_t i = 0; i < n; i++)
            resident += present[i] & 1U;
        frac = (double)resident / (double)n;
    }
    if (map != MAP_FAILED)
        munmap(map, (size_t)bytes);
    free(present);
    return frac;
}
