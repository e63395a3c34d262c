#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static void release(ifm_output *self)
{
    free(self->path);
    free(self->temporary);
    *self = (ifm_output){0};
}

static void remove_temporary(const ifm_output *self)
{
    if (self->temporary != NULL)
        unlink(self->temporary);
}

/* A device or a pipe (/dev/stdout, /dev/full, a fifo) is written to, never replaced. */
static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

/* Opens the file beside self->path, or a device itself, whose temporary is then NULL. */
static int open_beside(ifm_output *self)
{
    if (is_special(self->path))
        return open(self->path, O_WRONLY | O_CLOEXEC);
    size_t n = strlen(self->path) + 32;
    self->temporary = malloc(n);
    if (self->temporary == NULL)
        return -1;
    snprintf(self->temporary, n, "%s.%ld.part", self->path, (long)getpid());
    return open(self->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

ifm_status ifm_output_open(ifm_output *self, const char *path, ifm_error *err)
{
    *self = (ifm_output){0};
    if (ifm_file_is_directory(path))
        return ifm_fail(err, IFM_ERR_IO, "%s: is a directory, expected a file name",
                        path);
    /* What a link points to is replaced, not the link. */
    self->path = realpath(path, NULL);
    if (self->path == NULL || is_special(path)) {
        free(self->path); /* of a pipe it is "…/pipe:[1234]", which cannot be opened */
        self->path = strdup(path);
    }
    if (self->path == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    int fd = open_beside(self);
    if (fd >= 0)
        self->stream = fdopen(fd, "w");
    if (self->stream != NULL)
        return IFM_OK;
    ifm_status st = ifm_fail_errno(err, errno, "%s: cannot write", path);
    if (fd >= 0) {
        close(fd);
        remove_temporary(self);
    }
    release(self);
    return st;
}

ifm_status ifm_output_commit(ifm_output *self, ifm_error *err)
{
    bool failed = ferror(self->stream) != 0;
    errno = failed ? EIO : 0;
    failed = fflush(self->stream) != 0 || failed;
    /* Some file systems report a full disk only here. Pipes and devices cannot sync. */
    if (!failed && fsync(fileno(self->stream)) != 0 && errno != EINVAL && errno != EROFS)
        failed = true;
    int code = errno;
    failed = fclose(self->stream) != 0 || failed;
    self->stream = NULL;
    if (!failed && self->temporary != NULL && rename(self->temporary, self->path) != 0) {
        failed = true;
        code = errno;
    }
    ifm_status st = IFM_OK;
    if (failed) {
        st = ifm_fail_errno(err, code, "%s: not written%s", self->path,
                            self->temporary != NULL ? ", the file is as it was" : "");
        remove_temporary(self);
    }
    release(self);
    return st;
}

void ifm_output_abort(ifm_output *self)
{
    if (self->stream != NULL) {
        fclose(self->stream);
        remove_temporary(self);
    }
    release(self);
}
