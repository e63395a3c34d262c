/* How answers end: each outcome, with what is kept and what is said. */
#include "wire_support.h"

#define FAILED(outcome) IFM_OUTCOME_##outcome

static const row_t failures[] = {
    {"the end mark is missing, the reason is there", &events, TEXT("a") STOP("stop"), OK,
     "a", "c1 e0", "0", "", EVENTS},
    {"cut", &events, TEXT("a") "|" TEXT("b"), FAILED(TRUNCATED), "ab", "c1 c1", "0 1", "",
     EVENTS, "neither a finish reason nor [DONE]"},
    {"cut in an event", &events, TEXT("a") "|data: {\"choices\":[{\"text\":\"b",
     FAILED(TRUNCATED), "a", "c1", "0", "", EVENTS, ""},
    {"one of two choices is cut", &events,
     RUN_OF(0, "a", 1) "|" RUN_OF(1, "x", 1) "|" STOP("stop"), FAILED(TRUNCATED), "a",
     "c1 c1 e0", "0 1", "", EACH, ""},
    {"not one event", &events, "", FAILED(TRUNCATED), "", "", "", "", EVENTS,
     "not one event"},
    {"comments alone", &events, ": hi\n\n", FAILED(TRUNCATED), "", "", "", "", EVENTS,
     ""},
    {"the last empty line is missing", &events,
     TEXT("a") STOP("stop") "data: {\"choices\":[]}", OK, "a", "c1 e0 o0", "0", "",
     EVENTS},
    {"an error object at once", &events,
     "data: "
     "{\"error\":{\"message\":\"no\\nroom\\u001b[31m\",\"type\":\"x\",\"code\":500}}"
     "\n\n" DONE,
     FAILED(ERROR_EVENT), "", "o0", "", "", EVENTS, "inside the answer: no room?[31m"},
    {"an error object after tokens", &events,
     TEXT("a") "|" TEXT("b") "|data: {\"error\":{\"message\":\"gone\"}}\n\n" DONE,
     FAILED(ERROR_EVENT), "ab", "c1 c1 o0", "0 1", "", EVENTS, "gone"},
    {"an error text", &events, "data: {\"error\":\"gone\"}\n\n", FAILED(ERROR_EVENT), "",
     "o0", "", "", EVENTS, ": gone"},
    {"words beside an error are dropped", &events,
     TEXT("a") "data: {\"choices\":[{\"text\":\"b\"}],\"error\":\"gone\"}\n\n",
     FAILED(ERROR_EVENT), "a", "c1 o0", "0", "", EVENTS, ": gone"},
    {"an error without a message", &events, "data: {\"error\":{\"code\":7}}\n\n",
     FAILED(ERROR_EVENT), "", "o0", "", "", EVENTS, "{\"error\":{\"code\":7}}"},
    {"no error", &events,
     "data: {\"error\":null,\"choices\":[{\"text\":\"a\"}]}\n\n"
     "data: {\"error\":\"\",\"choices\":[{\"text\":\"b\"}]}\n\n"
     "data: {\"error\":false,\"choices\":[{\"text\":\"c\"}]}\n\n" DONE,
     OK, "abc", "c1 c1 c1 d0", "0 0 0", "", EVENTS},
    {"an object called error", &events,
     "data: {\"object\":\"error\",\"message\":\"too long\",\"code\":400}\n\n",
     FAILED(ERROR_EVENT), "", "o0", "", "", EVENTS, "too long"},
    {"an event called error", &events, "event: error\ndata: {\"message\":\"busy\"}\n\n",
     FAILED(ERROR_EVENT), "", "o0", "", "", EVENTS, "busy"},
    {"an event called error, no JSON", &events,
     TEXT("a") "event: error\ndata: it broke\n\n", FAILED(ERROR_EVENT), "a", "c1 o0", "0",
     "", EVENTS, "it broke"},
    {"a field called error", &events,
     "error: {\"code\":400,\"message\":\"context size\"}\n\n" DONE, FAILED(ERROR_EVENT),
     "", "o0", "", "", EVENTS, "context size"},
    {"an error in an answer with status 200", &json,
     "{\"error\":{\"message\":\"no model\"}}", FAILED(ERROR_EVENT), "", "o0", "", "",
     EVENTS, "no model"},
    {"no JSON", &events, TEXT("a") "data: {\"choices\":[}\n\n" TEXT("b"),
     FAILED(BAD_JSON), "a", "c1 o0", "0", "", EVENTS, "'{' was expected at byte 12"},
    {"words of a bad event are dropped", &events,
     TEXT("a") "data: {\"choices\":[{\"text\":\"b\"}],]}\n\n", FAILED(BAD_JSON), "a",
     "c1 o0", "0", "", EVENTS, "a string was expected at byte 26"},
    {"a text, not JSON", &events, "data: hello\n\n", FAILED(BAD_JSON), "", "o0", "", "",
     EVENTS, "near: hello"},
    {"two objects in an event", &events, "data: {}\ndata: {}\n\n", FAILED(BAD_JSON), "",
     "o0", "", "", EVENTS, "the end was expected"},
    {"choices that are none", &events, "data: {\"choices\":{}}\n\n", FAILED(BAD_JSON), "",
     "o0", "", "", EVENTS, "a list of choices"},
    {"text that is none", &events, "data: {\"choices\":[{\"text\":5}]}\n\n",
     FAILED(BAD_JSON), "", "o0", "", "", EVENTS, "a string was expected"},
    {"no UTF-8", &events, TEXT("a\xff") DONE, FAILED(BAD_JSON), "", "o0", "", "", EVENTS,
     "valid UTF-8"},
    {"a list", &json, "[1]", FAILED(BAD_JSON), "", "o0", "", "", EVENTS,
     "'{' was expected"},
    {"an answer that is cut", &json, "{\"choices\":[{\"text\":\"a", FAILED(BAD_JSON), "",
     "o0", "", "", EVENTS, "the end of a string"},
    {"an answer without choices", &json, "{\"id\":7}", FAILED(BAD_JSON), "", "o0", "", "",
     EVENTS, "without \"choices\""},
    {"HTML", &(given){200, "text/html"}, "<!DOCTYPE html>\n<p>Sign in",
     FAILED(NOT_A_STREAM), "", "", "", "", EVENTS, "HTML: <!DOCTYPE html> <p>Sign in"},
    {"a word", &(given){200, "text/plain"}, "dat|e", FAILED(NOT_A_STREAM), "", "", "", "",
     EVENTS, "date"},
    {"nothing", &(given){200, "text/plain"}, "", FAILED(NOT_A_STREAM), "", "", "", "",
     EVENTS, "status 200 with an empty answer"},
    {"no content", &(given){204, NULL}, "", FAILED(NOT_A_STREAM), "", "", "", "", EVENTS,
     "status 204 with an empty answer"},
    {"no tokens", &events, CHAT("\"role\":\"assistant\"") STOP("stop") USAGE(0) DONE,
     FAILED(NO_TOKENS), "", "e0 e0 u0 d0", "", "", EVENTS, "holds no token"},
    {"no tokens, though counted", &events, TEXT("") TEXT("") STOP("length") USAGE(2) DONE,
     FAILED(NO_TOKENS), "", "e0 e0 e0 u0 d0", "", "", EVENTS, "the server counts 2"},
    {"the end mark alone", &events, DONE, FAILED(NO_TOKENS), "", "d0", "", "", EVENTS,
     ""},
    {"an empty message", &json, MESSAGE(C(""), ""), FAILED(NO_TOKENS), "", "e0", "", "",
     EVENTS, ""},
    {"status 404", &(given){404, "application/json"},
     "{\"error\":{\"message\":\"no such model\",\"code\":404}}", FAILED(CLIENT_ERROR), "",
     "", "", "", EVENTS, "status 404: no such model"},
    {"status 422", &(given){422, "application/json"},
     "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}",
     FAILED(CLIENT_ERROR), "", "", "", "", EVENTS, "status 422: field required"},
    {"status 400", &(given){400, "application/json"},
     "{\"object\":\"error\",\"message\":\"too long\"}", FAILED(CLIENT_ERROR), "", "", "",
     "", EVENTS, "status 400: too long"},
    {"status 429", &(given){429, "text/plain"}, "slow|\n\tdown ", FAILED(RATE_LIMITED),
     "", "", "", "", EVENTS, "status 429: slow down"},
    {"status 429 and a broken connection", &(given){429, NULL, FAILED(RESET), "x"}, "",
     FAILED(RATE_LIMITED), "", "", "", "", EVENTS, "status 429"},
    {"status 502", &(given){502, "text/html"},
     "<html><head><TITLE>502 Bad\n Gateway</title></head>", FAILED(SERVER_ERROR), "", "",
     "", "", EVENTS, "status 502: 502 Bad Gateway"},
    {"status 500 with events", &(given){500, "text/event-stream"}, TEXT("a") DONE,
     FAILED(SERVER_ERROR), "", "", "", "", EVENTS, "status 500"},
    {"a redirect", &(given){301, NULL}, "", FAILED(CLIENT_ERROR), "", "", "", "", EVENTS,
     "status 301"},
    {"a status that is none", &(given){101, NULL}, "", FAILED(PROTOCOL), "", "", "", "",
     EVENTS, ""},
    {"no head", &(given){0, NULL}, "", FAILED(PROTOCOL), "", "", "", "", EVENTS, ""},
    {"the connection breaks",
     &(given){200, "text/event-stream", FAILED(RESET), "reset by peer"},
     TEXT("a") "|" TEXT("b"), FAILED(RESET), "ab", "c1 c1", "0 1", "", EVENTS,
     "the connection broke: reset by peer"},
    {"a stall before anything", &(given){0, NULL, FAILED(STALLED), NULL}, "",
     FAILED(STALLED), "", "", "", "", EVENTS, "--idle-timeout"},
    {"a break in a whole answer",
     &(given){200, "application/json", FAILED(TRUNCATED), ""}, MESSAGE(C("a"), ""),
     FAILED(TRUNCATED), "", "", "", "", EVENTS, ""},
    {"a break behind the end mark",
     &(given){200, "text/event-stream", FAILED(RESET), "x"}, TEXT("a") DONE, OK, "a",
     "c1 d0", "0", "", EVENTS},
    {"a break behind an error", &(given){200, "text/event-stream", FAILED(RESET), "x"},
     "data: {\"error\":\"gone\"}\n\n", FAILED(ERROR_EVENT), "", "o0", "", "", EVENTS,
     "gone"},
    {"a break behind the reason alone",
     &(given){200, "text/event-stream", FAILED(RESET), "x"}, TEXT("a") STOP("stop"),
     FAILED(RESET), "a", "c1 e0", "0", "", EVENTS, ""},
};

static void outcomes(void **state)
{
    (void)state;
    CHECK(failures);
}

static void the_end_mark_is_noticed(void **state)
{
    (void)state;
    answer a = answer_to(&events, TEXT("a") STOP("stop"));
    assert_true(a.record.ok && a.record.wire->missing_done);
    assert_false(a.complete);
    drop(&a);
    a = answer_to(&events, TEXT("a") DONE "|x|y");
    assert_true(a.record.ok && a.complete && a.more);
    assert_false(a.record.wire->missing_done);
    assert_null(a.record.finish_reason);
    drop(&a);
    a = answer_to(&json, MESSAGE(C("a"), ""));
    assert_false(a.record.wire->missing_done);
    drop(&a);
    a = answer_to(&events, TEXT("a"));
    assert_false(a.record.wire->missing_done); /* cut: more is missing */
    drop(&a);
}

/* Nothing more is wanted once the outcome is known. */
static void what_is_settled_stays(void **state)
{
    (void)state;
    answer a = answer_to(&events, "data: {\"error\":\"first\"}\n\n|" TEXT("a"));
    assert_false(a.more);
    assert_int_equal(a.record.n_tokens, 0);
    assert_non_null(strstr(a.record.error, "first"));
    drop(&a);
    a = answer_to(&(given){200, "text/html"}, "<html>|<p>");
    assert_false(a.more);
    drop(&a);
}

static void a_message_is_one_tame_line(void **state)
{
    (void)state;
    char body[4096] = "\xc2\x9b"
                      "31m\xe2\x80\xae\xff a \n\t b ";
    const size_t begin = strlen(body);
    memset(body + begin, 'x', 1000);
    answer a = answer_to(&(given){503, NULL}, body);
    static const char expected[] = "status 503: ?31m?? a b xxx";
    assert_memory_equal(a.record.error, expected, strlen(expected));
    const size_t n = strlen(a.record.error);
    assert_int_equal(n, strlen("status 503: ") + 300 + strlen("…"));
    assert_string_equal(a.record.error + n - 5, "xx…");
    drop(&a);
}

/* What a server repeats of the request's secrets is shown nowhere, not even cut. */
static void secrets_of_a_url_are_hidden(void **state)
{
    (void)state;
    given how = {.status = 401,
                 .secrets = {.authorization = "Authorization: Basic bWU6cEBzcw==",
                             .password = "p@ss"}};
    answer a = answer_to(&how, "{\"detail\":\"p@ss (Basic bWU6cEBzcw==) is wrong\"}");
    assert_string_equal(a.record.error, "status 401: *** (Basic ***) is wrong");
    drop(&a);
}

static void secrets_are_hidden(void **state)
{
    (void)state;
    static const char *const headers[] = {"X-Api-Key: topsecret1", "Cookie: a=bcdefg; x",
                                          "Authorization: Bearer deadbeef", "Empty:"};
    given how = {.status = 401,
                 .secrets = {.api_key = "sk-12345", .headers = headers, .n_headers = 4}};
    answer a = answer_to(&how, "{\"error\":{\"message\":\"Incorrect API key: sk-12345. "
                               "Not topsecret1sk-12345deadbeef, a=bcdefg\"}}");
    assert_string_equal(a.record.error,
                        "status 401: Incorrect API key: ***. Not *********, ***");
    drop(&a);
    how.status = 200;
    how.type = "text/event-stream";
    a = answer_to(&how, "event: error\ndata: no deadbeef here\n\n");
    assert_non_null(strstr(a.record.error, ": no *** here"));
    drop(&a);
    a = answer_to(&how, "data: sk-12345\n\n");
    assert_int_equal(a.record.wire->outcome, IFM_OUTCOME_BAD_JSON);
    assert_null(strstr(a.record.error, "sk-"));
    drop(&a);
    char body[512] = "";
    for (int i = 0; i < 295; i++) /* the cut would go through the key */
        strcat(body, "x");
    strcat(body, "sk-12345");
    how.status = 500;
    a = answer_to(&how, body);
    assert_null(strstr(a.record.error, "sk-"));
    drop(&a);
}

/* A body of `size` bytes in reads of 64 KiB; how many were taken. */
static size_t flood(ifm_answer *self, const char *begin, size_t size)
{
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    bool more = ifm_answer_take(self, begin, strlen(begin), 1);
    size_t taken = 0;
    for (; more && taken < size; taken += sizeof block)
        more = ifm_answer_take(self, block, sizeof block, 1);
    return taken;
}

static void too_large(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"data: ", "{\"x\":\"", "oh "};
    static const given how[] = {
        {200, "text/event-stream"}, {200, "application/json"}, {500, NULL}};
    static const ifm_outcome outcomes_of[] = {
        IFM_OUTCOME_TOO_LARGE, IFM_OUTCOME_TOO_LARGE, IFM_OUTCOME_SERVER_ERROR};
    static const size_t most[] = {17 << 20, 17 << 20, 128 << 10};
    for (size_t i = 0; i < 3; i++) {
        ifm_record record = ifm_record_empty();
        record.wire = malloc(sizeof *record.wire);
        assert_non_null(record.wire);
        *record.wire = ifm_wire_unknown();
        ifm_answer *self;
        const ifm_answer_options options = {.stream = true};
        assert_int_equal(ifm_answer_new(&options, &record, &self, NULL), IFM_OK);
        ifm_answer_head(self, how[i].status, how[i].type, 0);
        assert_true(flood(self, beginnings[i], 32 << 20) <= most[i]);
        ifm_answer_end(self, IFM_OUTCOME_RESET, "we closed it", 2);
        assert_int_equal(record.wire->outcome, outcomes_of[i]);
        assert_non_null(record.error);
        ifm_answer_free(self);
        ifm_record_deinit(&record);
    }
}

/* A stream without an end does not take all memory. */
static void too_many(void **state)
{
    (void)state;
    ifm_record record = ifm_record_empty();
    record.wire = malloc(sizeof *record.wire);
    assert_non_null(record.wire);
    *record.wire = ifm_wire_unknown();
    ifm_answer *self;
    const ifm_answer_options options = {.stream = true};
    assert_int_equal(ifm_answer_new(&options, &record, &self, NULL), IFM_OK);
    ifm_answer_head(self, 200, "text/event-stream", 0);
    static char events_of_one[7 * 4096];
    for (size_t i = 0; i < sizeof events_of_one; i++)
        events_of_one[i] = "data:\n\n"[i % 7];
    int reads = 0;
    while (reads < 1000 && ifm_answer_take(self, events_of_one, sizeof events_of_one, 1))
        reads++;
    assert_int_equal(reads, 256);
    ifm_answer_end(self, IFM_OUTCOME_RESET, "we closed it", 2);
    assert_int_equal(record.wire->outcome, IFM_OUTCOME_TOO_LARGE);
    assert_int_equal(record.wire->n_pieces, 1 << 20);
    ifm_answer_free(self);
    ifm_record_deinit(&record);
}

static void every_outcome_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < IFM_OUTCOME_COUNT; i++) {
        assert_string_not_equal(ifm_outcome_name(i), "unknown");
        assert_string_not_equal(ifm_outcome_meaning(i), "unknown");
        for (int k = 0; k < i; k++)
            assert_string_not_equal(ifm_outcome_name(i), ifm_outcome_name(k));
    }
}

/* What the transport says is the outcome of an answer that was not whole. */
static void every_failure_of_the_transport(void **state)
{
    (void)state;
    for (int i = IFM_OUTCOME_OK + 1; i < IFM_OUTCOME_COUNT; i++) {
        const given how = {200, "text/event-stream", i, "why"};
        answer a = answer_to(&how, TEXT("a") "|" TEXT("b"));
        assert_int_equal(a.record.wire->outcome, i);
        assert_false(a.record.ok);
        if (i == IFM_OUTCOME_DNS || i == IFM_OUTCOME_REFUSED ||
            i == IFM_OUTCOME_CONNECT || i == IFM_OUTCOME_STALLED ||
            i == IFM_OUTCOME_TIMEOUT || i == IFM_OUTCOME_CANCELLED) {
            assert_string_equal(a.record.error, "why"); /* and not twice the same */
        } else {
            assert_non_null(strstr(a.record.error, ifm_outcome_meaning(i)));
            assert_non_null(strstr(a.record.error, ": why"));
        }
        assert_int_equal(a.record.n_tokens, 2); /* what came is kept */
        assert_string_equal(a.record.text, "ab");
        drop(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes),
        cmocka_unit_test(the_end_mark_is_noticed),
        cmocka_unit_test(what_is_settled_stays),
        cmocka_unit_test(a_message_is_one_tame_line),
        cmocka_unit_test(secrets_are_hidden),
        cmocka_unit_test(secrets_of_a_url_are_hidden),
        cmocka_unit_test(too_large),
        cmocka_unit_test(too_many),
        cmocka_unit_test(every_outcome_has_a_name),
        cmocka_unit_test(every_failure_of_the_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
