#include "text/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

char *ifm_text_path(const char *directory, const char *name)
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

typedef ifm_status json_reader(const char *path, size_t limit, json_t **out,
                               ifm_error *err);

static ifm_status read_with(json_reader *reader, const char *directory, const char *name,
                            json_t **out, ifm_error *err)
{
    *out = NULL;
    char *path = ifm_text_path(directory, name);
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", name);
    ifm_status st = reader(path, IFM_TEXT_MAX_FILE_BYTES, out, err);
    free(path);
    return st == IFM_ERR_NOT_FOUND ? IFM_OK : st;
}

ifm_status ifm_text_read_json(const char *directory, const char *name, json_t **out,
                              ifm_error *err)
{
    return read_with(ifm_json_read, directory, name, out, err);
}

ifm_status ifm_text_read_json_reals(const char *directory, const char *name, json_t **out,
                                    ifm_error *err)
{
    return read_with(ifm_json_read_reals, directory, name, out, err);
}

bool ifm_text_json_is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

json_t *ifm_text_json_member(const json_t *object, const char *key)
{
    json_t *member = json_object_get(object, key);
    return json_is_null(member) ? NULL : member;
}

const char *ifm_text_json_type(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    return type != NULL ? type : "";
}

const char *ifm_text_json_unknown_key(json_t *object, const char *const *known)
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
