#include "cli/chat.h"

#include <string.h>

#include "inferometer/tokenizer.h"

bool ifm_chat_wanted(const ifm_arguments *a)
{
    return ifm_arguments_flag(a, "chat") || ifm_arguments_given(a, "chat-template") ||
           ifm_arguments_given(a, "system");
}

ifm_status ifm_chat_apply(const ifm_arguments *a, const char *path, const char *text,
                          size_t n, char **out, size_t *n_out, ifm_error *err)
{
    const char *system = ifm_arguments_string(a, "system");
    const ifm_chat_message messages[] = {
        {"system", system, system != NULL ? strlen(system) : 0}, {"user", text, n}};
    size_t first = system != NULL ? 0 : 1;
    ifm_tokenizer *tokenizer = NULL;
    ifm_chat *chat = NULL;
    ifm_status st = ifm_tokenizer_open(path, NULL, &tokenizer, err);
    if (st == IFM_OK)
        st = ifm_chat_open(tokenizer, ifm_arguments_string(a, "chat-template"), &chat,
                           err);
    if (st == IFM_OK)
        st = ifm_chat_format(chat, messages + first, 2 - first, true, out, n_out, err);
    ifm_chat_close(chat);
    ifm_tokenizer_close(tokenizer);
    return st;
}
