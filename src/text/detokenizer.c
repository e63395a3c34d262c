/* Ids → bytes, and a stream of ids → text of whole characters. */
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
enum { N_REPLACEMENT = 3 };

const char *ifm_tokenizer_bytes(const ifm_tokenizer *self, int32_t id, size_t *n_bytes)
{
    return ifm_tables_bytes(&self->tables, id, n_bytes);
}

bool ifm_tokenizer_is_special(const ifm_tokenizer *self, int32_t id)
{
    return (ifm_tables_flags(&self->tables, id) & IFM_TOKEN_SPECIAL) != 0;
}

size_t ifm_detokenizer_max_bytes(const ifm_tokenizer *tokenizer)
{
    size_t most_held = sizeof((ifm_detokenizer *)0)->held - 1;
    return (tokenizer->tables.header->longest_token + most_held) * N_REPLACEMENT;
}

void ifm_detokenizer_init(ifm_detokenizer *self, const ifm_tokenizer *tokenizer)
{
    *self = (ifm_detokenizer){.tokenizer = tokenizer};
}

/* Where text goes: whole pieces, as long as they fit. */
typedef struct sink {
    char *out;
    size_t cap, n;
} sink;

static void put(sink *s, const void *bytes, size_t n)
{
    if (n > s->cap - s->n) {
        s->cap = s->n; /* what follows must not slip in behind a gap */
        return;
    }
    memcpy(s->out + s->n, bytes, n);
    s->n += n;
}

/* Gives out what is held until nothing or the beginning of a character is left. */
static void settle(ifm_detokenizer *self, sink *s)
{
    while (self->n_held > 0) {
        ifm_utf8_kind kind;
        size_t length = ifm_utf8_step(self->held, self->n_held, &kind);
        if (kind == IFM_UTF8_CUT)
            return;
        if (kind == IFM_UTF8_WHOLE)
            put(s, self->held, length);
        else
            put(s, replacement, N_REPLACEMENT);
        self->n_held = (uint8_t)(self->n_held - length);
        memmove(self->held, self->held + length, self->n_held);
    }
}

size_t ifm_detokenizer_push(ifm_detokenizer *self, int32_t id, char *out, size_t cap)
{
    sink s = {.out = out, .cap = cap};
    size_t n;
    if (ifm_tokenizer_is_special(self->tokenizer, id))
        return 0;
    const char *bytes = ifm_tokenizer_bytes(self->tokenizer, id, &n);
    for (size_t i = 0; i < n; i++) {
        self->held[self->n_held++] = (unsigned char)bytes[i];
        settle(self, &s);
    }
    return s.n;
}

size_t ifm_detokenizer_flush(ifm_detokenizer *self, char *out, size_t cap)
{
    sink s = {.out = out, .cap = cap};
    if (self->n_held > 0) /* less than a character, and all of it one maximal subpart */
        put(&s, replacement, N_REPLACEMENT);
    self->n_held = 0;
    return s.n;
}
