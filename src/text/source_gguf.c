/* The tokenizer in a GGUF file's metadata: tokenizer.ggml.*, as llama.cpp understands it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/gguf.h"
#include "text/pretype.h"
#include "text/source.h"
#include "text/utf8.h"

#define KEY  "tokenizer.ggml."
#define MARK "\xe2\x96\x81" /* "▁" */

/* tokenizer.ggml.token_type, as the file numbers them. */
enum {
    TYPE_NORMAL = 1,
    TYPE_UNKNOWN = 2,
    TYPE_CONTROL = 3,
    TYPE_USER_DEFINED = 4,
    TYPE_UNUSED = 5,
    TYPE_BYTE = 6,
};

/* What both kinds read. */
typedef struct gguf_reader {
    const ifm_gguf *gguf;
    const ifm_gguf_value *tokens, *types; /* types may be NULL: all are normal */
    ifm_lexicon *lexicon;
    bool add_bos, add_eos;
    ifm_error *err;
} gguf_reader;

/* An array of strings, or of numbers, with at least n elements; NULL when it is not there. */
static ifm_status find_array(const gguf_reader *r, const char *key, bool strings,
                             uint64_t n, const ifm_gguf_value **out)
{
    *out = ifm_gguf_find(r->gguf, key);
    if (*out == NULL)
        return IFM_OK;
    bool is_array = (*out)->type == IFM_GGUF_ARRAY;
    if (!is_array || ((*out)->array.type == IFM_GGUF_STRING) != strings)
        return ifm_fail(r->err, IFM_ERR_FORMAT, "%s is no array of %s", key,
                        strings ? "strings" : "numbers");
    if ((*out)->array.n < n)
        return ifm_fail(r->err, IFM_ERR_FORMAT,
                        "%s has %llu elements, fewer than the %llu tokens", key,
                        (unsigned long long)(*out)->array.n, (unsigned long long)n);
    return IFM_OK;
}

static int64_t type_of(const gguf_reader *r, uint64_t i)
{
    return r->types != NULL ? ifm_gguf_int_at(r->types, i) : TYPE_NORMAL;
}

/* Recognised in the text as it is written. */
static bool is_added(int64_t type)
{
    return type == TYPE_CONTROL || type == TYPE_USER_DEFINED || type == TYPE_UNKNOWN;
}

static ifm_status check_string(const gguf_reader *r, const char *what, uint64_t i,
                               const ifm_gguf_string *s)
{
    size_t bad = ifm_utf8_check(s->text, s->n);
    if (bad == s->n)
        return IFM_OK;
    return ifm_fail(r->err, IFM_ERR_FORMAT, "%s[%llu]: byte %zu is not UTF-8", what,
                    (unsigned long long)i, bad);
}

static ifm_status read_tokens(const gguf_reader *r)
{
    const char *at = NULL;
    ifm_gguf_string s;
    for (uint64_t i = 0; ifm_gguf_next_string(r->tokens, &at, &s); i++) {
        ifm_status st = check_string(r, KEY "tokens", i, &s);
        if (st == IFM_OK && is_added(type_of(r, i)))
            st = ifm_lexicon_add_literal(r->lexicon, (int64_t)i, s.text, s.n, r->err);
        else if (st == IFM_OK)
            st = ifm_lexicon_add_token(r->lexicon, (int64_t)i, s.text, s.n, r->err);
        if (st != IFM_OK)
            return ifm_fail_within(r->err, st, KEY "tokens");
    }
    return ifm_lexicon_index(r->lexicon, r->err);
}

static ifm_status read_added(const gguf_reader *r)
{
    const char *at = NULL;
    ifm_gguf_string s;
    for (uint64_t i = 0; ifm_gguf_next_string(r->tokens, &at, &s); i++) {
        int64_t type = type_of(r, i);
        if (!is_added(type))
            continue;
        ifm_status st = ifm_lexicon_add_added(r->lexicon, (int64_t)i, s.text, s.n, 0,
                                              type != TYPE_USER_DEFINED, r->err);
        if (st != IFM_OK)
            return ifm_fail_within(r->err, st, KEY "tokens");
    }
    return IFM_OK;
}

/* "a b": the first token is at least one character. */
static ifm_status read_merges(const gguf_reader *r)
{
    const ifm_gguf_value *merges;
    ifm_status st = find_array(r, KEY "merges", true, 0, &merges);
    if (st != IFM_OK)
        return st;
    if (merges == NULL)
        return ifm_fail(r->err, IFM_ERR_FORMAT, KEY "merges is not there");
    const char *at = NULL;
    ifm_gguf_string s;
    for (uint64_t i = 0; st == IFM_OK && ifm_gguf_next_string(merges, &at, &s); i++) {
        st = check_string(r, KEY "merges", i, &s);
        const char *space = s.n > 1 ? memchr(s.text + 1, ' ', s.n - 1) : NULL;
        if (st == IFM_OK && space == NULL)
            st =
                ifm_fail(r->err, IFM_ERR_FORMAT,
                         KEY "merges[%llu] is no merge, expected two tokens with a space "
                             "between",
                         (unsigned long long)i);
        if (st == IFM_OK) {
            size_t n_left = (size_t)(space - s.text);
            st = ifm_lexicon_add_merge(r->lexicon, s.text, n_left, space + 1,
                                       s.n - n_left - 1, r->err);
        }
    }
    return st;
}

static ifm_status read_scores(const gguf_reader *r)
{
    const ifm_gguf_value *scores;
    size_t n = r->lexicon->n_tokens;
    ifm_status st = find_array(r, KEY "scores", false, n, &scores);
    if (st != IFM_OK)
        return st;
    float *values = calloc(n, sizeof *values);
    if (values == NULL)
        return ifm_fail(r->err, IFM_ERR_NO_MEMORY, "no memory for %zu scores", n);
    for (size_t i = 0; scores != NULL && i < n; i++)
        values[i] =
            scores->array.type == IFM_GGUF_F32 || scores->array.type == IFM_GGUF_F64
                ? (float)ifm_gguf_float_at(scores, i)
                : (float)ifm_gguf_int_at(scores, i);
    st = ifm_lexicon_set_scores(r->lexicon, values, r->err);
    free(values);
    return st;
}

/* GPT-2's kind: byte-level BPE. */
static ifm_status read_bpe(gguf_reader *r)
{
    ifm_gguf_string pre = {"", 0};
    ifm_gguf_get_string(r->gguf, KEY "pre", &pre);
    ifm_status st = ifm_pretype_apply(pre.text, pre.n, r->lexicon, &r->add_bos, r->err);
    if (st == IFM_OK)
        st = read_tokens(r);
    return st == IFM_OK ? read_merges(r) : st;
}

/* SentencePiece's kind: "▁" for spaces, tokens by score, bytes for what has no token. */
static ifm_status read_sentencepiece(gguf_reader *r)
{
    ifm_lexicon *lexicon = r->lexicon;
    const ifm_lexicon_step prefix = {.kind = IFM_STEP_PREFIX, .with = MARK, .n_with = 3};
    const ifm_lexicon_step spaces = {.kind = IFM_STEP_REPLACE,
                                     .flags = IFM_STEP_LITERAL,
                                     .pattern = " ",
                                     .n_pattern = 1,
                                     .with = MARK,
                                     .n_with = 3};
    bool space_prefix = true;
    ifm_gguf_get_bool(r->gguf, KEY "add_space_prefix", &space_prefix);
    lexicon->alphabet = false;
    lexicon->rules.by_character = true;
    lexicon->rules.byte_fallback = true;
    lexicon->rules.bos = 1;
    lexicon->rules.eos = 2;
    lexicon->rules.unknown = 0;
    lexicon->rules.strip = space_prefix ? IFM_STRIP_SPACE : IFM_STRIP_NOTHING;
    lexicon->show = (ifm_lexicon_show){
        .bytes = true, .replace = true, .from = MARK, .to = " ", .n_from = 3, .n_to = 1};
    r->add_bos = true;
    ifm_status st = IFM_OK;
    if (space_prefix)
        st = ifm_lexicon_add_step(lexicon, &prefix, r->err);
    if (st == IFM_OK)
        st = ifm_lexicon_add_step(lexicon, &spaces, r->err);
    lexicon->rules.n_normal = lexicon->rules.n_steps;
    if (st == IFM_OK)
        st = read_tokens(r);
    return st == IFM_OK ? read_scores(r) : st;
}

/* An id of the metadata; what is there stays if there is none, or one that is no token. */
static void read_id(const gguf_reader *r, const char *key, int32_t *id)
{
    int64_t value;
    if (ifm_gguf_get_int(r->gguf, key, &value) && value >= 0 &&
        (uint64_t)value < r->lexicon->n_tokens)
        *id = (int32_t)value;
    if (*id >= 0 && (size_t)*id >= r->lexicon->n_tokens)
        *id = -1;
}

static ifm_status read_special(gguf_reader *r)
{
    ifm_text_rules *rules = &r->lexicon->rules;
    read_id(r, KEY "bos_token_id", &rules->bos);
    read_id(r, KEY "eos_token_id", &rules->eos);
    if (rules->by_score) /* llama.cpp: byte-level BPE leaves out what has no token */
        read_id(r, KEY "unknown_token_id", &rules->unknown);
    ifm_gguf_get_bool(r->gguf, KEY "add_bos_token", &r->add_bos);
    ifm_gguf_get_bool(r->gguf, KEY "add_eos_token", &r->add_eos);
    ifm_status st = IFM_OK;
    if (r->add_bos && rules->bos >= 0)
        st = ifm_lexicon_add_affix(r->lexicon, false, rules->bos, r->err);
    if (st == IFM_OK && r->add_eos && rules->eos >= 0)
        st = ifm_lexicon_add_affix(r->lexicon, true, rules->eos, r->err);
    return st;
}

ifm_status ifm_source_read_gguf(const ifm_gguf *gguf, ifm_lexicon *lexicon,
                                ifm_error *err)
{
    static const struct {
        const char *model;
        ifm_status (*read)(gguf_reader *r);
    } kinds[] = {{"gpt2", read_bpe}, {"llama", read_sentencepiece}};
    gguf_reader r = {.gguf = gguf, .lexicon = lexicon, .err = err};
    ifm_gguf_string model;
    if (!ifm_gguf_get_string(gguf, KEY "model", &model))
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "the file holds no tokenizer (" KEY "model)");
    size_t kind = 0, n_kinds = sizeof kinds / sizeof *kinds;
    while (kind < n_kinds && (strlen(kinds[kind].model) != model.n ||
                              memcmp(kinds[kind].model, model.text, model.n) != 0))
        kind++;
    if (kind == n_kinds)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        KEY "model \"%.*s\" is not supported, only gpt2 and llama are",
                        ifm_utf8_prefix(model.text, model.n, 60), model.text);
    ifm_status st = find_array(&r, KEY "tokens", true, 0, &r.tokens);
    if (st == IFM_OK && r.tokens == NULL)
        st = ifm_fail(err, IFM_ERR_FORMAT, KEY "tokens is not there");
    if (st == IFM_OK)
        st = find_array(&r, KEY "token_type", false, r.tokens->array.n, &r.types);
    if (st == IFM_OK)
        st = kinds[kind].read(&r);
    if (st == IFM_OK)
        st = read_added(&r);
    return st == IFM_OK ? read_special(&r) : st;
}
