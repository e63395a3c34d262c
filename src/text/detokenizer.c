/* Ids → bytes, and a stream of ids → text of whole characters. */
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
enum { N_REPLACEMENT = 3 };

const char *ifm_tokenizer_bytes(const ifm_tokenizer *self, int32_t id, size_t *n_bytes)
{
    return ifm_tables_shown(&self->tables, id, n_bytes);
}

bool ifm_tokenizer_is_special(const ifm_tokenizer *self, int32_t id)
{
    return (ifm_tables_flags(&self->tables, id) & IFM_TOKEN_SPECIAL) != 0;
}

size_t ifm_detokenizer_max_bytes(const ifm_tokenizer *tokenizer)
{
    const ifm_tables_header *h = tokenizer->tables.header;
    size_t most_held = sizeof((ifm_detokenizer *)0)->held - 1;
    size_t longest = h->n_shown_ends > 0 ? h->longest_shown : h->longest_token;
    return (longest + most_held) * N_REPLACEMENT;
}

void ifm_detokenizer_init(ifm_detokenizer *self, const ifm_tokenizer *tokenizer)
{
    *self = (ifm_detokenizer){.tokenizer = tokenizer,
                              .strip = tokenizer->tables.header->rules.strip};
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

/* How many bytes of a token the decoder takes away: spaces where the text begins. */
static size_t stripped(ifm_detokenizer *self, const char *bytes, size_t n)
{
    size_t spaces = 0;
    while (self->strip != IFM_STRIP_NOTHING && spaces < n && bytes[spaces] == ' ' &&
           (spaces == 0 || self->strip == IFM_STRIP_TOKENS_SPACE))
        spaces++;
    if (n > 0)
        self->strip = IFM_STRIP_NOTHING;
    return spaces;
}

size_t ifm_detokenizer_push(ifm_detokenizer *self, int32_t id, char *out, size_t cap)
{
    sink s = {.out = out, .cap = cap};
    size_t n;
    if (ifm_tokenizer_is_special(self->tokenizer, id))
        return 0;
    const char *bytes = ifm_tokenizer_bytes(self->tokenizer, id, &n);
    for (size_t i = stripped(self, bytes, n); i < n; i++) {
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
