/*
 * JSON files, read as hostile bytes: Jansson parses, and these helpers bound what a
 * document may cost and make every complaint name the file and the key.
 *
 * A getter leaves *value as it was when the key is absent or null, so that a caller sets
 * the default first. `file` is for messages only.
 */
#ifndef IFM_FORMAT_JSON_H
#define IFM_FORMAT_JSON_H

#include <jansson.h>

#include "inferometer/base.h"

/* Deeper nesting and more values than any model file has: a value costs Jansson up to
 * some 150 bytes, so that a 100 MB header of brackets would otherwise take gigabytes. */
enum { IFM_JSON_MAX_DEPTH = 64, IFM_JSON_MAX_VALUES = 4 * 1000 * 1000 };

/* Parses text[n_bytes], one JSON value with nothing but white space behind it, without
 * duplicate keys. The caller releases *out with json_decref. Errors: FORMAT (with line
 * and column), LIMIT, NO_MEMORY. Thread-safe. */
ifm_status ifm_json_parse(const char *text, size_t n_bytes, const char *file,
                          json_t **out, ifm_error *err);

/* The same with the file at `path` of at most `limit` bytes. Errors: as above, and
 * NOT_FOUND, IO. */
ifm_status ifm_json_read(const char *path, size_t limit, json_t **out, ifm_error *err);

/* The same, with whole numbers as JSON_REAL: tokenizer_config.json writes "no limit" as
 * 1000000000000000019884624838656, which is past Jansson's integers. */
ifm_status ifm_json_read_reals(const char *path, size_t limit, json_t **out,
                               ifm_error *err);

/* "a string", "a number": what a value is, for messages. NULL: "missing". */
const char *ifm_json_kind(const json_t *value);

/* A whole number in min … max. */
ifm_status ifm_json_int(const json_t *object, const char *file, const char *key,
                        int64_t min, int64_t max, int64_t *value, ifm_error *err);
/* A finite number, whole or not. */
ifm_status ifm_json_real(const json_t *object, const char *file, const char *key,
                         double *value, ifm_error *err);
ifm_status ifm_json_bool(const json_t *object, const char *file, const char *key,
                         bool *value, ifm_error *err);
/* *value is borrowed from the object. */
ifm_status ifm_json_string(const json_t *object, const char *file, const char *key,
                           const char **value, ifm_error *err);

#endif
