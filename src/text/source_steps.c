/* tokenizer.json's normalizer, pre_tokenizer and decoder: what happens around merging. */
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "text/json.h"
#include "text/pattern.h"
#include "text/source.h"

/* As docs/tokenizer.md lists them. */
#define PUNCTUATION "[!-/:-@\\[-`{-~\\p{P}]"

/* A part of tokenizer.json by its "type"; the last row has NULL. */
typedef struct part_reader {
    const char *type;
    ifm_status (*read)(json_t *part, ifm_lexicon *lexicon, ifm_error *err);
} part_reader;

static ifm_status read_part(const part_reader *readers, const char *what, json_t *part,
                            ifm_lexicon *lexicon, ifm_error *err)
{
    const char *type = ifm_text_json_type(part);
    for (; readers->type != NULL; readers++)
        if (strcmp(readers->type, type) == 0)
            return readers->read(part, lexicon, err);
    return ifm_source_refuse(err, what, type);
}

/* A part, or each part of a "Sequence". */
static ifm_status read_parts(const part_reader *readers, const char *what,
                             const char *key, json_t *part, ifm_lexicon *lexicon,
                             ifm_error *err)
{
    json_t *list = NULL, *item;
    size_t i;
    if (part == NULL)
        return IFM_OK;
    if (!ifm_source_is_sequence(part, key, &list))
        return read_part(readers, what, part, lexicon, err);
    json_array_foreach(list, i, item)
    {
        ifm_status st = read_part(readers, what, item, lexicon, err);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

/* A string member that must be there. */
static ifm_status get_string(json_t *part, const char *key, const char **text, size_t *n,
                             ifm_error *err)
{
    json_t *value = json_object_get(part, key);
    *text = "";
    *n = 0;
    if (!json_is_string(value))
        return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is no string",
                        ifm_text_json_type(part), key);
    *text = json_string_value(value);
    *n = json_string_length(value);
    return IFM_OK;
}

/* "pattern": {"String": …} or {"Regex": …} */
static ifm_status get_pattern(json_t *part, ifm_lexicon_step *step, ifm_error *err)
{
    json_t *pattern = json_object_get(part, "pattern");
    json_t *string = json_object_get(pattern, "String");
    json_t *regex = json_object_get(pattern, "Regex");
    json_t *value = string != NULL ? string : regex;
    if (!json_is_string(value))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: \"pattern\" is neither String nor Regex",
                        ifm_text_json_type(part));
    step->pattern = json_string_value(value);
    step->n_pattern = json_string_length(value);
    if (string != NULL)
        step->flags |= IFM_STEP_LITERAL;
    return IFM_OK;
}

/* ---- normalizers ------------------------------------------------------------------ */

/* Between these, `n_normal` follows `n_steps`. */
static ifm_status add_normal(ifm_lexicon *lexicon, const ifm_lexicon_step *step,
                             ifm_error *err)
{
    ifm_status st = ifm_lexicon_add_step(lexicon, step, err);
    lexicon->rules.n_normal = lexicon->rules.n_steps;
    return st;
}

static ifm_status read_nfc(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    (void)part;
    return add_normal(lexicon, &(ifm_lexicon_step){.kind = IFM_STEP_NFC}, err);
}

static ifm_status read_nfd(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    (void)part;
    return add_normal(lexicon, &(ifm_lexicon_step){.kind = IFM_STEP_NFD}, err);
}

static ifm_status read_nfkc(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    (void)part;
    return add_normal(lexicon, &(ifm_lexicon_step){.kind = IFM_STEP_NFKC}, err);
}

static ifm_status read_nfkd(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    (void)part;
    return add_normal(lexicon, &(ifm_lexicon_step){.kind = IFM_STEP_NFKD}, err);
}

static ifm_status read_prepend(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    ifm_lexicon_step step = {.kind = IFM_STEP_PREFIX};
    ifm_status st = get_string(part, "prepend", &step.with, &step.n_with, err);
    return st == IFM_OK ? add_normal(lexicon, &step, err) : st;
}

static ifm_status read_replace(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    ifm_lexicon_step step = {.kind = IFM_STEP_REPLACE};
    ifm_status st = get_pattern(part, &step, err);
    if (st == IFM_OK)
        st = get_string(part, "content", &step.with, &step.n_with, err);
    return st == IFM_OK ? add_normal(lexicon, &step, err) : st;
}

static const part_reader normalizers[] = {
    {"NFC", read_nfc},   {"NFD", read_nfd},         {"NFKC", read_nfkc},
    {"NFKD", read_nfkd}, {"Prepend", read_prepend}, {"Replace", read_replace},
    {NULL, NULL},
};

ifm_status ifm_source_read_normalizer(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    return read_parts(normalizers, "normalizer", "normalizers", part, lexicon, err);
}

/* ---- pre-tokenizers --------------------------------------------------------------- */

static ifm_status get_behavior(json_t *part, ifm_split_behavior *behavior, ifm_error *err)
{
    static const char *const names[] = {
        [IFM_SPLIT_ISOLATED] = "Isolated",
        [IFM_SPLIT_REMOVED] = "Removed",
        [IFM_SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [IFM_SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [IFM_SPLIT_CONTIGUOUS] = "Contiguous",
    };
    const char *name = json_string_value(json_object_get(part, "behavior"));
    for (int i = 0; i < IFM_SPLIT_BEHAVIORS; i++) {
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *behavior = (ifm_split_behavior)i;
            return IFM_OK;
        }
    }
    return ifm_source_refuse(err, "pre_tokenizer with behavior",
                             name != NULL ? name : "");
}

/* {"type": "Split", "pattern": {"Regex": …}, "behavior": "Isolated", "invert": false} */
static ifm_status read_split(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    static const char *const known[] = {"type", "pattern", "behavior", "invert", NULL};
    ifm_lexicon_step step = {.kind = IFM_STEP_SPLIT};
    ifm_status st = ifm_source_check_keys(part, known, "pre_tokenizer Split", err);
    if (st == IFM_OK)
        st = get_pattern(part, &step, err);
    if (st == IFM_OK)
        st = get_behavior(part, &step.behavior, err);
    if (ifm_text_json_is_true(part, "invert"))
        step.flags |= IFM_STEP_INVERT;
    if (st == IFM_OK && step.n_pattern == 0) /* tokenizers: nothing is ever found */
        return IFM_OK;
    return st == IFM_OK ? ifm_lexicon_add_step(lexicon, &step, err) : st;
}

/* {"type": "Digits", "individual_digits": true} */
static ifm_status read_digits(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    bool each = ifm_text_json_is_true(part, "individual_digits");
    const ifm_lexicon_step step = {.kind = IFM_STEP_SPLIT,
                                   .behavior =
                                       each ? IFM_SPLIT_ISOLATED : IFM_SPLIT_CONTIGUOUS,
                                   .pattern = "\\p{N}",
                                   .n_pattern = 5};
    return ifm_lexicon_add_step(lexicon, &step, err);
}

static ifm_status read_punctuation(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    ifm_lexicon_step step = {.kind = IFM_STEP_SPLIT,
                             .behavior = IFM_SPLIT_ISOLATED,
                             .pattern = PUNCTUATION,
                             .n_pattern = sizeof PUNCTUATION - 1};
    ifm_status st = IFM_OK;
    if (ifm_text_json_member(part, "behavior") != NULL)
        st = get_behavior(part, &step.behavior, err);
    return st == IFM_OK ? ifm_lexicon_add_step(lexicon, &step, err) : st;
}

static ifm_status read_byte_level(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    static const char *const known[] = {"type", "add_prefix_space", "trim_offsets",
                                        "use_regex", NULL};
    ifm_status st = ifm_source_check_keys(part, known, "pre_tokenizer ByteLevel", err);
    const ifm_lexicon_step space = {
        .kind = IFM_STEP_PREFIX, .flags = IFM_STEP_UNLESS, .with = " ", .n_with = 1};
    if (st == IFM_OK && ifm_text_json_is_true(part, "add_prefix_space"))
        st = ifm_lexicon_add_step(lexicon, &space, err);
    if (st == IFM_OK && !json_is_false(json_object_get(part, "use_regex")))
        st = ifm_lexicon_add_split(lexicon, ifm_pattern_gpt2, err);
    lexicon->alphabet = true;
    return st;
}

/* {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
 * in older files with "add_prefix_space" instead of "prepend_scheme". */
static ifm_status read_metaspace(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    static const char *const known[] = {
        "type",    "replacement", "add_prefix_space", "prepend_scheme", "split",
        "str_rep", NULL};
    const char *mark;
    size_t n;
    ifm_status st = ifm_source_check_keys(part, known, "pre_tokenizer Metaspace", err);
    if (st == IFM_OK)
        st = get_string(part, "replacement", &mark, &n, err);
    if (st != IFM_OK)
        return st;
    const char *scheme = json_string_value(json_object_get(part, "prepend_scheme"));
    if (scheme == NULL)
        scheme =
            json_is_false(json_object_get(part, "add_prefix_space")) ? "never" : "always";
    bool first = strcmp(scheme, "first") == 0, never = strcmp(scheme, "never") == 0;
    if (!first && !never && strcmp(scheme, "always") != 0)
        return ifm_source_refuse(err, "pre_tokenizer Metaspace with prepend_scheme",
                                 scheme);
    const ifm_lexicon_step replace = {.kind = IFM_STEP_REPLACE,
                                      .flags = IFM_STEP_LITERAL,
                                      .pattern = " ",
                                      .n_pattern = 1,
                                      .with = mark,
                                      .n_with = n};
    const ifm_lexicon_step prefix = {.kind = IFM_STEP_PREFIX,
                                     .flags =
                                         IFM_STEP_UNLESS | (first ? IFM_STEP_FIRST : 0u),
                                     .with = mark,
                                     .n_with = n};
    const ifm_lexicon_step split = {.kind = IFM_STEP_SPLIT,
                                    .flags = IFM_STEP_LITERAL,
                                    .behavior = IFM_SPLIT_MERGED_WITH_NEXT,
                                    .pattern = mark,
                                    .n_pattern = n};
    st = ifm_lexicon_add_step(lexicon, &replace, err);
    if (st == IFM_OK && !never)
        st = ifm_lexicon_add_step(lexicon, &prefix, err);
    if (st == IFM_OK && !json_is_false(json_object_get(part, "split")))
        st = ifm_lexicon_add_step(lexicon, &split, err);
    return st;
}

static const part_reader pre_tokenizers[] = {
    {"Split", read_split},
    {"Digits", read_digits},
    {"ByteLevel", read_byte_level},
    {"Metaspace", read_metaspace},
    {"Punctuation", read_punctuation},
    {NULL, NULL},
};

/* Behind ByteLevel, tokenizers' patterns see the byte alphabet instead of the text. */
static ifm_status check_last(json_t *part, ifm_error *err)
{
    json_t *list = NULL, *item;
    size_t i;
    bool byte_level = false;
    if (!ifm_source_is_sequence(part, "pretokenizers", &list))
        return IFM_OK;
    json_array_foreach(list, i, item)
    {
        const char *type = ifm_text_json_type(item);
        if (byte_level)
            return ifm_source_refuse(err, "pre_tokenizer behind ByteLevel", type);
        byte_level = strcmp(type, "ByteLevel") == 0;
    }
    return IFM_OK;
}

ifm_status ifm_source_read_pre_tokenizer(json_t *part, ifm_lexicon *lexicon,
                                         ifm_error *err)
{
    lexicon->alphabet = false;
    ifm_status st = check_last(part, err);
    if (st == IFM_OK)
        st = read_parts(pre_tokenizers, "pre_tokenizer", "pretokenizers", part, lexicon,
                        err);
    lexicon->rules.by_character = !lexicon->alphabet;
    return st;
}

/* ---- decoders --------------------------------------------------------------------- */

static ifm_status show_as(ifm_lexicon *lexicon, const char *from, size_t n_from,
                          const char *to, size_t n_to, ifm_error *err)
{
    ifm_lexicon_show *show = &lexicon->show;
    if (show->replace || n_from > sizeof show->from || n_to > sizeof show->to)
        return ifm_source_refuse(err, "decoder Replace", "twice, or of a long text");
    show->replace = true;
    memcpy(show->from, from, n_from);
    memcpy(show->to, to, n_to);
    show->n_from = (uint8_t)n_from;
    show->n_to = (uint8_t)n_to;
    return IFM_OK;
}

static ifm_status decode_replace(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    ifm_lexicon_step step = {0};
    ifm_status st = get_pattern(part, &step, err);
    if (st == IFM_OK)
        st = get_string(part, "content", &step.with, &step.n_with, err);
    if (st == IFM_OK && (step.flags & IFM_STEP_LITERAL) == 0)
        st = ifm_source_refuse(err, "decoder Replace", "with a Regex");
    if (st != IFM_OK)
        return st;
    return show_as(lexicon, step.pattern, step.n_pattern, step.with, step.n_with, err);
}

static ifm_status decode_bytes(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    (void)part, (void)err;
    lexicon->show.bytes = true;
    return IFM_OK;
}

/* What it would glue together is one text here anyhow. */
static ifm_status decode_fuse(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    (void)part, (void)lexicon, (void)err;
    return IFM_OK;
}

/* {"type": "Strip", "content": " ", "start": 1, "stop": 0}, behind Fuse */
static ifm_status decode_strip(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    const char *content;
    size_t n;
    ifm_status st = get_string(part, "content", &content, &n, err);
    if (st != IFM_OK)
        return st;
    json_int_t start = json_integer_value(json_object_get(part, "start"));
    json_int_t stop = json_integer_value(json_object_get(part, "stop"));
    if (n != 1 || content[0] != ' ' || start < 0 || start > 1 || stop != 0)
        return ifm_source_refuse(err, "decoder Strip", "of more than one space in front");
    if (start == 1)
        lexicon->rules.strip = IFM_STRIP_SPACE;
    return IFM_OK;
}

static ifm_status decode_metaspace(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    const char *mark, *scheme;
    size_t n;
    ifm_status st = get_string(part, "replacement", &mark, &n, err);
    scheme = json_string_value(json_object_get(part, "prepend_scheme"));
    bool never = scheme != NULL
                     ? strcmp(scheme, "never") == 0
                     : json_is_false(json_object_get(part, "add_prefix_space"));
    if (!never)
        lexicon->rules.strip = IFM_STRIP_TOKENS_SPACE;
    return st == IFM_OK ? show_as(lexicon, mark, n, " ", 1, err) : st;
}

static ifm_status decode_byte_level(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    (void)part;
    if (!lexicon->alphabet)
        return ifm_source_refuse(err, "decoder",
                                 "ByteLevel without such a pre_tokenizer");
    return IFM_OK;
}

static const part_reader decoders[] = {
    {"ByteLevel", decode_byte_level},
    {"Replace", decode_replace},
    {"ByteFallback", decode_bytes},
    {"Fuse", decode_fuse},
    {"Strip", decode_strip},
    {"Metaspace", decode_metaspace},
    {NULL, NULL},
};

ifm_status ifm_source_read_decoder(json_t *part, ifm_lexicon *lexicon, ifm_error *err)
{
    return read_parts(decoders, "decoder", "decoders", part, lexicon, err);
}
