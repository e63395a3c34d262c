/*
 * Special tokens, BOS and EOS, from the small files beside a tokenizer:
 *
 *     tokenizer_config.json     {"eos_token": "…" or {"content": "…", "lstrip": …},
 *                                "added_tokens_decoder": {"50256": {"content": …}}, …}
 *     special_tokens_map.json   the same names, from older writers
 *     added_tokens.json         {"content": id}, from older writers
 *     config.json               {"bos_token_id": …, "eos_token_id": … or […]}
 *
 * As Transformers does it: all of them are recognised in the text, and what has no id gets
 * the next free one.
 */
#include "text/source.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/json.h"

typedef struct sources {
    json_t *config, *map, *added, *model; /* NULL: no such file */
} sources;

static const char *const named[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                    "pad_token", "cls_token", "mask_token"};
static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
enum { N_NAMED = sizeof named / sizeof *named, N_LISTS = sizeof lists / sizeof *lists };

unsigned ifm_source_added_flags(const json_t *token)
{
    return (ifm_text_json_is_true(token, "normalized") ? IFM_ADDED_NORMALIZED : 0u) |
           (ifm_text_json_is_true(token, "single_word") ? IFM_ADDED_SINGLE_WORD : 0u) |
           (ifm_text_json_is_true(token, "lstrip") ? IFM_ADDED_LSTRIP : 0u) |
           (ifm_text_json_is_true(token, "rstrip") ? IFM_ADDED_RSTRIP : 0u);
}

/* A token is written "text" or {"content": "text", …}. */
static const json_t *content_of(const json_t *token)
{
    const json_t *content =
        json_is_object(token) ? json_object_get(token, "content") : token;
    return json_is_string(content) ? content : NULL;
}

/* What the files say under a name, the newer file first. */
static json_t *value_of(const sources *s, const char *name)
{
    json_t *value = ifm_text_json_member(s->config, name);
    return value != NULL ? value : ifm_text_json_member(s->map, name);
}

static ifm_status add(ifm_lexicon *lexicon, int64_t id, const json_t *token, bool special,
                      ifm_error *err)
{
    const json_t *content = content_of(token);
    if (content == NULL)
        return IFM_OK;
    return ifm_lexicon_add_added(lexicon, id, json_string_value(content),
                                 json_string_length(content),
                                 ifm_source_added_flags(token), special, err);
}

/* "added_tokens_decoder": {"50256": {"content": …, "special": true, …}, …} */
static ifm_status add_decoder(const sources *s, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *decoder = ifm_text_json_member(s->config, "added_tokens_decoder");
    const char *key;
    json_t *token;
    json_object_foreach(decoder, key, token)
    {
        char *end;
        long long id = strtoll(key, &end, 10);
        ifm_status st = IFM_OK;
        if (key[0] < '0' || key[0] > '9' || *end != '\0')
            st = ifm_fail(err, IFM_ERR_FORMAT, "a key is no id");
        else
            st = add(lexicon, id, token, ifm_text_json_is_true(token, "special"), err);
        if (st != IFM_OK)
            return ifm_fail_within(err, st,
                                   "tokenizer_config.json: added_tokens_decoder");
    }
    return IFM_OK;
}

static bool is_content(const json_t *token, const char *text)
{
    const json_t *content = content_of(token);
    return content != NULL && strcmp(json_string_value(content), text) == 0;
}

static bool is_special(const sources *s, const char *text)
{
    for (int i = 0; i < N_NAMED; i++) {
        if (is_content(value_of(s, named[i]), text))
            return true;
    }
    for (int i = 0; i < N_LISTS; i++) {
        size_t k;
        json_t *token;
        json_array_foreach(value_of(s, lists[i]), k, token)
        {
            if (is_content(token, text))
                return true;
        }
    }
    return false;
}

/* added_tokens.json */
static ifm_status add_older(const sources *s, ifm_lexicon *lexicon, ifm_error *err)
{
    const char *text;
    json_t *id;
    json_object_foreach(s->added, text, id)
    {
        bool special = is_special(s, text);
        ifm_status st = IFM_OK;
        if (!json_is_integer(id) || json_integer_value(id) < 0)
            st = ifm_fail(err, IFM_ERR_FORMAT, "an id is no whole number");
        else
            st =
                ifm_lexicon_add_added(lexicon, json_integer_value(id), text, strlen(text),
                                      special ? 0 : IFM_ADDED_NORMALIZED, special, err);
        if (st != IFM_OK)
            return ifm_fail_within(err, st, "added_tokens.json");
    }
    return IFM_OK;
}

static ifm_status add_named(const sources *s, ifm_lexicon *lexicon, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (int i = 0; st == IFM_OK && i < N_NAMED; i++)
        st = add(lexicon, -1, value_of(s, named[i]), true, err);
    for (int i = 0; st == IFM_OK && i < N_LISTS; i++) {
        json_t *list = value_of(s, lists[i]), *token;
        size_t k;
        const char *key;
        json_array_foreach(list, k, token)
        {
            if (st == IFM_OK)
                st = add(lexicon, -1, token, true, err);
        }
        json_object_foreach(json_is_object(list) ? list : NULL, key, token)
        {
            if (st == IFM_OK)
                st = add(lexicon, -1, token, true, err);
        }
    }
    return st;
}

/* An id from the model's config, which may have several; -1 if it names no token. */
static int32_t id_from_model(const sources *s, const char *key,
                             const ifm_lexicon *lexicon)
{
    json_t *id = ifm_text_json_member(s->model, key);
    if (json_is_array(id))
        id = json_array_get(id, 0);
    if (!json_is_integer(id) || json_integer_value(id) < 0 ||
        (uint64_t)json_integer_value(id) >= lexicon->n_tokens)
        return -1;
    return (int32_t)json_integer_value(id);
}

static int32_t id_of(const sources *s, const char *name, const char *model_key,
                     const ifm_lexicon *lexicon)
{
    const json_t *content = content_of(value_of(s, name));
    int32_t id = -1;
    if (content != NULL)
        id = ifm_lexicon_find(lexicon, json_string_value(content),
                              json_string_length(content));
    return id >= 0 ? id : id_from_model(s, model_key, lexicon);
}

/* Where GPT-2's files say nothing, <|endoftext|> is the beginning and the end. */
static ifm_status add_gpt2_default(ifm_lexicon *lexicon, ifm_error *err)
{
    static const char text[] = "<|endoftext|>";
    int32_t id = ifm_lexicon_find(lexicon, text, sizeof text - 1);
    if (id < 0)
        return IFM_OK;
    if (lexicon->rules.bos < 0)
        lexicon->rules.bos = id;
    if (lexicon->rules.eos < 0)
        lexicon->rules.eos = id;
    return ifm_lexicon_add_added(lexicon, -1, text, sizeof text - 1, 0, true, err);
}

/* "add_bos_token", "add_eos_token": true puts the token there, false nothing. */
static void override_affix(const json_t *wanted, int32_t id, int32_t *affixes, uint8_t *n)
{
    if (!json_is_boolean(wanted))
        return;
    *n = json_is_true(wanted) && id >= 0 ? 1 : 0;
    affixes[0] = id;
}

/* tokenizer_config.json overrides what the tokenizer itself says, as in Transformers. */
static ifm_status read_overrides(const sources *s, ifm_lexicon *lexicon, ifm_error *err)
{
    ifm_text_rules *rules = &lexicon->rules;
    override_affix(ifm_text_json_member(s->config, "add_bos_token"), rules->bos,
                   rules->prefix, &rules->n_prefix);
    override_affix(ifm_text_json_member(s->config, "add_eos_token"), rules->eos,
                   rules->suffix, &rules->n_suffix);
    json_t *prefix = ifm_text_json_member(s->config, "add_prefix_space");
    if (!json_is_boolean(prefix) || !lexicon->alphabet)
        return IFM_OK;
    return ifm_lexicon_set_prefix_space(lexicon, json_is_true(prefix), err);
}

ifm_status ifm_source_read_special(const char *directory, bool gpt2, ifm_lexicon *lexicon,
                                   ifm_error *err)
{
    sources s = {0};
    ifm_status st =
        ifm_text_read_json_reals(directory, "tokenizer_config.json", &s.config, err);
    if (st == IFM_OK)
        st = ifm_text_read_json(directory, "special_tokens_map.json", &s.map, err);
    if (st == IFM_OK)
        st = ifm_text_read_json(directory, "added_tokens.json", &s.added, err);
    if (st == IFM_OK)
        st = ifm_text_read_json(directory, "config.json", &s.model, err);
    if (st != IFM_OK)
        goto done;
    st = add_decoder(&s, lexicon, err);
    if (st == IFM_OK)
        st = add_older(&s, lexicon, err);
    if (st == IFM_OK)
        st = add_named(&s, lexicon, err);
    if (st == IFM_OK) {
        lexicon->rules.bos = id_of(&s, "bos_token", "bos_token_id", lexicon);
        lexicon->rules.eos = id_of(&s, "eos_token", "eos_token_id", lexicon);
        if (gpt2)
            st = add_gpt2_default(lexicon, err);
    }
    if (st == IFM_OK)
        st = read_overrides(&s, lexicon, err);
    if (st != IFM_OK)
        ifm_fail_within(err, st, "%s", directory);
done:
    json_decref(s.config);
    json_decref(s.map);
    json_decref(s.added);
    json_decref(s.model);
    return st;
}
