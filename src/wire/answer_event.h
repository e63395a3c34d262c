/*
 * One JSON object of an answer, an event's data or a whole body, read as it goes by: what it
 * carries, what it counts, how it says that something ended or went wrong. No tree is built;
 * names that are not known are passed over.
 */
#ifndef IFM_WIRE_ANSWER_EVENT_H
#define IFM_WIRE_ANSWER_EVENT_H

#include "base/buffer.h"
#include "measure/wire.h"

enum { IFM_ANSWER_MESSAGE = 1024 }; /* bytes of a message, at most */

typedef struct ifm_answer_event {
    ifm_piece_kind kind; /* CONTENT … USAGE, OTHER */
    int32_t parts;       /* choices that carry something: that many tokens at least */
    int32_t choices;
    int32_t index;           /* of the last choice */
    uint64_t seen, finished; /* indexes of choices, a bit each; those over 62 share one */
    char finish_reason[32];  /* of the first choice that has one; "" */
    ifm_usage usage;         /* as `usage` says; cached_tokens from wherever they stand */
    int64_t total_tokens;    /* of prompt and answer; -1 */
    ifm_server_times server;
    bool error;
    char message[IFM_ANSWER_MESSAGE]; /* of the error, as the server wrote it; "" */
} ifm_answer_event;

/* Where the words of an answer go. */
typedef struct ifm_answer_words {
    ifm_buffer *text;   /* what a reader sees: content of choice 0 */
    ifm_buffer *hidden; /* reasoning, tool calls, other choices; NULL: dropped */
} ifm_answer_words;

/* Reads data[n]. NULL when it is such an object, else what was expected there, static, and
 * *at the place; the words may then have got some. A failed append shows in the buffers. */
const char *ifm_answer_event_read(const char *data, size_t n, ifm_answer_words words,
                                  ifm_answer_event *event, size_t *at);

#endif
