/*
 * The body of a request, as OpenAI-compatible servers read it. What is not OpenAI's own
 * (top_k, min_p, repetition_penalty, ignore_eos) is sent only where it was asked for.
 */
#ifndef IFM_WIRE_BODY_H
#define IFM_WIRE_BODY_H

#include <jansson.h>

#include "inferometer/generate.h"
#include "inferometer/tokenizer.h"

/* All borrowed. */
typedef struct ifm_body {
    bool chat;         /* messages, else a prompt */
    bool stream;       /* asks for counts at the end, too: stream_options.include_usage */
    const char *model; /* NULL: left out, the server has one */
    const char *prompt; /* UTF-8; with chat the message of the user */
    size_t n_prompt;
    const int32_t *ids; /* token ids in place of the prompt; not with chat */
    size_t n_ids;
    const char *system;               /* chat: a message before; NULL: none */
    const ifm_chat_message *messages; /* chat: the conversation in place of the prompt */
    size_t n_messages;
    int32_t max_tokens;    /* 0: left out */
    ifm_sampling sampling; /* temperature is always sent, the seed where it matters */
    bool ignore_eos;
    const char *const *stop;
    size_t n_stop;
    const json_t *extra; /* of ifm_body_extra_parse; NULL: none */
} ifm_body;

/* One JSON object as text, heap, *n bytes and a NUL; `extra` is laid over it last, objects
 * inside objects too, and what it says is null is left out. Errors: FORMAT (text that is not
 * UTF-8), NO_MEMORY. Thread-safe. */
ifm_status ifm_body_make(const ifm_body *body, char **text, size_t *n, ifm_error *err);

/* What --extra-body says; the caller calls json_decref. Errors: ARGUMENT (no JSON object;
 * the message says where). */
ifm_status ifm_body_extra_parse(const char *text, json_t **extra, ifm_error *err);

#endif
