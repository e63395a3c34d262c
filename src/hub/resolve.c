#include "hub/resolve.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "hub/cache.h"
#include "hub/choose.h"
#include "hub/name.h"
#include "os/file.h"
#include "os/program.h"

static bool is_model_directory(const char *path)
{
    ifm_buffer config = {0};
    ifm_buffer_printf(&config, "%s/config.json", path);
    bool found = !config.failed && ifm_file_exists(ifm_buffer_text(&config));
    ifm_buffer_deinit(&config);
    return found;
}

static bool is_file(const char *path)
{
    ifm_file_stamp stamp;
    return ifm_file_stat(path, &stamp);
}

/* Takes the path in `at` if a model lies there; else notes that it was looked at. */
static bool try_place(const ifm_buffer *at, char **path, ifm_buffer *looked)
{
    const char *text = ifm_buffer_text(at);
    if (is_model_directory(text)) {
        *path = realpath(text, NULL); /* without the ".." of the search */
        return *path != NULL;
    }
    ifm_buffer_printf(looked, "%s%s", looked->length > 0 ? ", " : "", text);
    return false;
}

/* Looks for a bundled model; *path stays NULL when there is none. */
static void find_bundled(const char *name, char **path, ifm_buffer *looked)
{
    char *directory = ifm_program_directory();
    const char *models = getenv("IFM_MODELS");
    const struct {
        const char *base, *below;
    } places[] = {
        {models != NULL && *models != '\0' ? models : NULL, ""},
        {directory, "/../models"}, /* the program lies in build/ of the source tree */
        {directory, "/models"},
        {directory, "/" IFM_DATA_FROM_BIN "/models"},
        {IFM_DATADIR, "/models"},
    };
    bool found = false;
    for (size_t i = 0; !found && i < sizeof places / sizeof *places; i++) {
        if (places[i].base == NULL)
            continue;
        ifm_buffer at = {0};
        ifm_buffer_printf(&at, "%s%s/%s", places[i].base, places[i].below, name);
        found = !at.failed && try_place(&at, path, looked);
        ifm_buffer_deinit(&at);
    }
    free(directory);
}

static bool is_plain_name(const char *name)
{
    return *name != '\0' && *name != '.' && strpbrk(name, "/@:") == NULL;
}

static ifm_status take_path(const char *name, char **path, ifm_error *err)
{
    *path = strdup(name);
    return *path != NULL ? IFM_OK : ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
}

/* A directory that has no config.json: perhaps it holds a GGUF. */
static ifm_status take_gguf_of(const char *directory, char **path, ifm_error *err)
{
    ifm_hub_files files;
    ifm_hub_choice choice = {0};
    ifm_error why = {0};
    ifm_status st = ifm_hub_files_of(directory, &files, err);
    if (st != IFM_OK)
        return st;
    st = ifm_hub_choose(&files, directory, NULL, &choice, &why);
    if (st == IFM_OK && choice.kind == IFM_HUB_GGUF) {
        *path = ifm_hub_format("%s/%s", directory, choice.gguf);
        st =
            *path != NULL ? IFM_OK : ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
    } else if (st == IFM_ERR_UNSUPPORTED) {
        st = ifm_fail(err, st, "%s", why.message);
    } else {
        st = ifm_fail(err, IFM_ERR_NOT_FOUND,
                      "%s: is no model: it has no config.json (expected a directory as "
                      "the Hugging Face hub lays it out, or with one .gguf file)",
                      directory);
    }
    ifm_hub_choice_deinit(&choice);
    ifm_hub_files_deinit(&files);
    return st;
}

/* ---- the hub's cache -------------------------------------------------------------- */

static ifm_status fail_not_cached(const char *name, const char *looked, ifm_error *err)
{
    return ifm_fail(
        err, IFM_ERR_NOT_FOUND,
        "%s: no such model here: no directory or file of that name%s%s, and it "
        "is not in the hub's cache: \"inferometer model pull %s\" fetches it",
        name, *looked != '\0' ? ", none in " : "", looked, name);
}

/* The shards of an interrupted download must not first be missed by the engine, which does
 * not know what would help. */
static ifm_status check_shards(const char *snapshot, const char *name, ifm_error *err)
{
    char *index = ifm_hub_format("%s/" IFM_HUB_INDEX, snapshot);
    char *single = ifm_hub_format("%s/model.safetensors", snapshot);
    ifm_hub_files shards = {0};
    ifm_status st = IFM_OK;
    if (index == NULL || single == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
    else if (!ifm_file_exists(single))
        st = ifm_hub_shards(index, &shards, err);
    for (size_t i = 0; st == IFM_OK && i < shards.count; i++) {
        char *shard = ifm_hub_format("%s/%s", snapshot, shards.paths[i]);
        if (shard == NULL || !ifm_file_exists(shard))
            st = ifm_fail(
                err, IFM_ERR_NOT_FOUND,
                "%s: %s is not in the hub's cache: \"inferometer model pull %s\" "
                "fetches what is missing",
                name, shards.paths[i], name);
        free(shard);
    }
    ifm_hub_files_deinit(&shards);
    free(index);
    free(single);
    return st;
}

/* What `select` means in a snapshot: the directory itself, or one file of it. */
static ifm_status take_snapshot(const char *snapshot, const char *name,
                                const char *select, char **path, ifm_error *err)
{
    ifm_hub_files files;
    ifm_hub_choice choice = {0};
    ifm_error why = {0};
    ifm_status st = ifm_hub_files_of(snapshot, &files, err);
    if (st != IFM_OK)
        return st;
    st = ifm_hub_choose(&files, name, select, &choice, &why);
    if (st == IFM_OK && choice.kind == IFM_HUB_GGUF)
        *path = ifm_hub_format("%s/%s", snapshot, choice.gguf);
    else if (st == IFM_OK && ifm_hub_files_have(&files, "config.json"))
        *path = strdup(snapshot);
    else if (st == IFM_OK)
        st = fail_not_cached(name, "", err);
    else if (st != IFM_ERR_NOT_FOUND)
        st = ifm_fail(err, st, "%s", why.message);
    else
        st = ifm_fail(
            err, IFM_ERR_NOT_FOUND,
            "%s: the hub's cache has only a part of it: \"inferometer model pull "
            "%s\" fetches the rest",
            name, name);
    if (st == IFM_OK && *path == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "model: no memory");
    if (st == IFM_OK && choice.kind == IFM_HUB_SAFETENSORS)
        st = check_shards(snapshot, name, err);
    ifm_hub_choice_deinit(&choice);
    ifm_hub_files_deinit(&files);
    return st;
}

static ifm_status find_cached(const char *name, const char *looked, char **path,
                              ifm_error *err)
{
    ifm_hub_name parts;
    char *cache = NULL, *repo = NULL, *snapshot = NULL;
    bool ours = strcmp(name, IFM_HUB_SMOLLM2) == 0;
    ifm_status st = ifm_hub_name_parse(ours ? IFM_HUB_SMOLLM2_REPO : name, &parts, err);
    if (st != IFM_OK)
        return st;
    st = ifm_hub_cache_directory(&cache, err);
    if (st == IFM_OK)
        repo = ifm_hub_repo_directory(cache, parts.repo);
    if (repo != NULL)
        snapshot = ifm_hub_snapshot_directory(repo, parts.revision);
    if (snapshot != NULL)
        st = take_snapshot(snapshot, name, parts.select, path, err);
    else if (st == IFM_OK)
        st = fail_not_cached(name, looked, err);
    if (st != IFM_OK) {
        free(*path);
        *path = NULL;
    }
    free(snapshot);
    free(repo);
    free(cache);
    ifm_hub_name_deinit(&parts);
    return st;
}

ifm_status ifm_hub_resolve_cached(const char *name, char **path, ifm_error *err)
{
    *path = NULL;
    return find_cached(name, "", path, err);
}

/* ---- everything ------------------------------------------------------------------- */

/* A path that is not there: "./x", "/x", "x/", or what no hub could call a model. */
static bool can_be_hub_name(const char *name)
{
    ifm_hub_name parts;
    bool can = ifm_hub_name_parse(name, &parts, NULL) == IFM_OK;
    ifm_hub_name_deinit(&parts);
    return can;
}

static ifm_status fail_not_found(const char *name, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NOT_FOUND,
                    "%s: no such model: expected a directory with a config.json, a "
                    ".safetensors or .gguf file, a name on the hub (org/name), "
                    "\"" IFM_HUB_SMOLLM2 "\", or \"" IFM_BUNDLED_MODEL "\"",
                    name);
}

ifm_status ifm_hub_resolve(const char *name, char **path, ifm_error *err)
{
    *path = NULL;
    if (name == NULL)
        name = IFM_BUNDLED_MODEL;
    else if (is_model_directory(name) || is_file(name))
        return take_path(name, path, err);
    else if (ifm_file_is_directory(name))
        return take_gguf_of(name, path, err);
    ifm_buffer looked = {0};
    ifm_status st = IFM_OK;
    if (is_plain_name(name))
        find_bundled(name, path, &looked);
    if (*path == NULL)
        st = can_be_hub_name(name)
                 ? find_cached(name, ifm_buffer_text(&looked), path, err)
                 : fail_not_found(name, err);
    ifm_buffer_deinit(&looked);
    return st;
}
