/* Fuzzes chat templates: recognising one by its text, and conversations of any content, which
 * must stand whole in what is written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "text/chat.h"

static void format(const ifm_chat *chat, const char *text, size_t n)
{
    char *out = NULL;
    size_t n_out = 0, n_first = n / 2;
    const ifm_chat_message messages[] = {{"system", text, n_first},
                                         {"user", text + n_first, n - n_first},
                                         {"assistant", text, n}};
    for (size_t from = 0; from < 3; from++) {
        for (size_t count = 0; from + count <= 3; count++) {
            ifm_error err = {0};
            ifm_status st = ifm_chat_format(chat, messages + from, count, count % 2 == 0,
                                            &out, &n_out, &err);
            if (st != IFM_OK && (out != NULL || err.message[0] == '\0'))
                abort();
            if (st == IFM_OK && strlen(out) > n_out)
                abort();
            free(out);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t n;
    const char *words = ifm_chat_default_system(text, size, &n);
    if (words != NULL && (words < text || n > size - (size_t)(words - text)))
        abort();
    const ifm_chat_template *row = ifm_chat_recognise(text, size);
    if (row != NULL && ifm_chat_find(row->name) != row)
        abort();
    for (const char *const *name = ifm_chat_names(); *name != NULL; name++) {
        ifm_chat *chat;
        if (ifm_chat_open(NULL, *name, &chat, NULL) != IFM_OK)
            abort();
        format(chat, text, size);
        ifm_chat_close(chat);
    }
    return 0;
}
