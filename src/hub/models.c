#include "hub/models.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/json.h"
#include "format/gguf.h"
#include "format/weights.h"
#include "hub/cache.h"
#include "hub/choose.h"
#include "hub/resolve.h"
#include "os/file.h"

enum { MAX_CONFIG = 1 << 20, SHORT_COMMIT = 12 };

typedef struct finder {
    ifm_hub_models *out;
    char *cache;
    bool failed; /* no memory */
} finder;

const char *ifm_hub_state_name(ifm_hub_state state)
{
    static const char *const names[] = {"ready", "partial", "other format"};
    return names[state];
}

/* ---- what is inside --------------------------------------------------------------- */

static char *tame_copy(const char *text, size_t n)
{
    enum { LONGEST = 40 };
    char *copy = strndup(text, n < LONGEST ? n : LONGEST);
    return copy != NULL ? ifm_bytes_tame(copy) : NULL;
}

static void find_family(ifm_hub_model *model, const char *directory)
{
    char *path = ifm_hub_format("%s/config.json", directory);
    json_t *config = NULL;
    if (path != NULL && ifm_json_read_reals(path, MAX_CONFIG, &config, NULL) == IFM_OK) {
        const char *family = json_string_value(json_object_get(config, "model_type"));
        model->family = family != NULL ? tame_copy(family, strlen(family)) : NULL;
    }
    json_decref(config);
    free(path);
}

static void find_gguf_family(ifm_hub_model *model)
{
    ifm_mapping mapping = {0};
    ifm_gguf *gguf = NULL;
    ifm_gguf_string family;
    if (ifm_mapping_open(&mapping, model->path, NULL) != IFM_OK)
        return;
    if (ifm_gguf_parse(&mapping, model->path, &gguf, NULL) == IFM_OK &&
        ifm_gguf_get_string(gguf, "general.architecture", &family))
        model->family = tame_copy(family.text, family.n);
    ifm_gguf_free(gguf);
    ifm_mapping_close(&mapping);
}

/* The type that most bytes of the weights have. */
static void find_type(ifm_hub_model *model)
{
    size_t bytes[IFM_DTYPE_COUNT] = {0};
    ifm_weights *weights = NULL;
    int most = 0;
    if (ifm_weights_open(model->path, &weights, NULL) != IFM_OK)
        return;
    for (size_t i = 0; i < ifm_weights_count(weights); i++) {
        const ifm_tensor *tensor = ifm_weights_at(weights, i);
        bytes[tensor->dtype] += tensor->n_bytes;
        if (bytes[tensor->dtype] > bytes[most])
            most = (int)tensor->dtype;
    }
    if (bytes[most] > 0)
        model->type = ifm_dtype_name((ifm_dtype)most);
    ifm_weights_close(weights);
}

/* ---- the list --------------------------------------------------------------------- */

/* Takes over name, revision and path. NULL without memory. */
static ifm_hub_model *add(finder *self, char *name, char *revision, char *path)
{
    ifm_hub_models *out = self->out;
    ifm_hub_model *grown = realloc(out->models, (out->count + 1) * sizeof *grown);
    if (grown != NULL)
        out->models = grown;
    if (grown == NULL || name == NULL || path == NULL) {
        free(name);
        free(revision);
        free(path);
        self->failed = true;
        return NULL;
    }
    out->models[out->count] = (ifm_hub_model){
        .name = name, .revision = revision, .path = path, .source = "hub"};
    return &out->models[out->count++];
}

static void add_file(ifm_hub_model *model, const char *directory, const char *file)
{
    char *path = ifm_hub_format("%s/%s", directory, file);
    struct stat status;
    if (path != NULL && stat(path, &status) == 0) {
        model->bytes += (int64_t)status.st_size;
        model->n_files++;
        if ((int64_t)status.st_atime > model->used_s)
            model->used_s = (int64_t)status.st_atime;
    }
    free(path);
}

static bool shards_are_here(const char *directory, const ifm_hub_files *files)
{
    if (ifm_hub_files_have(files, "model.safetensors"))
        return true;
    char *index = ifm_hub_format("%s/" IFM_HUB_INDEX, directory);
    ifm_hub_files shards = {0};
    bool here = index != NULL && ifm_hub_shards(index, &shards, NULL) == IFM_OK;
    for (size_t i = 0; here && i < shards.count; i++)
        here = ifm_hub_files_have(files, shards.paths[i]);
    ifm_hub_files_deinit(&shards);
    free(index);
    return here;
}

/* ---- snapshots -------------------------------------------------------------------- */

typedef struct snapshot {
    const char *repo;   /* "org/name" */
    const char *commit; /* the name of its directory */
    const char *suffix; /* "" or "@…": what -m needs behind the repository's name */
    char *directory;
    ifm_hub_files files;
} snapshot;

static void add_directory(finder *self, const snapshot *at)
{
    bool index = ifm_hub_files_have(&at->files, IFM_HUB_INDEX);
    bool weights = index || ifm_hub_files_have(&at->files, "model.safetensors");
    ifm_hub_model *model = add(self, ifm_hub_format("%s%s", at->repo, at->suffix),
                               strdup(at->commit), strdup(at->directory));
    if (model == NULL)
        return;
    for (size_t i = 0; i < at->files.count; i++)
        if (!ifm_hub_is_gguf(at->files.paths[i]))
            add_file(model, at->directory, at->files.paths[i]);
    find_family(model, at->directory);
    model->state = IFM_HUB_READY;
    if (!weights)
        model->state = IFM_HUB_OTHER;
    else if (!ifm_hub_files_have(&at->files, "config.json") ||
             !shards_are_here(at->directory, &at->files))
        model->state = IFM_HUB_PARTIAL;
    else
        find_type(model);
}

static void add_gguf(finder *self, const snapshot *at, const char *file, bool only)
{
    bool ours = strcmp(at->repo, IFM_HUB_SMOLLM2_REPO) == 0;
    char *name = ours ? strdup(IFM_HUB_SMOLLM2)
                      : ifm_hub_format("%s%s%s%s", at->repo, at->suffix, only ? "" : ":",
                                       only ? "" : file);
    ifm_hub_model *model =
        add(self, name, strdup(at->commit), ifm_hub_format("%s/%s", at->directory, file));
    if (model == NULL)
        return;
    add_file(model, at->directory, file);
    if (ours)
        model->source = "pypi";
    find_gguf_family(model);
    find_type(model);
}

static void add_snapshot(finder *self, const snapshot *at)
{
    size_t n_gguf = 0;
    bool safetensors = ifm_hub_files_have(&at->files, "model.safetensors") ||
                       ifm_hub_files_have(&at->files, IFM_HUB_INDEX);
    for (size_t i = 0; i < at->files.count; i++)
        n_gguf += ifm_hub_is_gguf(at->files.paths[i]);
    for (size_t i = 0; i < at->files.count; i++)
        if (ifm_hub_is_gguf(at->files.paths[i]))
            add_gguf(self, at, at->files.paths[i], n_gguf == 1 && !safetensors);
    if (safetensors || n_gguf == 0)
        add_directory(self, at);
}

/* "" for the snapshot that the bare name means, else its commit, shortened. */
static char *suffix_of(const char *repo_directory, const char *commit)
{
    char *main = ifm_hub_snapshot_directory(repo_directory, "main");
    const char *slash = main != NULL ? strrchr(main, '/') : NULL;
    bool bare = slash != NULL && strcmp(slash + 1, commit) == 0;
    free(main);
    return bare ? strdup("") : ifm_hub_format("@%.*s", SHORT_COMMIT, commit);
}

static void look_at_snapshot(finder *self, const char *repo, const char *repo_directory,
                             const char *commit)
{
    snapshot at = {.repo = repo, .commit = commit};
    at.directory = ifm_hub_format("%s/snapshots/%s", repo_directory, commit);
    char *suffix = suffix_of(repo_directory, commit);
    at.suffix = suffix;
    if (at.directory == NULL || suffix == NULL)
        self->failed = true;
    else if (ifm_file_is_directory(at.directory) &&
             ifm_hub_files_of(at.directory, &at.files, NULL) == IFM_OK)
        add_snapshot(self, &at);
    ifm_hub_files_deinit(&at.files);
    free(at.directory);
    free(suffix);
}

/* A repository of which nothing was finished yet. */
static void add_unfinished(finder *self, const char *repo, const char *repo_directory)
{
    char *blobs = ifm_hub_format("%s/blobs", repo_directory);
    ifm_hub_files files = {0};
    ifm_hub_model *model = NULL;
    if (blobs != NULL && ifm_hub_files_of(blobs, &files, NULL) == IFM_OK &&
        files.count > 0)
        model = add(self, strdup(repo), NULL, strdup(repo_directory));
    for (size_t i = 0; model != NULL && i < files.count; i++)
        add_file(model, blobs, files.paths[i]);
    if (model != NULL)
        model->state = IFM_HUB_PARTIAL;
    ifm_hub_files_deinit(&files);
    free(blobs);
}

/* ---- the cache -------------------------------------------------------------------- */

/* Calls `visit` for every entry of a directory that is not hidden. */
static void for_each(finder *self, const char *directory,
                     void (*visit)(finder *self, const void *context, const char *name),
                     const void *context)
{
    DIR *open = opendir(directory);
    if (open == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(open)) != NULL;)
        if (entry->d_name[0] != '.')
            visit(self, context, entry->d_name);
    closedir(open);
}

typedef struct repository {
    const char *repo, *directory;
} repository;

static void on_snapshot(finder *self, const void *context, const char *name)
{
    const repository *at = context;
    look_at_snapshot(self, at->repo, at->directory, name);
}

/* "models--org--name" is "org/name". */
static void on_repository(finder *self, const void *context, const char *name)
{
    const size_t prefix = strlen("models--");
    (void)context;
    if (strncmp(name, "models--", prefix) != 0)
        return;
    char *repo = strdup(name + prefix);
    char *directory = ifm_hub_format("%s/%s", self->cache, name);
    char *snapshots = ifm_hub_format("%s/%s/snapshots", self->cache, name);
    char *dashes = repo != NULL ? strstr(repo, "--") : NULL;
    if (dashes != NULL) {
        *dashes = '/';
        memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
    }
    if (repo == NULL || directory == NULL || snapshots == NULL) {
        self->failed = true;
    } else {
        size_t before = self->out->count;
        const repository at = {repo, directory};
        for_each(self, snapshots, on_snapshot, &at);
        if (self->out->count == before)
            add_unfinished(self, repo, directory);
    }
    free(repo);
    free(directory);
    free(snapshots);
}

static void on_bundled(finder *self, const void *context, const char *name)
{
    char *path = ifm_hub_format("%s/%s", (const char *)context, name);
    char *config = ifm_hub_format("%s/config.json", path != NULL ? path : "");
    ifm_hub_files files = {0};
    ifm_hub_model *model = NULL;
    if (path != NULL && config != NULL && ifm_file_exists(config) &&
        ifm_hub_files_of(path, &files, NULL) == IFM_OK)
        model = add(self, strdup(name), NULL, strdup(path));
    for (size_t i = 0; model != NULL && i < files.count; i++)
        add_file(model, path, files.paths[i]);
    if (model != NULL) {
        model->source = "bundled";
        find_family(model, path);
        find_type(model);
    }
    ifm_hub_files_deinit(&files);
    free(path);
    free(config);
}

static int by_name(const void *a, const void *b)
{
    const ifm_hub_model *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : strcmp(x->path, y->path);
}

ifm_status ifm_hub_models_find(ifm_hub_models *out, ifm_error *err)
{
    finder self = {.out = out};
    char *bundled = NULL;
    *out = (ifm_hub_models){0};
    ifm_status st = ifm_hub_cache_directory(&self.cache, err);
    if (st != IFM_OK)
        return st;
    if (ifm_hub_resolve(NULL, &bundled, NULL) == IFM_OK) {
        *strrchr(bundled, '/') = '\0'; /* an absolute path */
        for_each(&self, bundled, on_bundled, bundled);
    }
    for_each(&self, self.cache, on_repository, NULL);
    if (out->count > 0)
        qsort(out->models, out->count, sizeof *out->models, by_name);
    free(bundled);
    free(self.cache);
    if (!self.failed)
        return IFM_OK;
    ifm_hub_models_deinit(out);
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "models: no memory");
}

void ifm_hub_models_deinit(ifm_hub_models *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->models[i].name);
        free(self->models[i].revision);
        free(self->models[i].path);
        free(self->models[i].family);
    }
    free(self->models);
    *self = (ifm_hub_models){0};
}
