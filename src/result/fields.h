/*
 * Building JSON objects without a check behind every line: a value that could not be made
 * (no memory) makes the object's `failed` stick, and the caller asks once at the end.
 */
#ifndef IFM_RESULT_FIELDS_H
#define IFM_RESULT_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ifm_fields {
    json_t *object;
    bool failed;
} ifm_fields;

ifm_fields ifm_fields_new(void);
/* The object, which the caller owns; NULL if anything failed. */
json_t *ifm_fields_take(ifm_fields *self);

/* Takes `value`; NULL fails. */
void ifm_fields_set(ifm_fields *self, const char *key, json_t *value);
void ifm_fields_int(ifm_fields *self, const char *key, int64_t value);
/* Negative values mean "not known": null. */
void ifm_fields_known(ifm_fields *self, const char *key, int64_t value);
/* NaN and infinity become null. */
void ifm_fields_real(ifm_fields *self, const char *key, double value);
void ifm_fields_bool(ifm_fields *self, const char *key, bool value);
/* NULL becomes null. */
void ifm_fields_text(ifm_fields *self, const char *key, const char *text);
void ifm_fields_text_n(ifm_fields *self, const char *key, const char *text, size_t n);

/* Values, NULL without memory. Bytes that are no UTF-8 (a file name, an argument) become
 * U+FFFD, one each. */
json_t *ifm_json_text(const char *text, size_t n);
json_t *ifm_json_number(double value);
/* `array` if it got all its n elements; else none of it: NULL. Takes `array`. */
json_t *ifm_json_whole(json_t *array, size_t n);
json_t *ifm_json_ints32(const int32_t *x, size_t n);
json_t *ifm_json_ints64(const int64_t *x, size_t n);

#endif
