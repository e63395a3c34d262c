#include "result/writer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
    BUFFER = 1 << 16,
    NUMBER = 40, /* bytes of the longest number */
};

ifm_status ifm_writer_init(ifm_writer *self, FILE *out, ifm_error *err)
{
    *self = (ifm_writer){.out = out, .buffer = malloc(BUFFER)};
    return self->buffer != NULL
               ? IFM_OK
               : ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory to write the result");
}

static void fail(ifm_writer *self, int code)
{
    if (!self->failed)
        self->code = code;
    self->failed = true;
}

static void write_out(ifm_writer *self, const char *bytes, size_t n)
{
    errno = 0;
    if (!self->failed && n > 0 && fwrite(bytes, 1, n, self->out) != n)
        fail(self, errno != 0 ? errno : EIO);
}

static void flush(ifm_writer *self)
{
    write_out(self, self->buffer, self->n);
    self->n = 0;
}

ifm_status ifm_writer_end(ifm_writer *self, const char *what, ifm_error *err)
{
    flush(self);
    errno = 0;
    if (!self->failed && fflush(self->out) != 0)
        fail(self, errno != 0 ? errno : EIO);
    free(self->buffer);
    self->buffer = NULL;
    return self->failed ? ifm_fail_errno(err, self->code, "cannot write %s", what)
                        : IFM_OK;
}

/* Room for n more bytes, n ≤ NUMBER. */
static char *room(ifm_writer *self, size_t n)
{
    if (BUFFER - self->n < n)
        flush(self);
    return self->buffer + self->n;
}

static void put(ifm_writer *self, const char *bytes, size_t n)
{
    if (BUFFER - self->n < n)
        flush(self);
    if (n > BUFFER) {
        write_out(self, bytes, n);
        return;
    }
    memcpy(self->buffer + self->n, bytes, n);
    self->n += n;
}

static void put_char(ifm_writer *self, char c)
{
    *room(self, 1) = c;
    self->n++;
}

static void begin_line(ifm_writer *self)
{
    put_char(self, '\n');
    for (int i = 0; i < self->depth; i++)
        put_char(self, ' ');
}

/* What stands between this element and the one before. */
static void begin_element(ifm_writer *self)
{
    if (self->after_key || self->depth == 0) {
        self->after_key = false;
        return;
    }
    bool *any = &self->open[self->depth - 1].any;
    if (*any)
        put_char(self, ',');
    if (self->open[self->depth - 1].lines)
        begin_line(self);
    else if (*any)
        put_char(self, ' ');
    *any = true;
}

void ifm_writer_open(ifm_writer *self, char bracket, ifm_writer_layout layout)
{
    begin_element(self);
    put_char(self, bracket);
    self->open[self->depth].closing = bracket == '{' ? '}' : ']';
    self->open[self->depth].lines = layout == IFM_WRITER_LINES;
    self->open[self->depth].any = false;
    self->depth++;
}

void ifm_writer_close(ifm_writer *self)
{
    self->depth--;
    if (self->open[self->depth].lines && self->open[self->depth].any)
        begin_line(self);
    put_char(self, self->open[self->depth].closing);
}

void ifm_writer_line(ifm_writer *self)
{
    put_char(self, '\n');
}

void ifm_writer_key(ifm_writer *self, const char *key)
{
    begin_element(self);
    put_char(self, '"');
    put(self, key, strlen(key));
    put(self, "\": ", 3);
    self->after_key = true;
}

void ifm_writer_null(ifm_writer *self)
{
    begin_element(self);
    put(self, "null", 4);
}

void ifm_writer_bool(ifm_writer *self, bool value)
{
    begin_element(self);
    put(self, value ? "true" : "false", value ? 4 : 5);
}

static void put_int(ifm_writer *self, int64_t value)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t x = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + x % 10);
    while ((x /= 10) > 0);
    if (value < 0)
        *--at = '-';
    put(self, at, (size_t)(digits + sizeof digits - at));
}

void ifm_writer_int(ifm_writer *self, int64_t value)
{
    begin_element(self);
    put_int(self, value);
}

void ifm_writer_known(ifm_writer *self, int64_t value)
{
    if (value < 0)
        ifm_writer_null(self);
    else
        ifm_writer_int(self, value);
}

void ifm_writer_real(ifm_writer *self, double value)
{
    if (!isfinite(value)) {
        ifm_writer_null(self);
        return;
    }
    begin_element(self);
    char *at = room(self, NUMBER);
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(at, NUMBER, "%.*g", digits, value);
        if (strtod(at, NULL) == value)
            break;
    }
    self->n += (size_t)n;
    if (strcspn(at, ".e") == (size_t)n) /* a real, not a whole number, for readers */
        put(self, ".0", 2);
}

void ifm_writer_seconds(ifm_writer *self, int64_t ns)
{
    enum { DIGITS = 9 };
    const uint64_t x = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    uint64_t part = x % 1000000000;
    char digits[DIGITS];
    for (int i = DIGITS; i-- > 0; part /= 10)
        digits[i] = (char)('0' + part % 10);
    begin_element(self);
    if (ns < 0)
        put_char(self, '-');
    put_int(self, (int64_t)(x / 1000000000));
    put_char(self, '.');
    put(self, digits, DIGITS);
}

/* ---- texts ---- */

/* Bytes of the UTF-8 character (RFC 3629) that text[n] begins with; 0: with none. */
static size_t character(const unsigned char *text, size_t n)
{
    const unsigned char lead = text[0];
    const size_t wide = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
    if (wide == 0 || wide > n)
        return 0;
    for (size_t i = 1; i < wide; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    const unsigned second = wide > 2 ? text[1] : 0x80;
    const bool too_long =
        (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    const bool no_scalar =
        (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
    return too_long || no_scalar ? 0 : wide;
}

static void put_escape(ifm_writer *self, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = c != 0 ? strchr(from, c) : NULL;
    char *at = room(self, 8);
    if (known != NULL) {
        at[0] = '\\';
        at[1] = to[known - from];
        self->n += 2;
    } else {
        self->n += (size_t)snprintf(at, 8, "\\u%04X", c);
    }
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void ifm_writer_text_n(ifm_writer *self, const char *text, size_t n)
{
    if (text == NULL) {
        ifm_writer_null(self);
        return;
    }
    begin_element(self);
    put_char(self, '"');
    const unsigned char *at = (const unsigned char *)text, *end = at + n;
    while (at < end) {
        const unsigned char *from = at;
        while (at < end && plain(*at))
            at++;
        put(self, (const char *)from, (size_t)(at - from));
        if (at == end)
            break;
        if (*at < 0x80) {
            put_escape(self, *at++);
            continue;
        }
        size_t wide = character(at, (size_t)(end - at));
        put(self, wide > 0 ? (const char *)at : "\xef\xbf\xbd", wide > 0 ? wide : 3);
        at += wide > 0 ? wide : 1;
    }
    put_char(self, '"');
}

void ifm_writer_text(ifm_writer *self, const char *text)
{
    ifm_writer_text_n(self, text, text != NULL ? strlen(text) : 0);
}

/* ---- arrays and trees ---- */

void ifm_writer_ints32(ifm_writer *self, const int32_t *x, size_t n)
{
    if (x == NULL && n > 0) {
        ifm_writer_null(self);
        return;
    }
    ifm_writer_open(self, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < n; i++)
        ifm_writer_int(self, x[i]);
    ifm_writer_close(self);
}

void ifm_writer_ints64(ifm_writer *self, const int64_t *x, size_t n)
{
    if (x == NULL && n > 0) {
        ifm_writer_null(self);
        return;
    }
    ifm_writer_open(self, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < n; i++)
        ifm_writer_int(self, x[i]);
    ifm_writer_close(self);
}

/* Every line feed of a dump is its layout: those of texts are escaped. */
static int take_dump(const char *bytes, size_t n, void *user)
{
    ifm_writer *self = user;
    for (size_t i = 0; i < n; i++) {
        put_char(self, bytes[i]);
        for (int k = 0; bytes[i] == '\n' && k < self->depth; k++)
            put_char(self, ' ');
    }
    return 0;
}

void ifm_writer_tree(ifm_writer *self, json_t *value)
{
    begin_element(self);
    if (value == NULL ||
        json_dump_callback(value, take_dump, self, JSON_INDENT(1) | JSON_ENCODE_ANY) != 0)
        fail(self, ENOMEM);
    json_decref(value);
}
