#include "cli/prompts.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/random.h"
#include "cli/chat.h"
#include "cli/input.h"
#include "os/file.h"

enum {
    PROMPT_LIMIT = 64 << 20,
    PROMPTS_MOST = 100000,
    LENGTH_MOST = 1 << 24,
};

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "prompts: no memory");
}

/* A new empty prompt; NULL without memory. */
static ifm_prompt *add(ifm_prompts *self)
{
    if (self->n == self->capacity) {
        const size_t n = self->capacity == 0 ? 8 : 2 * self->capacity;
        ifm_prompt *grown = realloc(self->items, n * sizeof *grown);
        if (grown == NULL)
            return NULL;
        self->items = grown;
        self->capacity = n;
    }
    self->items[self->n] = (ifm_prompt){0};
    return &self->items[self->n++];
}

static ifm_status add_text(ifm_prompts *self, const char *text, size_t n, ifm_error *err)
{
    ifm_prompt *prompt = add(self);
    if (prompt != NULL)
        prompt->text = malloc(n + 1);
    if (prompt == NULL || prompt->text == NULL)
        return no_memory(err);
    memcpy(prompt->text, text, n);
    prompt->text[n] = '\0';
    prompt->n = n;
    return IFM_OK;
}

/* A whole file, or standard input. */
static ifm_status read_file(const char *path, char **data, size_t *n, ifm_error *err)
{
    if (strcmp(path, "-") != 0)
        return ifm_file_read(path, PROMPT_LIMIT, data, n, err);
    ifm_buffer text = {0};
    ifm_status st = ifm_read_stdin(&text, PROMPT_LIMIT, err);
    *n = text.length;
    *data = ifm_buffer_take(&text);
    ifm_buffer_deinit(&text);
    return st;
}

/* Editors end a file with a line feed that nobody means as part of the prompt. */
static ifm_status read_prompt_file(ifm_prompts *self, const char *path, ifm_error *err)
{
    char *data = NULL;
    size_t n = 0;
    ifm_status st = read_file(path, &data, &n, err);
    if (st == IFM_OK && n > 0 && data[n - 1] == '\n')
        n--;
    if (st == IFM_OK)
        st = add_text(self, data != NULL ? data : "", n, err);
    free(data);
    return st;
}

/* Numbers with commas between: heap array of *n. */
static ifm_status parse_list(const char *option, const char *text, const char *what,
                             long long least, long long most, int32_t **out, size_t *n,
                             ifm_error *err)
{
    *n = 0;
    *out = malloc((strlen(text) / 2 + 1) * sizeof **out);
    if (*out == NULL)
        return no_memory(err);
    for (const char *at = text; *at != '\0' || *n == 0;) {
        char *end;
        errno = 0;
        long long value = strtoll(at, &end, 10);
        bool ends = *end == '\0' || (*end == ',' && end[1] != '\0');
        if (end == at || !ends || errno != 0 || value < least || value > most)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--%s: \"%s\" is no list of %s, expected numbers and commas: "
                            "%lld,%lld,%lld",
                            option, text, what, least + 1, least + 2, least + 3);
        (*out)[(*n)++] = (int32_t)value;
        at = *end == ',' ? end + 1 : end;
    }
    return IFM_OK;
}

static ifm_status read_ids(ifm_prompts *self, const char *text, ifm_error *err)
{
    ifm_prompt *prompt = add(self);
    if (prompt == NULL)
        return no_memory(err);
    return parse_list("prompt-ids", text, "token ids", 0, INT32_MAX, &prompt->ids,
                      &prompt->n_ids, err);
}

/* ---- a file of prompts -------------------------------------------------------------- */

static ifm_status fail_line(ifm_error *err, const char *path, size_t number,
                            const char *what)
{
    return ifm_fail(err, IFM_ERR_FORMAT,
                    "%s:%zu: %s, expected {\"prompt\": \"…\"} with, if wanted, "
                    "\"max_new_tokens\" and \"id\"",
                    path, number, what);
}

static ifm_status take_name(ifm_prompt *prompt, const json_t *id, ifm_error *err)
{
    char number[32];
    const char *name = json_string_value(id);
    if (json_is_integer(id)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
        name = number;
    }
    if (name == NULL)
        return IFM_OK;
    prompt->name = strdup(name);
    return prompt->name != NULL ? IFM_OK : no_memory(err);
}

static ifm_status take_json_line(ifm_prompts *self, const char *path, size_t number,
                                 const char *line, size_t n, ifm_error *err)
{
    json_error_t where;
    json_t *json = json_loadb(line, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &where);
    const json_t *text = json_object_get(json, "prompt");
    const json_t *limit = json_object_get(json, "max_new_tokens");
    ifm_status st = IFM_OK;
    if (!json_is_object(json))
        st = fail_line(err, path, number, "is no JSON object");
    else if (!json_is_string(text))
        st = fail_line(err, path, number, "has no text \"prompt\"");
    else if (limit != NULL && (!json_is_integer(limit) || json_integer_value(limit) < 1 ||
                               json_integer_value(limit) > 1000000))
        st = fail_line(err, path, number, "\"max_new_tokens\" is no number from 1 on");
    if (st == IFM_OK)
        st = add_text(self, json_string_value(text), json_string_length(text), err);
    if (st == IFM_OK) {
        ifm_prompt *prompt = &self->items[self->n - 1];
        prompt->max_new_tokens = (int32_t)json_integer_value(limit);
        st = take_name(prompt, json_object_get(json, "id"), err);
    }
    json_decref(json);
    return st;
}

static bool is_blank(const char *line, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strchr(" \t\r", line[i]) == NULL || line[i] == '\0')
            return false;
    return true;
}

/* JSON when the first line that holds something begins with a brace, else a prompt a line.
 * Blank lines are passed over. */
static ifm_status read_prompts(ifm_prompts *self, const char *path, ifm_error *err)
{
    char *data = NULL;
    size_t size = 0, number = 0;
    int json = -1;
    ifm_status st = read_file(path, &data, &size, err);
    for (size_t at = 0; st == IFM_OK && at < size;) {
        const char *line = data + at, *feed = memchr(line, '\n', size - at);
        size_t n = feed != NULL ? (size_t)(feed - line) : size - at;
        at += n + 1;
        number++;
        if (is_blank(line, n))
            continue;
        if (json < 0)
            json = line[strspn(line, " \t")] == '{';
        if (n > 0 && line[n - 1] == '\r')
            n--;
        st = json ? take_json_line(self, path, number, line, n, err)
                  : add_text(self, line, n, err);
        if (st == IFM_OK && self->n > PROMPTS_MOST)
            st = ifm_fail(err, IFM_ERR_LIMIT, "%s: more than %d prompts", path,
                          PROMPTS_MOST);
    }
    free(data);
    if (st == IFM_OK && self->n == 0)
        st = ifm_fail(err, IFM_ERR_FORMAT, "%s: holds no prompt", path);
    return st;
}

ifm_status ifm_prompts_read(ifm_prompts *self, const ifm_arguments *a, ifm_error *err)
{
    static const char *const sources[] = {"prompt", "prompt-file", "prompt-ids",
                                          "prompts", "input-len"};
    int n = 0;
    *self = (ifm_prompts){0};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        n += ifm_arguments_given(a, sources[i]);
    if (n > 1)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--prompt, --prompt-file, --prompt-ids, --prompts and --input-len "
            "exclude each other");
    const bool ids = ifm_arguments_given(a, "prompt-ids"),
               made = ifm_arguments_given(a, "input-len");
    if ((ids || made) && ifm_chat_wanted(a))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--%s are no text: a chat template does not go with them",
                        ids ? "prompt-ids" : "input-len");
    if (ids)
        return read_ids(self, ifm_arguments_string(a, "prompt-ids"), err);
    if (made)
        return parse_list("input-len", ifm_arguments_string(a, "input-len"), "lengths", 1,
                          LENGTH_MOST, &self->lengths, &self->n_lengths, err);
    if (ifm_arguments_given(a, "prompt-file"))
        return read_prompt_file(self, ifm_arguments_string(a, "prompt-file"), err);
    if (ifm_arguments_given(a, "prompts"))
        return read_prompts(self, ifm_arguments_string(a, "prompts"), err);
    const char *prompt = ifm_arguments_string(a, "prompt");
    return add_text(self, prompt, strlen(prompt), err);
}

void ifm_prompts_deinit(ifm_prompts *self)
{
    for (size_t i = 0; i < self->n; i++) {
        free(self->items[i].text);
        free(self->items[i].ids);
        free(self->items[i].name);
    }
    free(self->items);
    free(self->lengths);
    *self = (ifm_prompts){0};
}

/* ---- prompts of a given length ------------------------------------------------------ */

static bool is_ordinary(const ifm_tokenizer *tokenizer, int32_t id)
{
    size_t n;
    return ifm_tokenizer_bytes(tokenizer, id, &n) != NULL && n > 0 &&
           !ifm_tokenizer_is_special(tokenizer, id);
}

/* The ordinary tokens: heap array of *n. */
static int32_t *ordinary_tokens(const ifm_tokenizer *tokenizer, int32_t n_vocab,
                                size_t *n)
{
    const int32_t size = ifm_tokenizer_size(tokenizer);
    const int32_t end = size < n_vocab ? size : n_vocab;
    int32_t *ids = malloc((size_t)(end + 1) * sizeof *ids);
    *n = 0;
    for (int32_t id = 0; ids != NULL && id < end; id++)
        if (is_ordinary(tokenizer, id))
            ids[(*n)++] = id;
    return ids;
}

ifm_status ifm_prompts_make(ifm_prompts *self, const ifm_tokenizer *tokenizer,
                            int32_t n_vocab, uint64_t seed, ifm_error *err)
{
    size_t n_ordinary = 0;
    ifm_status st = IFM_OK;
    ifm_random random;
    if (self->n_lengths == 0)
        return IFM_OK;
    int32_t *ordinary = ordinary_tokens(tokenizer, n_vocab, &n_ordinary);
    if (ordinary == NULL)
        return no_memory(err);
    if (n_ordinary == 0)
        st = ifm_fail(err, IFM_ERR_UNSUPPORTED,
                      "--input-len: this model's tokenizer has no ordinary tokens");
    ifm_random_init(&random, seed);
    for (size_t i = 0; st == IFM_OK && i < self->n_lengths; i++) {
        ifm_prompt *prompt = add(self);
        const size_t n = (size_t)self->lengths[i];
        if (prompt != NULL)
            prompt->ids = malloc(n * sizeof *prompt->ids);
        if (prompt == NULL || prompt->ids == NULL) {
            st = no_memory(err);
            break;
        }
        for (prompt->n_ids = 0; prompt->n_ids < n; prompt->n_ids++)
            prompt->ids[prompt->n_ids] = ordinary[ifm_random_below(&random, n_ordinary)];
    }
    free(ordinary);
    return st;
}

/* ---- requests ----------------------------------------------------------------------- */

static ifm_sequence sequence_of(const ifm_prompts *prompts, size_t i,
                                const ifm_target_request *base)
{
    const ifm_prompt *p = &prompts->items[i];
    return (ifm_sequence){
        .prompt = p->text,
        .n_prompt = p->n,
        .ids = p->ids,
        .n_ids = p->n_ids,
        .max_new_tokens =
            p->max_new_tokens > 0 ? p->max_new_tokens : base->max_new_tokens,
        .index = (int32_t)i,
    };
}

/* A request of one sequence says it without a batch, as every engine understands. */
static ifm_target_request single(const ifm_target_request *base, const ifm_sequence *s)
{
    ifm_target_request request = *base;
    request.prompt = s->prompt;
    request.n_prompt = s->n_prompt;
    request.ids = s->ids;
    request.n_ids = s->n_ids;
    request.max_new_tokens = s->max_new_tokens;
    request.index = s->index;
    return request;
}

ifm_status ifm_requests_make(ifm_requests *self, const ifm_prompts *prompts,
                             const ifm_target_request *base, size_t batch_size,
                             ifm_padding padding, ifm_error *err)
{
    const size_t n = (prompts->n + batch_size - 1) / batch_size;
    *self = (ifm_requests){
        .items = calloc(n, sizeof *self->items),
        .sequences = calloc(n * batch_size, sizeof *self->sequences),
        .n = n,
    };
    if (self->items == NULL || self->sequences == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n * batch_size; i++)
        self->sequences[i] = sequence_of(prompts, i % prompts->n, base);
    for (size_t i = 0; i < n; i++) {
        self->items[i] = *base;
        self->items[i].sequences = &self->sequences[i * batch_size];
        self->items[i].n_sequences = batch_size;
        self->items[i].padding = padding;
        if (batch_size == 1)
            self->items[i] = single(base, &self->sequences[i]);
    }
    return IFM_OK;
}

void ifm_requests_deinit(ifm_requests *self)
{
    free(self->items);
    free(self->sequences);
    *self = (ifm_requests){0};
}
