/* What a request's body asks for. */
#ifndef IFM_MOCK_ASK_H
#define IFM_MOCK_ASK_H

#include "inferometer/base.h"

typedef struct ifm_mock_ask {
    bool stream;
    bool usage, continuous_usage; /* of stream_options */
    int64_t most_tokens;          /* max_completion_tokens, max_tokens; -1: not said */
    int64_t prompt_tokens;
    char model[256]; /* "": not said, or longer than any */
} ifm_mock_ask;

enum { IFM_MOCK_MOST_TOKENS = 10 * 1000 * 1000 };

/* Reads body[n], of /v1/chat/completions or /v1/completions. Tokens of a prompt are its words
 * (what white space separates), or the ids of a list; several prompts add up. Errors, for the
 * one who asks: FORMAT (no JSON), ARGUMENT, LIMIT, NO_MEMORY. */
ifm_status ifm_mock_ask_read(ifm_mock_ask *self, const char *body, size_t n, bool chat,
                             ifm_error *err);

#endif
