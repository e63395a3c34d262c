#include "text/added.h"

#include <string.h>

#include "text/utf8.h"

void ifm_added_walk_init(ifm_added_walk *self, const ifm_tables *tables,
                         ifm_added_pass pass, const char *text, size_t n)
{
    uint32_t n_raw = tables->header->n_added_raw;
    *self = (ifm_added_walk){.tables = tables, .text = text, .n = n};
    self->first = pass == IFM_ADDED_RAW ? 0 : n_raw;
    self->last =
        pass == IFM_ADDED_RAW ? n_raw : n_raw + tables->header->n_added_normalized;
    self->begins = tables->header->begins[pass];
}

/* The byte at `depth` of token i's content; -1 where it has ended. */
static int content_byte(const ifm_added_walk *self, uint32_t i, size_t depth)
{
    size_t length;
    const char *content = ifm_tables_content(self->tables, i, &length);
    return content != NULL && depth < length ? (unsigned char)content[depth] : -1;
}

/* The first token in [low, high) whose byte at `depth` is at least `byte`. */
static uint32_t lower_bound(const ifm_added_walk *self, uint32_t low, uint32_t high,
                            size_t depth, int byte)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (content_byte(self, middle, depth) < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest token that stands at byte `at`: a sorted array is a trie, walked by narrowing
 * the range of those that agree so far. False if there is none. */
static bool longest_at(const ifm_added_walk *self, size_t at, uint32_t *token,
                       size_t *length)
{
    uint32_t low = self->first, high = self->last;
    bool found = false;
    for (size_t depth = 0; low < high; depth++) {
        if (depth > 0 && content_byte(self, low, depth) < 0) {
            *token = low; /* it ends here: a prefix sorts before what it begins */
            *length = depth;
            found = true;
        }
        if (at + depth == self->n)
            break;
        int byte = (unsigned char)self->text[at + depth];
        low = lower_bound(self, low, high, depth, byte);
        high = lower_bound(self, low, high, depth, byte + 1);
    }
    return found;
}

/* The character that ends before byte `at`: its first byte. at > 0. */
static size_t character_before(const char *text, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

/* Whether byte `at` begins a character. A token of a damaged table must not cut one. */
static bool is_boundary(const ifm_added_walk *self, size_t at)
{
    return at == self->n || ((unsigned char)self->text[at] & 0xc0) != 0x80;
}

static bool stands_alone(const ifm_added_walk *self, size_t start, size_t end)
{
    const char *text = self->text;
    if (start > 0) {
        size_t before = character_before(text, start);
        if (self->is_word(self->context, text + before, start - before))
            return false;
    }
    if (end == self->n)
        return true;
    ifm_utf8_kind kind;
    size_t length =
        ifm_utf8_step((const unsigned char *)text + end, self->n - end, &kind);
    return !self->is_word(self->context, text + end, length);
}

static size_t strip_left(const ifm_added_walk *self, size_t start)
{
    while (start > self->done) {
        size_t before = character_before(self->text, start);
        const unsigned char *p = (const unsigned char *)self->text + before;
        if (!ifm_is_white_space(ifm_utf8_decode(p, start - before)))
            break;
        start = before;
    }
    return start;
}

static size_t strip_right(const ifm_added_walk *self, size_t end)
{
    while (end < self->n) {
        const unsigned char *p = (const unsigned char *)self->text + end;
        ifm_utf8_kind kind;
        size_t length = ifm_utf8_step(p, self->n - end, &kind);
        if (!ifm_is_white_space(ifm_utf8_decode(p, length)))
            break;
        end += length;
    }
    return end;
}

bool ifm_added_walk_next(ifm_added_walk *self, size_t *plain, size_t *n_plain,
                         int32_t *id)
{
    *plain = self->done;
    *n_plain = 0;
    *id = -1;
    while (self->at < self->n) {
        unsigned char c = (unsigned char)self->text[self->at];
        uint32_t token = 0;
        size_t length = 0;
        if ((self->begins[c / 64] >> c % 64 & 1) == 0 ||
            !longest_at(self, self->at, &token, &length) ||
            !is_boundary(self, self->at) || !is_boundary(self, self->at + length)) {
            self->at++;
            continue;
        }
        size_t start = self->at, end = start + length;
        const ifm_added_token *added = &self->tables->added[token];
        self->at = end; /* as tokenizers: a discarded match is skipped as well */
        if ((added->flags & IFM_ADDED_SINGLE_WORD) != 0 &&
            !stands_alone(self, start, end))
            continue;
        if ((added->flags & IFM_ADDED_LSTRIP) != 0)
            start = strip_left(self, start);
        if ((added->flags & IFM_ADDED_RSTRIP) != 0)
            end = strip_right(self, end);
        *n_plain = start > self->done ? start - self->done : 0;
        *id = (int32_t)added->id;
        self->done = end;
        return true;
    }
    *n_plain = self->n - self->done;
    self->done = self->n;
    return *n_plain > 0;
}
