#include "format/scan.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 64, REPLACEMENT = 0xfffd };

void ifm_scan_init(ifm_scan *self, const char *text, size_t n_bytes)
{
    *self = (ifm_scan){.begin = text, .at = text, .end = text + n_bytes};
}

static bool fail(ifm_scan *self, const char *expected)
{
    if (self->error == NULL)
        self->error = expected;
    return false;
}

char ifm_scan_peek(ifm_scan *self)
{
    while (self->at < self->end && (*self->at == ' ' || *self->at == '\n' ||
                                    *self->at == '\r' || *self->at == '\t'))
        self->at++;
    return self->at < self->end && self->error == NULL ? *self->at : '\0';
}

static const char *name_of(char c)
{
    switch (c) {
    case '{':
        return "'{'";
    case '[':
        return "'['";
    case ']':
        return "']'";
    case ',':
        return "','";
    case ':':
        return "':'";
    case '"':
        return "a string";
    default:
        return "another character";
    }
}

bool ifm_scan_take(ifm_scan *self, char c)
{
    if (ifm_scan_peek(self) != c)
        return fail(self, name_of(c));
    self->at++;
    return true;
}

bool ifm_scan_more(ifm_scan *self, char close, bool first)
{
    char c = ifm_scan_peek(self);
    if (c == close && c != '\0') {
        self->at++;
        return false;
    }
    if (first && c != '\0')
        return true;
    if (c != ',')
        return fail(self, close == '}' ? "',' or '}'" : "',' or ']'");
    self->at++;
    return true;
}

/* The length of the UTF-8 character at text[n], 0 when it is none (RFC 3629: no overlong
 * forms, no surrogates, nothing beyond U+10FFFF). */
static size_t character_length(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = s[0] < 0x80   ? 1
                    : s[0] < 0xc2 ? 0
                    : s[0] < 0xe0 ? 2
                    : s[0] < 0xf0 ? 3
                    : s[0] < 0xf5 ? 4
                                  : 0;
    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool wrong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
                 (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return wrong ? 0 : length;
}

bool ifm_scan_is_text(const char *text, size_t n)
{
    for (size_t i = 0, length; i < n; i += length) {
        length = character_length(text + i, n - i);
        if (length == 0 || text[i] == '\0')
            return false;
    }
    return true;
}

/* Four hexadecimal digits at self->at. */
static bool take_hex(ifm_scan *self, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, self->at++) {
        if (self->at == self->end)
            return fail(self, "four hexadecimal digits");
        char c = *self->at;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return fail(self, "four hexadecimal digits");
        *value = *value << 4 | digit;
    }
    return true;
}

static bool no_character(ifm_scan *self, uint32_t *code, const char *expected)
{
    *code = REPLACEMENT;
    return self->lenient || fail(self, expected);
}

/* \uXXXX, after the u; surrogates come in pairs. */
static bool take_code_point(ifm_scan *self, uint32_t *code)
{
    static const char expected[] = "a pair of surrogates";
    if (!take_hex(self, code))
        return false;
    if (*code == 0)
        return no_character(self, code, "no NUL in a string");
    if (*code < 0xd800 || *code > 0xdfff)
        return true;
    uint32_t low;
    if (*code > 0xdbff || self->end - self->at < 2 || self->at[0] != '\\' ||
        self->at[1] != 'u')
        return no_character(self, code, expected);
    const char *second = self->at;
    self->at += 2;
    if (!take_hex(self, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff) {
        self->at = second; /* which stands for itself */
        return no_character(self, code, expected);
    }
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static size_t encode(uint32_t code, char out[4])
{
    unsigned char bytes[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        bytes[i] = (unsigned char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    bytes[0] = (unsigned char)(leads[n] | code);
    memcpy(out, bytes, n);
    return n;
}

/* What the escape behind a backslash stands for, as UTF-8. */
static bool take_escape(ifm_scan *self, char out[4], size_t *n)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char c = self->at < self->end ? *self->at++ : '\0';
    const char *found = c != '\0' ? strchr(names, c) : NULL;
    *n = 1;
    if (found != NULL) {
        out[0] = meanings[found - names];
        return true;
    }
    uint32_t code;
    if (c != 'u')
        return fail(self, "an escape like \\n or \\u00e9");
    if (!take_code_point(self, &code))
        return false;
    *n = encode(code, out);
    return true;
}

/* Bytes of s[n] in front of the first that needs a look: a quote, a backslash, a control
 * character, one outside of ASCII. Eight at a time, as most of a text is of no interest. */
static size_t plain_length(const char *s, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    size_t i = 0;
    for (uint64_t word; n - i >= 8; i += 8) {
        memcpy(&word, s + i, 8);
        const uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        /* A high bit for bytes that are zero after the exclusive or, or below 0x20; it may
         * also appear in front of one, never without one. */
        if (((word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) & high) != 0)
            break;
    }
    while (i < n && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x80 &&
           s[i] != '"' && s[i] != '\\')
        i++;
    return i;
}

bool ifm_scan_string(ifm_scan *self, char *out, size_t cap, size_t *n)
{
    size_t length = 0;
    if (!ifm_scan_take(self, '"'))
        return false;
    while (self->at < self->end && *self->at != '"') {
        char escaped[4];
        const char *piece = self->at;
        size_t n_piece = plain_length(piece, (size_t)(self->end - piece));
        if (n_piece > 0) {
            self->at += n_piece;
        } else if ((unsigned char)*piece < 0x20) {
            return fail(self, "no control character in a string");
        } else if (*piece == '\\') {
            self->at++;
            if (!take_escape(self, escaped, &n_piece))
                return false;
            piece = escaped;
        } else {
            n_piece = character_length(piece, (size_t)(self->end - piece));
            if (n_piece == 0)
                return fail(self, "valid UTF-8");
            self->at += n_piece;
        }
        if (out != NULL && length + n_piece < cap)
            memcpy(out + length, piece, n_piece);
        length += n_piece;
    }
    if (self->at == self->end)
        return fail(self, "the end of a string");
    self->at++;
    if (out != NULL && length >= cap)
        return fail(self, "a shorter string");
    if (out != NULL)
        out[length] = '\0';
    if (n != NULL)
        *n = length;
    return true;
}

static bool is_digit(const ifm_scan *self)
{
    return self->at < self->end && *self->at >= '0' && *self->at <= '9';
}

bool ifm_scan_natural(ifm_scan *self, int64_t *value)
{
    static const char expected[] = "a whole number of 0 or more";
    char first = ifm_scan_peek(self);
    *value = 0;
    if (self->error != NULL || !is_digit(self))
        return fail(self, expected);
    for (int n = 1; is_digit(self); n++, self->at++) {
        if (first == '0' && n > 1)
            return fail(self, expected);
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, *self->at - '0', value))
            return fail(self, "a number below 2^63");
    }
    if (self->at < self->end &&
        (*self->at == '.' || *self->at == 'e' || *self->at == 'E'))
        return fail(self, expected);
    return true;
}

static bool skip_digits(ifm_scan *self)
{
    if (!is_digit(self))
        return fail(self, "a digit");
    while (is_digit(self))
        self->at++;
    return true;
}

static bool skip_number(ifm_scan *self)
{
    if (*self->at == '-')
        self->at++;
    if (self->at < self->end && *self->at == '0')
        self->at++;
    else if (!skip_digits(self))
        return false;
    if (self->at < self->end && *self->at == '.') {
        self->at++;
        if (!skip_digits(self))
            return false;
    }
    if (self->at < self->end && (*self->at == 'e' || *self->at == 'E')) {
        self->at++;
        if (self->at < self->end && (*self->at == '+' || *self->at == '-'))
            self->at++;
        return skip_digits(self);
    }
    return true;
}

static bool skip_word(ifm_scan *self, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(self->end - self->at) < n || memcmp(self->at, word, n) != 0)
        return fail(self, "a value");
    self->at += n;
    return true;
}

static bool skip_value(ifm_scan *self, int depth);

static bool skip_members(ifm_scan *self, char open, int depth)
{
    char close = open == '{' ? '}' : ']';
    if (depth == MAX_DEPTH)
        return fail(self, "nesting of at most 64");
    self->at++;
    for (bool first = true; ifm_scan_more(self, close, first); first = false) {
        if (open == '{' &&
            !(ifm_scan_string(self, NULL, 0, NULL) && ifm_scan_take(self, ':')))
            return false;
        if (!skip_value(self, depth + 1))
            return false;
    }
    return self->error == NULL;
}

static bool skip_value(ifm_scan *self, int depth)
{
    char c = ifm_scan_peek(self);
    switch (c) {
    case '{':
    case '[':
        return skip_members(self, c, depth);
    case '"':
        return ifm_scan_string(self, NULL, 0, NULL);
    case 't':
        return skip_word(self, "true");
    case 'f':
        return skip_word(self, "false");
    case 'n':
        return skip_word(self, "null");
    default:
        if (c == '-' || is_digit(self))
            return self->error == NULL && skip_number(self);
        return fail(self, "a value");
    }
}

bool ifm_scan_name(ifm_scan *self, const char **name, size_t *n)
{
    *name = ifm_scan_peek(self) == '"' ? self->at + 1 : "";
    if (!ifm_scan_string(self, NULL, 0, NULL))
        return false;
    *n = (size_t)(self->at - 1 - *name);
    return ifm_scan_take(self, ':');
}

/* Up to 18 digits as a whole number; further ones only move the point. */
static const char *read_digits(const char *at, const char *end, int64_t *whole,
                               int64_t *exponent, int step)
{
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        if (*whole < INT64_C(100000000000000000)) {
            *whole = *whole * 10 + (*at - '0');
            *exponent -= step;
        } else {
            *exponent += 1 - step;
        }
    }
    return at;
}

bool ifm_scan_real(ifm_scan *self, double *value)
{
    const char *at = ifm_scan_peek(self) != '\0' ? self->at : NULL;
    *value = 0;
    if (at == NULL || (*at != '-' && !is_digit(self)))
        return fail(self, "a number");
    if (!skip_number(self))
        return false;
    const bool negative = *at == '-';
    int64_t whole = 0, exponent = 0, given = 0, unused = 0;
    at = read_digits(negative ? at + 1 : at, self->at, &whole, &exponent, 0);
    if (at < self->at && *at == '.')
        at = read_digits(at + 1, self->at, &whole, &exponent, 1);
    if (at < self->at) { /* an exponent */
        const bool down = at[1] == '-';
        (void)read_digits(at + 1 + (at[1] == '-' || at[1] == '+'), self->at, &given,
                          &unused, 0);
        exponent += down ? -given : given;
    }
    double scaled = (double)whole;
    if (whole != 0 && exponent < -308) /* whose power of ten would be 0 by itself */
        scaled = scaled / 1e300 / pow(10, (double)(-exponent - 300));
    else if (whole != 0 && exponent != 0)
        scaled = exponent < 0 ? scaled / pow(10, (double)-exponent)
                              : scaled * pow(10, (double)exponent);
    *value = negative ? -scaled : scaled;
    return true;
}

bool ifm_scan_skip(ifm_scan *self)
{
    return skip_value(self, 0);
}

bool ifm_scan_end(ifm_scan *self)
{
    (void)ifm_scan_peek(self);
    if (self->at != self->end)
        return fail(self, "the end");
    return self->error == NULL;
}
