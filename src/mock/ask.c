#include "mock/ask.h"

#include <string.h>

#include "base/error.h"
#include "format/json.h"

static const char where[] = "the request's body";

static int64_t words(const char *text)
{
    int64_t n = 0;
    bool inside = false;
    for (; *text != '\0'; text++) {
        const bool space = *text == ' ' || (*text >= '\t' && *text <= '\r');
        n += !space && !inside;
        inside = !space;
    }
    return n;
}

/* A text, a list of ids, or a list of either. -1: something else. */
static int64_t prompt_tokens(const json_t *prompt, int depth)
{
    if (json_is_string(prompt))
        return words(json_string_value(prompt));
    if (!json_is_array(prompt) || json_array_size(prompt) == 0 || depth == 2)
        return -1;
    int64_t sum = 0;
    size_t i;
    json_t *one;
    json_array_foreach(prompt, i, one)
    {
        const int64_t n = json_is_integer(one) ? 1 : prompt_tokens(one, depth + 1);
        if (n < 0)
            return -1;
        sum += n;
    }
    return sum;
}

/* The content of one message: a text, null (a tool's call), or parts of which some are
 * texts. */
static int64_t content_tokens(const json_t *content)
{
    if (content == NULL || json_is_null(content))
        return 0;
    if (json_is_string(content))
        return words(json_string_value(content));
    if (!json_is_array(content))
        return -1;
    int64_t sum = 0;
    size_t i;
    json_t *part;
    json_array_foreach(content, i, part)
    {
        const json_t *text = json_object_get(part, "text");
        if (!json_is_object(part))
            return -1;
        sum += json_is_string(text) ? words(json_string_value(text)) : 0;
    }
    return sum;
}

static ifm_status read_messages(ifm_mock_ask *self, const json_t *root, ifm_error *err)
{
    const json_t *messages = json_object_get(root, "messages");
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%s: \"messages\" is %s, expected a list with a message in it",
                        where, ifm_json_kind(messages));
    size_t i;
    json_t *message;
    json_array_foreach(messages, i, message)
    {
        const int64_t n = content_tokens(json_object_get(message, "content"));
        if (!json_is_object(message) || n < 0 ||
            !json_is_string(json_object_get(message, "role")))
            return ifm_fail(
                err, IFM_ERR_ARGUMENT,
                "%s: messages[%zu] is not an object with a role and a content", where, i);
        self->prompt_tokens += n;
    }
    return IFM_OK;
}

static ifm_status read_prompt(ifm_mock_ask *self, const json_t *root, ifm_error *err)
{
    const json_t *prompt = json_object_get(root, "prompt");
    self->prompt_tokens = prompt_tokens(prompt, 0);
    if (self->prompt_tokens >= 0)
        return IFM_OK;
    return ifm_fail(
        err, IFM_ERR_ARGUMENT,
        "%s: \"prompt\" is %s, expected a text, a list of token ids, or a list "
        "of these",
        where, ifm_json_kind(prompt));
}

static ifm_status read_options(ifm_mock_ask *self, const json_t *root, ifm_error *err)
{
    const json_t *options = json_object_get(root, "stream_options");
    const char *model = NULL;
    bool ignore_eos = false;
    ifm_status st = ifm_json_bool(root, where, "stream", &self->stream, err);
    if (st == IFM_OK)
        st = ifm_json_int(root, where, "max_tokens", 1, IFM_MOCK_MOST_TOKENS,
                          &self->most_tokens, err);
    if (st == IFM_OK)
        st = ifm_json_int(root, where, "max_completion_tokens", 1, IFM_MOCK_MOST_TOKENS,
                          &self->most_tokens, err);
    if (st ==
        IFM_OK) /* every answer goes to its length here: only the type is looked at */
        st = ifm_json_bool(root, where, "ignore_eos", &ignore_eos, err);
    if (st == IFM_OK)
        st = ifm_json_string(root, where, "model", &model, err);
    if (st == IFM_OK && model != NULL && strlen(model) < sizeof self->model)
        strcpy(self->model, model);
    if (st != IFM_OK || options == NULL || json_is_null(options))
        return st;
    if (!json_is_object(options) || !self->stream)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%s: \"stream_options\" is an object, and only with stream: true",
                        where);
    st = ifm_json_bool(options, where, "include_usage", &self->usage, err);
    bool continuous = false;
    if (st == IFM_OK)
        st = ifm_json_bool(options, where, "continuous_usage_stats", &continuous, err);
    self->continuous_usage = continuous && self->usage; /* as vLLM has it */
    return st;
}

ifm_status ifm_mock_ask_read(ifm_mock_ask *self, const char *body, size_t n, bool chat,
                             ifm_error *err)
{
    json_t *root = NULL;
    *self = (ifm_mock_ask){.most_tokens = -1};
    ifm_status st = ifm_json_parse(body, n, where, &root, err);
    if (st == IFM_OK && !json_is_object(root))
        st = ifm_fail(err, IFM_ERR_ARGUMENT, "%s: it is %s, expected an object", where,
                      ifm_json_kind(root));
    if (st == IFM_OK)
        st = read_options(self, root, err);
    if (st == IFM_OK)
        st = chat ? read_messages(self, root, err) : read_prompt(self, root, err);
    json_decref(root);
    return st;
}
