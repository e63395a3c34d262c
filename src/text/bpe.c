#include "text/bpe.h"

#include "base/error.h"
#include "text/utf8.h"

#define NO_RANK UINT32_MAX
enum { NOTHING = -1 };

/* A symbol's place in the array is where it begins in the word. */
typedef struct ifm_bpe_symbol {
    int32_t id;    /* NOTHING: a character without a token, by score */
    uint32_t rank; /* with which it merges with the next symbol, or NO_RANK */
    int32_t merged;
    int32_t previous, next; /* positions, or NOTHING */
} symbol;

void ifm_bpe_deinit(ifm_bpe *self)
{
    free(self->symbols);
    free(self->heap);
    *self = (ifm_bpe){0};
}

void ifm_bpe_shrink(ifm_bpe *self)
{
    enum { KEPT = 1 << 13 }; /* symbols: 350 kB, and all but a few texts */
    if (self->capacity > KEPT)
        ifm_bpe_deinit(self);
}

/* Each symbol puts at most one candidate on the heap, each merge two: under 3 n. */
static bool reserve(ifm_bpe *self, size_t n)
{
    if (n <= self->capacity)
        return true;
    size_t capacity = n < 64 ? 64 : n + n / 8;
    ifm_bpe_deinit(self);
    self->symbols = malloc(capacity * sizeof *self->symbols);
    self->heap = malloc(3 * capacity * sizeof *self->heap);
    if (self->symbols == NULL || self->heap == NULL) {
        ifm_bpe_deinit(self);
        return false;
    }
    self->capacity = capacity;
    return true;
}

static void heap_push(uint64_t *heap, size_t *n, uint64_t candidate)
{
    size_t at = (*n)++;
    for (; at > 0 && heap[(at - 1) / 2] > candidate; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = candidate;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
    uint64_t first = heap[0], last = heap[--*n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < *n; at = child) {
        if (child + 1 < *n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

/* What is merged, and by what. */
typedef struct merging {
    ifm_bpe *bpe;
    const ifm_tables *tables;
    const char *word;
    size_t n;
    int32_t first, last; /* the symbols that were laid out first and last, or NOTHING */
    bool last_unknown;
    size_t n_heap;
    ifm_error *err;
} merging;

/* Where symbol `at` ends in the word. */
static size_t end_of(const merging *m, const symbol *s)
{
    return s->next == NOTHING ? m->n : (size_t)s->next;
}

/* Looks up whether the symbol merges with the next one, and queues it if so. */
static void consider(merging *m, int32_t at)
{
    symbol *s = &m->bpe->symbols[at];
    s->rank = NO_RANK;
    if (s->next == NOTHING)
        return;
    const symbol *next = &m->bpe->symbols[s->next];
    bool merges =
        m->tables->header->rules.by_score
            ? ifm_tables_find_scored(m->tables, m->word + at,
                                     end_of(m, next) - (size_t)at, &s->rank, &s->merged)
            : ifm_tables_find_pair(m->tables, s->id, next->id, &s->rank, &s->merged);
    if (merges)
        heap_push(m->bpe->heap, &m->n_heap, (uint64_t)s->rank << 32 | (uint32_t)at);
    else
        s->rank = NO_RANK;
}

static void add(merging *m, size_t at, int32_t id)
{
    symbol *symbols = m->bpe->symbols;
    symbols[at] =
        (symbol){.id = id, .rank = NO_RANK, .previous = m->last, .next = NOTHING};
    if (m->last != NOTHING)
        symbols[m->last].next = (int32_t)at;
    else
        m->first = (int32_t)at;
    m->last = (int32_t)at;
    m->last_unknown = false;
}

/* What has no token: the unknown one, once for neighbours if the rules say so; nothing where
 * there is no such token, as Hugging Face tokenizers and llama.cpp do it. */
static void add_unknown(merging *m, size_t at)
{
    const ifm_text_rules *rules = &m->tables->header->rules;
    if (rules->unknown < 0 || (m->last_unknown && rules->fuse_unknown))
        return;
    add(m, at, rules->unknown);
    m->last_unknown = true;
}

/* Whether all bytes of a character have tokens. */
static bool has_fallback(const merging *m, size_t at, size_t length)
{
    const ifm_tables_header *h = m->tables->header;
    for (size_t i = 0; i < length; i++)
        if (h->fallback_ids[(unsigned char)m->word[at + i]] < 0)
            return false;
    return h->rules.byte_fallback;
}

static void add_character(merging *m, size_t at, size_t length)
{
    const ifm_tables_header *h = m->tables->header;
    int32_t id = length == 1 ? h->byte_ids[(unsigned char)m->word[at]]
                             : ifm_tables_find_word(m->tables, m->word + at, length);
    if (id >= 0 || h->rules.by_score) /* by score, it may yet be a part of a token */
        add(m, at, id);
    else if (has_fallback(m, at, length))
        for (size_t i = 0; i < length; i++)
            add(m, at + i, h->fallback_ids[(unsigned char)m->word[at + i]]);
    else
        add_unknown(m, at);
}

/* Lays bytes out that all have tokens, as most do: without looking at neighbours. False when
 * one has none, and nothing is laid out. */
static bool lay_out_bytes(merging *m)
{
    const int32_t *byte_ids = m->tables->header->byte_ids;
    symbol *symbols = m->bpe->symbols;
    for (size_t i = 0; i < m->n; i++) {
        int32_t id = byte_ids[(unsigned char)m->word[i]];
        if (id < 0)
            return false;
        symbols[i] = (symbol){.id = id,
                              .rank = NO_RANK,
                              .previous = (int32_t)i - 1,
                              .next = (int32_t)i + 1};
    }
    symbols[m->n - 1].next = NOTHING;
    m->first = 0;
    return true;
}

/* Lays the word out as symbols, bytes or characters. */
static void lay_out(merging *m)
{
    const ifm_tables_header *h = m->tables->header;
    const unsigned char *p = (const unsigned char *)m->word;
    ifm_utf8_kind kind;
    if (!h->rules.by_character && lay_out_bytes(m))
        return;
    for (size_t i = 0, length = 1; i < m->n; i += length) {
        if (h->rules.by_character) {
            length = ifm_utf8_step(p + i, m->n - i, &kind);
            add_character(m, i, length);
        } else if (h->byte_ids[p[i]] >= 0) {
            add(m, i, h->byte_ids[p[i]]);
        } else {
            add_unknown(m, i);
        }
    }
}

static void merge_all(merging *m)
{
    symbol *symbols = m->bpe->symbols;
    for (int32_t at = m->first; at != NOTHING; at = symbols[at].next)
        consider(m, at);
    while (m->n_heap > 0) {
        uint64_t candidate = heap_pop(m->bpe->heap, &m->n_heap);
        int32_t at = (int32_t)(uint32_t)candidate;
        symbol *left = &symbols[at];
        if (left->rank != candidate >> 32) /* stale: it merged, or its neighbour did */
            continue;
        symbol *right = &symbols[left->next];
        left->id = left->merged;
        left->next = right->next;
        right->rank = NO_RANK;
        if (left->next != NOTHING)
            symbols[left->next].previous = at;
        consider(m, at);
        if (left->previous != NOTHING)
            consider(m, left->previous);
    }
}

/* Gives a symbol out; one without a token is spelled in bytes. */
static ifm_status give_out(merging *m, int32_t at, ifm_ids *out)
{
    const symbol *s = &m->bpe->symbols[at];
    const int32_t *fallback = m->tables->header->fallback_ids;
    size_t end = end_of(m, s);
    bool given = true;
    if (s->id != NOTHING) {
        given = ifm_ids_push(out, s->id);
    } else if (has_fallback(m, (size_t)at, end - (size_t)at)) {
        for (size_t i = (size_t)at; given && i < end; i++)
            given = ifm_ids_push(out, fallback[(unsigned char)m->word[i]]);
    } else {
        int32_t unknown = m->tables->header->rules.unknown;
        bool again = out->n > 0 && out->data[out->n - 1] == unknown;
        given = unknown < 0 || (again && m->tables->header->rules.fuse_unknown) ||
                ifm_ids_push(out, unknown);
    }
    return given ? IFM_OK
                 : ifm_fail(m->err, IFM_ERR_NO_MEMORY, "no memory for the text's tokens");
}

ifm_status ifm_bpe_merge(ifm_bpe *self, const ifm_tables *tables, const char *word,
                         size_t n, ifm_ids *out, ifm_error *err)
{
    merging m = {.bpe = self,
                 .tables = tables,
                 .word = word,
                 .n = n,
                 .first = NOTHING,
                 .last = NOTHING,
                 .err = err};
    if (!reserve(self, n))
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a word of %zu bytes", n);
    ifm_status st = IFM_OK;
    lay_out(&m);
    merge_all(&m);
    for (int32_t at = m.first; st == IFM_OK && at != NOTHING; at = self->symbols[at].next)
        st = give_out(&m, at, out);
    return st;
}

int32_t ifm_bpe_find_whole(const ifm_tables *tables, const char *word, size_t n)
{
    int32_t id = ifm_tables_find_word(tables, word, n);
    bool whole = tables->header->rules.ignore_merges ||
                 (ifm_tables_flags(tables, id) & IFM_TOKEN_WHOLE) != 0;
    return whole ? id : -1;
}
