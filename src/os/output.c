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

ifm_status ifm_output_open(ifm_output *self, const char *path, ifm_error *err)
{
    *self = (ifm_output){0};
    if (ifm_file_is_directory(path))
        return ifm_fail(err, IFM_ERR_IO, "%s: is a directory, expected a file name",
                        path);
    size_t n = strlen(path) + 32;
    self->path = strdup(path);
    self->temporary = malloc(n);
    if (self->path == NULL || self->temporary == NULL) {
        release(self);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", path);
    }
    snprintf(self->temporary, n, "%s.%ld.part", path, (long)getpid());
    int fd = open(self->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        ifm_status st = ifm_fail_errno(err, errno, "%s: cannot write", path);
        release(self);
        return st;
    }
    self->stream = fdopen(fd, "w");
    if (self->stream == NULL) {
        ifm_status st = ifm_fail_errno(err, errno, "%s: cannot write", path);
        close(fd);
        unlink(self->temporary);
        release(self);
        return st;
    }
    return IFM_OK;
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
    if (!failed && rename(self->temporary, self->path) != 0) {
        failed = true;
        code = errno;
    }
    ifm_status st = IFM_OK;
    if (failed) {
        st = ifm_fail_errno(err, code, "%s: not written, the file is as it was",
                            self->path);
        unlink(self->temporary);
    }
    release(self);
    return st;
}

void ifm_output_abort(ifm_output *self)
{
    if (self->stream != NULL) {
        fclose(self->stream);
        unlink(self->temporary);
    }
    release(self);
}
