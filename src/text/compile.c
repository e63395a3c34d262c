/* ifm_lexicon_compile: from what the files say to the flat block of tables.h. */
#include "text/lexicon.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/bpe.h"

/* The block under construction: tables.h's view, writable. */
typedef struct block {
    ifm_tables_header *header;
    ifm_tables view;
} block;

static void *writable(const void *section)
{
    return (void *)(uintptr_t)section;
}

/* Two thirds full at most, and never quite full. */
static uint32_t slots_for(size_t n)
{
    return n == 0 ? 0 : (uint32_t)(n + n / 2 + 1);
}

static bool is_normalized(const ifm_added_token *token)
{
    return (token->flags & IFM_ADDED_NORMALIZED) != 0;
}

/* Counts everything, so that the block's size is known. */
static bool count(const ifm_lexicon *self, size_t n_key, ifm_tables_header *header)
{
    size_t n_words = 0;
    uint64_t n_text = 0;
    *header = (ifm_tables_header){.rules = self->rules};
    for (size_t i = 0; i < self->n_tokens; i++) {
        n_words += self->tokens[i].is_word;
        n_text += self->tokens[i].length;
        if (self->tokens[i].length > header->longest_token)
            header->longest_token = self->tokens[i].length;
    }
    for (size_t i = 0; i < self->n_added; i++) {
        n_text += self->added[i].length;
        header->n_added_normalized += is_normalized(&self->added[i]);
    }
    if (n_text > UINT32_MAX || n_key > UINT32_MAX)
        return false;
    header->n_tokens = (uint32_t)self->n_tokens;
    header->n_words = slots_for(n_words);
    header->n_pairs = slots_for(self->n_merges);
    header->n_merged = (uint32_t)self->n_merges;
    header->n_added_raw = (uint32_t)self->n_added - header->n_added_normalized;
    header->n_text = (uint32_t)n_text;
    header->n_key = (uint32_t)n_key;
    return true;
}

/* Tokens' bytes in the order of ids, and the hash table of words. */
static bool fill_tokens(const ifm_lexicon *self, block *b)
{
    uint32_t *ends = writable(b->view.ends), *words = writable(b->view.words);
    uint8_t *flags = writable(b->view.flags);
    char *text = writable(b->view.text);
    uint32_t end = 0, n_words = b->header->n_words;
    memset(words, 0xff, n_words * sizeof *words);
    for (uint32_t i = 0; i < self->n_tokens; i++) {
        const ifm_lexicon_token *token = &self->tokens[i];
        if (token->length > 0)
            memcpy(text + end, self->text.data + token->start, token->length);
        flags[i] = token->flags;
        if (token->is_word) {
            uint64_t hash = ifm_tables_hash(text + end, token->length);
            uint32_t at = ifm_slot_of(hash, n_words);
            int probes = 0;
            for (; words[at] != IFM_EMPTY_WORD; at = at + 1 < n_words ? at + 1 : 0)
                if (++probes == IFM_MAX_PROBES)
                    return false;
            words[at] = ifm_word_slot(hash, i);
            if (token->length == 1)
                b->header->byte_ids[(unsigned char)text[end]] = (int32_t)i;
        }
        end += token->length;
        ends[i] = end;
    }
    return true;
}

/* A pair that is listed twice has its last rank, as in tokenizers. */
static bool fill_merges(const ifm_lexicon *self, block *b)
{
    uint64_t *pairs = writable(b->view.pairs);
    uint32_t *merged = writable(b->view.merged), n_pairs = b->header->n_pairs;
    memset(pairs, 0xff, n_pairs * sizeof *pairs);
    for (uint32_t rank = 0; rank < self->n_merges; rank++) {
        const ifm_lexicon_merge *merge = &self->merges[rank];
        merged[rank] = merge->left < 0 ? UINT32_MAX : (uint32_t)merge->merged;
        if (merge->left < 0)
            continue;
        uint64_t pair = ifm_pair_of((uint32_t)merge->left, (uint32_t)merge->right);
        uint32_t at = ifm_slot_of(ifm_pair_hash(pair), n_pairs);
        int probes = 0;
        for (; pairs[at] != IFM_EMPTY_PAIR && pairs[at] >> 21 != pair;
             at = at + 1 < n_pairs ? at + 1 : 0)
            if (++probes == IFM_MAX_PROBES)
                return false;
        pairs[at] = pair << 21 | rank;
    }
    return true;
}

/* For sorting: an added token with its content at hand. */
typedef struct named {
    ifm_added_token token;
    const char *content;
} named;

static int compare_named(const void *left, const void *right)
{
    const named *a = left, *b = right;
    if (is_normalized(&a->token) != is_normalized(&b->token))
        return is_normalized(&a->token) ? 1 : -1;
    uint32_t n = a->token.length < b->token.length ? a->token.length : b->token.length;
    int order = memcmp(a->content, b->content, n);
    if (order != 0)
        return order;
    return (a->token.length > b->token.length) - (a->token.length < b->token.length);
}

/* Added tokens: the raw ones, then the normalized, each sorted by content, which lies
 * behind the tokens' bytes. */
static bool fill_added(const ifm_lexicon *self, block *b)
{
    if (self->n_added == 0)
        return true;
    named *sorted = malloc(self->n_added * sizeof *sorted);
    if (sorted == NULL)
        return false;
    for (size_t i = 0; i < self->n_added; i++)
        sorted[i] = (named){self->added[i], self->text.data + self->added[i].start};
    qsort(sorted, self->n_added, sizeof *sorted, compare_named);
    ifm_added_token *added = writable(b->view.added);
    char *text = writable(b->view.text);
    uint32_t end = b->view.ends[self->n_tokens - 1];
    for (size_t i = 0; i < self->n_added; i++) {
        added[i] = sorted[i].token;
        added[i].start = end;
        memcpy(text + end, sorted[i].content, added[i].length);
        unsigned char c = (unsigned char)text[end];
        b->header->begins[is_normalized(&added[i])][c / 64] |= (uint64_t)1 << c % 64;
        end += added[i].length;
    }
    free(sorted);
    return true;
}

/* Finds out which tokens their own bytes merge to: most words of a text are such tokens,
 * and are then found by one look. */
static ifm_status mark_whole(const ifm_lexicon *self, block *b, ifm_error *err)
{
    ifm_bpe bpe = {0};
    ifm_ids ids = {0};
    uint8_t *flags = writable(b->view.flags);
    ifm_status st = IFM_OK;
    for (size_t i = 0; st == IFM_OK && i < self->n_tokens; i++) {
        const ifm_lexicon_token *token = &self->tokens[i];
        if (!token->is_word || token->length > INT32_MAX)
            continue;
        ids.n = 0;
        st = ifm_bpe_merge(&bpe, &b->view, self->text.data + token->start, token->length,
                           &ids, err);
        if (st == IFM_ERR_UNSUPPORTED) { /* bytes that are no tokens themselves */
            st = IFM_OK;
            continue;
        }
        if (ids.n == 1 && ids.data[0] == (int32_t)i)
            flags[i] |= IFM_TOKEN_WHOLE;
    }
    free(ids.data);
    ifm_bpe_deinit(&bpe);
    return st;
}

ifm_status ifm_lexicon_compile(const ifm_lexicon *self, const void *key, size_t n_key,
                               ifm_tables_header **out, ifm_error *err)
{
    *out = NULL;
    ifm_tables_header header;
    size_t size = 0;
    if (count(self, n_key, &header))
        size = ifm_tables_size(&header);
    if (size == 0)
        return ifm_fail(err, IFM_ERR_LIMIT, "the vocabulary is too large");
    block b = {.header = calloc(1, size)};
    if (b.header == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu bytes of tables",
                        size);
    *b.header = header;
    ifm_tables_view(&b.view, b.header);
    memset(b.header->byte_ids, 0xff, sizeof b.header->byte_ids);
    ifm_status st = IFM_OK;
    if (!fill_tokens(self, &b) || !fill_merges(self, &b))
        st = ifm_fail(err, IFM_ERR_LIMIT,
                      "the vocabulary cannot be hashed: was it made to collide?");
    else if (!fill_added(self, &b))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the added tokens");
    else
        st = mark_whole(self, &b, err);
    if (st != IFM_OK) {
        free(b.header);
        return st;
    }
    if (n_key > 0)
        memcpy(writable(b.view.key), key, n_key);
    ifm_tables_seal(b.header);
    *out = b.header;
    return IFM_OK;
}
