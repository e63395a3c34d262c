/* The small text files of /proc and /sys. */
#ifndef IFM_PROBE_TEXT_FILE_H
#define IFM_PROBE_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the beginning of a file to text[size], terminated, without the newline at its end;
 * false (and an empty text) when it cannot be read. */
bool ifm_text_file_read(const char *path, char *text, size_t size);

/* A file that holds a whole number. */
bool ifm_text_file_integer(const char *path, int64_t *value);

/* The number behind "key" in a text of lines "key: number", as /proc/meminfo is. */
bool ifm_text_integer_after(const char *text, const char *key, int64_t *value);

#endif
