/* The JSON files of a model's directory, and looks into them. */
#ifndef IFM_TEXT_JSON_H
#define IFM_TEXT_JSON_H

#include "format/json.h"

/* A larger file is no tokenizer: the largest in use have 40 MB. */
enum { IFM_TEXT_MAX_FILE_BYTES = 256 * 1024 * 1024 };

/* "directory/name" on the heap; NULL without memory. */
char *ifm_text_path(const char *directory, const char *name);

/* Reads directory/name. A file that is missing is OK, with *out NULL. The caller calls
 * json_decref(*out). Errors: IO, FORMAT (with line and column), LIMIT, NO_MEMORY. */
ifm_status ifm_text_read_json(const char *directory, const char *name, json_t **out,
                              ifm_error *err);

/* The same by ifm_json_read_reals. */
ifm_status ifm_text_read_json_reals(const char *directory, const char *name, json_t **out,
                                    ifm_error *err);

/* object[key] is true. False for anything else, also for a NULL object. */
bool ifm_text_json_is_true(const json_t *object, const char *key);
/* The member if it is there and not null; else NULL. */
json_t *ifm_text_json_member(const json_t *object, const char *key);
/* "type" of an object, "" if it has none. */
const char *ifm_text_json_type(const json_t *object);
/* The first key of `object` that is not null and not one of `known` (a list that ends with
 * NULL): what a newer writer may mean by it is not known here. NULL if there is none. */
const char *ifm_text_json_unknown_key(json_t *object, const char *const *known);

#endif
