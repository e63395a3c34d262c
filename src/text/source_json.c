/* tokenizer.json, as Hugging Face tokenizers writes it. */
#include "text/source.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "text/json.h"
#include "text/pattern.h"
#include "text/utf8.h"

static ifm_status unsupported(ifm_error *err, const char *part, const char *what)
{
    return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                    "%s \"%s\" is not supported: only GPT-2's byte-level BPE is", part,
                    what[0] != '\0' ? what : "null");
}

static ifm_status check_keys(json_t *object, const char *const *known, const char *part,
                             ifm_error *err)
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
static bool is_sequence(json_t *part, const char *key, json_t **parts)
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
        return unsupported(err, "model setting", "dropout");
    static const char *const affixes[] = {"continuing_subword_prefix",
                                          "end_of_word_suffix"};
    for (size_t i = 0; i < sizeof affixes / sizeof *affixes; i++) {
        json_t *affix = ifm_text_json_member(model, affixes[i]);
        if (affix != NULL && !is_empty_string(affix))
            return unsupported(err, "model setting", affixes[i]);
    }
    if (ifm_text_json_is_true(model, "byte_fallback"))
        return unsupported(err, "model setting", "byte_fallback");
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
        return unsupported(err, "model type", type);
    ifm_status st = check_keys(model, known, "model", err);
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

static ifm_status add_split(ifm_lexicon *lexicon, int row, ifm_error *err)
{
    ifm_text_rules *rules = &lexicon->rules;
    if (rules->n_splits == IFM_MAX_SPLITS)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "more than %d pre-tokenizers in a sequence", IFM_MAX_SPLITS);
    rules->splits[rules->n_splits++] = (uint8_t)row;
    return IFM_OK;
}

/* {"type": "Split", "pattern": {"Regex": …}, "behavior": "Isolated", "invert": false} */
static ifm_status read_split(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    static const char *const known[] = {"type", "pattern", "behavior", "invert", NULL};
    ifm_status st = check_keys(part, known, "pre_tokenizer Split", err);
    if (st != IFM_OK)
        return st;
    json_t *regex = json_object_get(json_object_get(part, "pattern"), "Regex");
    const char *behavior = json_string_value(json_object_get(part, "behavior"));
    if (behavior == NULL || strcmp(behavior, "Isolated") != 0)
        return unsupported(err, "pre_tokenizer Split with behavior",
                           behavior != NULL ? behavior : "");
    if (ifm_text_json_is_true(part, "invert"))
        return unsupported(err, "pre_tokenizer Split with", "invert");
    if (!json_is_string(regex))
        return unsupported(err, "pre_tokenizer Split with", "pattern.String");
    int row = ifm_pattern_find(json_string_value(regex), json_string_length(regex));
    if (row < 0)
        return unsupported(err, "pre_tokenizer Split with the pattern",
                           json_string_value(regex));
    return add_split(lexicon, row, err);
}

static ifm_status read_byte_level(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    static const char *const known[] = {"type", "add_prefix_space", "trim_offsets",
                                        "use_regex", NULL};
    ifm_status st = check_keys(part, known, "pre_tokenizer ByteLevel", err);
    if (st != IFM_OK)
        return st;
    /* Behind other splits, the space would go to every piece. */
    bool prefix = ifm_text_json_is_true(part, "add_prefix_space");
    if (prefix && lexicon->rules.n_splits > 0)
        return unsupported(err, "pre_tokenizer ByteLevel behind others with",
                           "add_prefix_space");
    lexicon->rules.add_prefix_space = prefix;
    if (json_is_false(json_object_get(part, "use_regex")))
        return IFM_OK;
    return add_split(lexicon, IFM_SPLIT_GPT2, err);
}

static ifm_status read_pre_tokenizer(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *list = NULL, *item = part;
    bool sequence = is_sequence(part, "pretokenizers", &list);
    size_t n = sequence ? json_array_size(list) : 1;
    bool byte_level = false;
    for (size_t i = 0; i < n; i++) {
        if (sequence)
            item = json_array_get(list, i);
        const char *type = ifm_text_json_type(item);
        ifm_status st;
        if (byte_level)
            st = unsupported(err, "pre_tokenizer behind ByteLevel", type);
        else if (strcmp(type, "ByteLevel") == 0)
            st = read_byte_level(item, lexicon, err);
        else if (strcmp(type, "Split") == 0)
            st = read_split(item, lexicon, err);
        else
            st = unsupported(err, "pre_tokenizer", type);
        if (st != IFM_OK)
            return st;
        byte_level = strcmp(type, "ByteLevel") == 0;
    }
    if (!byte_level)
        return unsupported(err, "pre_tokenizer", "without ByteLevel");
    return IFM_OK;
}

/* "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}] */
static ifm_status read_template(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *single = json_object_get(part, "single");
    size_t n = json_array_size(single);
    json_t *last = json_array_get(single, n > 0 ? n - 1 : 0);
    json_t *sequence = json_object_get(last, "Sequence");
    const char *which = json_string_value(json_object_get(sequence, "id"));
    if (n < 1 || n > 2 || which == NULL || strcmp(which, "A") != 0)
        return unsupported(err, "post_processor TemplateProcessing",
                           "other than text, or one token and text");
    if (n == 1)
        return IFM_OK;
    json_t *token = json_object_get(json_array_get(single, 0), "SpecialToken");
    const char *name = json_string_value(json_object_get(token, "id"));
    json_t *all = json_object_get(part, "special_tokens");
    json_t *ids =
        json_object_get(name != NULL ? json_object_get(all, name) : NULL, "ids");
    json_t *id = json_array_get(ids, 0);
    if (json_array_size(ids) != 1 || !json_is_integer(id))
        return unsupported(err, "post_processor TemplateProcessing",
                           "without one id of its token");
    int64_t value = json_integer_value(id);
    if (value < 0 || (uint64_t)value >= lexicon->n_tokens)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "post_processor: its token has the id %lld, expected 0 to %zu",
                        (long long)value, lexicon->n_tokens - 1);
    lexicon->rules.prefix = (int32_t)value;
    return IFM_OK;
}

static ifm_status read_post_processor(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *list = NULL, *item = part;
    bool sequence = is_sequence(part, "processors", &list);
    size_t n = part == NULL ? 0 : sequence ? json_array_size(list) : 1;
    for (size_t i = 0; i < n; i++) {
        if (sequence)
            item = json_array_get(list, i);
        const char *type = ifm_text_json_type(item);
        ifm_status st = IFM_OK;
        if (strcmp(type, "TemplateProcessing") == 0)
            st = read_template(item, lexicon, err);
        else if (strcmp(type, "ByteLevel") != 0) /* which only moves offsets */
            st = unsupported(err, "post_processor", type);
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

/* null, or a sequence of nothing. */
static ifm_status check_normalizer(json_t *part, ifm_error *err)
{
    json_t *list = NULL;
    if (part == NULL ||
        (is_sequence(part, "normalizers", &list) && json_array_size(list) == 0))
        return IFM_OK;
    return unsupported(err, "normalizer", ifm_text_json_type(part));
}

static ifm_status check_decoder(json_t *part, ifm_error *err)
{
    if (part == NULL || strcmp(ifm_text_json_type(part), "ByteLevel") == 0)
        return IFM_OK;
    return unsupported(err, "decoder", ifm_text_json_type(part));
}

ifm_status ifm_source_read_tokenizer_json(json_t *root, ifm_lexicon *lexicon,
                                          ifm_error *err)
{
    /* Truncation and padding are a caller's wishes, left over from when it was saved. */
    static const char *const known[] = {
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model",        NULL,
    };
    ifm_status st = check_keys(root, known, "tokenizer.json", err);
    if (st == IFM_OK)
        st = check_normalizer(ifm_text_json_member(root, "normalizer"), err);
    if (st == IFM_OK)
        st = check_decoder(ifm_text_json_member(root, "decoder"), err);
    if (st == IFM_OK)
        st =
            read_pre_tokenizer(ifm_text_json_member(root, "pre_tokenizer"), lexicon, err);
    if (st == IFM_OK)
        st = read_model(json_object_get(root, "model"), lexicon, err);
    if (st == IFM_OK)
        st = read_added_tokens(ifm_text_json_member(root, "added_tokens"), lexicon, err);
    if (st == IFM_OK)
        st = read_post_processor(ifm_text_json_member(root, "post_processor"), lexicon,
                                 err);
    return st;
}
