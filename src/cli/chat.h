/* --chat, --chat-template and --system: a prompt becomes what a chat model knows. */
#ifndef IFM_CLI_CHAT_H
#define IFM_CLI_CHAT_H

#include "cli/command.h"

/* The three options, for a command's table. */
#define IFM_CHAT_OPTIONS(heading)                                                        \
    {"chat",                                                                             \
     0,                                                                                  \
     IFM_OPTION_FLAG,                                                                    \
     NULL,                                                                               \
     0,                                                                                  \
     0,                                                                                  \
     NULL,                                                                               \
     heading,                                                                            \
     "the text is a message of the user: apply the model's chat template"},              \
        {"chat-template",                                                                \
         0,                                                                              \
         IFM_OPTION_STRING,                                                              \
         "NAME",                                                                         \
         0,                                                                              \
         0,                                                                              \
         NULL,                                                                           \
         heading,                                                                        \
         "the template of this name instead (chatml, llama3, …); means --chat"},         \
    {                                                                                    \
        "system", 0, IFM_OPTION_STRING, "TEXT", 0, 0, NULL, heading,                     \
            "a system message for the chat template; means --chat"                       \
    }

/* Whether one of them was given. */
bool ifm_chat_wanted(const ifm_arguments *arguments);

/* Writes the message text[n] to the model at `path` by the options. *out is a heap string of
 * *n_out bytes that the caller frees. Errors: as of ifm_chat_open and ifm_chat_format. */
ifm_status ifm_chat_apply(const ifm_arguments *arguments, const char *path,
                          const char *text, size_t n, char **out, size_t *n_out,
                          ifm_error *err);

#endif
