/*
 * An entry of a file of prompts: one line of JSON Lines, or one element of a JSON array.
 * What it is shows in its keys:
 *
 *     {"prompt" | "text": "…"}                    own: with "id", "max_new_tokens" or
 *     {"messages": [{"role", "content"}, …]}      "output_length", "timestamp" (ms),
 *     {"turns": ["…" | {"prompt", …}, …]}         "session_id", "delay_ms"
 *     {"conversations": [{"from", "value"}, …]}   ShareGPT; role, content as well
 *     {"timestamp", "input_length", "output_length", "hash_ids": […]}      Mooncake's traces
 *
 * Every byte is hostile.
 */
#ifndef IFM_DRIVE_ITEM_H
#define IFM_DRIVE_ITEM_H

#include <jansson.h>

#include "inferometer/base.h"

/* One message to the server. What it points to belongs to the item. */
typedef struct ifm_item_turn {
    const char *text; /* n bytes and a NUL; NULL: `messages`, or a length */
    size_t n;
    const json_t *messages; /* array of {"role", "content"}; NULL: text */
    const char *answer;     /* that was recorded; NULL: none */
    size_t n_answer;
    int32_t output_tokens; /* 0: it does not say */
    int64_t delay_ns;      /* after the turn before ended; -1: it does not say */
} ifm_item_turn;

typedef struct ifm_item {
    json_t *root;
    ifm_item_turn *turns; /* heap, [n_turns] */
    size_t n_turns;
    int64_t at_ns;        /* "timestamp"; -1: none */
    const char *session;  /* "session_id"; NULL: none */
    int32_t input_tokens; /* Mooncake's input_length; 0: the turn has a text */
    const json_t *hashes; /* its hash_ids, checked; NULL: none */
    bool made;            /* Mooncake's: lengths to keep */
    bool recorded;        /* ShareGPT's: turns with their answers */
} ifm_item;

/* A conversation without a message of a person is an item without turns (ShareGPT's files
 * have some). `where` stands in front of messages: "file.jsonl:7". The caller deinits. Errors:
 * FORMAT, LIMIT, NO_MEMORY. */
ifm_status ifm_item_parse(const char *text, size_t n, const char *where, ifm_item *out,
                          ifm_error *err);
void ifm_item_deinit(ifm_item *self);

#endif
