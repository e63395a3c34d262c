/* What servers and gateways really sent, but for ids and what they repeat in every event; the
 * number of words is less. docs/servers.md, "Tried for real", says which and when. '|' parts the
 * reads. Rows that begin with "so:" were not seen: they follow from a shape that was. */
#include "wire_support.h"

/* LiteLLM 1.80.17 before llama-server: a choice without "finish_reason" in each event, the
 * reason in an event of its own, and the usage in a further event that has a choice, too. */
#define LITE(choice, more)                                                               \
    "data: {\"id\":\"chatcmpl-DQ4H\",\"object\":\"text_completion\",\"created\":"        \
    "1795558594,\"model\":\"smol\",\"choices\":[{" choice "}]" more "}\n\n"
#define LITE_TEXT(t) LITE("\"index\":0,\"text\":\"" t "\"", "")
#define LITE_END(r)  LITE("\"finish_reason\":\"" r "\",\"index\":0", "")
#define LITE_USAGE(n)                                                                    \
    LITE("\"index\":0",                                                                  \
         ",\"usage\":{\"completion_tokens\":" #n ",\"prompt_tokens\":5,\"total_tokens\"" \
         ":11,\"completion_tokens_details\":{\"reasoning_tokens\":0}}")
#define LITE_CHAT(d, more)                                                               \
    "data: {\"id\":\"chatcmpl-v6O0\",\"created\":1795558594,\"model\":\"smol\","         \
    "\"object\":\"chat.completion.chunk\",\"system_fingerprint\":\"b1-0c1e570\","        \
    "\"choices\":[{" d "}]" more "}\n\n"

static const row_t litellm[] = {
    {"completions", &events,
     LITE_TEXT(" Paris") "|" LITE_TEXT(".") "|" LITE_TEXT("\\n") "|" LITE_END(
         "length") "|" LITE_USAGE(3) "|" DONE,
     OK, " Paris.\n", "c1 c1 c1 e0 e0 d0", "0 1 2", "", EACH},
    {"chat: the role comes with the first word", &events,
     LITE_CHAT(
         "\"index\":0,\"delta\":{\"content\":\"L\",\"role\":\"assistant\"}",
         "") "|" LITE_CHAT("\"index\":0,\"delta\":{\"content\":\"'\"}",
                           "") "|" LITE_CHAT("\"finish_reason\":\"length\","
                                             "\"index\":0,\"delta\":{}",
                                             "") "|" LITE_CHAT("\"index\":0,\"delta\":{}",
                                                               ",\"usage\":{\"completion_"
                                                               "tokens\":2,\"prompt_"
                                                               "tokens\":35,"
                                                               "\"total_tokens\":37,"
                                                               "\"prompt_tokens_"
                                                               "details\":"
                                                               "{\"cached_tokens\":0}}")
         DONE,
     OK, "L'", "c1 c1 e0 e0 d0", "0 1", "", EACH},
    /* The event with the usage came with no token, though it has a choice and no words. */
    {"so: half a character and the end mark", &events,
     LITE_TEXT(" Paris") "|" LITE_TEXT("") "|" LITE_END("stop") "|" LITE_USAGE(
         3) "|" DONE,
     OK, " Paris", "c1 e1 e1 e0 d0", "0 1 2", "", EACH},
    {"so: one more, the end mark", &events,
     LITE_TEXT(" Paris") "|" LITE_TEXT(".") "|" LITE_END("stop") "|" LITE_USAGE(
         3) "|" DONE,
     OK, " Paris.", "c1 c1 e1 e0 d0", "0 1 2", "", EACH},
    {"so: a model that repeats itself is an error inside the answer", &events,
     LITE_TEXT(
         " a") "|data: {\"error\": {\"message\": \"litellm.ServiceUnavailableError: The "
               "model is repeating the same chunk = business.\", \"type\": \"None\", "
               "\"param\": \"None\", \"code\": \"503\"}}\n\n",
     IFM_OUTCOME_ERROR_EVENT, " a", "c1 o0", "0", "", EVENTS, "repeating the same chunk"},
    {"a model that it does not know", &(given){400, "application/json"},
     "{\"error\":{\"message\":\"{'error': '/chat/completions: Invalid model name passed "
     "in model=nobody.'}\",\"type\":\"None\",\"param\":\"None\",\"code\":\"400\"}}",
     IFM_OUTCOME_CLIENT_ERROR, "", "", "", "", EVENTS, "Invalid model name"},
};

/* Ollama 0.17.4: every event of a completion says that nothing was counted so far, every delta
 * has the role again, and the reason comes with a text that is empty. */
#define OLLAMA_TEXT(t, reason)                                                           \
    "data: {\"id\":\"cmpl-945\",\"object\":\"text_completion\",\"created\":1795560963,"  \
    "\"choices\":[{\"text\":\"" t "\",\"index\":0,\"finish_reason\":" reason             \
    "}],\"model\":\"smol\",\"system_fingerprint\":\"fp_ollama\",\"usage\":"              \
    "{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}\n\n"
#define OLLAMA_CHAT(t, reason)                                                           \
    "data: {\"id\":\"chatcmpl-670\",\"object\":\"chat.completion.chunk\",\"created\":"   \
    "1795560978,\"model\":\"smol\",\"system_fingerprint\":\"fp_ollama\",\"choices\":"    \
    "[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"" t                   \
    "\"},\"finish_reason\":" reason "}]}\n\n"
#define OLLAMA_USAGE(n)                                                                  \
    "data: {\"id\":\"chatcmpl-670\",\"object\":\"chat.completion.chunk\",\"created\":"   \
    "1795560989,\"model\":\"smol\",\"system_fingerprint\":\"fp_ollama\",\"choices\":[]," \
    "\"usage\":{\"prompt_tokens\":14,\"completion_tokens\":" #n                          \
    ",\"total_tokens\":20}}\n\n"

static const row_t ollama[] = {
    {"completions", &events,
     OLLAMA_TEXT("Paris", "null") "|" OLLAMA_TEXT(",", "null") "|" OLLAMA_TEXT(
         "", "\"length\"") "|" OLLAMA_USAGE(2) DONE,
     OK, "Paris,", "c1 c1 e0 u0 d0", "0 1", "", EACH},
    {"chat", &events,
     OLLAMA_CHAT("Paris", "null") "|" OLLAMA_CHAT(" of", "null") "|" OLLAMA_CHAT(
         "", "\"length\"") "|" OLLAMA_USAGE(2) DONE,
     OK, "Paris of", "c1 c1 e0 u0 d0", "0 1", "", EACH},
    {"a model that is not there", &(given){404, "application/json"},
     "{\"error\":{\"message\":\"model 'nobody' not found\",\"type\":\"api_error\","
     "\"param\":null,\"code\":null}}",
     IFM_OUTCOME_CLIENT_ERROR, "", "", "", "", EVENTS,
     "status 404: model 'nobody' not found"},
};

/* llama_cpp.server of llama-cpp-python 0.3.36: spaces as Python has them, never a count. With
 * the next request waiting it ends an answer with the end mark alone. */
#define PYTHON(t, reason)                                                                \
    "data: {\"id\": \"cmpl-e2df\", \"object\": \"text_completion\", \"created\": "       \
    "1795559865, \"model\": \"smol\", \"choices\": [{\"text\": \"" t                     \
    "\", \"index\": 0, \"logprobs\": null, \"finish_reason\": " reason "}]}\n\n"

static const row_t llama_cpp_python[] = {
    {"completions", &events,
     PYTHON(" Paris", "null") "|" PYTHON(".", "null") "|" PYTHON("", "\"length\"") DONE,
     OK, " Paris.", "c1 c1 e0 d0", "0 1", "", EVENTS},
    {"so: cut short for the next request", &events, PYTHON(" Paris", "null") "|" DONE, OK,
     " Paris", "c1 d0", "0", "", EVENTS},
};

/* nginx 1.22.1 with gzip on, asked with --header 'Accept-Encoding: gzip'. */
static const row_t compressed[] = {
    {"gzip", &events, "\x1f\x8b\x08", IFM_OUTCOME_NOT_A_STREAM, "", "", "", "", EVENTS,
     "compressed (gzip)"},
    {"so: its first byte alone", &events, "\x1f|\x8b\x08", IFM_OUTCOME_NOT_A_STREAM, "",
     "", "", "", EVENTS, "compressed (gzip)"},
    {"so: JSON", &json, "\x1f\x8b\x08", IFM_OUTCOME_NOT_A_STREAM, "", "", "", "", EVENTS,
     "compressed (gzip)"},
};

static void events_of_litellm(void **state)
{
    (void)state;
    CHECK(litellm);
}

static void events_of_ollama(void **state)
{
    (void)state;
    CHECK(ollama);
}

static void events_of_llama_cpp_python(void **state)
{
    (void)state;
    CHECK(llama_cpp_python);
}

static void compressed_answers(void **state)
{
    (void)state;
    CHECK(compressed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_litellm),
        cmocka_unit_test(events_of_ollama),
        cmocka_unit_test(events_of_llama_cpp_python),
        cmocka_unit_test(compressed_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
