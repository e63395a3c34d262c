#include "base/bytes.h"

#include <stdbool.h>
#include <stdio.h>

const char *ifm_bytes_text(int64_t bytes, char text[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    /* 999.95 would be written as 1000.0. */
    for (; value >= 999.95 && unit < 4; unit++)
        value /= 1000;
    snprintf(text, 32, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
    return text;
}

char *ifm_bytes_tame(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
        bool upper = *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0; /* U+0080 … U+009F */
        if (upper)
            *p++ = '?';
        if (upper || *p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    return text;
}
