/* Fuzzes the JSON scanner against Jansson: both accept the same texts and read the same
 * strings, but for what is ours alone: a bound on nesting, numbers of any size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "format/scan.h"
#include "fuzz/fuzz.h"

/* Jansson refuses what it cannot represent; it takes a NUL byte for the end of the text. */
static bool is_comparable(const char *text, size_t n, const ifm_scan *scan,
                          const json_error_t *error)
{
    return memchr(text, '\0', n) == NULL && strstr(error->text, "overflow") == NULL &&
           strstr(error->text, "too big") == NULL &&
           strstr(error->text, "maximum parsing depth") == NULL &&
           (scan->error == NULL || strstr(scan->error, "nesting") == NULL);
}

static void compare_string(const char *text, size_t n, const json_t *expected)
{
    ifm_scan scan;
    char *out = malloc(n);
    size_t length = 0;
    ifm_scan_init(&scan, text, n);
    if (out == NULL || !ifm_scan_string(&scan, out, n, &length) ||
        length != json_string_length(expected) ||
        memcmp(out, json_string_value(expected), length) != 0)
        abort();
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    ifm_scan scan;
    json_error_t error = {0};
    ifm_scan_init(&scan, text, size);
    bool accepted = ifm_scan_skip(&scan) && ifm_scan_end(&scan);
    if (accepted == (scan.error != NULL))
        abort();
    json_t *expected = json_loadb(text, size, JSON_DECODE_ANY, &error);
    if (accepted != (expected != NULL) && is_comparable(text, size, &scan, &error))
        abort();
    if (accepted && json_is_string(expected))
        compare_string(text, size, expected);
    json_decref(expected);
    return 0;
}
