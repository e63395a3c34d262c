#include "hub/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "hub/cache.h"
#include "os/file.h"

static ifm_status make_parent(const char *path, ifm_error *err)
{
    char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));
    ifm_status st = parent != NULL ? ifm_directory_make(parent, err)
                                   : ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
    free(parent);
    return st;
}

/* "../../blobs/ETAG", with a "../" more for every directory in `file`. */
static char *target_of(const char *file, const char *etag)
{
    ifm_buffer text = {0};
    ifm_buffer_puts(&text, "../../");
    for (const char *p = file; *p != '\0'; p++)
        if (*p == '/')
            ifm_buffer_puts(&text, "../");
    ifm_buffer_printf(&text, "blobs/%s", etag);
    char *taken = ifm_buffer_take(&text);
    ifm_buffer_deinit(&text);
    return taken;
}

/* A link cannot be replaced, a name can. */
static ifm_status place_link(const char *target, const char *path, ifm_error *err)
{
    char *temporary = ifm_hub_format("%s.%ld.tmp", path, (long)getpid());
    if (temporary == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
    ifm_status st = IFM_OK;
    unlink(temporary);
    if (symlink(target, temporary) != 0 || rename(temporary, path) != 0) {
        st = ifm_fail_errno(err, errno, "%s: cannot make the link", path);
        unlink(temporary);
    }
    free(temporary);
    return st;
}

ifm_status ifm_hub_link(const char *directory, const char *commit, const char *file,
                        const char *etag, ifm_error *err)
{
    char *path = ifm_hub_format("%s/snapshots/%s/%s", directory, commit, file);
    char *target = target_of(file, etag);
    ifm_status st = path != NULL && target != NULL
                        ? make_parent(path, err)
                        : ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
    if (st == IFM_OK)
        st = place_link(target, path, err);
    free(path);
    free(target);
    return st;
}

ifm_status ifm_hub_write_ref(const char *directory, const char *revision,
                             const char *commit, ifm_error *err)
{
    char *path = ifm_hub_format("%s/refs/%s", directory, revision);
    ifm_output output = {0};
    ifm_status st = path != NULL ? make_parent(path, err)
                                 : ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
    if (st == IFM_OK)
        st = ifm_output_open(&output, path, err);
    if (st == IFM_OK) {
        fputs(commit, output.stream);
        st = ifm_output_commit(&output, err);
    }
    free(path);
    return st;
}
