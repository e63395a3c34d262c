/* Answers that went well: every shape of event, where the number of tokens comes from, answers
 * in one piece. */
#include "wire_support.h"

static void plain_completion(void **state)
{
    (void)state;
    answer a = answer_to(&events, TEXT("Hel") "|" TEXT("lo") "|" TEXT("!") "|" STOP(
                                      "length") USAGE(3) "|" DONE);
    const ifm_record *r = &a.record;
    assert_true(r->ok);
    assert_null(r->error);
    assert_true(a.more && a.complete);
    assert_int_equal(r->wire->outcome, IFM_OUTCOME_OK);
    assert_string_equal(r->text, "Hello!");
    assert_int_equal(r->n_text, 6);
    assert_string_equal(r->finish_reason, "length");
    assert_int_equal(r->n_tokens, 3);
    assert_int_equal(r->wire->token_source, IFM_TOKENS_PER_EVENT);
    assert_null(r->wire->event_ns);
    assert_int_equal(r->n_text_events, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r->token_ns[i], FIRST_NS + i * US);
        assert_int_equal(r->text_events[i].t_ns, FIRST_NS + i * US);
    }
    assert_memory_equal(r->text_events[1].text, "lo", 2);
    assert_int_equal(r->wire->headers_ns, HEAD_NS);
    assert_int_equal(r->wire->first_event_ns, FIRST_NS);
    assert_int_equal(r->wire->ttfo_ns, FIRST_NS);
    assert_int_equal(r->wire->end_ns, FIRST_NS + 5 * US);
    assert_int_equal(r->wire->usage.prompt_tokens, 7);
    assert_int_equal(r->wire->usage.completion_tokens, 3);
    assert_false(r->wire->missing_done);
    assert_int_equal(r->wire->n_pieces, 6);
    assert_int_equal(ifm_wire_token_pieces(r->wire), 3);
    assert_int_equal(ifm_wire_shared_pieces(r->wire), 1);
    drop(&a);
}

static const row_t shapes[] = {
    {"chat with a role first", &events,
     CHAT("\"role\":\"assistant\",\"content\":\"\"") "|" CHAT(C("a")) "|" CHAT(
         C("b")) "|" STOP("length") "|" USAGE(2) "|" DONE,
     OK, "ab", "e0 c1 c1 e0 u0 d0", "1 2", "", EACH},
    {"content null, then text", &events,
     CHAT("\"role\":\"assistant\",\"content\":null") "|" CHAT(C("a")) STOP("stop") DONE,
     OK, "a", "e0 c1 e0 d0", "1", "", EVENTS},
    {"reasoning, then content", &events,
     CHAT(R("hm")) "|" CHAT("\"reasoning\":\"hm\"") "|" CHAT(C("a")) STOP("length")
         USAGE(3) DONE,
     OK, "a", "r1 r1 c1 e0 u0 d0", "0 1 2", "", EACH},
    {"the same reasoning under two names", &events,
     CHAT(R("hm") ",\"reasoning\":\"hm\"") "|" CHAT(C("a")) STOP("stop") DONE, OK, "a",
     "r1 c1 e0 d0", "0 1", "", EVENTS},
    {"reasoning and content at once is content", &events,
     CHAT(R("hm") "," C("a")) STOP("stop") DONE, OK, "a", "c1 e0 d0", "0", "", EVENTS},
    {"tool calls", &events,
     CHAT(TOOL("")) "|" CHAT(TOOL("{}")) "|" STOP("tool_calls") DONE, OK, "",
     "t1 t1 e0 d0", "0 1", "", EVENTS},
    {"an older function call", &events,
     CHAT("\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}") STOP("stop") DONE, OK,
     "", "t1 e0 d0", "0", "", EVENTS},
    {"no tool calls", &events, CHAT(C("a") ",\"tool_calls\":[]") STOP("stop") DONE, OK,
     "a", "c1 e0 d0", "0", "", EVENTS},
    {"a refusal is what a reader sees", &events,
     CHAT("\"refusal\":\"No.\"") STOP("stop") DONE, OK, "No.", "c1 e0 d0", "0", "",
     EVENTS},
    {"content in parts", &events,
     CHAT("\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
          "\"hm\"}]}]") "|" CHAT("\"content\":[{\"type\":\"text\",\"text\":\"a\"},{"
                                 "\"type\":"
                                 "\"text\",\"text\":\"b\"}]") STOP("stop") DONE,
     OK, "ab", "r1 c1 e0 d0", "0 1", "", EVENTS},
    {"escapes", &events, TEXT("\\u00e9\\n\\ud83d\\ude00\\\"\xc3\xa4") STOP("stop") DONE,
     OK, "\xc3\xa9\n\xf0\x9f\x98\x80\"\xc3\xa4", "c1 e0 d0", "0", "", EVENTS},
    {"NUL and half a pair are shown as what they are", &events,
     TEXT("a\\u0000b\\ud83d") TEXT("\\udc00\\ud83dx") STOP("stop") DONE, OK,
     "a\xef\xbf\xbd"
     "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx",
     "c1 c1 e0 d0", "0 0", "", EVENTS},
    {"unknown members, logprobs, nesting", &events,
     "data: "
     "{\"id\":\"x\",\"created\":1,\"nested\":{\"a\":[1,-2.5e3,true,null,{}]},\"choices\":"
     "[{\"logprobs\":{\"content\":[{\"token\":\"\\u0000\",\"bytes\":[0]}]},\"text\":"
     "\"a\","
     "\"stop_reason\":null,\"index\":0,\"finish_reason\":\"\"}],\"usage\":null}\n\n" STOP(
         "stop") DONE,
     OK, "a", "c1 e0 d0", "0", "", EVENTS},
    {"spaces wherever JSON has them", &events,
     "data: { \"choices\" : [ { \"text\" : \"a\" , \"index\" : 0 } ] }\n\n" STOP("stop")
         DONE,
     OK, "a", "c1 e0 d0", "0", "", EVENTS},
    {"named and empty events", &events,
     "event: ping\ndata: {\"type\":\"ping\"}\n\nevent: x\ndata: not "
     "json\n\ndata:\n\n|" TEXT("a") STOP("stop") DONE,
     OK, "a", "o0 o0 o0 c1 e0 d0", "1", "", EVENTS},
    {"a named event with a choice", &events, "event: chunk\n" TEXT("a") STOP("stop") DONE,
     OK, "a", "c1 e0 d0", "0", "", EVENTS},
    {"no choices, no counts", &events,
     "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n" TEXT("a") STOP("stop")
         DONE,
     OK, "a", "o0 c1 e0 d0", "0", "", EVENTS},
    {"behind the end nothing counts", &events,
     TEXT("a") STOP("stop") DONE TEXT("b") "data: {]\n\n|data: {]\n\n", OK, "a",
     "c1 e0 d0", "0", "", EVENTS},
    {"the end mark padded", &events, TEXT("a") "data:  [DONE] \n\n", OK, "a", "c1 d0",
     "0", "", EVENTS},
    {"the end mark without its empty line", &events,
     TEXT("a") STOP("stop") "data: [DONE]", OK, "a", "c1 e0 d0", "0", "", EVENTS},
    {"events as text/plain", &(given){200, "text/plain"}, TEXT("a") STOP("stop") DONE, OK,
     "a", "c1 e0 d0", "0", "", EVENTS},
    {"events as JSON", &json, "da|ta: {\"choices\":[{\"text\":\"a\"}]}\n\n" DONE, OK, "a",
     "c1 d0", "1", "", EVENTS},
    {"events of no type, white space in front", &(given){200, NULL},
     "\r\n|\r\n: hi\r\n\r\n" TEXT("a") DONE, OK, "a", "c1 d0", "1", "", EVENTS},
    {"two choices", &events,
     "data: "
     "{\"choices\":[{\"index\":1,\"text\":\"x\"},{\"index\":0,\"text\":\"a\"}]}\n\n|"
     "data: {\"choices\":[{\"text\":\"y\",\"index\":1}]}\n\n|"
     "data: "
     "{\"choices\":[{\"index\":0,\"text\":\"b\",\"finish_reason\":\"length\"}]}\n\n|"
     "data: "
     "{\"choices\":[{\"index\":1,\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n" USAGE(
         4) DONE,
     OK, "ab", "c2 c1 c1 e0 u0 d0", "0 0 1 2", "0 1 2", EACH},
};

static const row_t counts[] = {
    {"nobody counts", &events, TEXT("a") "|" TEXT("b") STOP("stop") DONE, OK, "ab",
     "c1 c1 e0 d0", "0 1", "", EVENTS},
    {"a total that is the number of events", &events,
     TEXT("a") "|" TEXT("b") STOP("stop") USAGE(2) DONE, OK, "ab", "c1 c1 e0 u0 d0",
     "0 1", "", EACH},
    {"one more: the end mark came with the end", &events,
     TEXT("a") "|" TEXT("b") "|" STOP("stop") "|" USAGE(3) DONE, OK, "ab",
     "c1 c1 e1 u0 d0", "0 1 2", "", EACH},
    {"one more, but a limit ended it", &events,
     TEXT("a") "|" TEXT("b") "|" STOP("length") "|" USAGE(5) DONE, OK, "ab",
     "c? c? e0 u0 d0", "0 0 0 1 1", "0 1", TOTAL},
    {"events without text that a token came with", &events,
     TEXT("a") "|" TEXT("") "|" TEXT("b") "|" STOP("length") USAGE(4) DONE, OK, "ab",
     "c1 e1 c1 e1 u0 d0", "0 1 2 3", "", EACH},
    {"more tokens than events are spread", &events,
     TEXT("a") "|" TEXT("b") "|" TEXT("c") "|" STOP("length") USAGE(8) DONE, OK, "abc",
     "c? c? c? e0 u0 d0", "0 0 0 1 1 1 2 2", "0 1 2", TOTAL},
    {"fewer tokens than events: first and last stay", &events,
     TEXT("a") "|" TEXT("b") "|" TEXT("c") "|" TEXT("d") STOP("length") USAGE(3) DONE, OK,
     "abcd", "c? c? c? c? e0 u0 d0", "0 1 3", "0 1 2 3", TOTAL},
    {"two tokens in four events", &events,
     TEXT("a") "|" TEXT("b") "|" TEXT("c") "|" TEXT("d") STOP("length") USAGE(2) DONE, OK,
     "abcd", "c? c? c? c? e0 u0 d0", "0 3", "0 1 2 3", TOTAL},
    {"a total of 1 for two events is not believed", &events,
     TEXT("a") "|" TEXT("b") STOP("length") USAGE(1) DONE, OK, "ab", "c1 c1 e0 u0 d0",
     "0 1", "", EVENTS},
    {"a total of 0 neither", &events, TEXT("a") "|" TEXT("b") STOP("stop") USAGE(0) DONE,
     OK, "ab", "c1 c1 e0 u0 d0", "0 1", "", EVENTS},
    {"an absurd total neither", &events,
     TEXT("a") "|" TEXT("b") STOP("stop") USAGE(99999999999) DONE, OK, "ab",
     "c1 c1 e0 u0 d0", "0 1", "", EVENTS},
    {"a negative total neither", &events,
     TEXT("a") "|" TEXT("b") STOP("stop") USAGE(-3) DONE, OK, "ab", "c1 c1 e0 u0 d0",
     "0 1", "", EVENTS},
    {"a single event with several tokens", &events,
     TEXT("abc") STOP("length") USAGE(3) DONE, OK, "abc", "c3 e0 u0 d0", "0 0 0", "0",
     TOTAL},
    {"running totals", &events,
     RUN("\"role\":\"assistant\"", 0) "|" RUN(C("a"), 1) "|" RUN(C("bcd"), 4) "|" RUN(
         C("e"), 5) "|" STOP("length") USAGE(5) DONE,
     OK, "abcde", "e0 c1 c3 c1 e0 u0 d0", "1 2 2 2 3", "1 2 3", EACH},
    {"running totals, one each", &events,
     RUN(C("a"), 1) "|" RUN(C("b"), 2) "|" STOP("length") USAGE(2) DONE, OK, "ab",
     "c1 c1 e0 u0 d0", "0 1", "", EACH},
    {"running totals with half a character and the end mark", &events,
     RUN(C("a"), 1) "|" RUN(C(""), 2) "|" RUN(
         C("b"),
         3) "|"
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
            "\"usage\":{\"completion_tokens\":4}}\n\n" USAGE(4) DONE,
     OK, "ab", "c1 e1 c1 e1 u0 d0", "0 1 2 3", "", EACH},
    {"counted before the first text: in hand with it", &events,
     RUN(C(""), 1) "|" RUN(C(""), 2) "|" RUN(C("a"), 3) "|" RUN(C("b"), 4) STOP("length")
         DONE,
     OK, "ab", "e0 e0 c3 c1 e0 d0", "2 2 2 3", "2 3", EACH},
    {"two events of one token", &events,
     RUN(C("a"), 1) "|" RUN(C("b"), 1) "|" RUN(C("c"), 2) STOP("length") DONE, OK, "abc",
     "c1 c0 c1 e0 d0", "0 2", "", EACH},
    {"text behind the last token is the last token's", &events,
     RUN(C("a"), 1) "|" RUN(C("b"), 2) "|" RUN(C("c"), 2) STOP("length") DONE, OK, "abc",
     "c1 c0 c1 e0 d0", "0 2", "", EACH},
    {"a single token stays the first", &events,
     RUN(C("a"), 1) "|" RUN(C("b"), 1) STOP("length") DONE, OK, "ab", "c1 c0 e0 d0", "0",
     "", EACH},
    {"a running total that lags is not believed", &events,
     RUN(C("a"), 0) "|" RUN(C("b"), 1) "|" STOP("length") USAGE(2) DONE, OK, "ab",
     "c1 c1 e0 u0 d0", "0 1", "", EACH},
    {"a running total that falls is not believed", &events,
     RUN(C("a"), 3) "|" RUN(C("b"), 2) "|" RUN(C("c"), 3) STOP("length") DONE, OK, "abc",
     "c1 c1 c1 e0 d0", "0 1 2", "", EACH},
    {"a running total with a gap is a total", &events,
     RUN(C("a"), 1) "|" TEXT("b") "|" RUN(C("c"), 5) STOP("length") DONE, OK, "abc",
     "c? c? c? e0 d0", "0 0 1 1 2", "0 1 2", TOTAL},
    {"running totals of two choices", &events,
     RUN_OF(0, "a", 1) "|" RUN_OF(1, "x", 1) "|" RUN_OF(1, "yz", 3) "|" RUN_OF(
         0, "b",
         2) "|"
            "data: "
            "{\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"length\"},"
            "{\"index\":1,\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n" USAGE(5)
                DONE,
     OK, "ab", "c1 c1 c2 c1 e0 u0 d0", "0 1 2 2 3", "0 1 2 3", EACH},
    {"timings that run (llama-server)", &events,
     "data: {\"choices\":[{\"text\":\"a\"}],\"timings\":{\"predicted_n\":1}}\n\n|"
     "data: {\"choices\":[{\"text\":\"bc\"}],\"timings\":{\"predicted_n\":3}}\n\n" DONE,
     OK, "abc", "c1 c2 d0", "0 1 1", "0 1", EACH},
    {"reasoning that nobody sees", &events,
     CHAT(C("a")) "|" CHAT(C("b")) STOP("length") REASONED(42, 40) DONE, OK, "ab",
     "c1 c1 e0 u0 d0", "0 1", "", EACH},
    {"reasoning that is counted in it", &events,
     CHAT(R("h")) "|" CHAT(C("b")) STOP("length") REASONED(2, 1) DONE, OK, "b",
     "r1 c1 e0 u0 d0", "0 1", "", EACH},
    {"reasoning that is counted beside", &events,
     CHAT(R("h")) "|" CHAT(R("m")) "|" CHAT(C("b"))
         STOP("length") "data: "
                        "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_"
                        "tokens\":1,"
                        "\"reasoning_tokens\":2,\"total_tokens\":8}}\n\n" DONE,
     OK, "b", "r1 r1 c1 e0 u0 d0", "0 1 2", "", EACH},
};

static const row_t whole[] = {
    {"a completion", &json,
     "{\"choices\":[{\"text\":\"a b\",\"index\":0,\"finish_reason\":\"length\"}],|"
     "\"usage\":{\"completion_tokens\":3}}",
     OK, "a b", "c3", "1 1 1", "1", EACH},
    {"a chat", &json, MESSAGE(C("a b"), ",\"usage\":{\"completion_tokens\":2}"), OK,
     "a b", "c2", "0 0", "0", EACH},
    {"one token", &json, MESSAGE(C("a"), ",\"usage\":{\"completion_tokens\":1}"), OK, "a",
     "c1", "0", "", EACH},
    {"nobody counts", &json, MESSAGE(C("a b"), ""), OK, "a b", "c1", "0", "", EVENTS},
    {"a tool call", &json, MESSAGE("\"content\":null," TOOL("{}"), ""), OK, "", "t1", "0",
     "", EVENTS},
    {"reasoning and content", &json,
     MESSAGE(R("hm") "," C("a"), ",\"usage\":{\"completion_tokens\":5}"), OK, "a", "c5",
     "0 0 0 0 0", "0", EACH},
    {"white space, a mark, another type", &(given){200, "text/plain"},
     "\xef\xbb\xbf \n|" MESSAGE(C("a"), "") "\n", OK, "a", "c1", "1", "", EVENTS},
    {"though events were said", &events, MESSAGE(C("a"), ""), OK, "a", "c1", "0", "",
     EVENTS},
    {"a problem type", &(given){200, "application/problem+json"},
     "{\"error\":\"out of order\"}", IFM_OUTCOME_ERROR_EVENT, "", "o0", "", "", EVENTS,
     "out of order"},
};

static void shapes_of_events(void **state)
{
    (void)state;
    CHECK(shapes);
}

static void counts_of_tokens(void **state)
{
    (void)state;
    CHECK(counts);
}

static void answers_in_one_piece(void **state)
{
    (void)state;
    CHECK(whole);
}

/* ---- what the server says of itself ---------------------------------------------------- */

static void usage_in_full(void **state)
{
    (void)state;
    answer a = answer_to(
        &events,
        TEXT("a") STOP("stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":50,"
                               "\"completion_tokens\":12,\"total_tokens\":62,"
                               "\"prompt_tokens_details\":{\"cached_tokens\":48,\"x\":1},"
                               "\"completion_tokens_details\":{\"reasoning_tokens\":9}}}"
                               "\n\n" DONE);
    const ifm_usage *usage = &a.record.wire->usage;
    assert_int_equal(usage->prompt_tokens, 50);
    assert_int_equal(usage->completion_tokens, 12);
    assert_int_equal(usage->reasoning_tokens, 9);
    assert_int_equal(usage->cached_tokens, 48);
    assert_int_equal(a.record.n_tokens, 3); /* 12, of which 9 were never sent */
    drop(&a);
}

static void unknown_usage_stays_unknown(void **state)
{
    (void)state;
    answer a = answer_to(
        &events, TEXT("a") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":null,"
                           "\"prompt_tokens_details\":null,\"completion_tokens\":"
                           "\"1\"},\"timings\":null}\n\n" DONE);
    const ifm_usage *usage = &a.record.wire->usage;
    assert_true(a.record.ok);
    assert_int_equal(usage->prompt_tokens, -1);
    assert_int_equal(usage->completion_tokens, -1);
    assert_int_equal(usage->reasoning_tokens, -1);
    assert_int_equal(usage->cached_tokens, -1);
    assert_int_equal(a.record.wire->server.generation_ns, -1);
    drop(&a);
}

static void timings_of_llama_server(void **state)
{
    (void)state;
    answer a = answer_to(
        &events, TEXT("a") "|" TEXT(
                     "b") "data: {\"choices\":[{\"index\":0,\"text\":\"\","
                          "\"finish_reason\":\"length\"}],\"timings\":{\"cache_n\":30,"
                          "\"prompt_n\":6,\"prompt_ms\":12.345678,"
                          "\"prompt_per_token_ms\":2.0,\"predicted_n\":2,"
                          "\"predicted_ms\":1.5e1},\"tokens_cached\":38}\n\n" DONE);
    const ifm_server_times *server = &a.record.wire->server;
    assert_int_equal(server->prompt_tokens, 6);
    assert_int_equal(server->prompt_ns, 12345678);
    assert_int_equal(server->generation_tokens, 2);
    assert_int_equal(server->generation_ns, 15000000);
    assert_int_equal(server->load_ns, -1);
    assert_int_equal(a.record.wire->usage.cached_tokens, 30);
    assert_int_equal(a.record.wire->usage.completion_tokens, -1);
    assert_int_equal(a.record.n_tokens, 2);
    assert_int_equal(a.record.wire->token_source, IFM_TOKENS_PER_EVENT);
    drop(&a);
}

static void durations_of_ollama(void **state)
{
    (void)state;
    answer a = answer_to(
        &events, TEXT("abc") "data: {\"choices\":[],\"total_duration\":5000000001,"
                             "\"load_duration\":1000000002,\"prompt_eval_count\":11,"
                             "\"prompt_eval_duration\":3,\"eval_count\":4,"
                             "\"eval_duration\":2000000004}\n\n" DONE);
    const ifm_server_times *server = &a.record.wire->server;
    assert_int_equal(server->total_ns, 5000000001);
    assert_int_equal(server->load_ns, 1000000002);
    assert_int_equal(server->prompt_tokens, 11);
    assert_int_equal(server->prompt_ns, 3);
    assert_int_equal(server->generation_tokens, 4);
    assert_int_equal(server->generation_ns, 2000000004);
    assert_int_equal(a.record.n_tokens, 4);
    drop(&a);
}

/* ---- times ----------------------------------------------------------------------------- */

static void first_output_is_no_reasoning(void **state)
{
    (void)state;
    answer a = answer_to(&events, ": hi\n\n|" CHAT("\"role\":\"assistant\"") "|" CHAT(
                                      R("h")) "|" CHAT(C("a")) STOP("stop") DONE);
    const ifm_wire *wire = a.record.wire;
    assert_int_equal(wire->first_event_ns, FIRST_NS + 1 * US);
    assert_int_equal(a.record.token_ns[0], FIRST_NS + 2 * US);
    assert_int_equal(wire->ttfo_ns, FIRST_NS + 3 * US);
    assert_int_equal(a.record.text_events[0].t_ns, FIRST_NS + 3 * US);
    drop(&a);
    a = answer_to(&events, CHAT(R("h")) "|" CHAT(TOOL("")) STOP("stop") DONE);
    assert_int_equal(a.record.wire->ttfo_ns,
                     FIRST_NS + 1 * US); /* a tool call is output */
    drop(&a);
    a = answer_to(&events, CHAT(R("h")) STOP("stop") DONE);
    assert_int_equal(a.record.wire->ttfo_ns, -1);
    drop(&a);
}

/* An event's time is that of the read that brought its end. */
static void an_event_in_three_reads(void **state)
{
    (void)state;
    answer a = answer_to(&events, "data: {\"choi|ces\":[{\"text\":\"a\"}]}|\n\n" DONE);
    const ifm_wire *wire = a.record.wire;
    assert_int_equal(a.record.token_ns[0], FIRST_NS + 2 * US);
    assert_int_equal(wire->pieces[0].read, 2);
    assert_int_equal(wire->pieces[0].bytes, strlen("{\"choices\":[{\"text\":\"a\"}]}"));
    assert_int_equal(ifm_wire_shared_pieces(wire), 1);
    assert_int_equal(wire->body_bytes,
                     strlen("data: {\"choices\":[{\"text\":\"a\"}]}\n\n" DONE));
    drop(&a);
}

/* However a body is cut in two, the same answer comes of it. */
static void every_split(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        ": x\r\n\r\n" RUN("\"role\":\"assistant\"", 0) RUN(R("hm"), 1)
            RUN(C("a\\u00e9"), 3) "event: ping\ndata: {}\r\n\r\n" RUN(C("b"), 4)
                STOP("length") USAGE(4) DONE,
        MESSAGE(C("a b"), ",\"usage\":{\"completion_tokens\":2}"),
    };
    for (size_t b = 0; b < sizeof bodies / sizeof *bodies; b++) {
        char cut[2048];
        const size_t n = strlen(bodies[b]);
        for (size_t i = 0; i <= n; i++) {
            snprintf(cut, sizeof cut, "%.*s|%s", (int)i, bodies[b], bodies[b] + i);
            answer a = answer_to(&(given){200, NULL}, cut);
            assert_true(a.record.ok);
            assert_string_equal(a.record.text, b == 0 ? "a\xc3\xa9"
                                                        "b"
                                                      : "a b");
            assert_int_equal(a.record.n_tokens, b == 0 ? 4 : 2);
            assert_int_equal(a.record.wire->n_pieces, b == 0 ? 8 : 1);
            assert_string_equal(a.record.finish_reason, b == 0 ? "length" : "stop");
            check_identities(&a.record);
            drop(&a);
        }
    }
}

/* ---- the tokenizer, the live view ------------------------------------------------------ */

static void the_tokenizer_counts(void **state)
{
    (void)state;
    const ifm_tokenizer_options options = {.no_cache = true};
    given how = events;
    int32_t *ids;
    size_t n, n_hidden;
    char model[1024];
    const char *root = getenv("IFM_SOURCE_ROOT");
    snprintf(model, sizeof model, "%s/models/counting", root != NULL ? root : ".");
    assert_int_equal(ifm_tokenizer_open(model, &options, &how.tokenizer, NULL), IFM_OK);
    static const char text[] = " two, three, four", hidden[] = " five";
    assert_int_equal(ifm_tokenizer_encode(how.tokenizer, text, strlen(text),
                                          IFM_ENCODE_PLAIN, &ids, &n, NULL),
                     IFM_OK);
    free(ids);
    assert_int_equal(ifm_tokenizer_encode(how.tokenizer, hidden, strlen(hidden),
                                          IFM_ENCODE_PLAIN, &ids, &n_hidden, NULL),
                     IFM_OK);
    free(ids);
    assert_true(n > 3 && n_hidden > 0);
    answer a = answer_to(&how, CHAT(R(" five")) "|" CHAT(C(" two, thr")) "|" CHAT(
                                   C("ee, four")) STOP("stop") DONE);
    assert_string_equal(a.record.text, text);
    assert_int_equal(a.record.n_tokens, n + n_hidden);
    assert_int_equal(a.record.wire->token_source, IFM_TOKENS_TOKENIZER);
    assert_int_equal(a.record.token_ns[n + n_hidden - 1], FIRST_NS + 2 * US);
    check_identities(&a.record);
    drop(&a);
    a = answer_to(&how, TEXT(" two, three") STOP("length") USAGE(7) DONE);
    assert_int_equal(a.record.n_tokens, 7); /* the server knows better */
    drop(&a);
    ifm_tokenizer_close(how.tokenizer);
}

typedef struct seen {
    int pieces, tokens;
} seen;

static void see(void *user, void *request, const ifm_piece *piece)
{
    seen *all = user;
    assert_ptr_equal(request, &all->tokens);
    all->pieces++;
    all->tokens += piece->tokens;
}

static void pieces_are_shown_as_they_come(void **state)
{
    (void)state;
    seen all = {0};
    ifm_wire wire = ifm_wire_unknown();
    ifm_record record = ifm_record_empty();
    record.wire = &wire;
    ifm_answer *self;
    const ifm_answer_options options = {
        .on_piece = see, .user = &all, .request = &all.tokens};
    assert_int_equal(ifm_answer_new(&options, &record, &self, NULL), IFM_OK);
    ifm_answer_head(self, 200, "text/event-stream", 0);
    static const char body[] =
        RUN("\"role\":\"assistant\"", 0) RUN(C("a"), 1) RUN(C("b"), 4);
    ifm_answer_take(self, body, strlen(body), 1);
    assert_int_equal(all.pieces, 2);
    assert_int_equal(all.tokens, 4);
    ifm_answer_free(self); /* without an end: nothing leaks */
    ifm_wire_deinit(&wire);
    record.wire = NULL;
    ifm_record_deinit(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_completion),
        cmocka_unit_test(shapes_of_events),
        cmocka_unit_test(counts_of_tokens),
        cmocka_unit_test(answers_in_one_piece),
        cmocka_unit_test(usage_in_full),
        cmocka_unit_test(unknown_usage_stays_unknown),
        cmocka_unit_test(timings_of_llama_server),
        cmocka_unit_test(durations_of_ollama),
        cmocka_unit_test(first_output_is_no_reasoning),
        cmocka_unit_test(an_event_in_three_reads),
        cmocka_unit_test(every_split),
        cmocka_unit_test(the_tokenizer_counts),
        cmocka_unit_test(pieces_are_shown_as_they_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
