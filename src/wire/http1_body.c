/*
 * The body of a response, its framing taken off: read byte by byte and forgotten, so that a
 * read that holds several chunks costs one pass and one memmove a chunk, and no memory.
 */
#include "wire/http1_parts.h"

#include <string.h>

enum { SIZE_DIGITS = 16 }; /* of 64 bits, in hexadecimal */

static void move_body(ifm_http1_cursor *c, size_t n)
{
    if (c->n_body != c->at)
        memmove(c->bytes + c->n_body, c->bytes + c->at, n);
    c->n_body += n;
    c->at += n;
}

/* What there is of `left`. */
static void move_left(ifm_http1 *self, ifm_http1_cursor *c)
{
    const size_t there = c->n - c->at;
    const size_t n = there < self->left ? there : (size_t)self->left;
    move_body(c, n);
    self->left -= n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* CR LF at the cursor, both in this read, as nearly always. */
static bool skip_crlf(ifm_http1_cursor *c)
{
    if (c->n - c->at < 2 || c->bytes[c->at] != '\r' || c->bytes[c->at + 1] != '\n')
        return false;
    c->at += 2;
    return true;
}

static void begin_data(ifm_http1 *self)
{
    self->part = self->left > 0 ? IFM_HTTP1_PART_DATA : IFM_HTTP1_PART_TRAILER;
}

void ifm_http1_begin_chunks(ifm_http1 *self)
{
    self->part = IFM_HTTP1_PART_SIZE;
    self->left = 0;
    self->matched = 0;
}

static void feed_size(ifm_http1 *self, ifm_http1_cursor *c)
{
    uint64_t size = self->left;
    int32_t digits = self->matched;
    size_t at = c->at;
    int digit = -1;
    for (; at < c->n && (digit = hex_digit(c->bytes[at])) >= 0; at++, digits++) {
        if (digits == SIZE_DIGITS)
            break;
        size = size << 4 | (uint64_t)digit;
    }
    c->at = at;
    self->left = size;
    self->matched = digits;
    if (at == c->n)
        return;
    if (digit >= 0)
        ifm_http1_fail(
            self, "the answer's chunks are malformed: a size has more than 16 digits");
    else if (digits == 0)
        ifm_http1_fail(
            self, "the answer's chunks are malformed: a size is no hexadecimal number");
    else if (skip_crlf(c))
        begin_data(self);
    else
        self->part = IFM_HTTP1_PART_SIZE_END;
}

static void feed_size_end(ifm_http1 *self, ifm_http1_cursor *c)
{
    const char byte = c->bytes[c->at];
    if (byte == '\n')
        begin_data(self);
    else if (byte == '\r')
        self->part = IFM_HTTP1_PART_SIZE_LF;
    else if (byte == ';')
        self->part = IFM_HTTP1_PART_EXTENSION;
    else if (byte != ' ' && byte != '\t')
        ifm_http1_fail(
            self, "the answer's chunks are malformed: a size is no hexadecimal number");
    c->at += self->state != IFM_HTTP1_BROKEN;
}

/* The rest of a line that nobody needs: nothing of it is kept, it may be of any length. */
static bool skip_line(ifm_http1_cursor *c)
{
    const char *lf = memchr(c->bytes + c->at, '\n', c->n - c->at);
    c->at = lf != NULL ? (size_t)(lf - c->bytes) + 1 : c->n;
    return lf != NULL;
}

static bool expect_lf(ifm_http1 *self, ifm_http1_cursor *c, const char *why)
{
    if (c->bytes[c->at] != '\n') {
        ifm_http1_fail(self, why);
        return false;
    }
    c->at++;
    return true;
}

static void feed_data(ifm_http1 *self, ifm_http1_cursor *c)
{
    move_left(self, c);
    if (self->left > 0)
        return;
    if (skip_crlf(c))
        ifm_http1_begin_chunks(self);
    else
        self->part = IFM_HTTP1_PART_DATA_END;
}

static void feed_data_end(ifm_http1 *self, ifm_http1_cursor *c)
{
    if (c->bytes[c->at] == '\r') {
        c->at++;
        self->part = IFM_HTTP1_PART_DATA_LF;
    } else if (expect_lf(
                   self, c,
                   "the answer's chunks are malformed: one is longer than its size")) {
        ifm_http1_begin_chunks(self);
    }
}

static void feed_trailer(ifm_http1 *self, ifm_http1_cursor *c)
{
    const char byte = c->bytes[c->at];
    if (byte == '\n') {
        c->at++;
        self->state = IFM_HTTP1_END;
    } else if (byte == '\r' && self->part == IFM_HTTP1_PART_TRAILER) {
        c->at++;
        self->part = IFM_HTTP1_PART_TRAILER_LF;
    } else {
        self->part = IFM_HTTP1_PART_TRAILER_LINE;
    }
}

/* One step of the framing by chunks: until the part changes, or the read is used up. */
static void feed_chunks(ifm_http1 *self, ifm_http1_cursor *c)
{
    switch (self->part) {
    case IFM_HTTP1_PART_SIZE:
        feed_size(self, c);
        break;
    case IFM_HTTP1_PART_SIZE_END:
        feed_size_end(self, c);
        break;
    case IFM_HTTP1_PART_EXTENSION:
        if (skip_line(c))
            begin_data(self);
        break;
    case IFM_HTTP1_PART_SIZE_LF:
        if (expect_lf(self, c,
                      "the answer's chunks are malformed: a size ends with a CR"))
            begin_data(self);
        break;
    case IFM_HTTP1_PART_DATA:
        feed_data(self, c);
        break;
    case IFM_HTTP1_PART_DATA_END:
        feed_data_end(self, c);
        break;
    case IFM_HTTP1_PART_DATA_LF:
        if (expect_lf(self, c, "the answer's chunks are malformed: one ends with a CR"))
            ifm_http1_begin_chunks(self);
        break;
    case IFM_HTTP1_PART_TRAILER_LINE:
        if (skip_line(c))
            self->part = IFM_HTTP1_PART_TRAILER;
        break;
    default:
        feed_trailer(self, c);
    }
}

void ifm_http1_feed_body(ifm_http1 *self, ifm_http1_cursor *c)
{
    if (self->part == IFM_HTTP1_PART_REST) {
        move_body(c, c->n - c->at);
    } else if (self->part == IFM_HTTP1_PART_LENGTH) {
        move_left(self, c);
        if (self->left == 0)
            self->state = IFM_HTTP1_END;
    } else {
        feed_chunks(self, c);
    }
}
