/* The public tokenizer: opening, and text → ids. ids → text is detokenizer.c. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "text/added.h"
#include "text/cache.h"
#include "text/source.h"
#include "text/utf8.h"

/* The directory of a model: `path` itself, or where the file `path` lies. On the heap. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (ifm_file_is_directory(path))
        return strdup(path);
    if (slash == NULL)
        return strdup(".");
    return strndup(path, slash > path ? (size_t)(slash - path) : 1);
}

/* Reads the source files and compiles them. The caller frees *block. */
static ifm_status compile(const char *directory, const ifm_buffer *key,
                          ifm_tables_header **block, ifm_error *err)
{
    ifm_lexicon lexicon;
    ifm_lexicon_init(&lexicon);
    ifm_status st = ifm_source_read(directory, &lexicon, err);
    if (st == IFM_OK) {
        st = ifm_lexicon_compile(&lexicon, key->data, key->length, block, err);
        if (st != IFM_OK)
            ifm_fail_within(err, st, "%s", directory);
    }
    ifm_lexicon_deinit(&lexicon);
    return st;
}

/* Remembers what was compiled, unless the files changed meanwhile or may do so unseen. */
static void remember(const ifm_tokenizer *self, const ifm_buffer *key)
{
    ifm_buffer now = {0};
    if (!ifm_cache_is_too_fresh(key) && ifm_cache_key(self->directory, &now) &&
        now.length == key->length && memcmp(now.data, key->data, now.length) == 0)
        ifm_cache_write(self->cache_path, self->owned);
    ifm_buffer_deinit(&now);
}

static ifm_status open_tables(ifm_tokenizer *self, const ifm_tokenizer_options *options,
                              ifm_error *err)
{
    ifm_buffer key = {0};
    ifm_status st = IFM_OK;
    bool use_cache = options == NULL || !options->no_cache;
    if (use_cache && ifm_cache_key(self->directory, &key))
        self->cache_path =
            ifm_cache_path(options != NULL ? options->cache_dir : NULL, &key);
    if (self->cache_path == NULL ||
        !ifm_cache_open(self->cache_path, &key, &self->mapping, &self->tables)) {
        st = compile(self->directory, &key, &self->owned, err);
        if (st == IFM_OK) {
            ifm_tables_view(&self->tables, self->owned);
            self->merges_checked = true;
        }
        if (st == IFM_OK && self->cache_path != NULL)
            remember(self, &key);
    }
    ifm_buffer_deinit(&key);
    return st;
}

/* The cache's merges are damaged: they are read from the source files again, and the file
 * goes away, so that the next opening writes it anew. Only the merges are exchanged, as
 * other threads may be reading the rest. */
static ifm_status repair_merges(ifm_tokenizer *self, ifm_error *err)
{
    const ifm_buffer no_key = {0};
    unlink(self->cache_path);
    free(self->repaired);
    self->repaired = NULL;
    ifm_status st = compile(self->directory, &no_key, &self->repaired, err);
    if (st != IFM_OK)
        return st;
    const ifm_tables_header *now = self->repaired, *then = self->tables.header;
    if (now->n_tokens != then->n_tokens || now->n_pairs != then->n_pairs ||
        now->n_merged != then->n_merged)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: the tokenizer changed while it was in use: open it again",
                        self->directory);
    ifm_tables repaired;
    ifm_tables_view(&repaired, self->repaired);
    self->tables.pairs = repaired.pairs;
    self->tables.merged = repaired.merged;
    self->merges_checked = true;
    return IFM_OK;
}

/* To be asked before a merge is looked for. */
static ifm_status check_merges(ifm_tokenizer *self, ifm_error *err)
{
    if (!self->merges_checked)
        self->merges_checked = ifm_tables_check_merges(&self->tables);
    return self->merges_checked ? IFM_OK : repair_merges(self, err);
}

static ifm_status open_splitters(ifm_tokenizer *self, ifm_error *err)
{
    const ifm_text_rules *rules = &self->tables.header->rules;
    for (int i = 0; i < rules->n_splits; i++) {
        ifm_status st = ifm_splitter_init(&self->splitters[i], rules->splits[i], err);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

/* The last step of every opening: *out is the tokenizer, or it is closed. */
static ifm_status finish(ifm_tokenizer *self, ifm_status st, ifm_tokenizer **out,
                         ifm_error *err)
{
    if (st == IFM_OK)
        st = open_splitters(self, err);
    if (st == IFM_OK)
        *out = self;
    else
        ifm_tokenizer_close(self);
    return st;
}

ifm_status ifm_tokenizer_open(const char *path, const ifm_tokenizer_options *options,
                              ifm_tokenizer **out, ifm_error *err)
{
    *out = NULL;
    ifm_tokenizer *self = calloc(1, sizeof *self);
    ifm_status st = IFM_OK;
    if (self != NULL)
        self->directory = directory_of(path);
    if (self == NULL || self->directory == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory for a tokenizer", path);
    if (st == IFM_OK)
        st = open_tables(self, options, err);
    return finish(self, st, out, err);
}

ifm_status ifm_tokenizer_from_block(ifm_tables_header *block, ifm_tokenizer **out,
                                    ifm_error *err)
{
    *out = NULL;
    ifm_tokenizer *self = calloc(1, sizeof *self);
    if (self == NULL) {
        free(block);
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a tokenizer");
    }
    self->owned = block;
    self->merges_checked = true;
    ifm_tables_view(&self->tables, block);
    return finish(self, IFM_OK, out, err);
}

void ifm_tokenizer_close(ifm_tokenizer *self)
{
    if (self == NULL)
        return;
    for (int i = 0; i < IFM_MAX_SPLITS; i++)
        ifm_splitter_deinit(&self->splitters[i]);
    ifm_splitter_deinit(&self->word);
    ifm_bpe_deinit(&self->bpe);
    ifm_mapping_close(&self->mapping);
    free(self->owned);
    free(self->repaired);
    free(self->directory);
    free(self->cache_path);
    free(self);
}

int32_t ifm_tokenizer_size(const ifm_tokenizer *self)
{
    return (int32_t)self->tables.header->n_tokens;
}

int32_t ifm_tokenizer_bos(const ifm_tokenizer *self)
{
    return self->tables.header->rules.bos;
}

int32_t ifm_tokenizer_eos(const ifm_tokenizer *self)
{
    return self->tables.header->rules.eos;
}

bool ifm_tokenizer_cached(const ifm_tokenizer *self)
{
    return self->owned == NULL;
}

/* One call of ifm_tokenizer_encode on its way through the stages. */
typedef struct encoding {
    ifm_tokenizer *tokenizer;
    ifm_ids ids;
    ifm_status word_status; /* of is_word, which cannot return it */
    ifm_error *err;
} encoding;

static ifm_status encode_word(encoding *e, const char *word, size_t n)
{
    ifm_tokenizer *t = e->tokenizer;
    int32_t id = ifm_bpe_find_whole(&t->tables, word, n);
    if (id < 0) {
        ifm_status st = check_merges(t, e->err);
        if (st != IFM_OK)
            return st;
        return ifm_bpe_merge(&t->bpe, &t->tables, word, n, &e->ids, e->err);
    }
    if (!ifm_ids_push(&e->ids, id))
        return ifm_fail(e->err, IFM_ERR_NO_MEMORY, "no memory for the text's tokens");
    return IFM_OK;
}

/* Splits text[n] by rule `stage`, the pieces by the next one, and encodes the last. */
static ifm_status encode_split(encoding *e, int stage, const char *text, size_t n)
{
    ifm_tokenizer *t = e->tokenizer;
    if (n == 0)
        return IFM_OK;
    if (stage == t->tables.header->rules.n_splits)
        return encode_word(e, text, n);
    ifm_splitter *splitter = &t->splitters[stage];
    for (size_t at = 0; at < n;) {
        size_t start, end;
        ifm_status st = ifm_splitter_next(splitter, text, n, at, &start, &end, e->err);
        /* What lies between two matches is a piece as well. */
        if (st == IFM_OK)
            st = encode_split(e, stage + 1, text + at, start - at);
        if (st == IFM_OK)
            st = encode_split(e, stage + 1, text + start, end - start);
        if (st != IFM_OK)
            return st;
        at = end > at ? end : n; /* no row matches the empty text */
    }
    return IFM_OK;
}

/* Plain text: what lies between added tokens. */
static ifm_status encode_plain(encoding *e, const char *text, size_t n)
{
    if (n == 0 || !e->tokenizer->tables.header->rules.add_prefix_space || text[0] == ' ')
        return encode_split(e, 0, text, n);
    char *longer = malloc(n + 1);
    if (longer == NULL)
        return ifm_fail(e->err, IFM_ERR_NO_MEMORY, "no memory for %zu bytes of text", n);
    longer[0] = ' ';
    memcpy(longer + 1, text, n);
    ifm_status st = encode_split(e, 0, longer, n + 1);
    free(longer);
    return st;
}

static bool is_word(void *context, const char *character, size_t length)
{
    encoding *e = context;
    ifm_splitter *word = &e->tokenizer->word;
    size_t start, end;
    if (word->code == NULL && e->word_status == IFM_OK)
        e->word_status = ifm_splitter_init(word, IFM_PATTERN_WORD, e->err);
    if (e->word_status == IFM_OK)
        e->word_status =
            ifm_splitter_next(word, character, length, 0, &start, &end, e->err);
    return e->word_status == IFM_OK && start == 0;
}

/* Takes the added tokens of one pass out of the text; the next pass gets the rest. */
static ifm_status encode_added(encoding *e, ifm_added_pass pass, const char *text,
                               size_t n)
{
    if (pass == IFM_ADDED_PASSES)
        return encode_plain(e, text, n);
    ifm_added_walk walk;
    ifm_added_walk_init(&walk, &e->tokenizer->tables, pass, text, n);
    walk.is_word = is_word;
    walk.context = e;
    size_t plain, n_plain;
    int32_t id;
    while (ifm_added_walk_next(&walk, &plain, &n_plain, &id)) {
        if (e->word_status != IFM_OK)
            return e->word_status;
        ifm_status st = encode_added(e, pass + 1, text + plain, n_plain);
        if (st != IFM_OK)
            return st;
        bool exists = ifm_tables_flags(&e->tokenizer->tables, id) != 0;
        if (exists && !ifm_ids_push(&e->ids, id))
            return ifm_fail(e->err, IFM_ERR_NO_MEMORY, "no memory for the text's tokens");
    }
    return IFM_OK;
}

/* What the caller gave must be text. */
static ifm_status check_text(const char *text, size_t n, ifm_error *err)
{
    if (n > INT32_MAX)
        return ifm_fail(err, IFM_ERR_LIMIT,
                        "a text of %zu bytes, at most %d can be encoded", n, INT32_MAX);
    size_t bad = ifm_utf8_check(text, n);
    if (bad == n)
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_FORMAT,
                    "the text is not UTF-8: byte %zu (0x%02x) belongs to no character: "
                    "convert it first (iconv)",
                    bad, (unsigned char)text[bad]);
}

ifm_status ifm_tokenizer_encode(ifm_tokenizer *self, const char *text, size_t n_bytes,
                                unsigned flags, int32_t **ids, size_t *n_ids,
                                ifm_error *err)
{
    encoding e = {.tokenizer = self, .err = err};
    int32_t prefix = self->tables.header->rules.prefix;
    *ids = NULL;
    *n_ids = 0;
    ifm_status st = check_text(text, n_bytes, err);
    if (st != IFM_OK)
        return st;
    for (int i = 0; i < self->tables.header->rules.n_splits; i++)
        ifm_splitter_expect(&self->splitters[i], n_bytes);
    if ((flags & IFM_ENCODE_BOS) != 0 && prefix >= 0 && !ifm_ids_push(&e.ids, prefix))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the text's tokens");
    else if ((flags & IFM_ENCODE_SPECIAL) != 0)
        st = encode_added(&e, IFM_ADDED_RAW, text, n_bytes);
    else
        st = encode_plain(&e, text, n_bytes);
    ifm_bpe_shrink(&self->bpe);
    if (st != IFM_OK) {
        free(e.ids.data);
        return st;
    }
    *ids = e.ids.data;
    *n_ids = e.ids.n;
    return IFM_OK;
}
