#include "text/bpe.h"

#include "base/error.h"

#define NO_RANK UINT32_MAX
enum { NOTHING = -1 };

typedef struct ifm_bpe_symbol {
    int32_t id;
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

/* Looks up whether the symbol merges with the next one, and queues it if so. */
static void consider(ifm_bpe *self, const ifm_tables *tables, int32_t at, size_t *n_heap)
{
    symbol *s = &self->symbols[at];
    s->rank = NO_RANK;
    if (s->next == NOTHING)
        return;
    if (!ifm_tables_find_pair(tables, s->id, self->symbols[s->next].id, &s->rank,
                              &s->merged)) {
        s->rank = NO_RANK;
        return;
    }
    heap_push(self->heap, n_heap, (uint64_t)s->rank << 32 | (uint32_t)at);
}

/* Lays the bytes out as symbols. *n_symbols is n, or less with fused unknown bytes. */
static ifm_status lay_out(ifm_bpe *self, const ifm_tables *tables, const char *word,
                          size_t n, size_t *n_symbols, ifm_error *err)
{
    const ifm_text_rules *rules = &tables->header->rules;
    size_t made = 0;
    bool was_unknown = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char byte = (unsigned char)word[i];
        int32_t id = tables->header->byte_ids[byte];
        bool unknown = id < 0;
        if (unknown)
            id = rules->unknown;
        if (id < 0)
            return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                            "this model's vocabulary has no token for the byte 0x%02x, "
                            "and none for what is unknown",
                            byte);
        if (unknown && was_unknown && rules->fuse_unknown)
            continue;
        was_unknown = unknown;
        self->symbols[made] = (symbol){.id = id,
                                       .rank = NO_RANK,
                                       .previous = (int32_t)made - 1,
                                       .next = (int32_t)made + 1};
        made++;
    }
    self->symbols[made - 1].next = NOTHING;
    *n_symbols = made;
    return IFM_OK;
}

static void merge_all(ifm_bpe *self, const ifm_tables *tables, size_t n)
{
    symbol *symbols = self->symbols;
    size_t n_heap = 0;
    for (size_t i = 0; i < n; i++)
        consider(self, tables, (int32_t)i, &n_heap);
    while (n_heap > 0) {
        uint64_t candidate = heap_pop(self->heap, &n_heap);
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
        consider(self, tables, at, &n_heap);
        if (left->previous != NOTHING)
            consider(self, tables, left->previous, &n_heap);
    }
}

ifm_status ifm_bpe_merge(ifm_bpe *self, const ifm_tables *tables, const char *word,
                         size_t n, ifm_ids *out, ifm_error *err)
{
    if (!reserve(self, n))
        goto no_memory;
    ifm_status st = lay_out(self, tables, word, n, &n, err);
    if (st != IFM_OK)
        return st;
    merge_all(self, tables, n);
    for (int32_t at = 0; at != NOTHING; at = self->symbols[at].next) {
        if (!ifm_ids_push(out, self->symbols[at].id))
            goto no_memory;
    }
    return IFM_OK;
no_memory:
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a word of %zu bytes", n);
}

int32_t ifm_bpe_find_whole(const ifm_tables *tables, const char *word, size_t n)
{
    int32_t id = ifm_tables_find_word(tables, word, n);
    bool whole = tables->header->rules.ignore_merges ||
                 (ifm_tables_flags(tables, id) & IFM_TOKEN_WHOLE) != 0;
    return whole ? id : -1;
}
