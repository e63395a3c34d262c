#include "text/source.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/gguf.h"
#include "os/file.h"
#include "text/json.h"
#include "text/pattern.h"
#include "text/utf8.h"

const char *const ifm_source_files[] = {
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    NULL,
};
_Static_assert(sizeof ifm_source_files / sizeof *ifm_source_files == IFM_SOURCE_FILES + 1,
               "IFM_SOURCE_FILES counts them");

ifm_status ifm_source_read_vocab(json_t *vocab, ifm_lexicon *lexicon, ifm_error *err)
{
    if (!json_is_object(vocab))
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "the vocabulary is no JSON object, expected {\"token\": id, …}");
    const char *token;
    json_t *id;
    json_object_foreach(vocab, token, id)
    {
        size_t n = strlen(token); /* Jansson refuses NUL in keys */
        if (!json_is_integer(id))
            return ifm_fail(err, IFM_ERR_FORMAT,
                            "token \"%.*s\" has an id that is no whole number",
                            ifm_utf8_prefix(token, n, 60), token);
        ifm_status st =
            ifm_lexicon_add_token(lexicon, json_integer_value(id), token, n, err);
        if (st != IFM_OK)
            return st;
    }
    return ifm_lexicon_index(lexicon, err);
}

/* One line of merges.txt, without its end. */
static ifm_status read_merge(const char *line, size_t n, ifm_lexicon *lexicon,
                             ifm_error *err)
{
    const char *space = memchr(line, ' ', n);
    size_t n_left = space != NULL ? (size_t)(space - line) : n;
    size_t n_right = n - n_left - (space != NULL);
    if (space == NULL || memchr(space + 1, ' ', n_right) != NULL)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "\"%.*s\" is no merge, expected two tokens with a space between",
                        ifm_utf8_prefix(line, n, 60), line);
    return ifm_lexicon_add_merge(lexicon, line, n_left, space + 1, n_right, err);
}

/* merges.txt: "#version: 0.2", then a merge a line, in the order of their ranks. */
static ifm_status read_merges(const char *text, size_t n, ifm_lexicon *lexicon,
                              ifm_error *err)
{
    size_t bad = ifm_utf8_check(text, n);
    if (bad < n)
        return ifm_fail(err, IFM_ERR_FORMAT, "byte %zu is not UTF-8", bad);
    int line_number = 1;
    for (size_t at = 0; at < n; line_number++) {
        const char *line = text + at;
        const char *end = memchr(line, '\n', n - at);
        size_t length = end != NULL ? (size_t)(end - line) : n - at;
        at += length + 1;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        static const char version[] = "#version";
        size_t n_version = sizeof version - 1;
        if (length >= n_version && memcmp(line, version, n_version) == 0)
            continue;
        if (length == 0 && at >= n)
            break; /* an empty last line */
        ifm_status st = read_merge(line, length, lexicon, err);
        if (st != IFM_OK)
            return ifm_fail_within(err, st, "line %d", line_number);
    }
    return IFM_OK;
}

static ifm_status read_gpt2(const char *directory, ifm_lexicon *lexicon, ifm_error *err)
{
    json_t *vocab = NULL;
    char *text = NULL;
    size_t n = 0;
    char *merges = ifm_text_path(directory, "merges.txt");
    if (merges == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", directory);
    ifm_status st = ifm_text_read_json(directory, "vocab.json", &vocab, err);
    if (st == IFM_OK && vocab != NULL)
        st = ifm_file_read(merges, IFM_TEXT_MAX_FILE_BYTES, &text, &n, err);
    if (st == IFM_ERR_NOT_FOUND || (st == IFM_OK && vocab == NULL)) {
        st = ifm_fail(
            err, IFM_ERR_NOT_FOUND,
            "%s: there is no tokenizer.json, nor both vocab.json and merges.txt: "
            "the model's directory must hold one of them",
            directory);
        goto done;
    }
    if (st != IFM_OK)
        goto done;
    st = ifm_source_read_vocab(vocab, lexicon, err);
    if (st != IFM_OK) {
        ifm_fail_within(err, st, "%s/vocab.json", directory);
        goto done;
    }
    st = ifm_lexicon_add_split(lexicon, ifm_pattern_gpt2, err);
    if (st == IFM_OK)
        st = read_merges(text, n, lexicon, err);
    if (st != IFM_OK)
        ifm_fail_within(err, st, "%s", merges);
done:
    json_decref(vocab);
    free(text);
    free(merges);
    return st;
}

static ifm_status read_directory(const char *directory, ifm_lexicon *lexicon,
                                 ifm_error *err)
{
    json_t *root;
    ifm_status st = ifm_text_read_json(directory, "tokenizer.json", &root, err);
    if (st != IFM_OK)
        return st;
    bool gpt2 = root == NULL;
    if (gpt2) {
        st = read_gpt2(directory, lexicon, err);
    } else {
        st = ifm_source_read_tokenizer_json(root, lexicon, err);
        if (st != IFM_OK)
            ifm_fail_within(err, st, "%s/tokenizer.json", directory);
        json_decref(root);
    }
    if (st != IFM_OK)
        return st;
    return ifm_source_read_special(directory, gpt2, lexicon, err);
}

static ifm_status read_gguf(const char *path, ifm_lexicon *lexicon, ifm_error *err)
{
    ifm_mapping mapping;
    ifm_gguf *gguf = NULL;
    ifm_status st = ifm_mapping_open(&mapping, path, err);
    if (st != IFM_OK)
        return st;
    st = ifm_gguf_parse(&mapping, path, &gguf, err);
    if (st == IFM_OK) {
        st = ifm_source_read_gguf(gguf, lexicon, err);
        if (st != IFM_OK)
            ifm_fail_within(err, st, "%s", path);
    }
    ifm_gguf_free(gguf);
    ifm_mapping_close(&mapping);
    return st;
}

ifm_status ifm_source_read(const ifm_source *self, ifm_lexicon *lexicon, ifm_error *err)
{
    return self->is_gguf ? read_gguf(self->path, lexicon, err)
                         : read_directory(self->path, lexicon, err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

bool ifm_source_init(ifm_source *self, const char *path)
{
    const char *slash = strrchr(path, '/');
    bool directory = ifm_file_is_directory(path);
    self->is_gguf = !directory && ends_with(path, ".gguf");
    if (directory || self->is_gguf)
        self->path = strdup(path);
    else if (slash == NULL)
        self->path = strdup(".");
    else
        self->path = strndup(path, slash > path ? (size_t)(slash - path) : 1);
    return self->path != NULL;
}

void ifm_source_deinit(ifm_source *self)
{
    free(self->path);
    *self = (ifm_source){0};
}
