#include "format/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/file.h"

/* Walks over the text once, without understanding more than strings and brackets, so that
 * the parser is never called on something that would exhaust the stack or the memory.
 * Jansson itself recurses up to 2048 deep. */
static ifm_status check_cost(const char *text, size_t n_bytes, const char *file,
                             ifm_error *err)
{
    int depth = 0;
    size_t n_values = 1;
    bool in_string = false;
    for (size_t i = 0; i < n_bytes; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            n_values++;
            if (++depth > IFM_JSON_MAX_DEPTH)
                return ifm_fail(err, IFM_ERR_LIMIT,
                                "%s: nested deeper than %d at byte %zu of its JSON", file,
                                IFM_JSON_MAX_DEPTH, i);
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == ',' && ++n_values > IFM_JSON_MAX_VALUES) {
            return ifm_fail(err, IFM_ERR_LIMIT, "%s: more than %d JSON values", file,
                            IFM_JSON_MAX_VALUES);
        }
    }
    return IFM_OK;
}

static ifm_status parse(const char *text, size_t n_bytes, const char *file, size_t flags,
                        json_t **out, ifm_error *err)
{
    *out = NULL;
    ifm_status st = check_cost(text, n_bytes, file, err);
    if (st != IFM_OK)
        return st;
    json_error_t where;
    *out = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES | flags, &where);
    if (*out != NULL)
        return IFM_OK;
    if (json_error_code(&where) == json_error_out_of_memory)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory to parse it", file);
    return ifm_fail(err, IFM_ERR_FORMAT, "%s: not valid JSON, line %d, column %d: %s",
                    file, where.line, where.column, where.text);
}

ifm_status ifm_json_parse(const char *text, size_t n_bytes, const char *file,
                          json_t **out, ifm_error *err)
{
    return parse(text, n_bytes, file, 0, out, err);
}

static ifm_status read_file(const char *path, size_t limit, size_t flags, json_t **out,
                            ifm_error *err)
{
    char *text;
    size_t n_bytes;
    *out = NULL;
    ifm_status st = ifm_file_read(path, limit, &text, &n_bytes, err);
    if (st != IFM_OK)
        return st;
    st = parse(text, n_bytes, path, flags, out, err);
    free(text);
    return st;
}

ifm_status ifm_json_read(const char *path, size_t limit, json_t **out, ifm_error *err)
{
    return read_file(path, limit, 0, out, err);
}

ifm_status ifm_json_read_reals(const char *path, size_t limit, json_t **out,
                               ifm_error *err)
{
    return read_file(path, limit, JSON_DECODE_INT_AS_REAL, out, err);
}

const char *ifm_json_kind(const json_t *value)
{
    if (value == NULL)
        return "missing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* The value at `key`, or NULL when there is nothing to read. */
static const json_t *get(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static ifm_status wrong_kind(const json_t *value, const char *file, const char *key,
                             const char *expected, ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %s, expected %s", file, key,
                    ifm_json_kind(value), expected);
}

ifm_status ifm_json_int(const json_t *object, const char *file, const char *key,
                        int64_t min, int64_t max, int64_t *value, ifm_error *err)
{
    const json_t *found = get(object, key);
    if (found == NULL)
        return IFM_OK;
    if (!json_is_integer(found))
        return wrong_kind(found, file, key, "a whole number", err);
    int64_t x = json_integer_value(found);
    if (x < min || x > max)
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %lld, expected %lld to %lld",
                        file, key, (long long)x, (long long)min, (long long)max);
    *value = x;
    return IFM_OK;
}

ifm_status ifm_json_real(const json_t *object, const char *file, const char *key,
                         double *value, ifm_error *err)
{
    const json_t *found = get(object, key);
    if (found == NULL)
        return IFM_OK;
    if (!json_is_number(found))
        return wrong_kind(found, file, key, "a number", err);
    *value = json_number_value(found);
    return IFM_OK;
}

ifm_status ifm_json_bool(const json_t *object, const char *file, const char *key,
                         bool *value, ifm_error *err)
{
    const json_t *found = get(object, key);
    if (found == NULL)
        return IFM_OK;
    if (!json_is_boolean(found))
        return wrong_kind(found, file, key, "true or false", err);
    *value = json_is_true(found);
    return IFM_OK;
}

ifm_status ifm_json_string(const json_t *object, const char *file, const char *key,
                           const char **value, ifm_error *err)
{
    const json_t *found = get(object, key);
    if (found == NULL)
        return IFM_OK;
    if (!json_is_string(found))
        return wrong_kind(found, file, key, "a string", err);
    *value = json_string_value(found);
    return IFM_OK;
}
