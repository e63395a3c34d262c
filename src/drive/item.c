#include "drive/item.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/json.h"

enum {
    TOKENS_MOST = 1 << 24,
    TURNS_MOST = 10000,
    HASHES_MOST = 1 << 20,
};

static const double MS_MOST = 1e12; /* thirty years: milliseconds since 1970 are fine */

/* What is being parsed, for messages. */
typedef struct parser {
    ifm_item *item;
    const char *where;
    ifm_error *err;
} parser;

static ifm_status fail(const parser *self, const char *what)
{
    return ifm_fail(self->err, IFM_ERR_FORMAT, "%s: %s", self->where, what);
}

static ifm_status read_ms(const parser *self, const json_t *object, const char *key,
                          int64_t *ns)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value))
        return IFM_OK;
    const double ms = json_number_value(value);
    if (!json_is_number(value) || !(ms >= 0 && ms <= MS_MOST))
        return ifm_fail(self->err, IFM_ERR_FORMAT,
                        "%s: \"%s\" is no number of milliseconds, from 0 on", self->where,
                        key);
    *ns = (int64_t)llround(ms * 1e6);
    return IFM_OK;
}

static ifm_status read_tokens(const parser *self, const json_t *object, const char *key,
                              int32_t *tokens)
{
    int64_t value = *tokens;
    const ifm_status st =
        ifm_json_int(object, self->where, key, 1, TOKENS_MOST, &value, self->err);
    *tokens = (int32_t)value;
    return st;
}

/* A new turn; NULL without memory. */
static ifm_item_turn *add_turn(ifm_item *item)
{
    /* Grown at powers of two. */
    if ((item->n_turns & (item->n_turns - 1)) == 0) {
        const size_t n = item->n_turns == 0 ? 1 : 2 * item->n_turns;
        ifm_item_turn *grown = realloc(item->turns, n * sizeof *grown);
        if (grown == NULL)
            return NULL;
        item->turns = grown;
    }
    item->turns[item->n_turns] = (ifm_item_turn){.delay_ns = -1};
    return &item->turns[item->n_turns++];
}

static ifm_status no_memory(const parser *self)
{
    return ifm_fail(self->err, IFM_ERR_NO_MEMORY, "%s: no memory", self->where);
}

static bool is_role(const char *role)
{
    return role != NULL && (strcmp(role, "system") == 0 || strcmp(role, "user") == 0 ||
                            strcmp(role, "assistant") == 0);
}

/* Messages as the chat endpoint takes them, the last from a user. */
static ifm_status check_messages(const parser *self, const json_t *messages)
{
    size_t i;
    const json_t *message;
    const char *role = NULL;
    if (!json_is_array(messages) || json_array_size(messages) == 0 ||
        json_array_size(messages) > TURNS_MOST)
        return fail(self, "\"messages\" is no list of messages");
    json_array_foreach(messages, i, message)
    {
        role = json_string_value(json_object_get(message, "role"));
        if (!is_role(role) || !json_is_string(json_object_get(message, "content")))
            return fail(self,
                        "a message needs a \"role\" (system, user, assistant) and a "
                        "text \"content\"");
    }
    return strcmp(role, "user") == 0
               ? IFM_OK
               : fail(self, "the last of \"messages\" is not the user's");
}

static void take_text(ifm_item_turn *turn, const json_t *text)
{
    turn->text = json_string_value(text);
    turn->n = json_string_length(text);
}

static ifm_status take_limits(const parser *self, const json_t *object,
                              ifm_item_turn *turn)
{
    static const char *const keys[] = {"max_tokens", "max_new_tokens", "output_length"};
    ifm_status st = IFM_OK;
    for (size_t i = 0; st == IFM_OK && i < sizeof keys / sizeof *keys; i++)
        st = read_tokens(self, object, keys[i], &turn->output_tokens);
    static const char *const delays[] = {"delay", "delay_ms"};
    for (size_t i = 0; st == IFM_OK && i < sizeof delays / sizeof *delays; i++)
        st = read_ms(self, object, delays[i], &turn->delay_ns);
    return st;
}

/* A turn from an object that has a prompt, a text, or messages. */
static ifm_status take_prompt(const parser *self, const json_t *object)
{
    static const char *const keys[] = {"prompt", "text", "content"};
    const json_t *messages = json_object_get(object, "messages");
    const json_t *text = NULL;
    for (size_t i = 0; text == NULL && i < sizeof keys / sizeof *keys; i++)
        text = json_object_get(object, keys[i]);
    ifm_status st = IFM_OK;
    if (messages != NULL)
        st = check_messages(self, messages);
    else if (!json_is_string(text) || json_string_length(text) == 0)
        st =
            fail(self, "has no \"prompt\", \"messages\", \"turns\", \"conversations\" or "
                       "\"input_length\"");
    if (st != IFM_OK)
        return st;
    ifm_item_turn *turn = add_turn(self->item);
    if (turn == NULL)
        return no_memory(self);
    turn->messages = messages;
    if (messages == NULL)
        take_text(turn, text);
    return take_limits(self, object, turn);
}

static ifm_status take_turns(const parser *self, const json_t *turns)
{
    size_t i;
    const json_t *one;
    ifm_status st = IFM_OK;
    if (!json_is_array(turns) || json_array_size(turns) == 0 ||
        json_array_size(turns) > TURNS_MOST)
        return fail(self, "\"turns\" is no list of turns");
    json_array_foreach(turns, i, one)
    {
        if (json_is_string(one) && json_string_length(one) > 0) {
            ifm_item_turn *turn = add_turn(self->item);
            if (turn == NULL)
                return no_memory(self);
            take_text(turn, one);
        } else {
            st = take_prompt(self, one);
        }
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

/* ---- ShareGPT ----------------------------------------------------------------------- */

static const json_t *either(const json_t *object, const char *a, const char *b)
{
    const json_t *value = json_object_get(object, a);
    return value != NULL ? value : json_object_get(object, b);
}

static bool is_person(const char *role)
{
    return role != NULL && (strcmp(role, "human") == 0 || strcmp(role, "user") == 0);
}

static bool is_model(const char *role)
{
    return role != NULL && (strcmp(role, "gpt") == 0 || strcmp(role, "assistant") == 0 ||
                            strcmp(role, "chatgpt") == 0 || strcmp(role, "bard") == 0 ||
                            strcmp(role, "bing") == 0);
}

/* Each message of the person becomes a turn, the model's behind it its recorded answer. What
 * stands there before the person speaks, or of somebody else, is left out. */
static ifm_status take_conversation(const parser *self, const json_t *messages)
{
    size_t i;
    const json_t *message;
    if (!json_is_array(messages) || json_array_size(messages) > TURNS_MOST)
        return fail(self, "\"conversations\" is no list of messages");
    ifm_item_turn *last = NULL;
    self->item->recorded = true;
    json_array_foreach(messages, i, message)
    {
        const char *role = json_string_value(either(message, "from", "role"));
        const json_t *text = either(message, "value", "content");
        if (role == NULL || !json_is_string(text))
            return fail(self,
                        "a message of \"conversations\" needs \"from\" and \"value\" "
                        "(or \"role\" and \"content\")");
        if (is_person(role) && json_string_length(text) > 0) {
            last = add_turn(self->item);
            if (last == NULL)
                return no_memory(self);
            take_text(last, text);
        } else if (is_model(role) && last != NULL && last->answer == NULL) {
            last->answer = json_string_value(text);
            last->n_answer = json_string_length(text);
        }
    }
    return IFM_OK;
}

/* ---- Mooncake ----------------------------------------------------------------------- */

static ifm_status take_lengths(const parser *self, const json_t *object)
{
    ifm_item *item = self->item;
    const json_t *hashes = json_object_get(object, "hash_ids");
    size_t i;
    const json_t *hash;
    ifm_status st = read_tokens(self, object, "input_length", &item->input_tokens);
    if (st == IFM_OK && item->input_tokens == 0)
        st = fail(self, "has \"hash_ids\" and no \"input_length\"");
    if (st == IFM_OK && hashes != NULL &&
        (!json_is_array(hashes) || json_array_size(hashes) > HASHES_MOST))
        st = fail(self, "\"hash_ids\" is no list of numbers");
    json_array_foreach(hashes, i, hash)
    {
        if (st == IFM_OK && !json_is_integer(hash))
            st = fail(self, "\"hash_ids\" is no list of whole numbers");
    }
    if (st != IFM_OK)
        return st;
    ifm_item_turn *turn = add_turn(item);
    if (turn == NULL)
        return no_memory(self);
    item->hashes = hashes;
    item->made = true;
    return take_limits(self, object, turn);
}

/* ---- entries ------------------------------------------------------------------------ */

static ifm_status take_session(const parser *self, const json_t *object)
{
    const json_t *session = json_object_get(object, "session_id");
    if (session == NULL || json_is_null(session))
        return IFM_OK;
    self->item->session = json_string_value(session);
    return self->item->session != NULL ? IFM_OK : fail(self, "\"session_id\" is no text");
}

static ifm_status take(const parser *self, const json_t *object)
{
    const json_t *turns = json_object_get(object, "turns");
    const json_t *conversations = json_object_get(object, "conversations");
    if (!json_is_object(object))
        return fail(self, "is no JSON object");
    ifm_status st = read_ms(self, object, "timestamp", &self->item->at_ns);
    if (st == IFM_OK)
        st = take_session(self, object);
    if (st != IFM_OK)
        return st;
    if (turns != NULL)
        return take_turns(self, turns);
    if (conversations != NULL)
        return take_conversation(self, conversations);
    if (json_object_get(object, "input_length") != NULL ||
        json_object_get(object, "hash_ids") != NULL)
        return take_lengths(self, object);
    return take_prompt(self, object);
}

ifm_status ifm_item_parse(const char *text, size_t n, const char *where, ifm_item *out,
                          ifm_error *err)
{
    *out = (ifm_item){.at_ns = -1};
    ifm_status st = ifm_json_parse(text, n, where, &out->root, err);
    if (st == IFM_OK)
        st = take(&(parser){out, where, err}, out->root);
    if (st != IFM_OK)
        ifm_item_deinit(out);
    return st;
}

void ifm_item_deinit(ifm_item *self)
{
    json_decref(self->root);
    free(self->turns);
    *self = (ifm_item){0};
}
