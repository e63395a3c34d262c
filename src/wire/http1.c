/*
 * The head of a response, and the machine whose `part` says what the next byte belongs to:
 *
 *     START ─ STATUS ─ FIELDS ─┬─ LENGTH or REST ─────────────────────────── END
 *       └──── 1xx ───────┘     └─ SIZE ─ DATA ─ DATA_END ─┐
 *                          ▲       └──────────────────────┘ 0: TRAILER ──── END
 *                 here ◄───┴───► http1_body.c
 *
 * A field is understood when the line behind it has come: that line may continue it.
 */
#include "wire/http1_parts.h"

#include <string.h>
#include <strings.h>

enum {
    HEAD_LIMIT = 256 << 10, /* as much as browsers and libcurl (300 KB) put up with */
    KEPT_LIMIT = 4 << 10,   /* a larger buffer is not kept between responses */
};

static void keep_buffer(ifm_buffer *buffer)
{
    if (buffer->capacity > KEPT_LIMIT)
        ifm_buffer_deinit(buffer);
    ifm_buffer_clear(buffer);
}

void ifm_http1_begin(ifm_http1 *self)
{
    ifm_buffer_deinit(&self->type);
    ifm_buffer_deinit(&self->location);
    keep_buffer(&self->line);
    keep_buffer(&self->field);
    const ifm_buffer line = self->line, field = self->field;
    *self = (ifm_http1){.line = line, .field = field};
}

void ifm_http1_deinit(ifm_http1 *self)
{
    ifm_buffer_deinit(&self->type);
    ifm_buffer_deinit(&self->location);
    ifm_buffer_deinit(&self->line);
    ifm_buffer_deinit(&self->field);
    *self = (ifm_http1){0};
}

void ifm_http1_fail(ifm_http1 *self, const char *why)
{
    self->state = IFM_HTTP1_BROKEN;
    self->keep_alive = false;
    self->why = why;
}

/* ---- values ---------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void trim(const char **text, size_t *n)
{
    while (*n > 0 && is_blank((*text)[0])) {
        ++*text;
        --*n;
    }
    while (*n > 0 && is_blank((*text)[*n - 1]))
        --*n;
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return n == strlen(word) && strncasecmp(text, word, n) == 0;
}

/* Takes the next element off a comma-separated list, "" where two commas meet; false, and
 * *list is NULL, when there is none. */
static bool next_element(const char **list, size_t *n, const char **element,
                         size_t *n_element)
{
    if (*list == NULL)
        return false;
    const char *comma = memchr(*list, ',', *n);
    *element = *list;
    *n_element = comma != NULL ? (size_t)(comma - *list) : *n;
    *list = comma != NULL ? comma + 1 : NULL;
    *n -= comma != NULL ? *n_element + 1 : *n;
    trim(element, n_element);
    return true;
}

static bool read_length(const char *text, size_t n, uint64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(text[i]))
            return false;
        const uint64_t digit = (uint64_t)(text[i] - '0');
        if (*length > (UINT64_MAX - digit) / 10)
            return false;
        *length = *length * 10 + digit;
    }
    return n > 0;
}

/* "5", or "5, 5" where somebody on the way joined two equal fields (RFC 9110, 8.6). */
static void take_length(ifm_http1 *self, const char *value, size_t n)
{
    const char *element = NULL;
    size_t n_element = 0;
    while (next_element(&value, &n, &element, &n_element)) {
        uint64_t length;
        if (!read_length(element, n_element, &length) ||
            (self->has_length && self->left != length))
            self->bad_length = true;
        else
            self->left = length;
        self->has_length = true;
    }
}

/* Saying "chunked" twice is a mistake of proxies, and means it once: as libcurl reads it. */
static void take_coding(ifm_http1 *self, const char *value, size_t n)
{
    const char *element = NULL;
    size_t n_element = 0;
    while (next_element(&value, &n, &element, &n_element)) {
        if (is_word(element, n_element, "chunked"))
            self->chunked = true;
        else if (n_element > 0 && !is_word(element, n_element, "identity"))
            self->bad_coding = true;
    }
    self->has_coding = true;
}

static void take_connection(ifm_http1 *self, const char *value, size_t n)
{
    const char *element = NULL;
    size_t n_element = 0;
    while (next_element(&value, &n, &element, &n_element)) {
        if (is_word(element, n_element, "close"))
            self->close_asked = true;
        else if (is_word(element, n_element, "keep-alive"))
            self->alive_asked = true;
    }
}

static void keep_value(ifm_http1 *self, ifm_buffer *to, const char *value, size_t n)
{
    ifm_buffer_deinit(to);
    ifm_buffer_append(to, value, n);
    if (to->failed)
        ifm_http1_fail(self, "no memory for the answer's head");
}

/* ---- the head -------------------------------------------------------------------------- */

/* The field that was kept, now that no line continues it. */
static void take_field(ifm_http1 *self, const ifm_http1_hooks *hooks)
{
    const char *line = self->field.data;
    const size_t n = self->field.length;
    if (n == 0 || self->interim)
        return;
    const char *colon = memchr(line, ':', n);
    const char *name = line;
    size_t n_name = colon != NULL ? (size_t)(colon - line) : 0;
    trim(&name, &n_name); /* blanks before a colon: RFC 9112, 5.1, has them removed */
    if (colon == NULL || n_name == 0) {
        ifm_http1_fail(self, "a line of the answer's head is not Name: value");
        return;
    }
    if (memchr(line, '\0', n) != NULL) {
        ifm_http1_fail(self, "the answer's head has a NUL in it");
        return;
    }
    const char *value = colon + 1;
    size_t n_value = n - (size_t)(value - line);
    trim(&value, &n_value);
    if (is_word(name, n_name, "Content-Length"))
        take_length(self, value, n_value);
    else if (is_word(name, n_name, "Transfer-Encoding"))
        take_coding(self, value, n_value);
    else if (is_word(name, n_name, "Connection"))
        take_connection(self, value, n_value);
    else if (is_word(name, n_name, "Content-Type"))
        keep_value(self, &self->type, value, n_value);
    else if (is_word(name, n_name, "Location"))
        keep_value(self, &self->location, value, n_value);
    if (hooks != NULL && hooks->on_field != NULL && self->state != IFM_HTTP1_BROKEN)
        hooks->on_field(hooks->user, line, n);
}

/* RFC 9112, 6.3, in its order. */
static void choose_framing(ifm_http1 *self)
{
    self->state = IFM_HTTP1_BODY;
    if (self->status == 204 || self->status == 304) {
        self->state = IFM_HTTP1_END;
    } else if (self->bad_coding) {
        ifm_http1_fail(self, "the answer has a Transfer-Encoding that was not asked for");
    } else if (self->chunked) {
        ifm_http1_begin_chunks(self);
    } else if (self->bad_length) {
        ifm_http1_fail(self,
                       "the answer's Content-Length is no number, or there are several");
    } else if (self->has_length) {
        self->part = IFM_HTTP1_PART_LENGTH;
        if (self->left == 0)
            self->state = IFM_HTTP1_END;
    } else {
        self->part = IFM_HTTP1_PART_REST;
        self->until_close = true;
    }
}

static void end_head(ifm_http1 *self, const ifm_http1_hooks *hooks)
{
    if (self->interim) {
        self->part = IFM_HTTP1_PART_START;
        self->matched = 0;
        return;
    }
    choose_framing(self);
    if (self->state == IFM_HTTP1_BROKEN)
        return;
    /* Codings are not of HTTP/1.0: who sends them in its name may have passed them on
     * without knowing, and the connection is not to be trusted (RFC 9112, 6.1). */
    const bool stays = self->minor == 0 ? self->alive_asked && !self->has_coding : true;
    self->keep_alive = stays && !self->close_asked && !self->until_close;
    if (hooks != NULL && hooks->on_head != NULL)
        hooks->on_head(hooks->user);
}

/* " 200 OK" behind "HTTP/1.1", whose last digit is line[0]. */
static void take_status(ifm_http1 *self, const char *line, size_t n)
{
    if (n == 0 || (line[0] != '0' && line[0] != '1') || (n > 1 && !is_blank(line[1]))) {
        ifm_http1_fail(self,
                       "it answers in a version of HTTP that is neither 1.0 nor 1.1");
        return;
    }
    size_t at = 1;
    while (at < n && is_blank(line[at]))
        at++;
    int32_t status = 0;
    size_t digits = 0;
    for (; at < n && digits < 4 && is_digit(line[at]); at++, digits++)
        status = status * 10 + (line[at] - '0');
    if (digits != 3 || status < 100 || (at < n && !is_blank(line[at]))) {
        ifm_http1_fail(self, "the answer's first line has no status of three digits");
        return;
    }
    if (status == 101) {
        ifm_http1_fail(self, "it switches to another protocol, which was not asked for");
        return;
    }
    self->minor = line[0] - '0';
    self->interim = status < 200;
    self->status = self->interim ? 0 : status;
    self->part = IFM_HTTP1_PART_FIELDS;
}

static void keep_field(ifm_http1 *self, const char *line, size_t n)
{
    ifm_buffer_append(&self->field, line, n);
    if (self->field.failed)
        ifm_http1_fail(self, "no memory for the answer's head");
}

static void take_line(ifm_http1 *self, const ifm_http1_hooks *hooks, const char *line,
                      size_t n)
{
    if (n > 0 && line[n - 1] == '\r')
        n--;
    if (self->part == IFM_HTTP1_PART_STATUS) {
        take_status(self, line, n);
        return;
    }
    if (n > 0 && is_blank(line[0])) { /* obs-fold: RFC 9112, 5.2 */
        trim(&line, &n);
        if (self->field.length > 0 && n > 0) {
            keep_field(self, " ", 1);
            keep_field(self, line, n);
        }
        return;
    }
    take_field(self, hooks);
    ifm_buffer_clear(&self->field);
    if (self->state == IFM_HTTP1_BROKEN)
        return;
    if (n == 0)
        end_head(self, hooks);
    else
        keep_field(self, line, n);
}

/* `more` bytes of a head are about to be used. Those past the limit stay where they are, so
 * that a response breaks at the same byte however it was cut. */
static bool count_head(ifm_http1 *self, ifm_http1_cursor *c, size_t more)
{
    if (more <= HEAD_LIMIT - self->head_bytes) {
        self->head_bytes += more;
        return true;
    }
    c->at += HEAD_LIMIT - self->head_bytes;
    ifm_http1_fail(self, "the answer's head is longer than 256 KiB");
    return false;
}

static void feed_start(ifm_http1 *self, ifm_http1_cursor *c)
{
    static const char version[] = "HTTP/1.";
    const char byte = c->bytes[c->at];
    if (!count_head(self, c, 1))
        return;
    if (self->matched == 0 && (byte == '\r' || byte == '\n')) {
        c->at++;
    } else if (byte != version[self->matched]) {
        ifm_http1_fail(self,
                       self->matched >= 5 && (is_digit(byte) || byte == '.')
                           ? "it answers in a version of HTTP that is neither 1.0 nor 1.1"
                           : "it does not answer in HTTP");
    } else {
        c->at++;
        if (++self->matched == sizeof version - 1)
            self->part = IFM_HTTP1_PART_STATUS;
    }
}

static void feed_line(ifm_http1 *self, const ifm_http1_hooks *hooks, ifm_http1_cursor *c)
{
    const char *text = c->bytes + c->at;
    const char *lf = memchr(text, '\n', c->n - c->at);
    const size_t length = lf != NULL ? (size_t)(lf - text) : c->n - c->at;
    const size_t taken = lf != NULL ? length + 1 : length;
    if (!count_head(self, c, taken))
        return;
    c->at += taken;
    if (lf != NULL && self->line.length == 0) {
        take_line(self, hooks, text, length);
        return;
    }
    ifm_buffer_append(&self->line, text, length);
    if (self->line.failed) {
        ifm_http1_fail(self, "no memory for the answer's head");
    } else if (lf != NULL) {
        take_line(self, hooks, self->line.data, self->line.length);
        ifm_buffer_clear(&self->line);
    }
}

static void feed(ifm_http1 *self, const ifm_http1_hooks *hooks, ifm_http1_cursor *c)
{
    if (self->part == IFM_HTTP1_PART_START)
        feed_start(self, c);
    else if (self->state == IFM_HTTP1_HEAD)
        feed_line(self, hooks, c);
    else
        ifm_http1_feed_body(self, c);
}

size_t ifm_http1_take(ifm_http1 *self, const ifm_http1_hooks *hooks, char *bytes,
                      size_t n, size_t *n_body)
{
    ifm_http1_cursor c = {.bytes = bytes, .n = n};
    while (c.at < n && self->state <= IFM_HTTP1_BODY)
        feed(self, hooks, &c);
    *n_body = c.n_body;
    return c.at;
}

void ifm_http1_close(ifm_http1 *self)
{
    if (self->state == IFM_HTTP1_BODY && self->until_close)
        self->state = IFM_HTTP1_END;
}
