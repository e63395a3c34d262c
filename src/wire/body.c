#include "wire/body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Strings that are not UTF-8 make NULLs, which json_object_set_new refuses: every setter
 * gives whether it went well, and only the end asks. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static json_t *message(const char *role, const char *text, size_t n)
{
    return json_pack("{s:s, s:o}", "role", role, "content", json_stringn(text, n));
}

static json_t *messages(const ifm_body *body)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    if (ok && body->system != NULL)
        ok = json_array_append_new(
                 list, message("system", body->system, strlen(body->system))) == 0;
    for (size_t i = 0; ok && i < body->n_messages; i++) {
        const ifm_chat_message *m = &body->messages[i];
        ok = json_array_append_new(list, message(m->role, m->content, m->n_content)) == 0;
    }
    if (ok && body->n_messages == 0)
        ok = json_array_append_new(list, message("user", body->prompt, body->n_prompt)) ==
             0;
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *ids(const ifm_body *body)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < body->n_ids; i++)
        ok = json_array_append_new(list, json_integer(body->ids[i])) == 0;
    if (ok)
        return list;
    json_decref(list);
    return NULL;
}

static bool set_question(json_t *object, const ifm_body *body)
{
    if (body->chat)
        return set(object, "messages", messages(body));
    return set(object, "prompt",
               body->n_ids > 0 ? ids(body) : json_stringn(body->prompt, body->n_prompt));
}

static bool set_stream(json_t *object, const ifm_body *body)
{
    return set(object, "stream", json_boolean(body->stream)) &&
           (!body->stream ||
            set(object, "stream_options", json_pack("{s:b}", "include_usage", 1)));
}

/* A float as a person wrote it: 0.7 and not 0.699999988079071. */
static json_t *real(float value)
{
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)value);
    return json_real(strtod(text, NULL));
}

static bool set_sampling(json_t *object, const ifm_sampling *s)
{
    bool ok = set(object, "temperature", real(s->temperature));
    if (s->top_p > 0 && s->top_p < 1)
        ok = ok && set(object, "top_p", real(s->top_p));
    if (s->top_k > 0)
        ok = ok && set(object, "top_k", json_integer(s->top_k));
    if (s->min_p > 0)
        ok = ok && set(object, "min_p", real(s->min_p));
    if (s->repetition_penalty > 0 && s->repetition_penalty != 1)
        ok = ok && set(object, "repetition_penalty", real(s->repetition_penalty));
    if (s->temperature > 0)
        ok = ok && set(object, "seed", json_integer((json_int_t)(s->seed & INT64_MAX)));
    return ok;
}

static bool set_end(json_t *object, const ifm_body *body)
{
    bool ok = true;
    if (body->max_tokens > 0)
        ok = set(object, "max_tokens", json_integer(body->max_tokens));
    if (body->ignore_eos)
        ok = ok && set(object, "ignore_eos", json_true());
    if (body->n_stop > 0) {
        json_t *list = json_array();
        ok = ok && set(object, "stop", list);
        for (size_t i = 0; ok && i < body->n_stop; i++)
            ok = json_array_append_new(list, json_string(body->stop[i])) == 0;
    }
    return ok;
}

/* Like json_object_update_recursive, but that null takes away. */
static bool lay_over(json_t *object, const json_t *extra)
{
    const char *key;
    json_t *value;
    bool ok = true;
    json_object_foreach((json_t *)(uintptr_t)extra, key, value)
    {
        json_t *there = json_object_get(object, key);
        if (json_is_null(value))
            json_object_del(object, key);
        else if (json_is_object(value) && json_is_object(there))
            ok = ok && lay_over(there, value);
        else
            ok = ok && set(object, key, json_deep_copy(value));
    }
    return ok;
}

ifm_status ifm_body_make(const ifm_body *body, char **text, size_t *n, ifm_error *err)
{
    json_t *object = json_object();
    bool ok = object != NULL;
    *text = NULL;
    if (body->model != NULL)
        ok = ok && set(object, "model", json_string(body->model));
    ok = ok && set_question(object, body) && set_stream(object, body) &&
         set_end(object, body) && set_sampling(object, &body->sampling) &&
         (body->extra == NULL || lay_over(object, body->extra));
    if (ok)
        *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (!ok)
        return ifm_fail(err, IFM_ERR_FORMAT, "prompt: is not valid UTF-8");
    if (*text == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "request: no memory");
    *n = strlen(*text);
    return IFM_OK;
}

/* Jansson quotes the text itself, in which there may be a key. */
static int words_of(const char *why)
{
    const char *near = strstr(why, " near ");
    return near != NULL ? (int)(near - why) : (int)strlen(why);
}

ifm_status ifm_body_extra_parse(const char *text, json_t **extra, ifm_error *err)
{
    json_error_t why;
    *extra = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (*extra == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--extra-body: %.*s at character %d, expected a JSON object: "
                        "'{\"top_k\": 20}'",
                        words_of(why.text), why.text, why.column);
    if (json_is_object(*extra))
        return IFM_OK;
    json_decref(*extra);
    *extra = NULL;
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--extra-body: expected a JSON object: '{\"top_k\": 20}'");
}
