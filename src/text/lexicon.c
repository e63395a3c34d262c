#include "text/lexicon.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/alphabet.h"
#include "text/utf8.h"

void ifm_lexicon_init(ifm_lexicon *self)
{
    *self = (ifm_lexicon){
        .alphabet = true,
        .rules = {.bos = -1, .eos = -1, .unknown = -1},
    };
}

void ifm_lexicon_deinit(ifm_lexicon *self)
{
    ifm_buffer_deinit(&self->text);
    free(self->tokens);
    free(self->names);
    free(self->merges);
    free(self->added);
    free(self->ranks);
    *self = (ifm_lexicon){0};
}

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the tokenizer");
}

/* `array` with room for element n, moved if need be; NULL without memory, and it stays. */
static void *grown(void *array, size_t *capacity, size_t n, size_t element)
{
    if (n < *capacity)
        return array;
    size_t wanted = *capacity * 2 > n ? *capacity * 2 : n + 1024;
    void *larger = realloc(array, wanted * element);
    if (larger != NULL)
        *capacity = wanted;
    return larger;
}

/* How much of a name a message quotes. */
static int shown(const char *name, size_t n)
{
    return ifm_utf8_prefix(name, n, 60);
}

/* The place for a token, which must be free. */
static ifm_status claim(ifm_lexicon *self, int64_t id, const char *name, size_t n,
                        ifm_lexicon_token **token, ifm_error *err)
{
    if (n > IFM_MAX_TOKEN_BYTES)
        return ifm_fail(err, IFM_ERR_LIMIT, "token \"%.*s…\" has %zu bytes, more than %d",
                        shown(name, n), name, n, IFM_MAX_TOKEN_BYTES);
    if (id < 0 || id >= IFM_MAX_TOKENS)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "token \"%.*s\" has the id %lld, expected 0 to %d",
                        shown(name, n), name, (long long)id, IFM_MAX_TOKENS - 1);
    size_t i = (size_t)id;
    void *tokens = grown(self->tokens, &self->capacity_tokens, i, sizeof *self->tokens);
    if (tokens == NULL)
        return no_memory(err);
    self->tokens = tokens;
    if (i >= self->n_tokens) {
        memset(self->tokens + self->n_tokens, 0,
               (i + 1 - self->n_tokens) * sizeof *self->tokens);
        self->n_tokens = i + 1;
    }
    *token = &self->tokens[i];
    if (((*token)->flags & IFM_TOKEN_PRESENT) != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "token \"%.*s\" has the id %lld, which another token has already",
                        shown(name, n), name, (long long)id);
    return IFM_OK;
}

/* Keeps bytes in `text`. False without memory, or past 4 GiB. */
static bool keep(ifm_lexicon *self, const char *bytes, size_t n, uint32_t *start)
{
    if (n > UINT32_MAX || self->text.length > UINT32_MAX - n)
        return false;
    *start = (uint32_t)self->text.length;
    ifm_buffer_append(&self->text, bytes, n);
    return !self->text.failed;
}

ifm_status ifm_lexicon_add_token(ifm_lexicon *self, int64_t id, const char *written,
                                 size_t n, ifm_error *err)
{
    ifm_lexicon_token *token = NULL;
    ifm_status st = claim(self, id, written, n, &token, err);
    if (st != IFM_OK)
        return st;
    uint32_t start;
    if (!keep(self, written, n, &start))
        return no_memory(err);
    size_t length = n;
    bool is_word = n > 0;
    if (is_word && self->alphabet) { /* from the file's buffer over its copy */
        is_word = ifm_alphabet_bytes(written, n, self->text.data + start, &length);
        if (is_word)
            self->text.length = start + length;
        else
            memcpy(self->text.data + start, written, n);
    }
    *token = (ifm_lexicon_token){
        .start = start,
        .length = (uint32_t)(is_word ? length : n),
        .flags = IFM_TOKEN_PRESENT,
        .is_word = is_word,
    };
    return IFM_OK;
}

ifm_status ifm_lexicon_add_literal(ifm_lexicon *self, int64_t id, const char *text,
                                   size_t n, ifm_error *err)
{
    size_t i = 0;
    while (i < n && text[i] > ' ' && text[i] < 0x7f)
        i++;
    if (i == n || !self->alphabet) /* these stand for themselves in the alphabet, too */
        return ifm_lexicon_add_token(self, id, text, n, err);
    ifm_lexicon_token *token = NULL;
    ifm_status st = claim(self, id, text, n, &token, err);
    if (st != IFM_OK)
        return st;
    uint32_t start;
    if (!keep(self, text, n, &start))
        return no_memory(err);
    *token = (ifm_lexicon_token){
        .start = start, .length = (uint32_t)n, .flags = IFM_TOKEN_PRESENT};
    return IFM_OK;
}

static const char *bytes_of(const ifm_lexicon *self, uint32_t id)
{
    return self->text.data + self->tokens[id].start;
}

/* Where a token is in the hash table, or the empty slot where it would be; n_names if
 * neither comes up within the probes that a reader makes. Words and others may have the
 * same bytes. */
static uint32_t slot_for(const ifm_lexicon *self, const char *bytes, size_t n,
                         bool is_word, uint64_t hash)
{
    uint32_t at = ifm_slot_of(hash, self->n_names);
    for (int probes = 0; probes < IFM_MAX_PROBES; probes++) {
        uint32_t slot = self->names[at];
        uint32_t id = slot & IFM_ID_MASK;
        if (slot == IFM_EMPTY_WORD)
            return at;
        if (slot == ifm_word_slot(hash, id) && self->tokens[id].length == n &&
            self->tokens[id].is_word == is_word &&
            memcmp(bytes_of(self, id), bytes, n) == 0)
            return at;
        at = at + 1 < self->n_names ? at + 1 : 0;
    }
    return self->n_names;
}

static int32_t find(const ifm_lexicon *self, const char *bytes, size_t n, bool is_word)
{
    uint32_t at = slot_for(self, bytes, n, is_word, ifm_tables_hash(bytes, n));
    if (at == self->n_names || self->names[at] == IFM_EMPTY_WORD)
        return -1;
    return (int32_t)(self->names[at] & IFM_ID_MASK);
}

/* Enters a token in the hash table. */
static ifm_status enter(ifm_lexicon *self, uint32_t id, ifm_error *err)
{
    const ifm_lexicon_token *token = &self->tokens[id];
    const char *bytes = bytes_of(self, id);
    uint64_t hash = ifm_tables_hash(bytes, token->length);
    uint32_t at = slot_for(self, bytes, token->length, token->is_word, hash);
    if (at == self->n_names)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "the vocabulary cannot be hashed: was it made to collide?");
    self->names[at] = ifm_word_slot(hash, id);
    return IFM_OK;
}

ifm_status ifm_lexicon_index(ifm_lexicon *self, ifm_error *err)
{
    uint32_t n = 0, n_words = 0;
    for (size_t i = 0; i < self->n_tokens; i++) {
        n += (self->tokens[i].flags & IFM_TOKEN_PRESENT) != 0;
        n_words += self->tokens[i].is_word;
    }
    if (n_words == 0)
        return ifm_fail(err, IFM_ERR_FORMAT, "the vocabulary has no token%s",
                        self->alphabet ? " in the byte alphabet" : "");
    self->n_names = (n + IFM_MAX_ADDED) / 2 * 3;
    self->names = malloc(self->n_names * sizeof *self->names);
    if (self->names == NULL)
        return no_memory(err);
    memset(self->names, 0xff, self->n_names * sizeof *self->names);
    for (size_t i = 0; i < self->n_tokens; i++) {
        if ((self->tokens[i].flags & IFM_TOKEN_PRESENT) == 0)
            continue;
        ifm_status st = enter(self, (uint32_t)i, err);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

/* Looks the halves and what they make up, given as bytes[a + b]. Returns what is missing,
 * NULL if nothing is. */
static const char *resolve(const ifm_lexicon *self, const char *bytes, size_t a, size_t b,
                           ifm_lexicon_merge *merge)
{
    merge->left = find(self, bytes, a, true);
    merge->right = find(self, bytes + a, b, true);
    merge->merged = find(self, bytes, a + b, true);
    return merge->left < 0     ? "the first half"
           : merge->right < 0  ? "the second half"
           : merge->merged < 0 ? "what it makes"
                               : NULL;
}

/* The bytes that a token is written for; false outside the byte alphabet. */
static bool written_bytes(const ifm_lexicon *self, const char *written, size_t n,
                          char *out, size_t *n_out)
{
    if (self->alphabet)
        return ifm_alphabet_bytes(written, n, out, n_out);
    if (n > 0)
        memcpy(out, written, n);
    *n_out = n;
    return true;
}

ifm_status ifm_lexicon_add_merge(ifm_lexicon *self, const char *left, size_t n_left,
                                 const char *right, size_t n_right, ifm_error *err)
{
    if (self->n_merges == IFM_MAX_MERGES)
        return ifm_fail(err, IFM_ERR_LIMIT, "more than %d merges", IFM_MAX_MERGES);
    void *merges =
        grown(self->merges, &self->capacity_merges, self->n_merges, sizeof *self->merges);
    if (merges == NULL)
        return no_memory(err);
    self->merges = merges;
    char small[512];
    char *bytes = small;
    if (n_left + n_right > sizeof small && (bytes = malloc(n_left + n_right)) == NULL)
        return no_memory(err);
    ifm_lexicon_merge *merge = &self->merges[self->n_merges];
    *merge = (ifm_lexicon_merge){.left = -1};
    size_t a, b;
    const char *missing = NULL;
    /* Halves outside the byte alphabet come out of no text: the merge keeps its rank, and
     * never happens. */
    if (written_bytes(self, left, n_left, bytes, &a) &&
        written_bytes(self, right, n_right, bytes + a, &b))
        missing = resolve(self, bytes, a, b, merge);
    if (bytes != small)
        free(bytes);
    if (missing != NULL)
        return ifm_fail(
            err, IFM_ERR_FORMAT,
            "merge number %zu, \"%.*s\" and \"%.*s\": %s is not in the vocabulary",
            self->n_merges + 1, shown(left, n_left), left, shown(right, n_right), right,
            missing);
    self->n_merges++;
    return IFM_OK;
}

int32_t ifm_lexicon_find(const ifm_lexicon *self, const char *written, size_t n)
{
    char small[512]; /* longer names are not looked for by this spelling */
    size_t n_bytes;
    int32_t id = -1;
    if (!self->alphabet)
        id = find(self, written, n, true);
    else if (n <= sizeof small && ifm_alphabet_bytes(written, n, small, &n_bytes))
        id = find(self, small, n_bytes, true);
    return id >= 0 ? id : find(self, written, n, false);
}

/* A token that the vocabulary lacks. */
static ifm_status add_name(ifm_lexicon *self, int64_t id, const char *content, size_t n,
                           uint32_t start, ifm_error *err)
{
    ifm_lexicon_token *token = NULL;
    ifm_status st = claim(self, id, content, n, &token, err);
    if (st != IFM_OK)
        return st;
    *token = (ifm_lexicon_token){start, (uint32_t)n, IFM_TOKEN_PRESENT, false};
    return enter(self, (uint32_t)id, err);
}

ifm_status ifm_lexicon_add_added(ifm_lexicon *self, int64_t id, const char *content,
                                 size_t n, unsigned added_flags, bool special,
                                 ifm_error *err)
{
    if (n == 0) /* tokenizers ignores it as well */
        return IFM_OK;
    if (self->n_added == IFM_MAX_ADDED)
        return ifm_fail(err, IFM_ERR_LIMIT, "more than %d added tokens", IFM_MAX_ADDED);
    int32_t known = ifm_lexicon_find(self, content, n);
    if (known >= 0 && id >= 0 && id != known)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "added token \"%.*s\" has the id %lld, but %d in the vocabulary",
                        shown(content, n), content, (long long)id, known);
    if (known >= 0 && (self->tokens[known].flags & IFM_TOKEN_ADDED) != 0)
        return IFM_OK;
    uint32_t start;
    void *added =
        grown(self->added, &self->capacity_added, self->n_added, sizeof *self->added);
    if (added == NULL)
        return no_memory(err);
    self->added = added;
    if (!keep(self, content, n, &start))
        return no_memory(err);
    if (known < 0) {
        known = id >= 0 ? (int32_t)id : (int32_t)self->n_tokens;
        ifm_status st = add_name(self, id >= 0 ? id : known, content, n, start, err);
        if (st != IFM_OK)
            return st;
    }
    self->tokens[known].flags |=
        (uint8_t)(IFM_TOKEN_ADDED | (special ? IFM_TOKEN_SPECIAL : 0));
    self->added[self->n_added++] =
        (ifm_added_token){(uint32_t)known, added_flags, start, (uint32_t)n};
    return IFM_OK;
}
