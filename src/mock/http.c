#include "mock/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { KEPT_BODY_BYTES = 64 << 10 }; /* a larger buffer is not kept between requests */

void ifm_mock_request_deinit(ifm_mock_request *self)
{
    ifm_buffer_deinit(&self->body);
    ifm_buffer_deinit(&self->line);
}

void ifm_mock_request_reset(ifm_mock_request *self)
{
    ifm_buffer body = self->body, line = self->line;
    if (body.capacity > KEPT_BODY_BYTES || body.failed)
        ifm_buffer_deinit(&body);
    ifm_buffer_clear(&body);
    ifm_buffer_clear(&line);
    *self = (ifm_mock_request){.body = body, .line = line};
}

static void refuse(ifm_mock_request *self, int status, const char *complaint)
{
    self->reading = IFM_MOCK_BAD;
    self->status = status;
    self->keep_alive = false;
    snprintf(self->complaint, sizeof self->complaint, "%s", complaint);
}

/* RFC 9110, 5.6.2. */
static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_token_char((unsigned char)text[i]))
            return false;
    }
    return n > 0;
}

/* Copies text[n] with a NUL behind it; false when it does not fit. */
static bool keep(char *to, size_t size, const char *text, size_t n)
{
    if (n >= size)
        return false;
    memcpy(to, text, n);
    to[n] = '\0';
    return true;
}

static bool is_visible(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == 0x7f)
            return false;
    }
    return n > 0;
}

/* "http://host:1/path" is what a proxy is asked for; servers have to understand it too. */
static void skip_authority(const char **target, size_t *n)
{
    static const char scheme[] = "http://";
    const size_t length = sizeof scheme - 1;
    if (*n < length || strncasecmp(*target, scheme, length) != 0)
        return;
    const char *slash = memchr(*target + length, '/', *n - length);
    if (slash != NULL) {
        *n -= (size_t)(slash - *target);
        *target = slash;
    }
}

static void take_version(ifm_mock_request *self, const char *text, size_t n)
{
    if (n != 8 || memcmp(text, "HTTP/", 5) != 0)
        refuse(self, 400, "the request line does not end with HTTP/1.1");
    else if (memcmp(text + 5, "1.1", 3) != 0 && memcmp(text + 5, "1.0", 3) != 0)
        refuse(self, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    else
        self->minor = text[7] - '0';
    self->keep_alive = self->minor == 1 && self->reading != IFM_MOCK_BAD;
}

static void take_request_line(ifm_mock_request *self, const char *text, size_t n)
{
    if (n == 0 && self->head_bytes <= 4)
        return; /* RFC 9112, 2.2: an empty line before a request is skipped */
    const char *space = memchr(text, ' ', n);
    const char *last = text + n;
    while (last > text && *last != ' ')
        last--;
    if (space == NULL || last == space) {
        refuse(self, 400, "the request line is not METHOD PATH HTTP/1.1");
        return;
    }
    const char *target = space + 1;
    size_t n_target = (size_t)(last - target);
    if (!is_token(text, (size_t)(space - text)) || !is_visible(target, n_target)) {
        refuse(self, 400, "the request line has characters that do not belong there");
        return;
    }
    if (!keep(self->method, sizeof self->method, text, (size_t)(space - text))) {
        refuse(self, 501, "an unknown method");
        return;
    }
    skip_authority(&target, &n_target);
    const char *query = memchr(target, '?', n_target);
    if (query != NULL)
        n_target = (size_t)(query - target);
    if (!keep(self->path, sizeof self->path, target, n_target)) {
        refuse(self, 414, "the path is longer than any here");
        return;
    }
    self->reading = IFM_MOCK_HEADER;
    take_version(self, last + 1, n - (size_t)(last + 1 - text));
}

static void take_length(ifm_mock_request *self, const char *value, size_t n)
{
    uint64_t length = 0;
    for (size_t i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9') {
            refuse(self, 400, "Content-Length is no number");
            return;
        }
        if (length <= IFM_MOCK_BODY_LIMIT)
            length = length * 10 + (uint64_t)(value[i] - '0');
    }
    if (n == 0 || self->chunked || (self->has_length && self->left != length)) {
        refuse(self, 400, "the length of the body is empty, or said twice");
        return;
    }
    self->has_length = true;
    self->left = length;
}

/* A comma-separated list holds the word. */
static bool lists(const char *value, size_t n, const char *word)
{
    const size_t length = strlen(word);
    for (size_t i = 0; i < n;) {
        while (i < n && (value[i] == ' ' || value[i] == '\t' || value[i] == ','))
            i++;
        size_t end = i;
        while (end < n && value[end] != ',')
            end++;
        size_t last = end;
        while (last > i && (value[last - 1] == ' ' || value[last - 1] == '\t'))
            last--;
        if (last - i == length && strncasecmp(value + i, word, length) == 0)
            return true;
        i = end;
    }
    return false;
}

static void take_coding(ifm_mock_request *self, const char *value, size_t n)
{
    if (n != 7 || strncasecmp(value, "chunked", 7) != 0)
        refuse(self, 501, "a Transfer-Encoding other than chunked");
    else if (self->has_length || self->chunked || self->minor == 0)
        refuse(self, 400, "the length of the body is said twice");
    else
        self->chunked = true;
}

static void take_field(ifm_mock_request *self, const char *name, size_t n_name,
                       const char *value, size_t n)
{
#define IS(text) (n_name == sizeof(text) - 1 && strncasecmp(name, text, n_name) == 0)
    if (IS("content-length")) {
        take_length(self, value, n);
    } else if (IS("transfer-encoding")) {
        take_coding(self, value, n);
    } else if (IS("host")) {
        if (self->has_host)
            refuse(self, 400, "Host is said twice");
        self->has_host = true;
    } else if (IS("connection")) {
        if (lists(value, n, "close"))
            self->keep_alive = false;
        else if (self->minor == 0 && lists(value, n, "keep-alive"))
            self->keep_alive = true;
    } else if (IS("expect")) {
        self->expects_continue = lists(value, n, "100-continue");
    } else if (IS("x-request-id")) {
        if (!keep(self->request_id, sizeof self->request_id, value, n))
            refuse(self, 431, "X-Request-Id is too long");
    } else if (IS("authorization")) {
        if (!keep(self->authorization, sizeof self->authorization, value, n))
            refuse(self, 431, "Authorization is too long");
    }
#undef IS
}

static void end_head(ifm_mock_request *self)
{
    if (self->minor == 1 && !self->has_host)
        refuse(self, 400, "a request of HTTP/1.1 without Host");
    else if (self->has_length && self->left > IFM_MOCK_BODY_LIMIT)
        refuse(self, 413, "the body is larger than 32 MiB");
    else if (self->chunked)
        self->reading = IFM_MOCK_CHUNK_SIZE;
    else
        self->reading = self->left > 0 ? IFM_MOCK_BODY : IFM_MOCK_WHOLE;
}

static void take_header(ifm_mock_request *self, const char *text, size_t n)
{
    const bool trailer = self->reading == IFM_MOCK_TRAILER;
    if (n == 0) {
        if (trailer)
            self->reading = IFM_MOCK_WHOLE;
        else
            end_head(self);
        return;
    }
    const char *colon = memchr(text, ':', n);
    if (colon == NULL || !is_token(text, (size_t)(colon - text))) {
        refuse(self, 400, "a header line is not Name: value");
        return;
    }
    if (++self->n_headers > IFM_MOCK_HEADERS_LIMIT) {
        refuse(self, 431, "more than 100 header lines");
        return;
    }
    const char *value = colon + 1, *end = text + n;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (const char *c = value; c < end; c++) {
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f) {
            refuse(self, 400, "a header's value has control characters");
            return;
        }
    }
    if (!trailer) /* what stands behind the body is not needed here */
        take_field(self, text, (size_t)(colon - text), value, (size_t)(end - value));
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void take_chunk_size(ifm_mock_request *self, const char *text, size_t n)
{
    uint64_t size = 0;
    size_t i = 0;
    for (; i < n && hex_digit(text[i]) >= 0; i++) {
        if (size <= IFM_MOCK_BODY_LIMIT)
            size = size * 16 + (uint64_t)hex_digit(text[i]);
    }
    if (i == 0 || (i < n && text[i] != ';' && text[i] != ' ' && text[i] != '\t'))
        refuse(self, 400, "a chunk's size is no hexadecimal number");
    else if (size > IFM_MOCK_BODY_LIMIT - self->body.length)
        refuse(self, 413, "the body is larger than 32 MiB");
    else if (size == 0)
        self->reading = IFM_MOCK_TRAILER;
    else {
        self->left = size;
        self->reading = IFM_MOCK_CHUNK;
    }
}

/* A line without its CR LF. */
static void take_line(ifm_mock_request *self, const char *text, size_t n)
{
    switch (self->reading) {
    case IFM_MOCK_REQUEST_LINE:
        take_request_line(self, text, n);
        break;
    case IFM_MOCK_HEADER:
    case IFM_MOCK_TRAILER:
        take_header(self, text, n);
        break;
    case IFM_MOCK_CHUNK_SIZE:
        take_chunk_size(self, text, n);
        break;
    default: /* CHUNK_END */
        if (n > 0)
            refuse(self, 400, "a chunk is longer than its size says");
        else
            self->reading = IFM_MOCK_CHUNK_SIZE;
    }
}

/* Limits hold for the lines of a head and of its trailers together; those around chunks are
 * bounded one by one, and by the size of the body. */
static bool within_limits(ifm_mock_request *self, size_t more)
{
    if (self->line.length + more > IFM_MOCK_LINE_LIMIT) {
        refuse(self, self->reading == IFM_MOCK_REQUEST_LINE ? 414 : 431,
               "a line of the head is longer than 16 KiB");
        return false;
    }
    if (self->reading != IFM_MOCK_CHUNK_SIZE && self->reading != IFM_MOCK_CHUNK_END)
        self->head_bytes += more;
    if (self->head_bytes > IFM_MOCK_HEAD_LIMIT) {
        refuse(self, 431, "the head is longer than 64 KiB");
        return false;
    }
    return true;
}

static size_t feed_line(ifm_mock_request *self, const char *bytes, size_t n)
{
    const char *lf = memchr(bytes, '\n', n);
    const size_t taken = lf != NULL ? (size_t)(lf - bytes) + 1 : n;
    if (!within_limits(self, taken))
        return taken;
    ifm_buffer_append(&self->line, bytes, taken);
    if (self->line.failed) {
        refuse(self, 500, "no memory");
        return taken;
    }
    if (lf == NULL)
        return taken;
    const char *text = ifm_buffer_text(&self->line);
    const size_t length = self->line.length;
    if (length < 2 || text[length - 2] != '\r')
        refuse(self, 400, "a line ends with a bare LF, expected CR LF");
    else
        take_line(self, text, length - 2);
    ifm_buffer_clear(&self->line);
    return taken;
}

static size_t feed_body(ifm_mock_request *self, const char *bytes, size_t n)
{
    const size_t taken = n < self->left ? n : (size_t)self->left;
    ifm_buffer_append(&self->body, bytes, taken);
    if (self->body.failed) {
        refuse(self, 500, "no memory for the body");
        return taken;
    }
    self->left -= taken;
    if (self->left == 0)
        self->reading =
            self->reading == IFM_MOCK_BODY ? IFM_MOCK_WHOLE : IFM_MOCK_CHUNK_END;
    return taken;
}

size_t ifm_mock_request_feed(ifm_mock_request *self, const char *bytes, size_t n)
{
    size_t at = 0;
    self->begun = self->begun || n > 0;
    while (at < n && !ifm_mock_request_ended(self)) {
        const bool body =
            self->reading == IFM_MOCK_BODY || self->reading == IFM_MOCK_CHUNK;
        at += body ? feed_body(self, bytes + at, n - at)
                   : feed_line(self, bytes + at, n - at);
    }
    return at;
}
