#include "text/chat.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/error.h"
#include "format/gguf.h"
#include "os/file.h"
#include "text/json.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

enum { TEMPLATE_LIMIT = 1 << 20 };

struct ifm_chat {
    const ifm_chat_template *row;
    bool bos;    /* the text begins with BOS */
    char *words; /* the system's, when there are none; NULL: no such turn */
    char *bos_text, *eos_text;
};

/* ---- finding a model's template --------------------------------------------------- */

/* A buffer that is not empty holds the template. */
static ifm_status read_file(const char *directory, const char *name, ifm_buffer *text,
                            ifm_error *err)
{
    char *path = ifm_text_path(directory, name), *data = NULL;
    size_t n = 0;
    if (path == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "%s: no memory", name);
    ifm_status st = ifm_file_read(path, TEMPLATE_LIMIT, &data, &n, err);
    free(path);
    if (st == IFM_OK)
        ifm_buffer_append(text, data, n);
    free(data);
    return st == IFM_ERR_NOT_FOUND ? IFM_OK : st;
}

/* "chat_template": a string, or [{"name": "default", "template": …}, …] */
static ifm_status read_config(const char *directory, const char *name, ifm_buffer *text,
                              ifm_error *err)
{
    json_t *root, *item;
    ifm_status st = ifm_text_read_json_reals(directory, name, &root, err);
    if (st != IFM_OK)
        return st;
    json_t *found = json_object_get(root, "chat_template"), *list = found;
    size_t i;
    json_array_foreach(list, i, item)
    {
        const char *which = json_string_value(json_object_get(item, "name"));
        if (which != NULL && strcmp(which, "default") == 0)
            found = json_object_get(item, "template");
    }
    if (json_is_string(found))
        ifm_buffer_append(text, json_string_value(found), json_string_length(found));
    json_decref(root);
    return IFM_OK;
}

static ifm_status read_gguf(const char *path, ifm_buffer *text, ifm_error *err)
{
    ifm_mapping mapping;
    ifm_gguf *gguf = NULL;
    ifm_gguf_string found;
    ifm_status st = ifm_mapping_open(&mapping, path, err);
    if (st != IFM_OK)
        return st;
    st = ifm_gguf_parse(&mapping, path, &gguf, err);
    if (st == IFM_OK && ifm_gguf_get_string(gguf, "tokenizer.chat_template", &found))
        ifm_buffer_append(text, found.text, found.n);
    ifm_gguf_free(gguf);
    ifm_mapping_close(&mapping);
    return st;
}

static ifm_status read_template(const ifm_source *source, ifm_buffer *text,
                                ifm_error *err)
{
    const char *path = source->path != NULL ? source->path : "the tokenizer";
    ifm_status st = IFM_OK;
    if (source->path != NULL && source->is_gguf) {
        st = read_gguf(path, text, err);
    } else if (source->path != NULL) {
        st = read_file(path, "chat_template.jinja", text, err);
        if (st == IFM_OK && text->length == 0)
            st = read_config(path, "tokenizer_config.json", text, err);
        if (st == IFM_OK && text->length == 0)
            st = read_config(path, "chat_template.json", text, err);
    }
    if (st == IFM_OK && text->failed)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a chat template");
    if (st == IFM_OK && text->length == 0)
        return ifm_fail(
            err, IFM_ERR_NOT_FOUND,
            "%s: the model has no chat template, is it one for chatting? Known by "
            "name are %s",
            path, ifm_chat_list());
    return st;
}

/* ---- opening ---------------------------------------------------------------------- */

static bool text_of(const ifm_tokenizer *tokenizer, int32_t id, const char *otherwise,
                    char **out)
{
    size_t n = 0;
    const char *bytes =
        tokenizer != NULL ? ifm_tables_bytes(&tokenizer->tables, id, &n) : NULL;
    *out = bytes != NULL ? strndup(bytes, n) : strdup(otherwise);
    return *out != NULL;
}

/* What the row leaves to the model's own template. */
static bool read_details(ifm_chat *self, const ifm_buffer *text)
{
    const ifm_chat_template *row = self->row;
    const char *all = ifm_buffer_text(text);
    self->bos = (row->flags & IFM_CHAT_BOS) != 0;
    if ((row->flags & IFM_CHAT_BOS_IF_NAMED) != 0)
        self->bos = memmem(all, text->length, "bos_token", 9) != NULL;
    size_t n = 0;
    const char *words = (row->flags & IFM_CHAT_DEFAULT_SYSTEM) != 0
                            ? ifm_chat_default_system(all, text->length, &n)
                            : NULL;
    if (words != NULL)
        self->words = strndup(words, n);
    else if (row->words != NULL || (row->flags & IFM_CHAT_SYSTEM_ALWAYS) != 0)
        self->words = strdup(row->words != NULL ? row->words : "");
    else
        return true;
    return self->words != NULL;
}

static ifm_status choose(const ifm_tokenizer *tokenizer, const char *name,
                         ifm_buffer *text, const ifm_chat_template **row, ifm_error *err)
{
    if (name != NULL) {
        *row = ifm_chat_find(name);
        if (*row == NULL)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "no chat template is called \"%.*s\", known are %s",
                            ifm_utf8_prefix(name, strlen(name), 60), name,
                            ifm_chat_list());
        return IFM_OK;
    }
    ifm_status st = read_template(&tokenizer->source, text, err);
    if (st != IFM_OK)
        return st;
    *row = ifm_chat_recognise(ifm_buffer_text(text), text->length);
    if (*row == NULL)
        return ifm_fail(
            err, IFM_ERR_UNSUPPORTED,
            "%s: its chat template is none that is known: choose one by name, of "
            "%s",
            tokenizer->source.path, ifm_chat_list());
    return IFM_OK;
}

ifm_status ifm_chat_open(const ifm_tokenizer *tokenizer, const char *name, ifm_chat **out,
                         ifm_error *err)
{
    *out = NULL;
    if (tokenizer == NULL && name == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "a chat template needs a tokenizer or a name");
    ifm_buffer text = {0};
    ifm_chat *self = calloc(1, sizeof *self);
    ifm_status st =
        self == NULL ? ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a chat template")
                     : choose(tokenizer, name, &text, &self->row, err);
    if (st == IFM_OK &&
        (!read_details(self, &text) ||
         !text_of(tokenizer, tokenizer != NULL ? ifm_tokenizer_bos(tokenizer) : -1,
                  self->row->bos, &self->bos_text) ||
         !text_of(tokenizer, tokenizer != NULL ? ifm_tokenizer_eos(tokenizer) : -1,
                  self->row->eos, &self->eos_text)))
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a chat template");
    ifm_buffer_deinit(&text);
    if (st == IFM_OK)
        *out = self;
    else
        ifm_chat_close(self);
    return st;
}

void ifm_chat_close(ifm_chat *self)
{
    if (self == NULL)
        return;
    free(self->words);
    free(self->bos_text);
    free(self->eos_text);
    free(self);
}

const char *ifm_chat_name(const ifm_chat *self)
{
    return self->row->name;
}

/* ---- formatting ------------------------------------------------------------------- */

/* A string of the table, with what its {…} stand for. */
static void put_text(const ifm_chat *self, const char *text, ifm_buffer *out)
{
    char date[32] = "";
    while (*text != '\0') {
        if (strncmp(text, "{bos}", 5) == 0) {
            ifm_buffer_puts(out, self->bos_text);
            text += 5;
        } else if (strncmp(text, "{eos}", 5) == 0) {
            ifm_buffer_puts(out, self->eos_text);
            text += 5;
        } else if (strncmp(text, "{date}", 6) == 0) {
            time_t now = time(NULL);
            struct tm local;
            if (localtime_r(&now, &local) != NULL)
                strftime(date, sizeof date, "%d %b %Y", &local);
            ifm_buffer_puts(out, date);
            text += 6;
        } else {
            ifm_buffer_append(out, text++, 1);
        }
    }
}

/* What Python's strip() takes away, which is what templates are run with. */
static bool is_space(const char *character, size_t length)
{
    uint32_t c = ifm_utf8_decode((const unsigned char *)character, length);
    return ifm_is_white_space(c) || (c >= 0x1c && c <= 0x1f);
}

static void trim_end(const char *text, size_t *n)
{
    while (*n > 0) {
        size_t length = 1;
        while (length < *n && length < 4 &&
               ((unsigned char)text[*n - length] & 0xc0) == 0x80)
            length++;
        if (!is_space(text + *n - length, length))
            return;
        *n -= length;
    }
}

static void trim(const char **text, size_t *n)
{
    trim_end(*text, n);
    while (*n > 0) {
        ifm_utf8_kind kind;
        size_t length = ifm_utf8_step((const unsigned char *)*text, *n, &kind);
        if (!is_space(*text, length))
            return;
        *text += length;
        *n -= length;
    }
}

/* What follows the last "</think>" and its line feeds. */
static void skip_thinking(const char **text, size_t *n)
{
    static const char end[] = "</think>";
    size_t m = sizeof end - 1;
    bool found = false;
    for (const char *at; (at = memmem(*text, *n, end, m)) != NULL; found = true) {
        *n -= (size_t)(at - *text) + m;
        *text = at + m;
    }
    while (found && *n > 0 && **text == '\n') {
        (*text)++;
        (*n)--;
    }
}

/* One turn; `lead` are the system's words where they are part of it. */
static void put_turn(const ifm_chat *self, const char *const around[2],
                     const ifm_chat_message *message, const ifm_buffer *lead,
                     ifm_buffer *out)
{
    const char *content = message->content;
    size_t n = message->n_content;
    unsigned flags = self->row->flags;
    if ((flags & IFM_CHAT_NO_THINKING) != 0 && around == self->row->assistant)
        skip_thinking(&content, &n);
    put_text(self, around[0], out);
    /* A lead that is no white space itself is trimmed together with the content. */
    bool joined = lead != NULL && lead->length > 0 && self->row->system[0][0] != '\0';
    if ((flags & IFM_CHAT_TRIM) != 0 && joined)
        trim_end(content, &n);
    else if ((flags & IFM_CHAT_TRIM) != 0)
        trim(&content, &n);
    if (lead != NULL && lead->length > 0)
        ifm_buffer_append(out, lead->data, lead->length);
    ifm_buffer_append(out, content, n);
    put_text(self, around[1], out);
}

static bool is_role(const ifm_chat_message *message, const char *role)
{
    return strcmp(message->role, role) == 0;
}

/* Which roles come when. `n` counts without a system's message in front. */
static ifm_status check_roles(const ifm_chat *self, const ifm_chat_message *messages,
                              size_t n, bool system, ifm_error *err)
{
    unsigned flags = self->row->flags;
    const char *name = self->row->name;
    if (system && (flags & IFM_CHAT_NO_SYSTEM) != 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "the chat template %s has no system message: say it in the first "
                        "message of the user",
                        name);
    for (size_t i = 0; i < n; i++) {
        bool user = is_role(&messages[i], "user");
        if (!user && !is_role(&messages[i], "assistant"))
            return ifm_fail(
                err, IFM_ERR_ARGUMENT,
                "message %zu has the role \"%.*s\", expected user or assistant, "
                "or system for the first",
                i + 1 + system,
                ifm_utf8_prefix(messages[i].role, strlen(messages[i].role), 30),
                messages[i].role);
        if ((flags & IFM_CHAT_ALTERNATES) != 0 && user != (i % 2 == 0))
            return ifm_fail(
                err, IFM_ERR_ARGUMENT,
                "message %zu: in the chat template %s, user and assistant take "
                "turns, and the user begins",
                i + 1 + system, name);
    }
    if (n == 0 && (flags & (IFM_CHAT_SYSTEM_FIRST | IFM_CHAT_SYSTEM_LAST)) != 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "the chat template %s needs a message of the user", name);
    return IFM_OK;
}

/* Where the system's words are part of a user's turn: which one; n otherwise. */
static size_t place_of_system(const ifm_chat *self, const ifm_chat_message *messages,
                              size_t n)
{
    if ((self->row->flags & IFM_CHAT_SYSTEM_FIRST) != 0)
        return 0;
    if ((self->row->flags & IFM_CHAT_SYSTEM_LAST) == 0)
        return n;
    for (size_t i = n; i-- > 0;)
        if (is_role(&messages[i], "user"))
            return i;
    return n;
}

static void format(const ifm_chat *self, const ifm_chat_message *system,
                   const ifm_chat_message *messages, size_t n, bool answer,
                   ifm_buffer *out)
{
    const ifm_chat_template *row = self->row;
    size_t place = place_of_system(self, messages, n);
    ifm_buffer lead = {0};
    if (self->bos)
        ifm_buffer_puts(out, self->bos_text);
    if (system != NULL && place == n) {
        put_turn(self, row->system, system, NULL, out);
    } else if (system != NULL) {
        put_text(self, row->system[0], &lead);
        ifm_buffer_append(&lead, system->content, system->n_content);
        put_text(self, row->system[1], &lead);
    }
    for (size_t i = 0; i < n; i++)
        put_turn(self, is_role(&messages[i], "user") ? row->user : row->assistant,
                 &messages[i], i == place ? &lead : NULL, out);
    if (answer)
        put_text(self, row->answer, out);
    out->failed = out->failed || lead.failed;
    ifm_buffer_deinit(&lead);
}

ifm_status ifm_chat_format(const ifm_chat *self, const ifm_chat_message *messages,
                           size_t n, bool answer, char **text, size_t *n_text,
                           ifm_error *err)
{
    *text = NULL;
    *n_text = 0;
    bool given = n > 0 && is_role(&messages[0], "system");
    ifm_chat_message by_default = {"system", self->words, 0};
    const ifm_chat_message *system = given ? &messages[0] : NULL;
    const ifm_chat_message *turns = given ? messages + 1 : messages;
    ifm_status st = check_roles(self, turns, n - given, given, err);
    if (st != IFM_OK)
        return st;
    if (!given && self->words != NULL) {
        by_default.n_content = strlen(self->words);
        system = &by_default;
    }
    ifm_buffer out = {0};
    format(self, system, turns, n - given, answer, &out);
    ifm_buffer_append(&out, "", 0);
    *n_text = out.length;
    *text = out.length > 0 ? ifm_buffer_take(&out) : strdup("");
    ifm_buffer_deinit(&out);
    return *text != NULL
               ? IFM_OK
               : ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a conversation");
}
