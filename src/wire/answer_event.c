/*
 * The shapes that servers give an event, as tables of names: what is not in a table is passed
 * over. OpenAI's completions and chat, and what vLLM, SGLang, llama-server, Ollama, Mistral
 * and DeepSeek add to them; docs/answers.md has them all.
 */
#include "wire/answer_event.h"

#include <string.h>

#include "format/scan.h"

typedef struct reading {
    ifm_scan scan;
    const ifm_answer_words words;
    ifm_answer_event *event;
    /* Of the choice that is being read. Its index may stand behind its words: `text_at` is
     * where these begin. */
    size_t text_at;
    int64_t index;
    bool content, reasoning, tool, ended;
    int message_rank;
} reading;

typedef bool (*reader)(reading *r);

typedef struct member {
    const char *name;
    size_t n_name;
    reader read;
} member;

#define MEMBER(name, read)                                                               \
    {                                                                                    \
        name, sizeof(name) - 1, read                                                     \
    }

/* An object whose members are read as the table says. */
static bool read_members(reading *r, const member *members, size_t n_members)
{
    if (!ifm_scan_take(&r->scan, '{'))
        return false;
    for (bool first = true; ifm_scan_more(&r->scan, '}', first); first = false) {
        const char *name;
        size_t n, i = 0;
        if (!ifm_scan_name(&r->scan, &name, &n))
            return false;
        while (i < n_members &&
               (members[i].n_name != n || memcmp(members[i].name, name, n) != 0))
            i++;
        if (!(i < n_members ? members[i].read(r) : ifm_scan_skip(&r->scan)))
            return false;
    }
    return r->scan.error == NULL;
}

#define READ_MEMBERS(r, members)                                                         \
    read_members(r, members, sizeof(members) / sizeof *(members))

/* null, or what cannot be read here: passed over. */
static bool is_open(reading *r, char open)
{
    return ifm_scan_peek(&r->scan) == open;
}

static bool expect(reading *r, const char *expected)
{
    if (is_open(r, 'n'))
        return ifm_scan_skip(&r->scan);
    if (r->scan.error == NULL)
        r->scan.error = expected;
    return false;
}

/* ---- numbers --------------------------------------------------------------------------- */

static bool read_real(reading *r, double *value)
{
    const char c = ifm_scan_peek(&r->scan);
    *value = -1;
    return c == '-' || (c >= '0' && c <= '9') ? ifm_scan_real(&r->scan, value)
                                              : ifm_scan_skip(&r->scan);
}

/* A number that cannot be a count is none. */
static bool read_scaled(reading *r, double scale, int64_t *value)
{
    double real;
    if (!read_real(r, &real))
        return false;
    if (real >= 0 && real * scale < 9e15)
        *value = (int64_t)(real * scale + 0.5);
    return true;
}

static bool read_count(reading *r, int64_t *value)
{
    return read_scaled(r, 1, value);
}

static bool read_ms(reading *r, int64_t *value)
{
    return read_scaled(r, 1e6, value);
}

#define COUNT(name, how, field)                                                          \
    static bool name(reading *r)                                                         \
    {                                                                                    \
        return how(r, &r->event->field);                                                 \
    }
COUNT(take_prompt_tokens, read_count, usage.prompt_tokens)
COUNT(take_completion_tokens, read_count, usage.completion_tokens)
COUNT(take_reasoning_tokens, read_count, usage.reasoning_tokens)
COUNT(take_cached_tokens, read_count, usage.cached_tokens)
COUNT(take_total_tokens, read_count, total_tokens)
COUNT(take_prompt_n, read_count, server.prompt_tokens)
COUNT(take_predicted_n, read_count, server.generation_tokens)
COUNT(take_prompt_ms, read_ms, server.prompt_ns)
COUNT(take_predicted_ms, read_ms, server.generation_ns)
COUNT(take_load_duration, read_count, server.load_ns)
COUNT(take_total_duration, read_count, server.total_ns)
COUNT(take_prompt_duration, read_count, server.prompt_ns)
COUNT(take_eval_duration, read_count, server.generation_ns)
#undef COUNT

static bool take_prompt_details(reading *r)
{
    static const member members[] = {MEMBER("cached_tokens", take_cached_tokens)};
    return is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan);
}

static bool take_completion_details(reading *r)
{
    static const member members[] = {MEMBER("reasoning_tokens", take_reasoning_tokens)};
    return is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan);
}

static bool take_usage(reading *r)
{
    static const member members[] = {
        MEMBER("prompt_tokens", take_prompt_tokens),
        MEMBER("completion_tokens", take_completion_tokens),
        MEMBER("total_tokens", take_total_tokens),
        MEMBER("prompt_tokens_details", take_prompt_details),
        MEMBER("completion_tokens_details", take_completion_details),
        MEMBER("reasoning_tokens", take_reasoning_tokens),     /* SGLang */
        MEMBER("prompt_cache_hit_tokens", take_cached_tokens), /* DeepSeek */
    };
    return is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan);
}

/* llama-server. */
static bool take_timings(reading *r)
{
    static const member members[] = {
        MEMBER("prompt_n", take_prompt_n),
        MEMBER("prompt_ms", take_prompt_ms),
        MEMBER("predicted_n", take_predicted_n),
        MEMBER("predicted_ms", take_predicted_ms),
        MEMBER("cache_n", take_cached_tokens),
    };
    return is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan);
}

/* ---- words ----------------------------------------------------------------------------- */

/* A string goes to the end of `out`; NULL: nowhere. *n its length. */
static bool read_words(reading *r, ifm_buffer *out, size_t *n)
{
    *n = 0;
    if (!is_open(r, '"'))
        return expect(r, "a string");
    if (out == NULL)
        return ifm_scan_string(&r->scan, NULL, 0, n);
    /* A first pass for its length: nothing is reserved that a string does not need. */
    const char *begin = r->scan.at;
    if (!ifm_scan_string(&r->scan, NULL, 0, n))
        return false;
    const size_t raw = (size_t)(r->scan.at - begin) - 2;
    if (raw == *n) { /* nothing is escaped */
        ifm_buffer_append(out, begin + 1, raw);
        return true;
    }
    char *room = ifm_buffer_extend(out, *n);
    if (room == NULL)
        return true;
    r->scan.at = begin;
    return ifm_scan_string(&r->scan, room, *n + 1, n);
}

/* As much of a text as there is room for. */
static void copy_text(char *out, size_t cap, const ifm_buffer *text)
{
    const size_t n = text->length < cap - 1 ? text->length : cap - 1;
    memcpy(out, ifm_buffer_text(text), n);
    out[n] = '\0';
}

static bool take_content_text(reading *r)
{
    size_t n;
    if (!read_words(r, r->words.text, &n))
        return false;
    r->content |= n > 0;
    return true;
}

static bool take_hidden(reading *r, bool *some)
{
    size_t n;
    if (!read_words(r, *some ? NULL : r->words.hidden, &n))
        return false;
    *some |= n > 0;
    return true;
}

/* Some servers say the same twice, as "reasoning" and as "reasoning_content". */
static bool take_reasoning_text(reading *r)
{
    return take_hidden(r, &r->reasoning);
}

static bool take_thinking(reading *r)
{
    static const member members[] = {MEMBER("text", take_reasoning_text)};
    if (!is_open(r, '['))
        return take_reasoning_text(r);
    ifm_scan_take(&r->scan, '[');
    for (bool first = true; ifm_scan_more(&r->scan, ']', first); first = false)
        if (!(is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan)))
            return false;
    return r->scan.error == NULL;
}

/* Content in parts, as Mistral has it: [{"type": "text", "text": …}, {"type": "thinking",
 * "thinking": …}]. */
static bool take_parts(reading *r)
{
    static const member members[] = {MEMBER("text", take_content_text),
                                     MEMBER("thinking", take_thinking)};
    ifm_scan_take(&r->scan, '[');
    for (bool first = true; ifm_scan_more(&r->scan, ']', first); first = false)
        if (!(is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan)))
            return false;
    return r->scan.error == NULL;
}

static bool take_content(reading *r)
{
    return is_open(r, '[') ? take_parts(r) : take_content_text(r);
}

static bool take_tool_words(reading *r)
{
    bool none = false;
    return is_open(r, '"') ? take_hidden(r, &none) : ifm_scan_skip(&r->scan);
}

static bool take_function(reading *r)
{
    static const member members[] = {MEMBER("name", take_tool_words),
                                     MEMBER("arguments", take_tool_words)};
    if (!is_open(r, '{'))
        return ifm_scan_skip(&r->scan);
    r->tool = true;
    return READ_MEMBERS(r, members);
}

static bool take_tool_calls(reading *r)
{
    static const member members[] = {MEMBER("function", take_function)};
    if (!is_open(r, '['))
        return ifm_scan_skip(&r->scan);
    ifm_scan_take(&r->scan, '[');
    for (bool first = true; ifm_scan_more(&r->scan, ']', first); first = false) {
        r->tool = true;
        if (!(is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan)))
            return false;
    }
    return r->scan.error == NULL;
}

/* ---- choices --------------------------------------------------------------------------- */

/* "delta" of a stream, "message" of a whole answer. */
static bool take_delta(reading *r)
{
    static const member members[] = {
        MEMBER("content", take_content),
        MEMBER("reasoning_content", take_reasoning_text),
        MEMBER("reasoning", take_reasoning_text),
        MEMBER("tool_calls", take_tool_calls),
        MEMBER("function_call", take_function),
        MEMBER("refusal", take_content_text),
    };
    return is_open(r, '{') ? READ_MEMBERS(r, members) : expect(r, "an object");
}

/* Some servers write "" where others write null. */
static bool take_finish_reason(reading *r)
{
    ifm_answer_event *event = r->event;
    ifm_buffer reason = {0};
    size_t n;
    if (!is_open(r, '"'))
        return ifm_scan_skip(&r->scan);
    const bool read = read_words(r, &reason, &n);
    r->ended = read && n > 0;
    if (r->ended && event->finish_reason[0] == '\0')
        copy_text(event->finish_reason, sizeof event->finish_reason, &reason);
    ifm_buffer_deinit(&reason);
    return read;
}

static bool take_index(reading *r)
{
    return read_count(r, &r->index);
}

/* What a choice carried: its kind, its bit, its words where they belong. */
static void end_choice(reading *r)
{
    ifm_answer_event *event = r->event;
    const ifm_piece_kind kind = r->content     ? IFM_PIECE_CONTENT
                                : r->reasoning ? IFM_PIECE_REASONING
                                : r->tool      ? IFM_PIECE_TOOL
                                               : IFM_PIECE_EMPTY;
    const uint64_t bit = UINT64_C(1) << (r->index < 63 ? r->index : 63);
    if (event->choices == 0 || kind < event->kind)
        event->kind = kind;
    event->choices++;
    event->parts += kind != IFM_PIECE_EMPTY;
    event->index = r->index < INT32_MAX ? (int32_t)r->index : INT32_MAX;
    event->seen |= bit;
    event->finished |= r->ended ? bit : 0;
    ifm_buffer *text = r->words.text;
    if (r->index > 0 && text->length > r->text_at) {
        if (r->words.hidden != NULL)
            ifm_buffer_append(r->words.hidden, text->data + r->text_at,
                              text->length - r->text_at);
        text->length = r->text_at;
        text->data[text->length] = '\0';
    }
}

static bool read_choice(reading *r)
{
    static const member members[] = {
        MEMBER("text", take_content_text),
        MEMBER("delta", take_delta),
        MEMBER("message", take_delta),
        MEMBER("index", take_index),
        MEMBER("finish_reason", take_finish_reason),
        MEMBER("reasoning_content", take_reasoning_text),
        MEMBER("reasoning", take_reasoning_text),
    };
    r->text_at = r->words.text->length;
    r->index = 0;
    r->content = r->reasoning = r->tool = r->ended = false;
    if (!READ_MEMBERS(r, members))
        return false;
    end_choice(r);
    return true;
}

static bool take_choices(reading *r)
{
    if (!is_open(r, '['))
        return expect(r, "a list of choices");
    ifm_scan_take(&r->scan, '[');
    for (bool first = true; ifm_scan_more(&r->scan, ']', first); first = false)
        if (!read_choice(r))
            return false;
    return r->scan.error == NULL;
}

/* ---- errors ---------------------------------------------------------------------------- */

/* Where a message may stand, the better place the greater. */
enum { RANK_DETAIL = 1, RANK_MESSAGE, RANK_ERROR };

static bool read_message(reading *r, int rank)
{
    ifm_buffer message = {0};
    size_t n;
    if (!is_open(r, '"') || rank <= r->message_rank)
        return ifm_scan_skip(&r->scan);
    const bool read = read_words(r, &message, &n);
    if (read && n > 0) {
        copy_text(r->event->message, sizeof r->event->message, &message);
        r->message_rank = rank;
    }
    ifm_buffer_deinit(&message);
    return read;
}

static bool take_error_message(reading *r)
{
    return read_message(r, RANK_ERROR);
}

static bool take_message(reading *r)
{
    return read_message(r, RANK_MESSAGE);
}

/* FastAPI: a text, or a list of what is wrong with the request. */
static bool take_detail_message(reading *r)
{
    return read_message(r, RANK_DETAIL);
}

static bool take_detail(reading *r)
{
    static const member members[] = {MEMBER("msg", take_detail_message)};
    if (!is_open(r, '['))
        return take_detail_message(r);
    ifm_scan_take(&r->scan, '[');
    for (bool first = true; ifm_scan_more(&r->scan, ']', first); first = false)
        if (!(is_open(r, '{') ? READ_MEMBERS(r, members) : ifm_scan_skip(&r->scan)))
            return false;
    return r->scan.error == NULL;
}

/* {"message": …}, or a text; null, false and "" say that all is well. */
static bool take_error(reading *r)
{
    static const member members[] = {MEMBER("message", take_error_message),
                                     MEMBER("detail", take_error_message)};
    const char c = ifm_scan_peek(&r->scan);
    if (c == '{') {
        r->event->error = true;
        return READ_MEMBERS(r, members);
    }
    if (c != '"') {
        r->event->error |= c != 'n' && c != 'f';
        return ifm_scan_skip(&r->scan);
    }
    const bool empty = r->scan.end - r->scan.at > 1 && r->scan.at[1] == '"';
    r->event->error |= !empty;
    return read_message(r, RANK_ERROR);
}

/* {"object": "error", "message": …}, as older vLLM has it. */
static bool take_object(reading *r)
{
    static const char error[] = "\"error\"";
    const size_t n = sizeof error - 1;
    if (is_open(r, '"') && (size_t)(r->scan.end - r->scan.at) >= n &&
        memcmp(r->scan.at, error, n) == 0)
        r->event->error = true;
    return ifm_scan_skip(&r->scan);
}

/* ---- the whole ------------------------------------------------------------------------- */

static bool read_top(reading *r)
{
    static const member members[] = {
        MEMBER("choices", take_choices),
        MEMBER("usage", take_usage),
        MEMBER("object", take_object),
        MEMBER("timings", take_timings),
        MEMBER("error", take_error),
        MEMBER("message", take_message),
        MEMBER("detail", take_detail),
        /* Ollama */
        MEMBER("load_duration", take_load_duration),
        MEMBER("total_duration", take_total_duration),
        MEMBER("prompt_eval_duration", take_prompt_duration),
        MEMBER("eval_duration", take_eval_duration),
        MEMBER("prompt_eval_count", take_prompt_n),
        MEMBER("eval_count", take_predicted_n),
    };
    return READ_MEMBERS(r, members) && ifm_scan_end(&r->scan);
}

const char *ifm_answer_event_read(const char *data, size_t n, ifm_answer_words words,
                                  ifm_answer_event *event, size_t *at)
{
    reading r = {.words = words, .event = event};
    event->kind = IFM_PIECE_OTHER;
    event->parts = event->choices = event->index = 0;
    event->seen = event->finished = 0;
    event->finish_reason[0] = event->message[0] = '\0';
    event->usage = (ifm_usage){-1, -1, -1, -1};
    event->total_tokens = -1;
    event->server = (ifm_server_times){-1, -1, -1, -1, -1, -1};
    event->error = false;
    ifm_scan_init(&r.scan, data, n);
    r.scan.lenient = true;
    const bool read = read_top(&r);
    *at = (size_t)(r.scan.at - data);
    if (!read)
        return r.scan.error;
    if (event->choices == 0 &&
        (event->usage.completion_tokens >= 0 || event->usage.prompt_tokens >= 0 ||
         event->server.generation_ns >= 0 || event->server.generation_tokens >= 0))
        event->kind = IFM_PIECE_USAGE;
    return NULL;
}
