#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static ifm_status open_regular(const char *path, int *fd, struct stat *status,
                               ifm_error *err)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return ifm_fail_errno(err, errno, "%s: cannot open", path);
    if (fstat(*fd, status) != 0) {
        int code = errno;
        close(*fd);
        return ifm_fail_errno(err, code, "%s: cannot stat", path);
    }
    if (!S_ISREG(status->st_mode)) {
        close(*fd);
        return ifm_fail(err, IFM_ERR_IO, "%s: %s, expected a regular file", path,
                        S_ISDIR(status->st_mode) ? "is a directory" : "is no file");
    }
    return IFM_OK;
}

ifm_status ifm_mapping_open(ifm_mapping *self, const char *path, ifm_error *err)
{
    int fd;
    struct stat status;
    *self = (ifm_mapping){0};
    ifm_status st = open_regular(path, &fd, &status, err);
    if (st != IFM_OK)
        return st;
    if (status.st_size > 0) {
        void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED) {
            st = ifm_fail_errno(err, errno, "%s: cannot map %lld bytes", path,
                                (long long)status.st_size);
        } else {
            self->data = data;
            self->size = (size_t)status.st_size;
        }
    }
    close(fd);
    return st;
}

void ifm_mapping_close(ifm_mapping *self)
{
    if (self->data != NULL)
        munmap((void *)(uintptr_t)self->data, self->size);
    *self = (ifm_mapping){0};
}

void ifm_mapping_populate(const ifm_mapping *self, size_t n_bytes)
{
#ifdef MADV_POPULATE_READ /* Linux 5.14 */
    if (self->data != NULL)
        (void)madvise((void *)(uintptr_t)self->data, n_bytes, MADV_POPULATE_READ);
#else
    (void)self;
    (void)n_bytes;
#endif
}

ifm_status ifm_file_read(const char *path, size_t limit, char **data, size_t *size,
                         ifm_error *err)
{
    int fd;
    struct stat status;
    *data = NULL;
    *size = 0;
    ifm_status st = open_regular(path, &fd, &status, err);
    if (st != IFM_OK)
        return st;
    char *bytes = NULL;
    size_t n = 0;
    if ((uintmax_t)status.st_size > limit) {
        st = ifm_fail(err, IFM_ERR_LIMIT, "%s: %lld bytes, more than the %zu allowed",
                      path, (long long)status.st_size, limit);
        goto done;
    }
    bytes = malloc((size_t)status.st_size + 1);
    if (bytes == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for %lld bytes", path,
                      (long long)status.st_size);
        goto done;
    }
    while (n < (size_t)status.st_size) {
        ssize_t got = read(fd, bytes + n, (size_t)status.st_size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            st = ifm_fail_errno(err, errno, "%s: cannot read at byte %zu", path, n);
            goto done;
        }
        if (got == 0)
            break; /* it was cut shorter meanwhile: the parser sees what is there */
        n += (size_t)got;
    }
    bytes[n] = '\0';
    *data = bytes;
    *size = n;
    bytes = NULL;
done:
    free(bytes);
    close(fd);
    return st;
}

bool ifm_file_stat(const char *path, ifm_file_stamp *stamp)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
#ifdef __APPLE__
    struct timespec modified = status.st_mtimespec;
#else
    struct timespec modified = status.st_mtim;
#endif
    *stamp = (ifm_file_stamp){
        .size = (uint64_t)status.st_size,
        .modified_ns = (int64_t)modified.tv_sec * 1000000000 + modified.tv_nsec,
        .inode = (uint64_t)status.st_ino,
    };
    return true;
}

bool ifm_file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

bool ifm_file_is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

ifm_status ifm_directory_make(const char *path, ifm_error *err)
{
    char *part = strdup(path);
    if (part == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    ifm_status st = IFM_OK;
    for (char *p = part + 1; st == IFM_OK; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            st = ifm_fail_errno(err, errno, "%s: cannot make the directory", part);
        else if (!ifm_file_is_directory(part))
            st = ifm_fail(err, IFM_ERR_IO, "%s: is a file, expected a directory", part);
        *p = end;
        if (end == '\0')
            break;
    }
    free(part);
    return st;
}
