#include "hub/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "hub/cache.h"
#include "os/file.h"

/* A file system is slow, and others suffer, when the last block is taken. */
static const int64_t reserve_bytes = 16 << 20;

/* ---- places ----------------------------------------------------------------------- */

static const char *repo_part(const ifm_hub_place *place)
{
    const char *slash = strrchr(place->directory, '/');
    return slash != NULL ? slash + 1 : place->directory;
}

static ifm_status make(char *path, ifm_error *err)
{
    ifm_status st = path != NULL ? ifm_directory_make(path, err)
                                 : ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
    free(path);
    return st;
}

ifm_status ifm_hub_place_make(const ifm_hub_place *place, ifm_error *err)
{
    ifm_status st = make(ifm_hub_format("%s/blobs", place->directory), err);
    if (st == IFM_OK)
        st = make(ifm_hub_format("%s/refs", place->directory), err);
    if (st == IFM_OK)
        st = make(ifm_hub_format("%s/snapshots", place->directory), err);
    if (st == IFM_OK)
        st = make(ifm_hub_format("%s/.locks/%s", place->cache, repo_part(place)), err);
    return st;
}

static ifm_status wait_for_lock(int fd, const char *path, const ifm_hub_watch *watch,
                                ifm_error *err)
{
    enum { STEP_MS = 100 };
    for (bool said = false; flock(fd, LOCK_EX | LOCK_NB) != 0;) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ifm_fail_errno(err, errno, "%s: cannot lock", path);
        if (ifm_hub_stopped(watch))
            return ifm_fail(err, IFM_ERR_CANCELLED,
                            "interrupted while another download "
                            "of the same file was waited for");
        if (!said && watch->note != NULL)
            watch->note(watch->user, "another process fetches the same file: waiting");
        said = true;
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
    }
    return IFM_OK;
}

ifm_status ifm_hub_lock(const ifm_hub_place *place, const char *name,
                        const ifm_hub_watch *watch, int *fd, ifm_error *err)
{
    char *path =
        ifm_hub_format("%s/.locks/%s/%s.lock", place->cache, repo_part(place), name);
    ifm_status st = IFM_OK;
    *fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (path == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
    else if (*fd < 0)
        st = ifm_fail_errno(err, errno, "%s: cannot make the lock", path);
    else
        st = wait_for_lock(*fd, path, watch, err);
    if (st != IFM_OK && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    free(path);
    return st;
}

static int64_t size_of(char *path)
{
    ifm_file_stamp stamp;
    int64_t n = path != NULL && ifm_file_stat(path, &stamp) ? (int64_t)stamp.size : -1;
    free(path);
    return n;
}

int64_t ifm_hub_blob_bytes_here(const ifm_hub_place *place, const char *etag)
{
    int64_t n = size_of(ifm_hub_format("%s/blobs/%s", place->directory, etag));
    if (n < 0)
        n = size_of(ifm_hub_format("%s/blobs/%s.incomplete", place->directory, etag));
    return n < 0 ? 0 : n;
}

ifm_status ifm_hub_check_room(const char *path, int64_t n_bytes, ifm_error *err)
{
    struct statvfs at;
    if (n_bytes <= 0 || statvfs(path, &at) != 0)
        return IFM_OK; /* not known: the writing will tell */
    int64_t free_bytes = (int64_t)((uint64_t)at.f_bavail * (uint64_t)at.f_frsize);
    if (free_bytes - reserve_bytes >= n_bytes)
        return IFM_OK;
    char needed[32], there[32];
    return ifm_fail(err, IFM_ERR_IO,
                    "%s: %s are to be fetched, but only %s are free there: make room, or "
                    "name another place with HF_HUB_CACHE",
                    path, ifm_bytes_text(n_bytes, needed),
                    ifm_bytes_text(free_bytes, there));
}

/* ---- the bytes -------------------------------------------------------------------- */

typedef struct download {
    const ifm_hub_watch *watch;
    const ifm_hub_blob *blob;
    ifm_hub_account *account;
    const char *path; /* HASH.incomplete */
    int fd;
    int64_t at;     /* bytes in the file */
    bool resumed;   /* some of them are from an earlier time */
    ifm_hash *hash; /* of the bytes in the file; NULL: the name is no hash */
} download;

static void tell(const download *self, bool checking)
{
    const ifm_hub_progress at = {
        .file = self->blob->file,
        .done_bytes = self->account->done_bytes,
        .all_bytes = self->account->all_bytes,
        .new_bytes = self->account->new_bytes,
        .checking = checking,
    };
    if (self->watch->progress != NULL)
        self->watch->progress(self->watch->user, &at);
}

/* Forgets what is in the file. */
static ifm_status start_over(download *self, ifm_error *err)
{
    self->account->done_bytes -= self->at;
    self->at = 0;
    self->resumed = false;
    if (ftruncate(self->fd, 0) != 0 || lseek(self->fd, 0, SEEK_SET) != 0)
        return ifm_fail_errno(err, errno, "%s: cannot begin anew", self->path);
    ifm_hash_free(self->hash);
    self->hash = NULL;
    ifm_hash_kind kind = ifm_hash_kind_of(self->blob->etag);
    if (kind == IFM_HASH_GIT_SHA1 && self->blob->n_bytes < 0)
        kind = IFM_HASH_NONE; /* git hashes the size first */
    return kind != IFM_HASH_NONE
               ? ifm_hash_new(kind, self->blob->n_bytes, &self->hash, err)
               : IFM_OK;
}

static ifm_status write_all(download *self, const char *bytes, size_t n, ifm_error *err)
{
    while (n > 0) {
        ssize_t written = write(self->fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return ifm_fail_errno(err, errno,
                                  "%s: cannot write at byte %" PRId64
                                  " (what is there is kept: the next pull goes on)",
                                  self->path, self->at);
        if (self->hash != NULL && !ifm_hash_add(self->hash, bytes, (size_t)written))
            return ifm_fail(err, IFM_ERR_UNSUPPORTED, "%s: libcrypto failed", self->path);
        bytes += written;
        n -= (size_t)written;
        self->at += written;
        self->account->done_bytes += written;
        self->account->new_bytes += written;
    }
    return IFM_OK;
}

static ifm_status fail_wrong(const download *self, const char *is, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_FORMAT,
                    "%s: what arrived is not what the hub announced (%s): removed; try "
                    "again, and look at proxies if it stays so",
                    self->blob->what, is);
}

static ifm_status on_bytes(void *user, const ifm_http_reply *reply, const char *bytes,
                           size_t n, ifm_error *err)
{
    download *self = user;
    if (reply->body_bytes == 0) {
        /* A server that knows no ranges sends everything again. */
        bool goes_on = reply->code == 206 && reply->range_begin == self->at;
        if (reply->code == 206 && !goes_on)
            return ifm_fail(err, IFM_ERR_IO,
                            "%s: %s was asked for bytes from %" PRId64
                            " and sends others",
                            self->blob->what, reply->host, self->at);
        if (self->at > 0 && !goes_on) {
            ifm_status st = start_over(self, err);
            if (st != IFM_OK)
                return st;
        }
    }
    if (self->blob->n_bytes >= 0 && self->at + (int64_t)n > self->blob->n_bytes)
        return fail_wrong(self, "more bytes than its size", err);
    ifm_status st = write_all(self, bytes, n, err);
    if (st == IFM_OK)
        tell(self, false);
    return st;
}

static bool on_hashed(void *user, int64_t done)
{
    download *self = user;
    (void)done;
    tell(self, true);
    return ifm_hub_stopped(self->watch);
}

/* Takes up what an earlier time left: the bytes that are there are hashed. */
static ifm_status take_up(download *self, ifm_error *err)
{
    struct stat status;
    if (fstat(self->fd, &status) != 0)
        return ifm_fail_errno(err, errno, "%s: cannot look at it", self->path);
    int64_t here = (int64_t)status.st_size;
    bool usable = here > 0 && (self->blob->n_bytes < 0 || here <= self->blob->n_bytes);
    self->at = here > 0 ? here : 0;
    self->account->done_bytes += self->at;
    if (!usable)
        return start_over(self, err);
    ifm_hash_kind kind = ifm_hash_kind_of(self->blob->etag);
    if (kind == IFM_HASH_GIT_SHA1 && self->blob->n_bytes < 0)
        kind = IFM_HASH_NONE;
    ifm_status st = IFM_OK;
    if (kind != IFM_HASH_NONE)
        st = ifm_hash_new(kind, self->blob->n_bytes, &self->hash, err);
    if (st == IFM_OK && self->hash != NULL)
        st = ifm_hash_add_file(self->hash, self->fd, self->path, on_hashed, self, err);
    if (lseek(self->fd, 0, SEEK_END) < 0 && st == IFM_OK)
        st = ifm_fail_errno(err, errno, "%s: cannot go on", self->path);
    self->resumed = true;
    return st;
}

/* Asks for the bytes that are missing, until they are there. */
static ifm_status receive(download *self, ifm_http *http, ifm_error *err)
{
    enum { MAX_SHORT = 5 };
    ifm_http_reply reply;
    const ifm_http_request request = {
        .url = self->blob->url,
        .what = self->blob->what,
        .from = &self->at,
        .sink = on_bytes,
        .user = self,
    };
    for (int n_short = 0; self->blob->n_bytes < 0 || self->at < self->blob->n_bytes;) {
        int64_t before = self->at;
        ifm_status st = ifm_http_do(http, &request, &reply, err);
        if (st != IFM_OK)
            return st;
        bool none_behind = reply.code == 416 && before > 0;
        if (!none_behind)
            st = ifm_http_expect(http, &request, &reply, err);
        if (st != IFM_OK || (self->blob->n_bytes < 0 && !none_behind))
            return st;
        if (self->at <= before && ++n_short == MAX_SHORT)
            return ifm_fail(err, IFM_ERR_IO,
                            "%s: %s ends it at byte %" PRId64 " of %" PRId64,
                            self->blob->what, reply.host, before, self->blob->n_bytes);
        if (none_behind)
            st = start_over(self, err);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

static ifm_status check(download *self, ifm_error *err)
{
    char digits[65] = "", is[160];
    if (self->hash == NULL) {
        self->account->n_unchecked++;
        return IFM_OK;
    }
    if (!ifm_hash_finish(self->hash, digits))
        return ifm_fail(err, IFM_ERR_UNSUPPORTED, "%s: libcrypto failed", self->path);
    if (strcmp(digits, self->blob->etag) == 0)
        return IFM_OK;
    snprintf(is, sizeof is, "%s %.12s…, expected %.12s…",
             ifm_hash_kind_name(ifm_hash_kind_of(self->blob->etag)), digits,
             self->blob->etag);
    return fail_wrong(self, is, err);
}

static ifm_status give_name(const download *self, const char *path, ifm_error *err)
{
    if (fsync(self->fd) != 0 && errno != EINVAL)
        return ifm_fail_errno(err, errno, "%s: cannot write", self->path);
    if (rename(self->path, path) != 0)
        return ifm_fail_errno(err, errno, "%s: cannot rename", self->path);
    return IFM_OK;
}

/* Under the lock. */
static ifm_status fetch(download *self, ifm_http *http, const char *path, ifm_error *err)
{
    self->fd = open(self->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (self->fd < 0)
        return ifm_fail_errno(err, errno, "%s: cannot write there", self->path);
    ifm_status st = take_up(self, err);
    if (st == IFM_OK)
        st = receive(self, http, err);
    if (st == IFM_OK)
        st = check(self, err);
    if (st == IFM_ERR_FORMAT && self->resumed) {
        /* The old bytes may be to blame: once more, all of it. */
        st = start_over(self, err);
        if (st == IFM_OK)
            st = receive(self, http, err);
        if (st == IFM_OK)
            st = check(self, err);
    }
    if (st == IFM_OK)
        st = give_name(self, path, err);
    if (st == IFM_ERR_FORMAT)
        unlink(self->path);
    return st;
}

ifm_status ifm_hub_blob_fetch(ifm_http *http, const ifm_hub_watch *watch,
                              const ifm_hub_place *place, const ifm_hub_blob *blob,
                              ifm_hub_account *account, ifm_error *err)
{
    int lock = -1;
    ifm_file_stamp stamp;
    char *path = ifm_hub_format("%s/blobs/%s", place->directory, blob->etag);
    char *incomplete =
        ifm_hub_format("%s/blobs/%s.incomplete", place->directory, blob->etag);
    download self = {watch, blob, account, incomplete, .fd = -1};
    ifm_status st = IFM_OK;
    if (path == NULL || incomplete == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "cache: no memory");
    else
        st = ifm_hub_lock(place, blob->etag, watch, &lock, err);
    if (st != IFM_OK)
        goto done;
    if (ifm_file_stat(path, &stamp) &&
        (blob->n_bytes < 0 || (int64_t)stamp.size == blob->n_bytes)) {
        account->done_bytes += (int64_t)stamp.size;
        goto done;
    }
    st = fetch(&self, http, path, err);
    if (st == IFM_OK && watch->finished != NULL)
        watch->finished(watch->user, blob->file, self.at);
done:
    ifm_hash_free(self.hash);
    if (self.fd >= 0)
        close(self.fd);
    if (lock >= 0)
        close(lock);
    free(incomplete);
    free(path);
    return st;
}
