#include "text/utf8.h"

#include <string.h>

/* The second byte is where overlong forms, surrogates and code points past U+10FFFF show
 * (Unicode Standard, table 3-7): the range that it may have behind each first byte. */
static size_t lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t ifm_utf8_step(const unsigned char *p, size_t n, ifm_utf8_kind *kind)
{
    unsigned char low, high;
    size_t want = lead(p[0], &low, &high);
    *kind = want == 0 ? IFM_UTF8_BAD : IFM_UTF8_WHOLE;
    for (size_t i = 1; i < want; i++) {
        if (i == n) {
            *kind = IFM_UTF8_CUT;
            return i;
        }
        if (p[i] < low || p[i] > high) {
            *kind = IFM_UTF8_BAD;
            return i;
        }
        low = 0x80;
        high = 0xbf;
    }
    return want > 0 ? want : 1;
}

size_t ifm_utf8_check(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        while (n - i >= 8) { /* most text is ASCII */
            memcpy(&eight, p + i, 8);
            if ((eight & 0x8080808080808080u) != 0)
                break;
            i += 8;
        }
        if (i == n)
            break;
        ifm_utf8_kind kind;
        size_t length = ifm_utf8_step(p + i, n - i, &kind);
        if (kind != IFM_UTF8_WHOLE)
            return i;
        i += length;
    }
    return n;
}

int ifm_utf8_prefix(const char *text, size_t n, size_t limit)
{
    if (n <= limit)
        return (int)n;
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    return (int)limit;
}

uint32_t ifm_utf8_decode(const unsigned char *p, size_t length)
{
    uint32_t c = p[0];
    if (length > 1)
        c &= 0x7fu >> length;
    for (size_t i = 1; i < length; i++)
        c = c << 6 | (p[i] & 0x3fu);
    return c;
}

bool ifm_is_white_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}
