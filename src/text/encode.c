/*
 * Text → ids, in the order in which Hugging Face tokenizers does it:
 *
 *     added tokens ─► rewriting ─► added tokens ─► rewriting, ─► words ─► merging
 *     as written      (normal.)    normalized      splitting
 *
 * Each stage hands what it leaves between its own findings to the next one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/added.h"
#include "text/rewrite.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

/* One call of ifm_tokenizer_encode on its way through the stages. */
typedef struct encoding {
    ifm_tokenizer *tokenizer;
    const ifm_text_rules *rules;
    unsigned flags;
    ifm_ids ids;
    ifm_status word_status; /* of is_word, which cannot return it */
    ifm_error *err;
} encoding;

/* A piece of the text. */
typedef struct piece {
    const char *text;
    size_t n;
    bool first; /* the text begins with it */
} piece;

static ifm_status push(encoding *e, int32_t id)
{
    if (ifm_ids_push(&e->ids, id))
        return IFM_OK;
    return ifm_fail(e->err, IFM_ERR_NO_MEMORY, "no memory for the text's tokens");
}

static ifm_status encode_word(encoding *e, const char *word, size_t n)
{
    ifm_tokenizer *t = e->tokenizer;
    int32_t id = ifm_bpe_find_whole(&t->tables, word, n);
    if (id >= 0)
        return push(e, id);
    ifm_status st = ifm_tokenizer_check_merges(t, e->err);
    if (st != IFM_OK)
        return st;
    return ifm_bpe_merge(&t->bpe, &t->tables, word, n, &e->ids, e->err);
}

/* The next place behind text[from] where a "▁" stands behind anything else; n: none. */
static size_t next_cut(const char *text, size_t n, size_t from)
{
    static const char space[] = "\xe2\x96\x81";
    for (size_t at = from + 1; at < n; at++) {
        const char *found = memmem(text + at, n - at, space, 3);
        if (found == NULL)
            return n;
        at = (size_t)(found - text);
        if (at < from + 3 || memcmp(text + at - 3, space, 3) != 0)
            return at;
    }
    return n;
}

/* What no further step splits. Where no token reaches across a cut, the words between cuts
 * are merged one by one: most of them are tokens, and short ones merge faster. */
static ifm_status encode_words(encoding *e, const char *text, size_t n)
{
    if (!e->rules->closed)
        return encode_word(e, text, n);
    ifm_status st = IFM_OK;
    for (size_t at = 0, cut; st == IFM_OK && at < n; at = cut) {
        cut = next_cut(text, n, at);
        st = encode_word(e, text + at, cut - at);
    }
    return st;
}

static ifm_status run_steps(encoding *e, int stage, piece p);

static ifm_status run_part(encoding *e, int stage, const piece *p, size_t start,
                           size_t end)
{
    if (start == end)
        return IFM_OK;
    if (stage == e->rules->n_steps && !e->rules->closed) /* the usual case */
        return encode_word(e, p->text + start, end - start);
    return run_steps(e, stage,
                     (piece){p->text + start, end - start, p->first && start == 0});
}

/* Splitting by a behavior other than that every match is a piece: a match and what does not
 * match follow each other, and some of them grow together. */
typedef struct folding {
    encoding *e;
    int stage; /* the next one */
    const piece *whole;
    ifm_split_behavior behavior;
    bool invert;
    bool was_match;
    bool pending;
    size_t start, end; /* what is pending */
} folding;

/* Whether a span grows together with the pending one before it. */
static bool grows(const folding *f, bool match)
{
    switch (f->behavior) {
    case IFM_SPLIT_MERGED_WITH_PREVIOUS:
        return match && !f->was_match;
    case IFM_SPLIT_MERGED_WITH_NEXT:
        return !match && f->was_match;
    case IFM_SPLIT_CONTIGUOUS:
        return match == f->was_match;
    case IFM_SPLIT_ISOLATED:
    case IFM_SPLIT_REMOVED:
    case IFM_SPLIT_BEHAVIORS:
        break;
    }
    return false;
}

static ifm_status fold_end(folding *f)
{
    if (!f->pending)
        return IFM_OK;
    f->pending = false;
    return run_part(f->e, f->stage, f->whole, f->start, f->end);
}

static ifm_status fold(folding *f, size_t start, size_t end, bool match)
{
    if (start == end && !match) /* between two matches is nothing */
        return IFM_OK;
    match = match != f->invert;
    ifm_status st = IFM_OK;
    if (f->pending && grows(f, match)) {
        f->end = end;
    } else {
        st = fold_end(f);
        f->pending = f->behavior != IFM_SPLIT_REMOVED || !match;
        f->start = start;
        f->end = end;
    }
    f->was_match = match;
    return st;
}

static ifm_status run_folding_split(encoding *e, int stage, piece p)
{
    const ifm_text_step *step = &e->rules->steps[stage];
    folding f = {.e = e,
                 .stage = stage + 1,
                 .whole = &p,
                 .behavior = (ifm_split_behavior)step->behavior,
                 .invert = (step->flags & IFM_STEP_INVERT) != 0};
    size_t done = 0, from = 0, start, end;
    ifm_status st = IFM_OK;
    bool matched = false;
    while (st == IFM_OK && from <= p.n) {
        st = ifm_splitter_next(&e->tokenizer->splitters[stage], p.text, p.n, from, &start,
                               &end, e->err);
        if (st != IFM_OK || start > p.n)
            break;
        if (start == end && matched && start == done) { /* nothing, where one ended */
            from++;
            while (from < p.n && ((unsigned char)p.text[from] & 0xc0) == 0x80)
                from++;
            continue;
        }
        st = fold(&f, done, start, false);
        if (st == IFM_OK)
            st = fold(&f, start, end, true);
        matched = true;
        done = from = end;
    }
    if (st == IFM_OK)
        st = fold(&f, done, p.n, false);
    return st == IFM_OK ? fold_end(&f) : st;
}

/* Matches are pieces, and what lies between them as well: the usual case. */
static ifm_status run_split(encoding *e, int stage, piece p)
{
    ifm_splitter *splitter = &e->tokenizer->splitters[stage];
    if (e->rules->steps[stage].behavior != IFM_SPLIT_ISOLATED ||
        splitter->matches_nothing)
        return run_folding_split(e, stage, p);
    for (size_t at = 0, start, end; at < p.n; at = end) {
        ifm_status st =
            ifm_splitter_next(splitter, p.text, p.n, at, &start, &end, e->err);
        if (start > p.n || start == end)
            start = end = p.n;
        if (st == IFM_OK && start > at)
            st = run_part(e, stage + 1, &p, at, start);
        if (st == IFM_OK)
            st = run_part(e, stage + 1, &p, start, end);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

/* *p becomes what step `stage` makes of it, in that step's buffer. */
static ifm_status rewrite(encoding *e, int stage, piece *p)
{
    ifm_tokenizer *t = e->tokenizer;
    const ifm_text_step *step = &e->rules->steps[stage];
    if (p->n == 0 || ifm_rewrite_is_idle(step, t->tables.text, p->text, p->n, p->first))
        return IFM_OK;
    ifm_buffer *out = &t->scratch[stage]; /* a step's pieces come one after the other */
    ifm_buffer_clear(out);
    ifm_status st = ifm_rewrite(step, t->tables.text, &t->splitters[stage], p->text, p->n,
                                p->first, out, e->err);
    p->text = ifm_buffer_text(out);
    p->n = out->length;
    return st;
}

/* The steps behind the normalization, from `stage` on. */
static ifm_status run_steps(encoding *e, int stage, piece p)
{
    if (p.n == 0)
        return IFM_OK;
    if (stage == e->rules->n_steps)
        return encode_words(e, p.text, p.n);
    if (e->rules->steps[stage].kind == IFM_STEP_SPLIT)
        return run_split(e, stage, p);
    ifm_status st = rewrite(e, stage, &p);
    return st == IFM_OK ? run_steps(e, stage + 1, p) : st;
}

static bool is_word(void *context, const char *character, size_t length)
{
    encoding *e = context;
    ifm_splitter *word = &e->tokenizer->word;
    size_t start, end;
    if (word->code == NULL && e->word_status == IFM_OK)
        e->word_status =
            ifm_splitter_init(word, ifm_pattern_word, strlen(ifm_pattern_word), e->err);
    if (e->word_status == IFM_OK)
        e->word_status =
            ifm_splitter_next(word, character, length, 0, &start, &end, e->err);
    return e->word_status == IFM_OK && start == 0;
}

static ifm_status encode_added(encoding *e, ifm_added_pass pass, piece p);

/* What the first pass left: normalized, and given to the second. */
static ifm_status encode_plain(encoding *e, piece p)
{
    ifm_status st = IFM_OK;
    for (int stage = 0; st == IFM_OK && stage < e->rules->n_normal; stage++)
        st = rewrite(e, stage, &p);
    if (st != IFM_OK)
        return st;
    if ((e->flags & IFM_ENCODE_SPECIAL) != 0)
        return encode_added(e, IFM_ADDED_NORMAL, p);
    return run_steps(e, e->rules->n_normal, p);
}

/* Takes the added tokens of one pass out of the text; what follows gets the rest. */
static ifm_status encode_added(encoding *e, ifm_added_pass pass, piece p)
{
    const ifm_tables *tables = &e->tokenizer->tables;
    ifm_added_walk walk;
    ifm_added_walk_init(&walk, tables, pass, p.text, p.n);
    walk.is_word = is_word;
    walk.context = e;
    size_t plain, n_plain;
    int32_t id;
    while (ifm_added_walk_next(&walk, &plain, &n_plain, &id)) {
        if (e->word_status != IFM_OK)
            return e->word_status;
        piece rest = {p.text + plain, n_plain, p.first && plain == 0};
        ifm_status st = pass == IFM_ADDED_RAW ? encode_plain(e, rest)
                                              : run_steps(e, e->rules->n_normal, rest);
        if (st == IFM_OK && ifm_tables_flags(tables, id) != 0)
            st = push(e, id);
        if (st != IFM_OK)
            return st;
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

/* Whether the text itself brings the tokens that the rule would put in front. */
static bool brings_prefix(const encoding *e, piece p)
{
    for (int i = 0; i < e->rules->n_prefix; i++) {
        size_t n;
        const char *bytes =
            ifm_tables_bytes(&e->tokenizer->tables, e->rules->prefix[i], &n);
        if (bytes == NULL || n > p.n || memcmp(p.text, bytes, n) != 0)
            return false;
        p.text += n;
        p.n -= n;
    }
    return true;
}

static ifm_status push_all(encoding *e, const int32_t *ids, int n)
{
    ifm_status st = IFM_OK;
    for (int i = 0; st == IFM_OK && i < n; i++)
        if (ids[i] >= 0)
            st = push(e, ids[i]);
    return st;
}

static ifm_status encode_all(encoding *e, piece p)
{
    bool special = (e->flags & IFM_ENCODE_SPECIAL) != 0;
    bool once = (e->flags & IFM_ENCODE_ONCE) != 0 && special;
    ifm_status st = IFM_OK;
    if ((e->flags & IFM_ENCODE_BOS) != 0 && !(once && brings_prefix(e, p)))
        st = push_all(e, e->rules->prefix, e->rules->n_prefix);
    if (st == IFM_OK)
        st = special ? encode_added(e, IFM_ADDED_RAW, p) : encode_plain(e, p);
    if (st == IFM_OK && (e->flags & IFM_ENCODE_EOS) != 0)
        st = push_all(e, e->rules->suffix, e->rules->n_suffix);
    return st;
}

ifm_status ifm_tokenizer_encode(ifm_tokenizer *self, const char *text, size_t n_bytes,
                                unsigned flags, int32_t **ids, size_t *n_ids,
                                ifm_error *err)
{
    encoding e = {.tokenizer = self,
                  .rules = &self->tables.header->rules,
                  .flags = flags,
                  .err = err};
    *ids = NULL;
    *n_ids = 0;
    ifm_status st = check_text(text, n_bytes, err);
    if (st != IFM_OK)
        return st;
    for (int i = 0; i < e.rules->n_steps; i++)
        if (self->splitters[i].code != NULL)
            ifm_splitter_expect(&self->splitters[i], n_bytes);
    st = encode_all(&e, (piece){text, n_bytes, true});
    ifm_bpe_shrink(&self->bpe);
    ifm_tokenizer_shrink(self);
    if (st != IFM_OK) {
        free(e.ids.data);
        return st;
    }
    *ids = e.ids.data;
    *n_ids = e.ids.n;
    return IFM_OK;
}
