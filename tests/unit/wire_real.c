/* What servers and gateways really sent, byte for byte but for ids and what they repeat in every
 * event; docs/servers.md, "Tried for real", says which and when. '|' parts the reads. */
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
    {"half a character and the end mark", &events,
     LITE_TEXT(" Paris") "|" LITE_TEXT("") "|" LITE_END("stop") "|" LITE_USAGE(
         3) "|" DONE,
     OK, " Paris", "c1 e1 e1 e0 d0", "0 1 2", "", EACH},
    {"one more: the end mark", &events,
     LITE_TEXT(" Paris") "|" LITE_TEXT(".") "|" LITE_END("stop") "|" LITE_USAGE(
         3) "|" DONE,
     OK, " Paris.", "c1 c1 e1 e0 d0", "0 1 2", "", EACH},
    {"a model that repeats itself is an error inside the answer", &events,
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

/* nginx 1.22.1 with gzip on, asked with --header 'Accept-Encoding: gzip'. */
static const row_t compressed[] = {
    {"gzip", &events, "\x1f\x8b\x08\x04\x04\x03\xff", IFM_OUTCOME_NOT_A_STREAM, "", "",
     "", "", EVENTS, "compressed (gzip)"},
    {"gzip, its first byte alone", &events, "\x1f|\x8b\x08", IFM_OUTCOME_NOT_A_STREAM, "",
     "", "", "", EVENTS, "compressed (gzip)"},
    {"JSON in gzip", &json, "\x1f\x8b\x08\x04\x04\x03\xff", IFM_OUTCOME_NOT_A_STREAM, "",
     "", "", "", EVENTS, "compressed (gzip)"},
};

static void events_of_litellm(void **state)
{
    (void)state;
    CHECK(litellm);
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
        cmocka_unit_test(compressed_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
