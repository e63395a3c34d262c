/*
 * The bytes of an answer: what servers of different makes, moods and ages send, one shape
 * each; several go together. No clock and no socket here.
 */
#ifndef IFM_MOCK_SHAPES_H
#define IFM_MOCK_SHAPES_H

#include "base/buffer.h"

/* X(NAME, "name", takes a number, what it means). */
#define IFM_MOCK_SHAPE_LIST(X)                                                           \
    X(ROLE, "role", false, "chat: an event with a role and no text, at once")            \
    X(EMPTY, "empty", false, "events with empty text, first and between tokens")         \
    X(MULTI, "multi", true, "N tokens an event")                                         \
    X(COALESCE, "coalesce", true, "N events a write")                                    \
    X(SPLIT, "split", false, "each event in many writes, of a byte and more")            \
    X(CRLF, "crlf", false, "lines end with CR LF")                                       \
    X(CR, "cr", false, "lines end with CR")                                              \
    X(COMMENTS, "comments", false, "comment lines between events and in them")           \
    X(MULTILINE, "multiline", false, "an event's JSON on several data: lines")           \
    X(UNICODE, "unicode", false, "tokens of 2 to 4 bytes a character, and escapes")      \
    X(REASONING, "reasoning", true, "chat: the first N tokens are reasoning_content")    \
    X(TOOLS, "tools", false, "chat: the tokens are the arguments of a tool call")        \
    X(USAGE, "usage", false, "token counts at the end, asked for or not")                \
    X(CONTINUOUS_USAGE, "continuous-usage", false, "token counts in every event")        \
    X(CACHED, "cached", true, "token counts say that N prompt tokens were cached")       \
    X(NO_DONE, "no-done", false, "no [DONE] at the end")                                 \
    X(NAMED, "named", false, "event names and ids, and pings between the tokens")        \
    X(BIG, "big", true, "each event with N bytes of padding")                            \
    X(LLAMA_TIMINGS, "llama-timings", false,                                             \
      "the last event has llama-server's timings")                                       \
    X(OLLAMA, "ollama", false, "the last event has Ollama's *_duration")

enum {
#define X(NAME, name, number, meaning) IFM_MOCK_SHAPE_INDEX_##NAME,
    IFM_MOCK_SHAPE_LIST(X)
#undef X
        IFM_MOCK_SHAPE_COUNT
};

enum {
#define X(NAME, name, number, meaning) IFM_MOCK_##NAME = 1 << IFM_MOCK_SHAPE_INDEX_##NAME,
    IFM_MOCK_SHAPE_LIST(X)
#undef X
};

typedef struct ifm_mock_shapes {
    uint32_t set;                         /* of IFM_MOCK_ROLE, … */
    int64_t number[IFM_MOCK_SHAPE_COUNT]; /* of those that take one */
} ifm_mock_shapes;

/* Adds the shapes that `text` names: "role,multi:4". Errors: ARGUMENT. */
ifm_status ifm_mock_shapes_parse(ifm_mock_shapes *self, const char *text, ifm_error *err);

/* Shape number `index`; NULL beyond the last. */
const char *ifm_mock_shape_name(size_t index);

static inline bool ifm_mock_has(const ifm_mock_shapes *self, uint32_t shape)
{
    return (self->set & shape) != 0;
}

/* The number of a shape that is set, else `otherwise`. */
static inline int64_t ifm_mock_number(const ifm_mock_shapes *self, int index,
                                      int64_t otherwise)
{
    return (self->set >> index & 1u) != 0 ? self->number[index] : otherwise;
}

/* What all events of one answer have in common. */
typedef struct ifm_mock_voice {
    const ifm_mock_shapes *shapes;
    const char *model; /* without characters that JSON escapes */
    int64_t number;    /* of the request: part of the id */
    int64_t created_s; /* Unix time */
    bool chat, stream;
    bool usage, continuous_usage;     /* asked for, or a shape */
    int64_t prompt_tokens, tokens;    /* of the whole answer */
    const char *finish_reason;        /* "stop", "length" */
    int64_t prompt_ns, generation_ns; /* for servers that tell times */
    char common[384];                 /* how each event's JSON begins; by prepare */
    size_t n_common;
} ifm_mock_voice;

enum { IFM_MOCK_MODEL_LIMIT = 128 }; /* bytes of a model's name */

/* Once the fields above are set: makes `common`. */
void ifm_mock_voice_prepare(ifm_mock_voice *self);

/* Each appends one event, or several, as they are on the wire, without HTTP's framing. Memory
 * that fails is in out->failed. `json` is scratch. */

/* Events before the first token: a role, an empty text. May append nothing. */
void ifm_mock_events_opening(const ifm_mock_voice *voice, ifm_buffer *json,
                             ifm_buffer *out);
/* The event that carries tokens first … first + n - 1. */
void ifm_mock_event_tokens(const ifm_mock_voice *voice, int64_t first, int64_t n,
                           ifm_buffer *json, ifm_buffer *out);
/* An event with empty text, after `done` tokens. */
void ifm_mock_event_empty(const ifm_mock_voice *voice, int64_t done, ifm_buffer *json,
                          ifm_buffer *out);
/* Reason of the end, usage, [DONE]. */
void ifm_mock_events_ending(const ifm_mock_voice *voice, ifm_buffer *json,
                            ifm_buffer *out);
/* {"error": …}, and [DONE]. */
void ifm_mock_events_error(const ifm_mock_voice *voice, ifm_buffer *out);
/* An event whose JSON stops in the middle. */
void ifm_mock_event_bad_json(const ifm_mock_voice *voice, ifm_buffer *json,
                             ifm_buffer *out);

/* The JSON of a whole answer that is not streamed. */
void ifm_mock_answer(const ifm_mock_voice *voice, ifm_buffer *json);

enum { IFM_MOCK_TOKEN_LIMIT = 16 };

/* The text of token i, as it stands between the quotes of a JSON string: " w7" and, in the
 * shape UNICODE, longer characters and escapes. Returns its length. */
size_t ifm_mock_token(const ifm_mock_shapes *shapes, int64_t i,
                      char text[IFM_MOCK_TOKEN_LIMIT]);

#endif
