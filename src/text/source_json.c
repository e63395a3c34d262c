/* tokenizer.json, as Hugging Face tokenizers writes it. */
#include "text/source.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/json.h"
#include "text/utf8.h"

ifm_status ifm_source_refuse(ifm_error *err, const char *part, const char *what)
{
    return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                    "%s \"%s\" is not supported (docs/tokenizer.md says what is)", part,
                    what[0] != '\0' ? what : "null");
}

ifm_status ifm_source_check_keys(json_t *object, const char *const *known,
                                 const char *part, ifm_error *err)
{
    if (!json_is_object(object))
        return ifm_fail(err, IFM_ERR_FORMAT, "\"%s\" is no JSON object", part);
    const char *key = ifm_text_json_unknown_key(object, known);
    if (key == NULL)
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_UNSUPPORTED, "\"%s\" has an unknown setting \"%.*s\"",
                    part, ifm_utf8_prefix(key, strlen(key), 60), key);
}

/* A part that has an array of parts of its own kind in `key`: "Sequence". */
bool ifm_source_is_sequence(json_t *part, const char *key, json_t **parts)
{
    *parts = json_object_get(part, key);
    return strcmp(ifm_text_json_type(part), "Sequence") == 0 && json_is_array(*parts);
}

static bool is_empty_string(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) == 0;
}

static ifm_status read_merges(json_t *merges, ifm_lexicon *lexicon, ifm_error *err)
{
    if (!json_is_array(merges))
        return ifm_fail(err, IFM_ERR_FORMAT, "\"model.merges\" is no JSON array");
    size_t i;
    json_t *merge;
    json_array_foreach(merges, i, merge)
    {
        json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        const char *text = json_string_value(merge);
        const char *space = text != NULL ? strchr(text, ' ') : NULL;
        ifm_status st;
        if (json_array_size(merge) == 2 && json_is_string(left) && json_is_string(right))
            st = ifm_lexicon_add_merge(lexicon, json_string_value(left),
                                       json_string_length(left), json_string_value(right),
                                       json_string_length(right), err);
        else if (space != NULL && strchr(space + 1, ' ') == NULL)
            st = ifm_lexicon_add_merge(lexicon, text, (size_t)(space - text), space + 1,
                                       strlen(space + 1), err);
        else
            st =
                ifm_fail(err, IFM_ERR_FORMAT,
                         "merge number %zu is neither \"a b\" nor [\"a\", \"b\"]", i + 1);
        if (st != IFM_OK)
            return ifm_fail_within(err, st, "model.merges");
    }
    return IFM_OK;
}

/* Settings of the model that change what it does. */
static ifm_status read_model_rules(json_t *model, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *dropout = ifm_text_json_member(model, "dropout");
    if (dropout != NULL && json_number_value(dropout) != 0)
        return ifm_source_refuse(err, "model setting", "dropout");
    static const char *const affixes[] = {"continuing_subword_prefix",
                                          "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof affixes / sizeof *affixes; i++) {
        json_t *affix = ifm_text_json_member(model, affixes[i]);
        if (affix != NULL && !is_empty_string(affix))
            return ifm_source_refuse(err, "model setting", affixes[i]);
    }
    lexicon->rules.byte_fallback = ifm_text_json_is_true(model, "byte_fallback");
    lexicon->rules.fuse_unknown = ifm_text_json_is_true(model, "fuse_unk");
    lexicon->rules.ignore_merges = ifm_text_json_is_true(model, "ignore_merges");
    return IFM_OK;
}

static ifm_status read_model(json_t *model, ifm_lexicon *lexicon, ifm_error *err)
{
    static const char *const known[] = {
        "type",
        "vocab",
        "merges",
        "dropout",
        "unk_token",
        "continuing_subword_prefix",
        "fuse_unk",
        "byte_fallback",
        "ignore_merges",
        "end_of_word_suffix",
        NULL,
    };
    const char *type = ifm_text_json_type(model);
    if (strcmp(type, "BPE") != 0 && ifm_text_json_member(model, "type") != NULL)
        return ifm_source_refuse(err, "model type", type);
    ifm_status st = ifm_source_check_keys(model, known, "model", err);
    if (st == IFM_OK)
        st = read_model_rules(model, lexicon, err);
    if (st != IFM_OK)
        return st;
    st = ifm_source_read_vocab(json_object_get(model, "vocab"), lexicon, err);
    if (st != IFM_OK)
        return ifm_fail_within(err, st, "model.vocab");
    st = read_merges(json_object_get(model, "merges"), lexicon, err);
    if (st != IFM_OK)
        return st;
    json_t *unknown = ifm_text_json_member(model, "unk_token");
    if (unknown != NULL && !is_empty_string(unknown)) {
        const char *name = json_string_value(unknown);
        size_t n = json_string_length(unknown);
        lexicon->rules.unknown = name != NULL ? ifm_lexicon_find(lexicon, name, n) : -1;
        if (lexicon->rules.unknown < 0)
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "model.unk_token is not in the vocabulary");
    }
    return IFM_OK;
}

/* The ids of a token of a template: "special_tokens": {"<s>": {"ids": [1], …}} */
static ifm_status add_template_token(json_t *template, json_t *token, bool behind,
                                     ifm_lexicon *lexicon, ifm_error *err)
{
    const char *name = json_string_value(json_object_get(token, "id"));
    json_t *all = json_object_get(template, "special_tokens");
    json_t *ids =
        json_object_get(name != NULL ? json_object_get(all, name) : NULL, "ids");
    size_t i;
    json_t *id;
    if (json_array_size(ids) == 0)
        return ifm_source_refuse(err, "post_processor TemplateProcessing",
                                 "with a token without ids");
    json_array_foreach(ids, i, id)
    {
        ifm_status st = ifm_lexicon_add_affix(
            lexicon, behind, json_is_integer(id) ? json_integer_value(id) : -1, err);
        if (st != IFM_OK)
            return ifm_fail_within(err, st, "post_processor");
    }
    return IFM_OK;
}

/* "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, …] */
static ifm_status read_template(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *single = json_object_get(part, "single"), *item;
    bool text_seen = false;
    size_t i;
    json_array_foreach(single, i, item)
    {
        json_t *token = json_object_get(item, "SpecialToken");
        json_t *sequence = json_object_get(item, "Sequence");
        const char *which = json_string_value(json_object_get(sequence, "id"));
        ifm_status st = IFM_OK;
        if (token != NULL)
            st = add_template_token(part, token, text_seen, lexicon, err);
        else if (which == NULL || strcmp(which, "A") != 0 || text_seen)
            st = ifm_source_refuse(err, "post_processor TemplateProcessing",
                                   "other than tokens around one text");
        else
            text_seen = true;
        if (st != IFM_OK)
            return st;
    }
    if (!text_seen)
        return ifm_source_refuse(err, "post_processor TemplateProcessing",
                                 "without the text");
    return IFM_OK;
}

static ifm_status read_post_processor(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *list = NULL, *item = part;
    bool sequence = ifm_source_is_sequence(part, "processors", &list);
    size_t n = part == NULL ? 0 : sequence ? json_array_size(list) : 1;
    for (size_t i = 0; i < n; i++) {
        if (sequence)
            item = json_array_get(list, i);
        const char *type = ifm_text_json_type(item);
        ifm_status st = IFM_OK;
        if (strcmp(type, "TemplateProcessing") == 0)
            st = read_template(item, lexicon, err);
        else if (strcmp(type, "ByteLevel") != 0) /* which only moves offsets */
            st = ifm_source_refuse(err, "post_processor", type);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

static ifm_status read_added_token(json_t *token, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *content = json_object_get(token, "content"),
           *id = json_object_get(token, "id");
    if (!json_is_string(content) || !json_is_integer(id) || json_integer_value(id) < 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "expected {\"id\": number, \"content\": \"text\", …}");
    return ifm_lexicon_add_added(lexicon, json_integer_value(id),
                                 json_string_value(content), json_string_length(content),
                                 ifm_source_added_flags(token),
                                 ifm_text_json_is_true(token, "special"), err);
}

static ifm_status read_added_tokens(json_t *list, ifm_lexicon *lexicon, ifm_error *err)
{
    if (list != NULL && !json_is_array(list))
        return ifm_fail(err, IFM_ERR_FORMAT, "\"added_tokens\" is no JSON array");
    size_t i;
    json_t *token;
    json_array_foreach(list, i, token)
    {
        ifm_status st = read_added_token(token, lexicon, err);
        if (st != IFM_OK)
            return ifm_fail_within(err, st, "added_tokens[%zu]", i);
    }
    return IFM_OK;
}

ifm_status ifm_source_read_tokenizer_json(json_t *root, ifm_lexicon *lexicon,
                                          ifm_error *err)
{
    /* Truncation and padding are a caller's wishes, left over from when it was saved. */
    static const char *const known[] = {
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model",        NULL,
    };
    ifm_status st = ifm_source_check_keys(root, known, "tokenizer.json", err);
    if (st == IFM_OK)
        st = ifm_source_read_normalizer(ifm_text_json_member(root, "normalizer"), lexicon,
                                        err);
    if (st == IFM_OK)
        st = ifm_source_read_pre_tokenizer(ifm_text_json_member(root, "pre_tokenizer"),
                                           lexicon, err);
    if (st == IFM_OK)
        st = ifm_source_read_decoder(ifm_text_json_member(root, "decoder"), lexicon, err);
    if (st == IFM_OK)
        st = read_model(json_object_get(root, "model"), lexicon, err);
    if (st == IFM_OK)
        st = read_added_tokens(ifm_text_json_member(root, "added_tokens"), lexicon, err);
    if (st == IFM_OK)
        st = read_post_processor(ifm_text_json_member(root, "post_processor"), lexicon,
                                 err);
    return st;
}
