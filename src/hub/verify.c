#include "hub/verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/weights.h"
#include "hub/cache.h"
#include "hub/choose.h"
#include "hub/hash.h"
#include "os/file.h"

enum { MAX_LINK = 4096, MAX_DEPTH = 8 };

typedef struct verifier {
    const ifm_hub_watch *watch;
    ifm_hub_report report;
    void *user;
    size_t n_wrong, n_files;
    const char *file; /* that is being read */
    int64_t done_bytes, all_bytes, before_bytes;
} verifier;

static void say(verifier *self, ifm_hub_finding finding, const char *about,
                const char *what)
{
    char *tame[] = {strdup(about), strdup(what)};
    self->n_wrong += finding == IFM_HUB_WRONG;
    if (tame[0] != NULL && tame[1] != NULL)
        self->report(self->user, finding, ifm_bytes_tame(tame[0]),
                     ifm_bytes_tame(tame[1]));
    free(tame[0]);
    free(tame[1]);
}

static bool on_hashed(void *user, int64_t done)
{
    verifier *self = user;
    const ifm_hub_progress at = {
        .file = self->file,
        .done_bytes = self->before_bytes + done,
        .all_bytes = self->all_bytes,
        .new_bytes = self->before_bytes + done,
    };
    if (self->watch->progress != NULL)
        self->watch->progress(self->watch->user, &at);
    return ifm_hub_stopped(self->watch);
}

/* ---- hashes ----------------------------------------------------------------------- */

static void judge(verifier *self, const char *name, ifm_hash_kind kind,
                  const char *digits, const char *blob)
{
    char text[MAX_LINK + 200];
    bool fine = strcmp(digits, name) == 0;
    if (fine)
        snprintf(text, sizeof text, "%s", ifm_hash_kind_name(kind));
    else
        snprintf(text, sizeof text,
                 "%s is %.12s…, its name says %.12s…: damaged; remove %s and pull again",
                 ifm_hash_kind_name(kind), digits, name, blob);
    say(self, fine ? IFM_HUB_FINE : IFM_HUB_WRONG, self->file, text);
}

/* `name` is the last part of the path of the blob. */
static ifm_status check_hash(verifier *self, const char *path, const char *name,
                             ifm_error *err)
{
    ifm_hash_kind kind = ifm_hash_kind_of(name);
    ifm_hash *hash = NULL;
    char digits[65] = "";
    struct stat status;
    ifm_error why = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ifm_status st = IFM_OK;
    if (fd < 0 || fstat(fd, &status) != 0)
        st = ifm_fail_errno(&why, errno, "cannot be read");
    if (st == IFM_OK)
        st = ifm_hash_new(kind, (int64_t)status.st_size, &hash, &why);
    if (st == IFM_OK)
        st = ifm_hash_add_file(hash, fd, self->file, on_hashed, self, &why);
    if (st == IFM_OK && !ifm_hash_finish(hash, digits))
        st = ifm_fail(&why, IFM_ERR_UNSUPPORTED, "libcrypto failed");
    if (st == IFM_OK) {
        self->before_bytes += (int64_t)status.st_size;
        judge(self, name, kind, digits, path);
    } else if (st != IFM_ERR_CANCELLED && st != IFM_ERR_NO_MEMORY) {
        say(self, IFM_HUB_WRONG, self->file, why.message);
        st = IFM_OK;
    } else if (err != NULL) {
        *err = why;
    }
    ifm_hash_free(hash);
    if (fd >= 0)
        close(fd);
    return st;
}

/* A file of a snapshot, `file` for messages. */
static ifm_status check_entry(verifier *self, const char *path, const char *file,
                              ifm_error *err)
{
    char text[MAX_LINK], *blob;
    ifm_file_stamp stamp;
    ssize_t n = readlink(path, text, sizeof text - 1);
    self->file = file;
    if (!ifm_file_stat(path, &stamp)) {
        say(self, IFM_HUB_WRONG, file,
            n > 0 ? "is a link to what is not there: pull again" : "is no file");
        return IFM_OK;
    }
    if (n <= 0) {
        say(self, IFM_HUB_UNCHECKED, file, "not from a hub: no hash to check it by");
        return IFM_OK;
    }
    text[n] = '\0';
    const char *slash = strrchr(text, '/'), *name = slash != NULL ? slash + 1 : text;
    if (ifm_hash_kind_of(name) == IFM_HASH_NONE) {
        say(self, IFM_HUB_UNCHECKED, file, "the hub named it by no hash");
        return IFM_OK;
    }
    blob = realpath(path, NULL);
    ifm_status st = blob != NULL ? check_hash(self, blob, name, err)
                                 : ifm_fail_errno(err, errno, "%s", path);
    free(blob);
    return st;
}

/* ---- files ------------------------------------------------------------------------ */

/* Every entry below a directory, links that lead nowhere, too. */
static bool list_entries(const char *root, const char *below, int depth,
                         ifm_hub_files *out)
{
    char *path = ifm_hub_format("%s%s%s", root, *below != '\0' ? "/" : "", below);
    DIR *directory = path != NULL && depth < MAX_DEPTH ? opendir(path) : NULL;
    bool fits = path != NULL;
    free(path);
    if (directory == NULL)
        return fits;
    for (const struct dirent *entry; fits && (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *name =
            ifm_hub_format("%s%s%s", below, *below != '\0' ? "/" : "", entry->d_name);
        char *whole = ifm_hub_format("%s/%s", root, name != NULL ? name : "");
        fits = name != NULL && whole != NULL;
        if (fits && ifm_file_is_directory(whole))
            fits = list_entries(root, name, depth + 1, out);
        else if (fits)
            fits = ifm_hub_files_add(out, name, strlen(name));
        free(name);
        free(whole);
    }
    closedir(directory);
    return fits;
}

static void add_up(verifier *self, const char *path)
{
    ifm_file_stamp stamp;
    if (ifm_file_stat(path, &stamp))
        self->all_bytes += (int64_t)stamp.size;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static ifm_status check_directory(verifier *self, const char *root, ifm_error *err)
{
    ifm_hub_files files = {0};
    ifm_status st = IFM_OK;
    if (!list_entries(root, "", 0, &files))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "verify: no memory");
    if (files.count > 0)
        qsort(files.paths, files.count, sizeof *files.paths, compare);
    /* Twice: the bytes are added up for the progress first. */
    for (size_t i = 0; st == IFM_OK && i < 2 * files.count; i++) {
        const char *file = files.paths[i % files.count];
        char *path = ifm_hub_format("%s/%s", root, file);
        if (path == NULL)
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "verify: no memory");
        else if (i < files.count)
            add_up(self, path);
        else
            st = check_entry(self, path, file, err);
        free(path);
    }
    ifm_hub_files_deinit(&files);
    return st;
}

static ifm_status check_shards(verifier *self, const char *root, ifm_error *err)
{
    char *index = ifm_hub_format("%s/" IFM_HUB_INDEX, root);
    ifm_hub_files shards = {0};
    ifm_error why = {0};
    size_t n_missing = 0;
    if (index == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "verify: no memory");
    if (ifm_file_exists(index)) {
        if (ifm_hub_shards(index, &shards, &why) != IFM_OK)
            say(self, IFM_HUB_WRONG, IFM_HUB_INDEX, why.message);
        for (size_t i = 0; i < shards.count; i++) {
            char *shard = ifm_hub_format("%s/%s", root, shards.paths[i]);
            if (shard == NULL || !ifm_file_exists(shard)) {
                say(self, IFM_HUB_WRONG, shards.paths[i],
                    "is in the index, but not here");
                n_missing++;
            }
            free(shard);
        }
        if (shards.count > 0 && n_missing == 0)
            say(self, IFM_HUB_FINE, IFM_HUB_INDEX, "all its shards are here");
    }
    ifm_hub_files_deinit(&shards);
    free(index);
    return IFM_OK;
}

/* ---- weights ---------------------------------------------------------------------- */

static ifm_status check_numbers(verifier *self, const ifm_weights *weights,
                                ifm_error *err)
{
    uint64_t n_bad = 0;
    int64_t n_bytes = 0;
    char text[200];
    size_t count = ifm_weights_count(weights);
    self->file = "weights";
    self->before_bytes = self->all_bytes = 0;
    for (size_t i = 0; i < count; i++)
        self->all_bytes += (int64_t)ifm_weights_at(weights, i)->n_bytes;
    for (size_t i = 0; i < count; i++) {
        const ifm_tensor *tensor = ifm_weights_at(weights, i);
        if (on_hashed(self, n_bytes))
            return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
        uint64_t n = ifm_tensor_count_nonfinite(tensor);
        n_bytes += (int64_t)tensor->n_bytes;
        n_bad += n;
        if (n > 0) {
            snprintf(text, sizeof text, "%" PRIu64 " numbers are NaN or infinite", n);
            say(self, IFM_HUB_WRONG, tensor->name, text);
        }
    }
    snprintf(text, sizeof text, "%zu tensor%s, every number finite", count,
             count == 1 ? "" : "s");
    if (n_bad == 0)
        say(self, IFM_HUB_FINE, "weights", text);
    return IFM_OK;
}

static ifm_status check_weights(verifier *self, const char *path, ifm_error *err)
{
    ifm_weights *weights = NULL;
    ifm_error why = {0};
    ifm_status st = ifm_weights_open(path, &weights, &why);
    if (st == IFM_ERR_NO_MEMORY) {
        if (err != NULL)
            *err = why;
        return st;
    }
    if (st != IFM_OK) {
        say(self, IFM_HUB_WRONG, "weights", why.message);
        return IFM_OK;
    }
    st = check_numbers(self, weights, err);
    ifm_weights_close(weights);
    return st;
}

ifm_status ifm_hub_verify(const char *path, const ifm_hub_watch *watch,
                          ifm_hub_report report, void *user, size_t *n_wrong,
                          ifm_error *err)
{
    verifier self = {.watch = watch, .report = report, .user = user};
    ifm_status st;
    if (ifm_file_is_directory(path)) {
        st = check_directory(&self, path, err);
        if (st == IFM_OK)
            st = check_shards(&self, path, err);
    } else {
        const char *slash = strrchr(path, '/');
        add_up(&self, path);
        st = check_entry(&self, path, slash != NULL ? slash + 1 : path, err);
    }
    if (st == IFM_OK)
        st = check_weights(&self, path, err);
    *n_wrong = self.n_wrong;
    return st;
}
