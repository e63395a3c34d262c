/* ifm_lexicon_compile: from what the files say to the flat block of tables.h. */
#include "text/lexicon.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/bpe.h"
#include "text/rewrite.h"

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
static bool count(const ifm_lexicon *self, const ifm_buffer *shown, size_t n_key,
                  ifm_tables_header *header)
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
    for (int i = 0; i < self->rules.n_steps; i++)
        n_text += (uint64_t)self->rules.steps[i].n_pattern + self->rules.steps[i].n_with;
    if (n_text > UINT32_MAX || n_key > UINT32_MAX || shown->length > UINT32_MAX)
        return false;
    header->n_ranks = (uint32_t)self->n_ranks;
    header->n_shown = (uint32_t)shown->length;
    header->n_shown_ends = shown->length > 0 ? (uint32_t)self->n_tokens : 0;
    header->n_tokens = (uint32_t)self->n_tokens;
    header->n_words = slots_for(n_words);
    header->n_pairs = slots_for(self->n_merges);
    header->n_merged = (uint32_t)self->n_merges;
    header->n_added_raw = (uint32_t)self->n_added - header->n_added_normalized;
    header->n_text = (uint32_t)n_text;
    header->n_key = (uint32_t)n_key;
    return true;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *found;
    char lower = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    found = lower != '\0' ? strchr(digits, lower) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* The byte that a token "<0x0A>" stands for; -1 for any other token. */
static int byte_of(const char *token, size_t n)
{
    if (n != 6 || memcmp(token, "<0x", 3) != 0 || token[5] != '>')
        return -1;
    int high = hex_digit(token[3]), low = hex_digit(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Appends what a reader sees of a token. */
static void show(const ifm_lexicon_show *rules, const char *token, size_t n,
                 ifm_buffer *out)
{
    int byte = rules->bytes ? byte_of(token, n) : -1;
    if (byte >= 0) {
        char c = (char)(unsigned char)byte;
        ifm_buffer_append(out, &c, 1);
        return;
    }
    for (size_t i = 0; i < n;) {
        bool found = rules->replace && rules->n_from > 0 && n - i >= rules->n_from &&
                     memcmp(token + i, rules->from, rules->n_from) == 0;
        ifm_buffer_append(out, found ? rules->to : token + i, found ? rules->n_to : 1);
        i += found ? rules->n_from : 1;
    }
}

/* All tokens as a reader sees them, one after the other; empty when that is how they are. */
static bool show_all(const ifm_lexicon *self, uint32_t **ends, uint32_t *longest,
                     ifm_buffer *out)
{
    *ends = NULL;
    *longest = 0;
    if (!self->show.bytes && !self->show.replace)
        return true;
    *ends = malloc((self->n_tokens + 1) * sizeof **ends);
    if (*ends == NULL)
        return false;
    for (size_t i = 0; i < self->n_tokens; i++) {
        const ifm_lexicon_token *token = &self->tokens[i];
        size_t before = out->length;
        if (token->length > 0)
            show(&self->show, self->text.data + token->start, token->length, out);
        (*ends)[i] = (uint32_t)out->length;
        if (out->length - before > *longest)
            *longest = (uint32_t)(out->length - before);
    }
    return !out->failed;
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
            int byte = byte_of(text + end, token->length);
            if (byte >= 0)
                b->header->fallback_ids[byte] = (int32_t)i;
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

/* Whether "▁" stands in no token behind anything else. */
static bool is_closed(const ifm_lexicon *self)
{
    static const char space[] = "\xe2\x96\x81";
    for (size_t i = 0; i < self->n_tokens; i++) {
        const ifm_lexicon_token *token = &self->tokens[i];
        const char *text = self->text.data + token->start;
        size_t n = token->is_word ? token->length : 0, at = 0;
        while (at + 3 <= n && memcmp(text + at, space, 3) == 0)
            at += 3;
        if (at < n && memmem(text + at, n - at, space, 3) != NULL)
            return false;
    }
    return true;
}

/* The steps' strings go behind everything else in the text section. */
static void fill_steps(const ifm_lexicon *self, block *b, uint32_t end)
{
    char *text = writable(b->view.text);
    for (int i = 0; i < self->rules.n_steps; i++) {
        ifm_text_step *step = &b->header->rules.steps[i];
        const char *from = ifm_buffer_text(&self->text);
        memcpy(text + end, from + step->pattern, step->n_pattern);
        step->pattern = end;
        end += step->n_pattern;
        memcpy(text + end, from + step->with, step->n_with);
        step->with = end;
        end += step->n_with;
    }
}

/* What is looked for in a normalized text must be normalized itself. */
static ifm_status normalize_added(ifm_lexicon *self, ifm_added_token *token,
                                  ifm_error *err)
{
    ifm_status st = IFM_OK;
    ifm_buffer now = {0}, next = {0};
    ifm_buffer_append(&now, self->text.data + token->start, token->length);
    for (int i = 0; st == IFM_OK && i < self->rules.n_normal; i++) {
        const ifm_text_step *step = &self->rules.steps[i];
        const char *strings = ifm_buffer_text(&self->text);
        ifm_splitter splitter = {0};
        if (ifm_rewrite_has_pattern(step))
            st = ifm_splitter_init(&splitter, strings + step->pattern, step->n_pattern,
                                   err);
        if (st == IFM_OK)
            st = ifm_rewrite(step, strings, &splitter, ifm_buffer_text(&now), now.length,
                             true, &next, err);
        ifm_splitter_deinit(&splitter);
        ifm_buffer swap = now;
        now = next;
        next = swap;
        ifm_buffer_clear(&next);
    }
    if (st == IFM_OK) {
        token->start = (uint32_t)self->text.length;
        token->length = (uint32_t)now.length;
        ifm_buffer_append(&self->text, now.data, now.length);
        if (now.failed || self->text.failed || self->text.length > UINT32_MAX)
            st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the added tokens");
    }
    ifm_buffer_deinit(&now);
    ifm_buffer_deinit(&next);
    return st;
}

static ifm_status normalize_all_added(ifm_lexicon *self, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (size_t i = 0; st == IFM_OK && self->rules.n_normal > 0 && i < self->n_added; i++)
        if (is_normalized(&self->added[i]))
            st = normalize_added(self, &self->added[i], err);
    return st;
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
    named *sorted = malloc((self->n_added + 1) * sizeof *sorted);
    if (sorted == NULL)
        return false;
    for (size_t i = 0; i < self->n_added; i++)
        sorted[i] = (named){self->added[i], self->text.data + self->added[i].start};
    if (self->n_added > 1)
        qsort(sorted, self->n_added, sizeof *sorted, compare_named);
    ifm_added_token *added = writable(b->view.added);
    char *text = writable(b->view.text);
    uint32_t end = b->view.ends[self->n_tokens - 1];
    for (size_t i = 0; i < self->n_added; i++) {
        added[i] = sorted[i].token;
        added[i].start = end;
        if (added[i].length == 0) /* normalized to nothing: never found */
            continue;
        memcpy(text + end, sorted[i].content, added[i].length);
        unsigned char c = (unsigned char)text[end];
        b->header->begins[is_normalized(&added[i])][c / 64] |= (uint64_t)1 << c % 64;
        end += added[i].length;
    }
    free(sorted);
    fill_steps(self, b, end);
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
        if (ids.n == 1 && ids.data[0] == (int32_t)i)
            flags[i] |= IFM_TOKEN_WHOLE;
    }
    free(ids.data);
    ifm_bpe_deinit(&bpe);
    return st;
}

/* The block with everything in it but the key, not sealed. */
static ifm_status fill(const ifm_lexicon *self, const uint32_t *shown_ends,
                       const ifm_buffer *shown, block *b, ifm_error *err)
{
    ifm_tables_view(&b->view, b->header);
    memset(b->header->byte_ids, 0xff, sizeof b->header->byte_ids);
    memset(b->header->fallback_ids, 0xff, sizeof b->header->fallback_ids);
    b->header->rules.closed = self->rules.by_character && is_closed(self);
    if (b->header->n_shown_ends > 0) {
        memcpy(writable(b->view.shown_ends), shown_ends,
               self->n_tokens * sizeof *shown_ends);
        memcpy(writable(b->view.shown), shown->data, shown->length);
    }
    if (self->n_ranks > 0)
        memcpy(writable(b->view.ranks), self->ranks, self->n_ranks * sizeof *self->ranks);
    if (!fill_tokens(self, b) || !fill_merges(self, b))
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "the vocabulary cannot be hashed: was it made to collide?");
    if (!fill_added(self, b))
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the added tokens");
    return mark_whole(self, b, err);
}

ifm_status ifm_lexicon_compile(ifm_lexicon *self, const void *key, size_t n_key,
                               ifm_tables_header **out, ifm_error *err)
{
    *out = NULL;
    ifm_tables_header header = {0};
    ifm_buffer shown = {0};
    uint32_t *shown_ends = NULL, longest_shown;
    block b = {0};
    size_t size = 0;
    ifm_status st = normalize_all_added(self, err);
    if (st != IFM_OK)
        return st;
    bool done = show_all(self, &shown_ends, &longest_shown, &shown);
    if (done && count(self, &shown, n_key, &header))
        size = ifm_tables_size(&header);
    if (done && size == 0)
        st = ifm_fail(err, IFM_ERR_LIMIT, "the vocabulary is too large");
    else if (!done || (b.header = calloc(1, size)) == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for %zu bytes of tables", size);
    if (st == IFM_OK) {
        *b.header = header;
        b.header->longest_shown = longest_shown;
        st = fill(self, shown_ends, &shown, &b, err);
    }
    ifm_buffer_deinit(&shown);
    free(shown_ends);
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
