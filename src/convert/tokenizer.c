/*
 * The tokenizer's files → the keys tokenizer.ggml.*.
 *
 *     tokenizer.json   vocabulary, merges, added tokens; which pre-tokenizer it has is told
 *                      by its patterns; a BPE with byte fallback becomes SentencePiece's
 *     vocab.json + merges.txt   GPT-2's own form
 *     tokenizer_config.json, chat_template.jinja, config.json   special tokens, template
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "convert/plan.h"
#include "format/json.h"
#include "os/file.h"

enum { MAX_FILE_BYTES = 256 * 1000 * 1000, MAX_TEMPLATE_BYTES = 4 * 1000 * 1000 };

/* llama.h, enum llama_token_type. */
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

typedef struct token {
    const char *text; /* borrowed from the JSON; NULL: a gap */
    size_t n;
    int32_t type;
    float score; /* of SentencePiece's merges: the higher, the earlier */
} token;

typedef struct source {
    ifm_gguf_writer *writer;
    const char *directory;
    const json_t *model_config; /* config.json */
    json_t *main;               /* tokenizer.json or vocab.json */
    json_t *config;             /* tokenizer_config.json; NULL: there is none */
    char *merges_text;          /* merges.txt */
    json_t *vocab, *added;      /* borrowed from main */
    token *tokens;              /* [n_tokens] */
    int64_t n_tokens;
    bool pieces; /* SentencePiece's */
} source;

/* directory/name → text, the caller's. NULL: no memory. */
static char *path_of(const source *self, const char *name)
{
    ifm_buffer path = {0};
    ifm_buffer_printf(&path, "%s/%s", self->directory, name);
    char *text = ifm_buffer_take(&path);
    ifm_buffer_deinit(&path);
    return text;
}

/* Parses a file that may be missing: then *out is NULL. */
static ifm_status read_json(const source *self, const char *name, bool reals,
                            json_t **out, ifm_error *err)
{
    char *path = path_of(self, name);
    ifm_status st = IFM_OK;
    *out = NULL;
    if (path == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a path");
    else if (ifm_file_exists(path))
        st = reals ? ifm_json_read_reals(path, MAX_FILE_BYTES, out, err)
                   : ifm_json_read(path, MAX_FILE_BYTES, out, err);
    free(path);
    return st;
}

static ifm_status read_text(const source *self, const char *name, size_t limit,
                            char **out, ifm_error *err)
{
    char *path = path_of(self, name);
    size_t n;
    ifm_status st = IFM_OK;
    *out = NULL;
    if (path == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a path");
    else if (ifm_file_exists(path))
        st = ifm_file_read(path, limit, out, &n, err);
    free(path);
    return st;
}

static ifm_status bad(const source *self, ifm_status status, const char *what,
                      ifm_error *err)
{
    return ifm_fail(err, status, "%s: the tokenizer %s", self->directory, what);
}

static ifm_status open_files(source *self, ifm_error *err)
{
    ifm_status st = read_json(self, "tokenizer_config.json", true, &self->config, err);
    if (st == IFM_OK)
        st = read_json(self, "tokenizer.json", false, &self->main, err);
    if (st != IFM_OK)
        return st;
    if (self->main != NULL) {
        json_t *model = json_object_get(self->main, "model");
        self->vocab = json_object_get(model, "vocab");
        self->added = json_object_get(self->main, "added_tokens");
        self->pieces = json_is_true(json_object_get(model, "byte_fallback"));
        if (!json_is_object(self->vocab))
            return bad(self, IFM_ERR_UNSUPPORTED, "is no BPE, which is what GGUF gets",
                       err);
        return IFM_OK;
    }
    st = read_json(self, "vocab.json", false, &self->main, err);
    if (st == IFM_OK)
        st = read_text(self, "merges.txt", MAX_FILE_BYTES, &self->merges_text, err);
    self->vocab = self->main;
    if (st == IFM_OK && self->main != NULL &&
        (!json_is_object(self->vocab) || self->merges_text == NULL))
        st = bad(self, IFM_ERR_FORMAT, "lacks merges.txt, or vocab.json is no object",
                 err);
    return st;
}

static ifm_status add_token(source *self, const json_t *name, const char *text, size_t n,
                            int32_t type, ifm_error *err)
{
    int64_t id = json_is_integer(name) ? json_integer_value(name) : -1;
    if (id < 0 || id >= self->n_tokens)
        return ifm_fail(
            err, IFM_ERR_FORMAT,
            "%s: token \"%.60s\" has the id %lld, the embedding has %lld rows",
            self->directory, text, (long long)id, (long long)self->n_tokens);
    self->tokens[id] = (token){text, n, type, 0};
    return IFM_OK;
}

/* "<0x0A>" */
static bool is_byte(const char *text, size_t n)
{
    return n == 6 && strncmp(text, "<0x", 3) == 0 && text[5] == '>';
}

static ifm_status read_tokens(source *self, ifm_error *err)
{
    const char *text;
    json_t *id, *each;
    json_t *unknown = json_object_get(json_object_get(self->main, "model"), "unk_token");
    size_t i;
    self->tokens = calloc((size_t)self->n_tokens, sizeof *self->tokens);
    if (self->tokens == NULL)
        return bad(self, IFM_ERR_NO_MEMORY, "is larger than the memory", err);
    json_object_foreach(self->vocab, text, id)
    {
        size_t n = strlen(text);
        int32_t type = self->pieces && is_byte(text, n) ? BYTE : NORMAL;
        ifm_status st = add_token(self, id, text, n, type, err);
        if (st != IFM_OK)
            return st;
    }
    json_array_foreach(self->added, i, each)
    {
        const json_t *content = json_object_get(each, "content");
        bool special = json_is_true(json_object_get(each, "special"));
        if (!json_is_string(content))
            return bad(self, IFM_ERR_FORMAT, "has an added token without content", err);
        bool is_unknown = self->pieces && json_is_string(unknown) &&
                          json_equal((json_t *)(uintptr_t)content, unknown);
        ifm_status st = add_token(self, json_object_get(each, "id"),
                                  json_string_value(content), json_string_length(content),
                                  is_unknown ? UNKNOWN
                                  : special  ? CONTROL
                                             : USER_DEFINED,
                                  err);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

/* What tells a pre-tokenizer: the whole pattern of its one split, or how those of its first
 * two begin. */
typedef struct pre_tokenizer {
    const char *name; /* tokenizer.ggml.pre */
    const char *first, *second;
} pre_tokenizer;

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORD         "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS        " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SPACES       "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CASED                                                                            \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"                        \
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
#define UPPERCASED                                                                       \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"                        \
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
#define SIGNS_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"

static const pre_tokenizer pre_tokenizers[] = {
    {"llama-bpe", CONTRACTIONS "|" WORD "|\\p{N}{1,3}|" SIGNS "|" SPACES, NULL},
    {"qwen2", CONTRACTIONS "|" WORD "|\\p{N}|" SIGNS "|" SPACES, NULL},
    {"tekken", CASED "|" UPPERCASED "|\\p{N}|" SIGNS_SLASH "|" SPACES, NULL},
    {"gpt-4o",
     CASED CONTRACTIONS "?|" UPPERCASED CONTRACTIONS "?|\\p{N}{1,3}|" SIGNS_SLASH
                        "|" SPACES,
     NULL},
    {"deepseek-coder", "[\r\n]", "\\s?\\p{L}+"},
    {"deepseek-llm", "[\r\n]", "\\s?[A-Za-z"},
    {"deepseek-v3", "\\p{N}{1,3}", "[\xe4\xb8\x80-"}, /* U+4E00 */
};

static const char *pattern_at(const json_t *list, size_t i)
{
    const json_t *pattern = json_object_get(json_array_get(list, i), "pattern");
    return json_string_value(json_object_get(pattern, "Regex"));
}

static const char *type_of(const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    return type != NULL ? type : "";
}

/* The whole pattern where there is only one, else how it begins. */
static bool fits(const pre_tokenizer *self, const json_t *list)
{
    const char *first = pattern_at(list, 0), *second = pattern_at(list, 1);
    if (first == NULL || (self->second == NULL) != (second == NULL) ||
        strcmp(first, self->first) != 0)
        return false;
    return second == NULL || strncmp(second, self->second, strlen(self->second)) == 0;
}

/* "ByteLevel" is there, and cuts words as GPT-2 does only when `cuts`. */
static bool is_byte_level(const json_t *part, bool cuts)
{
    return strcmp(type_of(part), "ByteLevel") == 0 &&
           !json_is_true(json_object_get(part, "add_prefix_space")) &&
           cuts != json_is_false(json_object_get(part, "use_regex"));
}

/* NULL: none that GGUF has a name for. */
static const char *find_pre(const source *self)
{
    const json_t *part = json_object_get(self->main, "pre_tokenizer");
    const json_t *list = json_object_get(part, "pretokenizers");
    const size_t n = json_array_size(list);
    const json_t *first = json_array_get(list, 0);
    const json_t *last = json_array_get(list, n > 0 ? n - 1 : 0);
    if (self->merges_text != NULL || is_byte_level(n == 1 ? first : part, true))
        return "gpt-2";
    if (n == 2 && strcmp(type_of(first), "Digits") == 0 && is_byte_level(last, true) &&
        json_is_true(json_object_get(first, "individual_digits")))
        return "smollm";
    for (size_t i = 0; i < sizeof pre_tokenizers / sizeof pre_tokenizers[0]; i++)
        if (fits(&pre_tokenizers[i], list) && is_byte_level(last, false))
            return pre_tokenizers[i].name;
    return NULL;
}

/* What happens to a text before it is cut: GGUF has no word for it but SentencePiece's own.
 * NFC is passed over, as llama.cpp does with Qwen's: text that people type is in it. */
static bool has_other_normalizer(const source *self)
{
    const json_t *part = json_object_get(self->main, "normalizer");
    const json_t *list = json_object_get(part, "normalizers");
    return !self->pieces && json_is_object(part) && strcmp(type_of(part), "NFC") != 0 &&
           (list == NULL || json_array_size(list) > 0);
}

/* The halves of merge i of tokenizer.json; false when it is none. */
static bool merge_at(const json_t *merge, const char **left, size_t *n_left,
                     const char **right, size_t *n_right)
{
    const json_t *a = json_array_get(merge, 0), *b = json_array_get(merge, 1);
    const char *text = json_string_value(merge);
    const char *space = text != NULL ? strchr(text, ' ') : NULL;
    if (space != NULL) {
        *left = text;
        *n_left = (size_t)(space - text);
        *right = space + 1;
        *n_right = strlen(space + 1);
        return true;
    }
    if (json_array_size(merge) != 2 || !json_is_string(a) || !json_is_string(b))
        return false;
    *left = json_string_value(a);
    *n_left = json_string_length(a);
    *right = json_string_value(b);
    *n_right = json_string_length(b);
    return true;
}

static ifm_status put_merges_of_json(source *self, const json_t *merges, ifm_error *err)
{
    ifm_buffer text = {0};
    ifm_status st = IFM_OK;
    ifm_gguf_put_array(self->writer, "tokenizer.ggml.merges", IFM_GGUF_STRING,
                       json_array_size(merges));
    for (size_t i = 0; st == IFM_OK && i < json_array_size(merges); i++) {
        const char *left, *right;
        size_t n_left, n_right;
        if (!merge_at(json_array_get(merges, i), &left, &n_left, &right, &n_right)) {
            st = bad(self, IFM_ERR_FORMAT, "has a merge that is no pair", err);
            break;
        }
        ifm_buffer_clear(&text);
        ifm_buffer_append(&text, left, n_left);
        ifm_buffer_append(&text, " ", 1);
        ifm_buffer_append(&text, right, n_right);
        ifm_gguf_put_element(self->writer, ifm_buffer_text(&text), text.length);
        if (text.failed)
            st = bad(self, IFM_ERR_NO_MEMORY, "is larger than the memory", err);
    }
    ifm_buffer_deinit(&text);
    return st;
}

/* Lines of merges.txt but its heading and empty ones. */
static size_t next_line(const char **at, const char **line)
{
    for (;;) {
        size_t n = strcspn(*at, "\n");
        *line = *at;
        if (n == 0 && **at == '\0')
            return 0;
        *at += n + ((*at)[n] == '\n');
        n -= n > 0 && (*line)[n - 1] == '\r';
        if (n > 0 && strncmp(*line, "#version", 8) != 0)
            return n;
    }
}

static void put_merges_of_text(source *self)
{
    const char *at = self->merges_text, *line;
    uint64_t count = 0;
    while (next_line(&at, &line) > 0)
        count++;
    ifm_gguf_put_array(self->writer, "tokenizer.ggml.merges", IFM_GGUF_STRING, count);
    at = self->merges_text;
    for (size_t n; (n = next_line(&at, &line)) > 0;)
        ifm_gguf_put_element(self->writer, line, n);
}

/* SentencePiece merges the pair whose token has the highest score; the list of merges is in
 * that order, so that a token's score is minus its place there. */
static ifm_status score_pieces(source *self, const json_t *merges, ifm_error *err)
{
    ifm_buffer text = {0};
    float place = 0;
    for (int64_t id = 0; id < self->n_tokens; id++)
        if (self->tokens[id].type == NORMAL)
            self->tokens[id].score = -(float)self->n_tokens - (float)id;
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const char *left, *right;
        size_t n_left, n_right;
        if (!merge_at(json_array_get(merges, i), &left, &n_left, &right, &n_right))
            continue;
        ifm_buffer_clear(&text);
        ifm_buffer_append(&text, left, n_left);
        ifm_buffer_append(&text, right, n_right);
        const json_t *id = json_object_get(self->vocab, ifm_buffer_text(&text));
        if (!json_is_integer(id) || text.failed)
            continue;
        token *made = &self->tokens[json_integer_value(id)];
        if (made->type == NORMAL && made->score < -(float)self->n_tokens)
            made->score = place--;
    }
    bool failed = text.failed;
    ifm_buffer_deinit(&text);
    return failed ? bad(self, IFM_ERR_NO_MEMORY, "is larger than the memory", err)
                  : IFM_OK;
}

static void put_tokens(source *self)
{
    ifm_gguf_writer *writer = self->writer;
    char gap[32];
    ifm_gguf_put_array(writer, "tokenizer.ggml.tokens", IFM_GGUF_STRING,
                       (uint64_t)self->n_tokens);
    for (int64_t id = 0; id < self->n_tokens; id++) {
        token *each = &self->tokens[id];
        if (each->text == NULL) {
            each->type = UNUSED;
            snprintf(gap, sizeof gap, "[PAD%lld]", (long long)id);
            ifm_gguf_put_element(writer, gap, strlen(gap));
        } else {
            ifm_gguf_put_element(writer, each->text, each->n);
        }
    }
    if (self->pieces) {
        ifm_gguf_put_array(writer, "tokenizer.ggml.scores", IFM_GGUF_F32,
                           (uint64_t)self->n_tokens);
        for (int64_t id = 0; id < self->n_tokens; id++)
            ifm_buffer_append(&writer->keys, &self->tokens[id].score, sizeof(float));
    }
    ifm_gguf_put_array(writer, "tokenizer.ggml.token_type", IFM_GGUF_I32,
                       (uint64_t)self->n_tokens);
    for (int64_t id = 0; id < self->n_tokens; id++)
        ifm_buffer_append(&writer->keys, &self->tokens[id].type, sizeof(int32_t));
}

/* The id of a token by its text; −1. */
static int64_t find_token(const source *self, const char *text)
{
    size_t n = strlen(text);
    for (int64_t id = 0; id < self->n_tokens; id++)
        if (self->tokens[id].text != NULL && self->tokens[id].n == n &&
            memcmp(self->tokens[id].text, text, n) == 0)
            return id;
    return -1;
}

/* Which token is `name` ("bos"): tokenizer_config.json has its text, or an object with it;
 * config.json its id, or several, of which the first. −1: none. */
static int64_t special_id(const source *self, const char *name)
{
    char key[32];
    snprintf(key, sizeof key, "%s_token", name);
    const json_t *text = json_object_get(self->config, key);
    if (json_is_object(text))
        text = json_object_get(text, "content");
    int64_t id = json_is_string(text) ? find_token(self, json_string_value(text)) : -1;
    if (id >= 0)
        return id;
    snprintf(key, sizeof key, "%s_token_id", name);
    const json_t *number = json_object_get(self->model_config, key);
    if (json_is_array(number))
        number = json_array_get(number, 0);
    id = json_is_integer(number) ? json_integer_value(number) : -1;
    return id < self->n_tokens ? id : -1;
}

/* "TemplateProcessing" puts a token in front of every text. */
static bool template_begins(const source *self)
{
    const json_t *part = json_object_get(self->main, "post_processor");
    const json_t *list = json_object_get(part, "processors");
    for (size_t i = 0; i < (list != NULL ? json_array_size(list) : 1); i++) {
        const json_t *item = list != NULL ? json_array_get(list, i) : part;
        const json_t *first = json_array_get(json_object_get(item, "single"), 0);
        if (json_object_get(first, "SpecialToken") != NULL)
            return true;
    }
    return false;
}

/* SentencePiece's dummy prefix: a normalizer that prepends, or Metaspace that does. */
static bool prepends_space(const source *self)
{
    const json_t *part = json_object_get(self->main, "normalizer");
    const json_t *list = json_object_get(part, "normalizers");
    const json_t *space = json_object_get(self->main, "pre_tokenizer");
    const char *scheme = json_string_value(json_object_get(space, "prepend_scheme"));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(type_of(json_array_get(list, i)), "Prepend") == 0)
            return true;
    if (strcmp(type_of(part), "Prepend") == 0)
        return true;
    return strcmp(type_of(space), "Metaspace") == 0 &&
           (scheme == NULL || strcmp(scheme, "never") != 0);
}

static void put_special(source *self)
{
    static const char *const names[][2] = {
        {"bos", "tokenizer.ggml.bos_token_id"},
        {"eos", "tokenizer.ggml.eos_token_id"},
        {"unk", "tokenizer.ggml.unknown_token_id"},
        {"pad", "tokenizer.ggml.padding_token_id"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int64_t id = special_id(self, names[i][0]);
        if (id < 0)
            continue;
        ifm_gguf_put_u32(self->writer, names[i][1], (uint32_t)id);
        /* vocab.json does not say which tokens are no text. */
        if (self->merges_text != NULL && i < 2)
            self->tokens[id].type = CONTROL;
    }
    const json_t *add = json_object_get(self->config, "add_bos_token");
    bool begins = template_begins(self);
    if (!begins && json_is_boolean(add) && self->main == self->vocab)
        begins = json_is_true(add);
    ifm_gguf_put_bool(self->writer, "tokenizer.ggml.add_bos_token", begins);
    if (self->pieces)
        ifm_gguf_put_bool(self->writer, "tokenizer.ggml.add_space_prefix",
                          prepends_space(self));
}

/* chat_template.jinja, or "chat_template": text, or a list of named ones with a default. */
static ifm_status put_template(source *self, ifm_error *err)
{
    char *text = NULL;
    ifm_status st =
        read_text(self, "chat_template.jinja", MAX_TEMPLATE_BYTES, &text, err);
    const json_t *found = json_object_get(self->config, "chat_template");
    for (size_t i = 0; json_is_array(found) && i < json_array_size(found); i++) {
        const json_t *each = json_array_get(found, i);
        const char *name = json_string_value(json_object_get(each, "name"));
        if (name != NULL && strcmp(name, "default") == 0)
            found = json_object_get(each, "template");
    }
    const char *chosen = text != NULL ? text : json_string_value(found);
    if (st == IFM_OK && chosen != NULL)
        ifm_gguf_put_string(self->writer, "tokenizer.chat_template", chosen,
                            strlen(chosen));
    free(text);
    return st;
}

static ifm_status put_all(source *self, ifm_error *err)
{
    const json_t *merges =
        json_object_get(json_object_get(self->main, "model"), "merges");
    const char *pre = self->pieces ? "default" : find_pre(self);
    const char *model = self->pieces ? "llama" : "gpt2";
    if (pre == NULL)
        return bad(self, IFM_ERR_UNSUPPORTED,
                   "has a pre-tokenizer for which GGUF has no name that is known here",
                   err);
    if (has_other_normalizer(self))
        return bad(self, IFM_ERR_UNSUPPORTED,
                   "has a normalizer, for which GGUF has no word", err);
    ifm_status st = read_tokens(self, err);
    if (st == IFM_OK && self->pieces)
        st = score_pieces(self, merges, err);
    if (st != IFM_OK)
        return st;
    ifm_gguf_put_string(self->writer, "tokenizer.ggml.model", model, strlen(model));
    ifm_gguf_put_string(self->writer, "tokenizer.ggml.pre", pre, strlen(pre));
    put_special(self);
    put_tokens(self);
    if (self->merges_text != NULL)
        put_merges_of_text(self);
    else if (!self->pieces)
        st = put_merges_of_json(self, merges, err);
    return st == IFM_OK ? put_template(self, err) : st;
}

ifm_status ifm_convert_put_tokenizer(ifm_gguf_writer *writer, const char *directory,
                                     const json_t *config, int64_t n_vocab, bool *found,
                                     ifm_error *err)
{
    source self = {
        .writer = writer,
        .directory = directory,
        .model_config = config,
        .n_tokens = n_vocab,
    };
    ifm_status st = open_files(&self, err);
    *found = self.main != NULL;
    if (st == IFM_OK && *found)
        st = put_all(&self, err);
    else if (st == IFM_OK)
        ifm_gguf_put_string(writer, "tokenizer.ggml.model", "none", 4);
    free(self.tokens);
    free(self.merges_text);
    json_decref(self.main);
    json_decref(self.config);
    return st;
}
