/* The public tokenizer: opening. Text → ids is encode.c, ids → text detokenizer.c. */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "text/cache.h"
#include "text/lexicon.h"
#include "text/rewrite.h"

/* Reads the source files and compiles them. The caller frees *block. */
static ifm_status compile(const ifm_source *source, const ifm_buffer *key,
                          ifm_tables_header **block, ifm_error *err)
{
    ifm_lexicon lexicon;
    ifm_lexicon_init(&lexicon);
    ifm_status st = ifm_source_read(source, &lexicon, err);
    if (st == IFM_OK) {
        st = ifm_lexicon_compile(&lexicon, key->data, key->length, block, err);
        if (st != IFM_OK)
            ifm_fail_within(err, st, "%s", source->path);
    }
    ifm_lexicon_deinit(&lexicon);
    return st;
}

/* Remembers what was compiled, unless the files changed meanwhile or may do so unseen. */
static void remember(const ifm_tokenizer *self, const ifm_buffer *key)
{
    ifm_buffer now = {0};
    if (!ifm_cache_is_too_fresh(key) && ifm_cache_key(&self->source, &now) &&
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
    if (use_cache && ifm_cache_key(&self->source, &key))
        self->cache_path =
            ifm_cache_path(options != NULL ? options->cache_dir : NULL, &key);
    if (self->cache_path == NULL ||
        !ifm_cache_open(self->cache_path, &key, &self->mapping, &self->tables)) {
        st = compile(&self->source, &key, &self->owned, err);
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
    ifm_status st = compile(&self->source, &no_key, &self->repaired, err);
    if (st != IFM_OK)
        return st;
    const ifm_tables_header *now = self->repaired, *then = self->tables.header;
    if (now->n_tokens != then->n_tokens || now->n_pairs != then->n_pairs ||
        now->n_merged != then->n_merged || now->n_ranks != then->n_ranks)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: the tokenizer changed while it was in use: open it again",
                        self->source.path);
    ifm_tables repaired;
    ifm_tables_view(&repaired, self->repaired);
    self->tables.pairs = repaired.pairs;
    self->tables.merged = repaired.merged;
    self->tables.ranks = repaired.ranks;
    self->merges_checked = true;
    return IFM_OK;
}

ifm_status ifm_tokenizer_check_merges(ifm_tokenizer *self, ifm_error *err)
{
    if (!self->merges_checked)
        self->merges_checked = ifm_tables_check_merges(&self->tables);
    return self->merges_checked ? IFM_OK : repair_merges(self, err);
}

static ifm_status open_splitters(ifm_tokenizer *self, ifm_error *err)
{
    const ifm_text_rules *rules = &self->tables.header->rules;
    for (int i = 0; i < rules->n_steps; i++) {
        const ifm_text_step *step = &rules->steps[i];
        if (!ifm_rewrite_has_pattern(step))
            continue;
        ifm_status st = ifm_splitter_init(
            &self->splitters[i], self->tables.text + step->pattern, step->n_pattern, err);
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
    if (self == NULL || !ifm_source_init(&self->source, path))
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
    for (int i = 0; i < IFM_MAX_STEPS; i++) {
        ifm_splitter_deinit(&self->splitters[i]);
        ifm_buffer_deinit(&self->scratch[i]);
    }
    ifm_splitter_deinit(&self->word);
    ifm_bpe_deinit(&self->bpe);
    ifm_mapping_close(&self->mapping);
    free(self->owned);
    free(self->repaired);
    ifm_source_deinit(&self->source);
    free(self->cache_path);
    free(self);
}

void ifm_tokenizer_shrink(ifm_tokenizer *self)
{
    enum { KEPT = 1 << 16 };
    for (int i = 0; i < IFM_MAX_STEPS; i++)
        if (self->scratch[i].capacity > KEPT || self->scratch[i].failed)
            ifm_buffer_deinit(&self->scratch[i]);
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
