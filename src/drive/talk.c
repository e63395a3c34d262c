#include "drive/talk.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

static ifm_status no_memory(ifm_error *err)
{
    return ifm_fail(err, IFM_ERR_NO_MEMORY, "prompts: no memory");
}

/* One of ours, which lives as long as the program. */
static const char *static_role(const char *role)
{
    static const char *const roles[] = {"system", "assistant"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(role, roles[i]) == 0)
            return roles[i];
    return "user";
}

ifm_status ifm_talk_add(ifm_talk *self, const char *role, const char *text, size_t n,
                        ifm_error *err)
{
    if (self->n == self->capacity) {
        const size_t larger = self->capacity == 0 ? 2 : 2 * self->capacity;
        ifm_chat_message *grown = realloc(self->messages, larger * sizeof *grown);
        if (grown == NULL)
            return no_memory(err);
        self->messages = grown;
        self->capacity = larger;
    }
    char *copy = malloc(n + 1);
    if (copy == NULL)
        return no_memory(err);
    if (n > 0)
        memcpy(copy, text, n);
    copy[n] = '\0';
    self->messages[self->n++] = (ifm_chat_message){static_role(role), copy, n};
    return IFM_OK;
}

ifm_status ifm_talk_add_messages(ifm_talk *self, const json_t *messages, ifm_error *err)
{
    size_t i;
    const json_t *message;
    ifm_status st = IFM_OK;
    json_array_foreach(messages, i, message)
    {
        const json_t *content = json_object_get(message, "content");
        if (st == IFM_OK)
            st = ifm_talk_add(self, json_string_value(json_object_get(message, "role")),
                              json_string_value(content), json_string_length(content),
                              err);
    }
    return st;
}

ifm_status ifm_talk_as_text(const ifm_talk *self, char **text, size_t *n, ifm_error *err)
{
    ifm_buffer out = {0};
    for (size_t i = 0; i < self->n; i++) {
        if (i > 0)
            ifm_buffer_puts(&out, "\n\n");
        ifm_buffer_append(&out, self->messages[i].content, self->messages[i].n_content);
    }
    *n = out.length;
    *text = ifm_buffer_take(&out);
    ifm_buffer_deinit(&out);
    return *text != NULL ? IFM_OK : no_memory(err);
}

void ifm_talk_free(ifm_talk *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->n; i++) {
        /* Ours: the public type has them const for those who only read. */
        char *content;
        memcpy(&content, &self->messages[i].content, sizeof content);
        free(content);
    }
    free(self->messages);
    free(self);
}
