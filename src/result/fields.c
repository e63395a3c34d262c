#include "result/fields.h"

#include <math.h>
#include <string.h>

#include "base/buffer.h"

ifm_fields ifm_fields_new(void)
{
    json_t *object = json_object();
    return (ifm_fields){.object = object, .failed = object == NULL};
}

json_t *ifm_fields_take(ifm_fields *self)
{
    json_t *object = self->object;
    self->object = NULL;
    if (!self->failed)
        return object;
    json_decref(object);
    return NULL;
}

void ifm_fields_set(ifm_fields *self, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(self->object, key, value) != 0)
        self->failed = true;
}

void ifm_fields_int(ifm_fields *self, const char *key, int64_t value)
{
    ifm_fields_set(self, key, json_integer(value));
}

void ifm_fields_known(ifm_fields *self, const char *key, int64_t value)
{
    ifm_fields_set(self, key, value < 0 ? json_null() : json_integer(value));
}

void ifm_fields_real(ifm_fields *self, const char *key, double value)
{
    ifm_fields_set(self, key, ifm_json_number(value));
}

void ifm_fields_bool(ifm_fields *self, const char *key, bool value)
{
    ifm_fields_set(self, key, json_boolean(value));
}

void ifm_fields_text(ifm_fields *self, const char *key, const char *text)
{
    ifm_fields_set(self, key,
                   text != NULL ? ifm_json_text(text, strlen(text)) : json_null());
}

void ifm_fields_text_n(ifm_fields *self, const char *key, const char *text, size_t n)
{
    ifm_fields_set(self, key, text != NULL ? ifm_json_text(text, n) : json_null());
}

/* Bytes of the character that `text` begins with; 0: it begins with none. Jansson, which
 * has to accept it, is the judge. */
static size_t valid_character(const char *text, size_t n)
{
    unsigned char lead = (unsigned char)*text;
    size_t wide = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    json_t *value = wide <= n ? json_stringn(text, wide) : NULL;
    json_decref(value);
    return value != NULL ? wide : 0;
}

json_t *ifm_json_text(const char *text, size_t n)
{
    json_t *value = json_stringn(text, n);
    if (value != NULL)
        return value;
    ifm_buffer mended = {0};
    for (size_t i = 0; i < n;) {
        size_t valid = valid_character(text + i, n - i);
        ifm_buffer_append(&mended, valid > 0 ? text + i : "\xef\xbf\xbd",
                          valid > 0 ? valid : 3);
        i += valid > 0 ? valid : 1;
    }
    if (!mended.failed)
        value = json_stringn(ifm_buffer_text(&mended), mended.length);
    ifm_buffer_deinit(&mended);
    return value;
}

json_t *ifm_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *ifm_json_whole(json_t *array, size_t n)
{
    if (json_array_size(array) == n)
        return array;
    json_decref(array);
    return NULL;
}

json_t *ifm_json_ints32(const int32_t *x, size_t n)
{
    json_t *array = json_array();
    if (x == NULL)
        n = 0;
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_integer(x[i]));
    return ifm_json_whole(array, n);
}

json_t *ifm_json_ints64(const int64_t *x, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_integer(x[i]));
    return ifm_json_whole(array, n);
}
