#include "mock/shapes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const struct row {
    const char *name;
    bool number;
} rows[] = {
#define X(NAME, name, number, meaning) {name, number},
    IFM_MOCK_SHAPE_LIST(X)
#undef X
};

enum { MOST_NUMBER = 64 << 20 };

const char *ifm_mock_shape_name(size_t index)
{
    return index < IFM_MOCK_SHAPE_COUNT ? rows[index].name : NULL;
}

static ifm_status unknown(const char *text, size_t n, ifm_error *err)
{
    char names[320] = "plain";
    for (size_t i = 0; i < IFM_MOCK_SHAPE_COUNT; i++) {
        strcat(names, ", ");
        strcat(names, rows[i].name);
        strcat(names, rows[i].number ? ":N" : "");
    }
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--shape: unknown shape \"%.*s\", expected some of %s", (int)n, text,
                    names);
}

static ifm_status parse_one(ifm_mock_shapes *self, const char *text, size_t n,
                            ifm_error *err)
{
    const char *colon = memchr(text, ':', n);
    const size_t n_name = colon != NULL ? (size_t)(colon - text) : n;
    size_t i = 0;
    if (n == 5 && memcmp(text, "plain", 5) == 0)
        return IFM_OK;
    while (i < IFM_MOCK_SHAPE_COUNT &&
           (strlen(rows[i].name) != n_name || memcmp(rows[i].name, text, n_name) != 0))
        i++;
    if (i == IFM_MOCK_SHAPE_COUNT)
        return unknown(text, n_name, err);
    if (rows[i].number != (colon != NULL))
        return ifm_fail(err, IFM_ERR_ARGUMENT, "--shape: %s takes %s number%s%s",
                        rows[i].name, rows[i].number ? "a" : "no",
                        rows[i].number ? ": write " : "",
                        rows[i].number ? "multi:4, for example" : "");
    if (colon != NULL) {
        char *end;
        const long long value = strtoll(colon + 1, &end, 10);
        if (end == colon + 1 || end != text + n || value < 1 || value > MOST_NUMBER)
            return ifm_fail(err, IFM_ERR_ARGUMENT,
                            "--shape: \"%.*s\" wants a whole number from 1 to %d", (int)n,
                            text, MOST_NUMBER);
        self->number[i] = value;
    }
    self->set |= 1u << i;
    return IFM_OK;
}

ifm_status ifm_mock_shapes_parse(ifm_mock_shapes *self, const char *text, ifm_error *err)
{
    ifm_status st = IFM_OK;
    for (;;) {
        const size_t n = strcspn(text, ",");
        st = parse_one(self, text, n, err);
        if (st != IFM_OK || text[n] == '\0')
            break;
        text += n + 1;
    }
    if (st == IFM_OK && ifm_mock_has(self, IFM_MOCK_CR) &&
        ifm_mock_has(self, IFM_MOCK_CRLF))
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "--shape: lines end with cr or with crlf, not with both");
    return st;
}

size_t ifm_mock_token(const ifm_mock_shapes *shapes, int64_t i,
                      char text[IFM_MOCK_TOKEN_LIMIT])
{
    static const char *const rare[] = {
        " \xc3\xa9", "\xe4\xb8\xad",   "\xf0\x9f\x98\x80",
        " \\u00fc",  "\\ud83d\\ude00", "\\n",
        "\\\"",      "\\\\",
    };
    const unsigned n_rare = sizeof rare / sizeof *rare;
    unsigned number = (unsigned)(i % 1000);
    size_t n = 0;
    if (ifm_mock_has(shapes, IFM_MOCK_UNICODE) && i % 2 == 0) {
        const char *chosen = rare[i / 2 % n_rare];
        n = strlen(chosen);
        memcpy(text, chosen, n);
        return n;
    }
    text[n++] = ' ';
    text[n++] = 'w';
    if (number >= 100)
        text[n++] = (char)('0' + number / 100);
    if (number >= 10)
        text[n++] = (char)('0' + number / 10 % 10);
    text[n++] = (char)('0' + number % 10);
    return n;
}

static bool has(const ifm_mock_voice *voice, uint32_t shape)
{
    return ifm_mock_has(voice->shapes, shape);
}

void ifm_mock_voice_prepare(ifm_mock_voice *self)
{
    const char *object = !self->chat    ? "text_completion"
                         : self->stream ? "chat.completion.chunk"
                                        : "chat.completion";
    const int n =
        snprintf(self->common, sizeof self->common,
                 "{\"id\":\"%s-%" PRId64 "\",\"object\":\"%s\",\"created\":%" PRId64
                 ",\"model\":\"%.*s\",",
                 self->chat ? "chatcmpl" : "cmpl", self->number, object, self->created_s,
                 IFM_MOCK_MODEL_LIMIT, self->model);
    self->n_common = (size_t)n;
}

#define PUTS(buffer, literal) ifm_buffer_append(buffer, literal, sizeof(literal) - 1)

/* A place where the shape MULTILINE breaks the line: between tokens of JSON. */
static void seam(const ifm_mock_voice *voice, ifm_buffer *json)
{
    if (has(voice, IFM_MOCK_MULTILINE))
        PUTS(json, "\n");
}

static const char *line_end(const ifm_mock_voice *voice)
{
    return has(voice, IFM_MOCK_CRLF) ? "\r\n" : has(voice, IFM_MOCK_CR) ? "\r" : "\n";
}

/* One event: the lines of `data`, each with "data: " in front. */
static void frame(const ifm_mock_voice *voice, const char *data, size_t n, int64_t mark,
                  ifm_buffer *out)
{
    const char *end = line_end(voice);
    /* The space is no part of the data, there or not. */
    const char *field =
        has(voice, IFM_MOCK_COMMENTS) && mark % 2 == 1 ? "data:" : "data: ";
    if (has(voice, IFM_MOCK_COMMENTS) && mark >= 0)
        ifm_buffer_printf(out, ": keep-alive%s%s:%s", end, end, end);
    if (has(voice, IFM_MOCK_NAMED) && mark >= 0)
        ifm_buffer_printf(out, "id: %" PRId64 "%sevent: message%s", mark, end, end);
    while (n > 0) {
        const char *lf = has(voice, IFM_MOCK_MULTILINE) ? memchr(data, '\n', n) : NULL;
        const size_t length = lf != NULL ? (size_t)(lf - data) : n;
        ifm_buffer_puts(out, field);
        ifm_buffer_append(out, data, length);
        ifm_buffer_puts(out, end);
        data += length + (lf != NULL);
        n -= length + (lf != NULL);
    }
    if (has(voice, IFM_MOCK_COMMENTS) && mark >= 0)
        ifm_buffer_printf(out, ": inside an event%s", end);
    ifm_buffer_puts(out, end);
}

static void put_usage(const ifm_mock_voice *voice, int64_t done, ifm_buffer *json)
{
    const int64_t cached = ifm_mock_number(voice->shapes, IFM_MOCK_SHAPE_INDEX_CACHED, 0);
    const int64_t thought =
        voice->chat ? ifm_mock_number(voice->shapes, IFM_MOCK_SHAPE_INDEX_REASONING, 0)
                    : 0;
    ifm_buffer_printf(json,
                      "\"usage\":{\"prompt_tokens\":%" PRId64 ",\"total_tokens\":%" PRId64
                      ",\"completion_tokens\":%" PRId64,
                      voice->prompt_tokens, voice->prompt_tokens + done, done);
    if (cached > 0)
        ifm_buffer_printf(json,
                          ",\"prompt_tokens_details\":{\"cached_tokens\":%" PRId64 "}",
                          cached < voice->prompt_tokens ? cached : voice->prompt_tokens);
    if (thought > 0)
        ifm_buffer_printf(
            json, ",\"completion_tokens_details\":{\"reasoning_tokens\":%" PRId64 "}",
            thought < done ? thought : done);
    PUTS(json, "}");
}

/* Behind the choices of an event that `done` tokens precede or are in. */
static void end_event(const ifm_mock_voice *voice, int64_t done, ifm_buffer *json)
{
    if (voice->continuous_usage || has(voice, IFM_MOCK_CONTINUOUS_USAGE)) {
        PUTS(json, ",");
        seam(voice, json);
        put_usage(voice, done, json);
    }
    seam(voice, json);
    PUTS(json, "}");
}

static void put_tokens(const ifm_mock_voice *voice, int64_t first, int64_t n,
                       ifm_buffer *json)
{
    char text[IFM_MOCK_TOKEN_LIMIT];
    for (int64_t i = first; i < first + n; i++)
        ifm_buffer_append(json, text, ifm_mock_token(voice->shapes, i, text));
}

/* A string inside a string: the arguments {"words":" w0 w1"} of a call, whole or in parts. */
static void put_tool_call(const ifm_mock_voice *voice, int64_t first, int64_t n,
                          bool opens, ifm_buffer *json)
{
    static const ifm_mock_shapes plain = {0};
    char text[IFM_MOCK_TOKEN_LIMIT];
    PUTS(json, "\"tool_calls\":[{\"index\":0,");
    if (opens)
        ifm_buffer_printf(json, "\"id\":\"call-%" PRId64 "\",\"type\":\"function\",",
                          voice->number);
    PUTS(json, "\"function\":{");
    if (opens)
        PUTS(json, "\"name\":\"look_up\",");
    PUTS(json, "\"arguments\":\"");
    if (opens)
        PUTS(json, "{\\\"words\\\":\\\"");
    for (int64_t i = first; i < first + n; i++)
        ifm_buffer_append(json, text, ifm_mock_token(&plain, i, text));
    if (first + n == voice->tokens)
        PUTS(json, "\\\"}");
    PUTS(json, "\"}}]");
}

/* What a chat says, in a delta or a message. */
static void put_speech(const ifm_mock_voice *voice, int64_t first, int64_t n,
                       ifm_buffer *json)
{
    const int64_t thought =
        ifm_mock_number(voice->shapes, IFM_MOCK_SHAPE_INDEX_REASONING, 0);
    int64_t n_thought = thought - first;
    n_thought = n_thought < 0 ? 0 : n_thought > n ? n : n_thought;
    if (n_thought > 0) {
        PUTS(json, "\"reasoning_content\":\"");
        put_tokens(voice, first, n_thought, json);
        PUTS(json, "\"");
    }
    if (n_thought == n && n > 0)
        return;
    if (n_thought > 0)
        PUTS(json, ",");
    if (has(voice, IFM_MOCK_TOOLS) && n > 0) {
        put_tool_call(voice, first + n_thought, n - n_thought,
                      first + n_thought == thought, json);
        return;
    }
    PUTS(json, "\"content\":\"");
    put_tokens(voice, first + n_thought, n - n_thought, json);
    PUTS(json, "\"");
}

static void begin(const ifm_mock_voice *voice, ifm_buffer *json)
{
    ifm_buffer_clear(json);
    ifm_buffer_append(json, voice->common, voice->n_common);
    seam(voice, json);
}

static void put_choice(const ifm_mock_voice *voice, int64_t first, int64_t n,
                       ifm_buffer *json)
{
    if (voice->chat) {
        PUTS(json, "\"choices\":[{\"index\":0,\"delta\":{");
        put_speech(voice, first, n, json);
        PUTS(json, "},\"logprobs\":null,\"finish_reason\":null}]");
    } else {
        PUTS(json, "\"choices\":[{\"index\":0,\"text\":\"");
        put_tokens(voice, first, n, json);
        PUTS(json, "\",\"logprobs\":null,\"finish_reason\":null,\"stop_reason\":null}]");
    }
}

static void put_padding(const ifm_mock_voice *voice, ifm_buffer *json)
{
    static const char block[] =
        "################################################################";
    int64_t left = ifm_mock_number(voice->shapes, IFM_MOCK_SHAPE_INDEX_BIG, 0);
    if (left == 0)
        return;
    PUTS(json, ",\"padding\":\"");
    for (const int64_t n = (int64_t)sizeof block - 1; left > 0; left -= n)
        ifm_buffer_append(json, block, (size_t)(left < n ? left : n));
    PUTS(json, "\"");
}

static void put_ping(const ifm_mock_voice *voice, ifm_buffer *out)
{
    const char *end = line_end(voice);
    ifm_buffer_printf(out, "event: ping%sdata: {\"type\":\"ping\"}%s%s", end, end, end);
}

void ifm_mock_event_tokens(const ifm_mock_voice *voice, int64_t first, int64_t n,
                           ifm_buffer *json, ifm_buffer *out)
{
    begin(voice, json);
    put_choice(voice, first, n, json);
    put_padding(voice, json);
    end_event(voice, first + n, json);
    if (has(voice, IFM_MOCK_NAMED) && first % 4 == 0)
        put_ping(voice, out);
    frame(voice, ifm_buffer_text(json), json->length, first, out);
}

void ifm_mock_event_empty(const ifm_mock_voice *voice, int64_t done, ifm_buffer *json,
                          ifm_buffer *out)
{
    begin(voice, json);
    put_choice(voice, 0, 0, json);
    end_event(voice, done, json);
    frame(voice, ifm_buffer_text(json), json->length, -1, out);
}

void ifm_mock_events_opening(const ifm_mock_voice *voice, ifm_buffer *json,
                             ifm_buffer *out)
{
    if (has(voice, IFM_MOCK_ROLE) && voice->chat) {
        begin(voice, json);
        PUTS(json, "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                   "\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]");
        end_event(voice, 0, json);
        frame(voice, ifm_buffer_text(json), json->length, -1, out);
    }
    if (has(voice, IFM_MOCK_EMPTY))
        ifm_mock_event_empty(voice, 0, json, out);
}

static double in_ms(int64_t ns)
{
    return (double)ns / 1e6;
}

/* What some servers say of their own times, as further members of the last object. */
static void put_times(const ifm_mock_voice *voice, ifm_buffer *json)
{
    const double tokens = (double)(voice->tokens > 0 ? voice->tokens : 1);
    const double prompt = (double)(voice->prompt_tokens > 0 ? voice->prompt_tokens : 1);
    const double prompt_ms = in_ms(voice->prompt_ns) + 1e-6; /* never divide by 0 */
    const double generation_ms = in_ms(voice->generation_ns) + 1e-6;
    if (has(voice, IFM_MOCK_LLAMA_TIMINGS))
        ifm_buffer_printf(
            json,
            ",\"timings\":{\"cache_n\":0,\"prompt_n\":%" PRId64
            ",\"prompt_ms\":%.3f,\"prompt_per_token_ms\":%.6f,\"prompt_per_second\":%.3f,"
            "\"predicted_n\":%" PRId64
            ",\"predicted_ms\":%.3f,\"predicted_per_token_ms\":%.6f,"
            "\"predicted_per_second\":%.3f}",
            voice->prompt_tokens, prompt_ms, prompt_ms / prompt, prompt / prompt_ms * 1e3,
            voice->tokens, generation_ms, generation_ms / tokens,
            tokens / generation_ms * 1e3);
    if (has(voice, IFM_MOCK_OLLAMA))
        ifm_buffer_printf(json,
                          ",\"total_duration\":%" PRId64
                          ",\"load_duration\":0,\"prompt_eval_count\":%" PRId64
                          ",\"prompt_eval_duration\":%" PRId64 ",\"eval_count\":%" PRId64
                          ",\"eval_duration\":%" PRId64,
                          voice->prompt_ns + voice->generation_ns, voice->prompt_tokens,
                          voice->prompt_ns, voice->tokens, voice->generation_ns);
}

static bool calls_tool(const ifm_mock_voice *voice)
{
    return voice->chat && has(voice, IFM_MOCK_TOOLS) &&
           voice->tokens >
               ifm_mock_number(voice->shapes, IFM_MOCK_SHAPE_INDEX_REASONING, 0);
}

static const char *reason(const ifm_mock_voice *voice)
{
    return calls_tool(voice) ? "tool_calls" : voice->finish_reason;
}

void ifm_mock_events_ending(const ifm_mock_voice *voice, ifm_buffer *json,
                            ifm_buffer *out)
{
    begin(voice, json);
    ifm_buffer_printf(json,
                      "\"choices\":[{\"index\":0,%s,\"logprobs\":null,"
                      "\"finish_reason\":\"%s\",\"stop_reason\":null}]",
                      voice->chat ? "\"delta\":{}" : "\"text\":\"\"", reason(voice));
    put_times(voice, json);
    end_event(voice, voice->tokens, json);
    frame(voice, ifm_buffer_text(json), json->length, -1, out);
    if (voice->usage || has(voice, IFM_MOCK_USAGE) || has(voice, IFM_MOCK_CACHED)) {
        begin(voice, json);
        PUTS(json, "\"choices\":[],");
        put_usage(voice, voice->tokens, json);
        PUTS(json, "}");
        frame(voice, ifm_buffer_text(json), json->length, -1, out);
    }
    if (!has(voice, IFM_MOCK_NO_DONE))
        frame(voice, "[DONE]", 6, -1, out);
}

void ifm_mock_events_error(const ifm_mock_voice *voice, ifm_buffer *out)
{
    static const char json[] =
        "{\"error\":{\"message\":\"this fault was asked for\",\"type\":"
        "\"InternalServerError\",\"param\":null,\"code\":500}}";
    if (has(voice, IFM_MOCK_NAMED)) {
        ifm_buffer_puts(out, "event: error");
        ifm_buffer_puts(out, line_end(voice));
    }
    frame(voice, json, sizeof json - 1, -1, out);
    if (!has(voice, IFM_MOCK_NO_DONE))
        frame(voice, "[DONE]", 6, -1, out);
}

void ifm_mock_event_bad_json(const ifm_mock_voice *voice, ifm_buffer *json,
                             ifm_buffer *out)
{
    begin(voice, json);
    PUTS(json, "\"choices\":[{\"index\":0,\"text\":\" w");
    frame(voice, ifm_buffer_text(json), json->length, -1, out);
}

void ifm_mock_answer(const ifm_mock_voice *voice, ifm_buffer *json)
{
    ifm_buffer_clear(json);
    ifm_buffer_append(json, voice->common, voice->n_common);
    PUTS(json, "\"choices\":[{\"index\":0,");
    if (voice->chat) {
        PUTS(json, "\"message\":{\"role\":\"assistant\",");
        if (calls_tool(voice))
            PUTS(json, "\"content\":null,");
        put_speech(voice, 0, voice->tokens, json);
        PUTS(json, "}");
    } else {
        PUTS(json, "\"text\":\"");
        put_tokens(voice, 0, voice->tokens, json);
        PUTS(json, "\"");
    }
    ifm_buffer_printf(
        json, ",\"logprobs\":null,\"finish_reason\":\"%s\",\"stop_reason\":null}],",
        reason(voice));
    put_usage(voice, voice->tokens, json);
    put_padding(voice, json);
    put_times(voice, json);
    PUTS(json, "}");
}
