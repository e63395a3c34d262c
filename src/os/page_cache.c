/* What is the same everywhere: walking the files, reading them, counting pages. */
#include "os/page_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "os/page_cache_file.h"

typedef ifm_status file_action(const char *path, void *user, ifm_error *err);

static ifm_status each_in_directory(const char *path, file_action *action, void *user,
                                    ifm_error *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return ifm_fail_errno(err, errno, "%s: cannot list", path);
    ifm_status st = IFM_OK;
    const struct dirent *entry;
    while (st == IFM_OK && (entry = readdir(dir)) != NULL) {
        char name[4096];
        struct stat info;
        int n = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        bool fits = n > 0 && (size_t)n < sizeof name;
        if (fits && stat(name, &info) == 0 && S_ISREG(info.st_mode))
            st = action(name, user, err);
    }
    closedir(dir);
    return st;
}

static ifm_status each_file(const char *path, file_action *action, void *user,
                            ifm_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return ifm_fail_errno(err, errno, "%s: cannot open", path);
    if (S_ISDIR(info.st_mode))
        return each_in_directory(path, action, user, err);
    return action(path, user, err);
}

/* ---- reading --------------------------------------------------------------------- */

static ifm_status fill_file(const char *path, void *user, ifm_error *err)
{
    enum { BLOCK = 1 << 20 };
    (void)user;
    char *block = malloc(BLOCK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd >= 0 && block != NULL)
        do
            n = read(fd, block, BLOCK);
        while (n > 0 || (n < 0 && errno == EINTR));
    ifm_status st = IFM_OK;
    if (n < 0)
        st = ifm_fail_errno(err, block == NULL ? ENOMEM : errno, "%s: cannot read", path);
    if (fd >= 0)
        close(fd);
    free(block);
    return st;
}

ifm_status ifm_page_cache_fill(const char *path, ifm_error *err)
{
    return each_file(path, fill_file, NULL, err);
}

/* ---- counting -------------------------------------------------------------------- */

typedef struct pages {
    size_t all, resident;
    bool unknown;
} pages;

/* Whether mincore tells the truth about this file: Linux 5.2 answers "resident" to those
 * who could not write it, because the truth leaks what others read. */
static bool may_ask(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return false;
    if (info.st_uid == geteuid() || geteuid() == 0)
        return true;
    char name[32];
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    return access(name, W_OK) == 0;
}

static void count_mapped(void *data, size_t size, pages *sum)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size + page - 1) / page;
    unsigned char *flags = calloc(n, sizeof *flags);
    /* A void pointer: Linux writes unsigned char, macOS char. */
    if (flags == NULL || mincore(data, size, (void *)flags) != 0) {
        sum->unknown = true;
    } else {
        sum->all += n;
        for (size_t i = 0; i < n; i++)
            sum->resident += (size_t)(flags[i] & 1);
    }
    free(flags);
}

static ifm_status count_file(const char *path, void *user, ifm_error *err)
{
    (void)err;
    pages *sum = user;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info = {0};
    if (fd < 0 || !may_ask(fd) || fstat(fd, &info) != 0) {
        sum->unknown = true;
    } else if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            sum->unknown = true;
        else
            count_mapped(data, (size_t)info.st_size, sum);
        if (data != MAP_FAILED)
            munmap(data, (size_t)info.st_size);
    }
    if (fd >= 0)
        close(fd);
    return IFM_OK;
}

double ifm_page_cache_resident_frac(const char *path)
{
    pages sum = {0};
    if (each_file(path, count_file, &sum, NULL) != IFM_OK || sum.unknown || sum.all == 0)
        return -1;
    return (double)sum.resident / (double)sum.all;
}

/* ---- dropping -------------------------------------------------------------------- */

static ifm_status evict_one(const char *path, void *user, ifm_error *err)
{
    (void)user;
    return ifm_page_cache_evict_file(path, err);
}

ifm_status ifm_page_cache_evict(const char *path, ifm_error *err)
{
    return each_file(path, evict_one, NULL, err);
}
