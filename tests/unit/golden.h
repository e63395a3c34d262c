/* Text beside a stored one. Included after cmocka.h. */
#ifndef IFM_TEST_GOLDEN_H
#define IFM_TEST_GOLDEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Compares with tests/unit/golden/NAME, or stores it with IFM_UPDATE_GOLDEN; of a
 * difference it says the first line. */
static inline void assert_golden(const char *name, const char *text)
{
    char path[1024], stored[16384];
    snprintf(path, sizeof path, "%s/tests/unit/golden/%s", getenv("IFM_SOURCE_ROOT"),
             name);
    if (getenv("IFM_UPDATE_GOLDEN") != NULL) {
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        fputs(text, out);
        assert_int_equal(fclose(out), 0);
        return;
    }
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        fail_msg("%s is missing", path);
    size_t n = fread(stored, 1, sizeof stored - 1, in);
    stored[n] = '\0';
    fclose(in);
    size_t line = 0, i = 0;
    for (size_t k = 0; text[k] != '\0' && text[k] == stored[k]; k++)
        if (text[k] == '\n') {
            line++;
            i = k + 1;
        }
    if (strcmp(text, stored) != 0)
        fail_msg("%s, line %zu:\n%.*s\ninstead of\n%.*s", name, line + 1,
                 (int)strcspn(text + i, "\n"), text + i, (int)strcspn(stored + i, "\n"),
                 stored + i);
}

#endif
