/*
 * Lines, then events. Nearly always an event comes whole in one read, as one line of data and
 * an empty one: then nothing is copied, its data are taken where they were read. What a read
 * leaves unfinished is kept in `line` and `data`, each byte once, so that time is linear
 * however a stream is cut.
 */
#include "wire/sse.h"

#include <string.h>

/* A line holds a field's name, too. */
enum { LINE_LIMIT = IFM_SSE_EVENT_LIMIT + 64 };

void ifm_sse_init(ifm_sse *self)
{
    *self = (ifm_sse){0};
}

void ifm_sse_deinit(ifm_sse *self)
{
    ifm_buffer_deinit(&self->line);
    ifm_buffer_deinit(&self->data);
    ifm_buffer_deinit(&self->name);
    *self = (ifm_sse){0};
}

static bool is_over(const ifm_sse *self)
{
    return self->too_large || self->no_memory;
}

/* What is held in the bytes of this read goes where it lasts. */
static bool keep_held(ifm_sse *self)
{
    if (self->held == NULL)
        return true;
    ifm_buffer_append(&self->data, self->held, self->n_held);
    self->held = NULL;
    self->no_memory = self->data.failed;
    return !self->no_memory;
}

static bool take_data(ifm_sse *self, const char *value, size_t n)
{
    const size_t before = self->held != NULL ? self->n_held : self->data.length;
    if (before + n + self->has_data > IFM_SSE_EVENT_LIMIT)
        return !(self->too_large = true);
    if (!self->has_data) {
        self->held = value;
        self->n_held = n;
        return self->has_data = true;
    }
    if (!keep_held(self))
        return false;
    ifm_buffer_append(&self->data, "\n", 1);
    ifm_buffer_append(&self->data, value, n);
    self->no_memory = self->data.failed;
    return !self->no_memory;
}

static bool take_name(ifm_sse *self, const char *value, size_t n)
{
    ifm_buffer_clear(&self->name);
    ifm_buffer_append(&self->name, value, n);
    self->no_memory = self->name.failed;
    return !self->no_memory;
}

static bool is_field(const char *line, size_t n, const char *name, size_t n_name)
{
    return n == n_name && memcmp(line, name, n) == 0;
}

/* "name: value", "name:value", "name". */
static bool take_field(ifm_sse *self, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    const size_t n_name = colon != NULL ? (size_t)(colon - line) : n;
    const char *value = line + (colon != NULL ? n_name + 1 : n);
    if (value < line + n && *value == ' ')
        value++;
    const size_t n_value = (size_t)(line + n - value);
    if (is_field(line, n_name, "data", 4))
        return take_data(self, value, n_value);
    if (is_field(line, n_name, "event", 5))
        return take_name(self, value, n_value);
    if (is_field(line, n_name, "error", 5))
        return take_name(self, "error", 5) && take_data(self, value, n_value);
    return true;
}

/* An empty line: what was gathered is an event, if there was any data. */
static bool end_event(ifm_sse *self, ifm_sse_taker take, void *user)
{
    bool more = true;
    if (self->has_data) {
        const bool whole = self->held != NULL;
        ifm_sse_event event = {
            .name = self->name.length > 0 ? self->name.data : "message",
            .data = whole ? self->held : ifm_buffer_text(&self->data),
            .n_data = whole ? self->n_held : self->data.length,
        };
        self->events++;
        more = take(user, &event);
    }
    self->has_data = false;
    self->held = NULL;
    if (self->data.length > 0)
        ifm_buffer_clear(&self->data);
    if (self->name.length > 0)
        ifm_buffer_clear(&self->name);
    return more;
}

static bool take_line(ifm_sse *self, const char *line, size_t n, ifm_sse_taker take,
                      void *user)
{
    if (!self->begun && n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        n -= 3;
    }
    self->begun = true;
    if (n == 0)
        return end_event(self, take, user);
    if (line[0] == ':') {
        self->comments++;
        return true;
    }
    if (n > LINE_LIMIT)
        return !(self->too_large = true);
    return take_field(self, line, n);
}

/* The beginning of a line stays for the next read; of a comment nothing but that it is one. */
static bool keep_line(ifm_sse *self, const char *bytes, size_t n)
{
    if (n == 0 || (self->line.length > 0 && self->line.data[0] == ':'))
        return true;
    if (self->line.length == 0 && bytes[0] == ':')
        n = 1;
    if (self->line.length + n > LINE_LIMIT)
        return !(self->too_large = true);
    ifm_buffer_append(&self->line, bytes, n);
    self->no_memory = self->line.failed;
    return !self->no_memory;
}

/* A line ends at bytes[n]; its beginning may be in self->line. What it holds then must not
 * be taken where it lies: the buffer is used again. */
static bool end_line(ifm_sse *self, const char *bytes, size_t n, ifm_sse_taker take,
                     void *user)
{
    if (self->line.length == 0)
        return take_line(self, bytes, n, take, user);
    if (!keep_line(self, bytes, n))
        return false;
    bool more = take_line(self, self->line.data, self->line.length, take, user);
    more = keep_held(self) && more;
    ifm_buffer_clear(&self->line);
    return more;
}

/* The next LF and the next CR from `at` on, looked for again only when passed: a read full
 * of one of them is not searched for the other at each of its lines. */
typedef struct ends {
    const char *lf, *cr;
} ends;

static const char *next_end(ends *next, const char *at, const char *end)
{
    if ((next->lf == NULL || next->lf < at) &&
        (next->lf = memchr(at, '\n', (size_t)(end - at))) == NULL)
        next->lf = end;
    if ((next->cr == NULL || next->cr < at) &&
        (next->cr = memchr(at, '\r', (size_t)(end - at))) == NULL)
        next->cr = end;
    return next->lf < next->cr ? next->lf : next->cr;
}

bool ifm_sse_feed(ifm_sse *self, const char *bytes, size_t n, ifm_sse_taker take,
                  void *user)
{
    const char *at = bytes, *const end = bytes + n;
    if (is_over(self))
        return false;
    if (n == 0)
        return true;
    if (self->after_cr && *at == '\n')
        at++;
    self->after_cr = false;
    ends next = {NULL, NULL};
    bool more = true;
    while (more && at < end) {
        const char *stop = next_end(&next, at, end);
        if (stop == end) {
            more = keep_line(self, at, (size_t)(end - at));
            break;
        }
        more = end_line(self, at, (size_t)(stop - at), take, user);
        at = stop + 1;
        if (*stop == '\r' && at < end && *at == '\n')
            at++;
        else if (*stop == '\r' && at == end)
            self->after_cr = true;
    }
    return keep_held(self) && more;
}

bool ifm_sse_finish(ifm_sse *self, ifm_sse_taker take, void *user)
{
    if (is_over(self))
        return false;
    return (self->line.length == 0 || end_line(self, "", 0, take, user)) &&
           end_event(self, take, user);
}

bool ifm_sse_pending(const ifm_sse *self)
{
    return self->line.length > 0 || self->has_data || self->name.length > 0;
}
