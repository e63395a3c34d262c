#include "hub/repository.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/json.h"
#include "hub/hash.h"
#include "hub/name.h"

enum { MAX_FILES = 100000, MAX_LICENSE = 100 };

static ifm_status read_files(const json_t *siblings, const char *what,
                             ifm_hub_files *files, ifm_error *err)
{
    if (!json_is_array(siblings))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: the hub's answer has no list of files (\"siblings\" is %s)",
                        what, ifm_json_kind(siblings));
    if (json_array_size(siblings) > MAX_FILES)
        return ifm_fail(err, IFM_ERR_LIMIT, "%s: has more than %d files", what,
                        MAX_FILES);
    size_t i;
    json_t *sibling;
    json_array_foreach(siblings, i, sibling)
    {
        const char *path = json_string_value(json_object_get(sibling, "rfilename"));
        if (path == NULL || !ifm_hub_path_is_safe(path))
            return ifm_fail(
                err, IFM_ERR_FORMAT,
                "%s: the hub's answer names a file that no directory can hold", what);
        if (!ifm_hub_files_add(files, path, strlen(path)))
            return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", what);
    }
    return IFM_OK;
}

static char *tame(char *text)
{
    return text != NULL ? ifm_bytes_tame(text) : NULL;
}

/* A tag "license:apache-2.0": the hub makes one of what the model's card says. */
static char *find_license(const json_t *tags)
{
    size_t i;
    json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        const char *text = json_string_value(tag);
        if (text != NULL && strncmp(text, "license:", 8) == 0)
            return tame(strndup(text + 8, MAX_LICENSE));
    }
    return NULL;
}

ifm_status ifm_hub_repository_parse(const char *text, size_t n_bytes, const char *what,
                                    ifm_hub_repository *out, ifm_error *err)
{
    json_t *answer = NULL;
    *out = (ifm_hub_repository){0};
    ifm_status st = ifm_json_parse(text, n_bytes, what, &answer, err);
    const char *commit = json_string_value(json_object_get(answer, "sha"));
    if (st == IFM_OK && (commit == NULL || ifm_hash_kind_of(commit) != IFM_HASH_GIT_SHA1))
        st = ifm_fail(err, IFM_ERR_FORMAT,
                      "%s: the hub's answer has no commit (\"sha\" of 40 digits)", what);
    if (st == IFM_OK) {
        out->commit = strdup(commit);
        out->license = find_license(json_object_get(answer, "tags"));
        st = out->commit != NULL
                 ? read_files(json_object_get(answer, "siblings"), what, &out->files, err)
                 : ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", what);
    }
    json_decref(answer);
    if (st != IFM_OK)
        ifm_hub_repository_deinit(out);
    return st;
}

void ifm_hub_repository_deinit(ifm_hub_repository *self)
{
    free(self->commit);
    free(self->license);
    ifm_hub_files_deinit(&self->files);
    *self = (ifm_hub_repository){0};
}
