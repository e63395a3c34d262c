#include "text/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/file.h"

char *ifm_path_join(const char *directory, const char *name)
{
    size_t n = strlen(directory), m = strlen(name);
    char *path = malloc(n + m + 2);
    if (path == NULL)
        return NULL;
    memcpy(path, directory, n);
    if (n == 0 || path[n - 1] != '/')
        path[n++] = '/';
    memcpy(path + n, name, m + 1);
    return path;
}

static ifm_status parse(const char *path, const char *text, size_t n, json_t **out,
                        ifm_error *err)
{
    json_error_t where;
    /* NUL inside strings is legal JSON: a vocabulary may write it as \u0000. */
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (*out != NULL)
        return IFM_OK;
    if (json_error_code(&where) == json_error_out_of_memory)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory to read it", path);
    return ifm_fail(err, IFM_ERR_FORMAT,
                    "%s: line %d, column %d: %s: is the download complete?", path,
                    where.line, where.column, where.text);
}

ifm_status ifm_json_read(const char *directory, const char *name, json_t **out,
                         ifm_error *err)
{
    *out = NULL;
    char *text = NULL;
    size_t n = 0;
    char *path = ifm_path_join(directory, name);
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", name);
    ifm_status st = ifm_file_read(path, IFM_JSON_MAX_BYTES, &text, &n, err);
    if (st == IFM_OK)
        st = parse(path, text, n, out, err);
    free(text);
    free(path);
    return st;
}

ifm_status ifm_json_read_optional(const char *directory, const char *name, json_t **out,
                                  ifm_error *err)
{
    ifm_status st = ifm_json_read(directory, name, out, err);
    return st == IFM_ERR_NOT_FOUND ? IFM_OK : st;
}

bool ifm_json_is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

json_t *ifm_json_member(const json_t *object, const char *key)
{
    json_t *member = json_object_get(object, key);
    return json_is_null(member) ? NULL : member;
}

const char *ifm_json_type(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type != NULL ? type : "";
}

const char *ifm_json_unknown_key(json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] == NULL && !json_is_null(value))
            return key;
    }
    return NULL;
}
