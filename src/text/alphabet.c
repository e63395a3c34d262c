#include "text/alphabet.h"

#include "text/utf8.h"

static bool stands_for_itself(uint32_t c)
{
    return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || (c >= 174 && c <= 255);
}

/* The byte that code point c stands for; -1 outside the alphabet. In the order of the
 * bytes, U+0100 … U+0120 are 0–32, U+0121 … U+0142 are 127–160, U+0143 is 173. */
static int byte_of(uint32_t c)
{
    if (stands_for_itself(c))
        return (int)c;
    if (c >= 0x100 && c <= 0x120)
        return (int)c - 0x100;
    if (c >= 0x121 && c <= 0x142)
        return (int)c - 0x121 + 127;
    return c == 0x143 ? 173 : -1;
}

bool ifm_alphabet_bytes(const char *written, size_t n, char *out, size_t *n_out)
{
    const unsigned char *p = (const unsigned char *)written;
    size_t made = 0;
    for (size_t i = 0; i < n;) {
        ifm_utf8_kind kind;
        size_t length = ifm_utf8_step(p + i, n - i, &kind);
        int byte = kind == IFM_UTF8_WHOLE ? byte_of(ifm_utf8_decode(p + i, length)) : -1;
        if (byte < 0)
            return false;
        out[made++] = (char)(unsigned char)byte;
        i += length;
    }
    *n_out = made;
    return true;
}
