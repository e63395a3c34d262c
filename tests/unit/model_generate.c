/* model: the generation loop with a scripted model and a scripted tokenizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/generate.h"
#include "model/stop.h"

enum { V = 16, EOS = 15, ROOM = 64 };

/* A model that says the ids of a script, and fails or computes NaN where it is told to. */
typedef struct script {
    const int32_t *ids;
    int32_t fails_at; /* eval number, from 1; 0: never */
    int32_t nan_at;
    bool waits;                      /* in the first step, until `cancels` is known… */
    ifm_generation *_Atomic cancels; /* …which step 3 cancels */
    int32_t second;                  /* the id of the second greatest logit; 0: none */
    int32_t n_evals;
    int32_t n_seen;
    int32_t seen[ROOM];
    float logits[V];
} script;

static ifm_status eval(void *session, const ifm_append *appends, int32_t n,
                       const float **logits, ifm_error *err)
{
    script *self = session;
    assert_int_equal(n, 1);
    assert_int_equal(appends->padding, 0);
    for (int32_t i = 0; i < appends->n; i++)
        self->seen[self->n_seen++] = appends->ids[i];
    while (self->waits && atomic_load(&self->cancels) == NULL)
        sched_yield();
    if (++self->n_evals == self->fails_at)
        return ifm_fail(err, IFM_ERR_LIMIT, "the script fails here");
    for (int i = 0; i < V; i++)
        self->logits[i] = self->n_evals == self->nan_at ? NAN : 0.0f;
    if (self->second > 0)
        self->logits[self->second] = 1.0f;
    if (self->n_evals != self->nan_at)
        self->logits[self->ids[self->n_evals - 1]] = 5.0f;
    if (self->waits && self->n_evals == 3)
        ifm_generation_cancel(self->cancels);
    *logits = self->logits;
    return IFM_OK;
}

/* Token 0 is "a", 1 is "b" …, 10 is "abc", 11 gives nothing, 12 is "é", 15 is special. */
static size_t push(ifm_detokenizer *self, int32_t id, char *out, size_t cap)
{
    static const char *const texts[V] = {"a", "b", "c",   "d", "e", "f", "g", "h",
                                         "i", "j", "abc", "",  "é", "",  "",  ""};
    size_t n = strlen(texts[id]);
    self->n_held = id == 11; /* half a character is held */
    assert_true(n <= cap);
    memcpy(out, texts[id], n);
    return n;
}

static size_t flush(ifm_detokenizer *self, char *out, size_t cap)
{
    if (self->n_held == 0)
        return 0;
    assert_true(cap >= 1);
    *out = '?';
    return 1;
}

static const int32_t eos_ids[] = {EOS};
static const int32_t prompt[] = {3, 4, 5};

static ifm_generation_parts parts_of(script *model)
{
    return (ifm_generation_parts){
        .session = model,
        .eval = eval,
        .n_vocab = V,
        .n_room = ROOM,
        .eos_ids = eos_ids,
        .n_eos = 1,
        .push = push,
        .flush = flush,
        .max_text_bytes = 4,
    };
}

static ifm_request request_of(int32_t n)
{
    return (ifm_request){.ids = prompt, .n_ids = 3, .max_new_tokens = n};
}

/* What a consumer got: each token's text in brackets, and how it ended. */
typedef struct outcome {
    char text[256];
    int32_t n;
    ifm_finish finish;
    ifm_status status;
    ifm_error error;
} outcome;

static outcome consume(ifm_generation *generation)
{
    outcome result = {0};
    ifm_token token;
    ifm_time last = {0};
    while (ifm_generation_next(generation, &token)) {
        size_t n = strlen(result.text);
        snprintf(result.text + n, sizeof result.text - n, "[%.*s]", (int)token.n_text,
                 token.text != NULL ? token.text : "");
        result.n++;
        assert_true(token.logits_at.ns >= last.ns);
        assert_true(token.sampled_at.ns >= token.logits_at.ns);
        assert_true(token.detokenized_at.ns >= token.sampled_at.ns);
        assert_true(token.pushed_at.ns >= token.detokenized_at.ns);
        assert_true(ifm_time_now().ns >= token.pushed_at.ns);
        last = token.pushed_at;
    }
    assert_false(ifm_generation_next(generation, &token));
    result.status = ifm_generation_finish(generation, &result.finish, &result.error);
    return result;
}

static outcome run(script *model, const ifm_request *request)
{
    ifm_generation_parts parts = parts_of(model);
    ifm_generation *generation;
    ifm_error err = {0};
    if (ifm_generation_start_parts(&parts, request, 1, false, &generation, &err) !=
        IFM_OK)
        fail_msg("%s", err.message);
    return consume(generation);
}

static void ends_at_its_length(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, 1, 2, 3};
    for (int32_t n = 1; n <= 4; n++) {
        script model = {.ids = ids};
        ifm_request request = request_of(n);
        outcome result = run(&model, &request);
        assert_int_equal(result.status, IFM_OK);
        assert_int_equal(result.finish, IFM_FINISH_LENGTH);
        assert_int_equal(result.n, n);
        assert_memory_equal(result.text, "[a][b][c][d]", (size_t)(3 * n));
        /* The last token is never computed on. */
        assert_int_equal(model.n_evals, n);
        assert_int_equal(model.n_seen, 3 + n - 1);
        assert_memory_equal(model.seen, prompt, sizeof prompt);
        for (int32_t i = 0; i + 1 < n; i++)
            assert_int_equal(model.seen[3 + i], ids[i]);
    }
}

static void ends_at_the_end_of_text(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, EOS, 1, 2};
    script model = {.ids = ids};
    ifm_request request = request_of(4);
    outcome result = run(&model, &request);
    assert_int_equal(result.finish, IFM_FINISH_EOS);
    assert_string_equal(result.text, "[a][]");
    model.n_evals = model.n_seen = 0;
    request.ignore_eos = true;
    result = run(&model, &request);
    assert_int_equal(result.finish, IFM_FINISH_LENGTH);
    assert_string_equal(result.text, "[a][][b][c]");
}

static void check_stop(const int32_t *ids, int32_t n, const char *const *stop,
                       size_t n_stop, ifm_finish finish, const char *text)
{
    script model = {.ids = ids};
    ifm_request request = request_of(n);
    request.stop = stop;
    request.n_stop = n_stop;
    outcome result = run(&model, &request);
    if (result.finish != finish || strcmp(result.text, text) != 0)
        fail_msg("stop \"%s\": %s \"%s\", expected %s \"%s\"", stop[0],
                 ifm_finish_name(result.finish), result.text, ifm_finish_name(finish),
                 text);
}

static void stop_texts_across_tokens(void **state)
{
    (void)state;
    static const int32_t abcde[] = {0, 1, 2, 3, 4};
    static const int32_t aab[] = {0, 0, 1, 2, 3};
    static const int32_t long_token[] = {3, 10, 4, 0, 1};
    static const int32_t ends[] = {0, 1, EOS};
    static const int32_t half[] = {0, 1, 11};
    static const int32_t accent[] = {12, 0, 1};
    const struct {
        const int32_t *ids;
        int32_t n;
        const char *stop[2];
        ifm_finish finish;
        const char *text;
    } cases[] = {
        {abcde, 5, {"c"}, IFM_FINISH_STOP, "[a][b][]"},
        {abcde, 5, {"bcd"}, IFM_FINISH_STOP, "[a][][][]"},
        /* Held back, then known not to be it. */
        {abcde, 5, {"bcx"}, IFM_FINISH_LENGTH, "[a][][][bcd][e]"},
        /* Held back at the end. */
        {abcde, 3, {"bcd"}, IFM_FINISH_LENGTH, "[a][][bc]"},
        {ends, 3, {"bz"}, IFM_FINISH_EOS, "[a][][b]"},
        /* A beginning within a beginning. */
        {aab, 5, {"ab"}, IFM_FINISH_STOP, "[][a][]"},
        {aab, 5, {"aabz"}, IFM_FINISH_LENGTH, "[][][][aabc][d]"},
        /* Inside one token, of which the rest is dropped. */
        {long_token, 5, {"b"}, IFM_FINISH_STOP, "[d][a]"},
        {long_token, 5, {"da"}, IFM_FINISH_STOP, "[][]"},
        {long_token, 5, {"ca", "ce"}, IFM_FINISH_STOP, "[d][ab][]"},
        /* The earlier of two. */
        {long_token, 5, {"c", "bc"}, IFM_FINISH_STOP, "[d][a]"},
        {abcde, 5, {"cd", "b"}, IFM_FINISH_STOP, "[a][]"},
        /* Half a character at the end. */
        {half, 3, {"bz"}, IFM_FINISH_LENGTH, "[a][][b?]"},
        {accent, 3, {"éx"}, IFM_FINISH_LENGTH, "[][éa][b]"},
        {accent, 3, {"éa"}, IFM_FINISH_STOP, "[][]"},
        {abcde, 1, {"a"}, IFM_FINISH_STOP, "[]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_stop(cases[i].ids, cases[i].n, cases[i].stop,
                   cases[i].stop[1] != NULL ? 2 : 1, cases[i].finish, cases[i].text);
}

/* Whatever is held back: all texts together are the text up to the stop text. */
static void held_text_is_exactly_what_may_begin_a_stop(void **state)
{
    (void)state;
    static const char *const texts[] = {"abab", "bb", "abc"};
    ifm_stops stops;
    assert_int_equal(ifm_stops_init(&stops, texts, 3, NULL), IFM_OK);
    static const struct {
        const char *text;
        size_t held;
    } cases[] = {{"", 0},     {"a", 1},    {"ab", 2},     {"aba", 3}, {"xab", 2},
                 {"xaba", 3}, {"xabx", 0}, {"b", 1},      {"xb", 1},  {"aab", 2},
                 {"c", 0},    {"abaa", 1}, {"babaabb", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(ifm_stops_held(&stops, cases[i].text, strlen(cases[i].text)),
                         cases[i].held);
    size_t at = 99;
    assert_true(ifm_stops_find(&stops, "xxabcbb", 7, &at));
    assert_int_equal(at, 2);
    assert_false(ifm_stops_find(&stops, "ab", 2, &at));
    ifm_stops_deinit(&stops);
}

static void cancelled_after_the_step(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const char *const stop[] = {"bcx"};
    script model = {.ids = ids, .waits = true};
    ifm_generation_parts parts = parts_of(&model);
    ifm_request request = request_of(8);
    request.stop = stop;
    request.n_stop = 1;
    ifm_generation *generation;
    assert_int_equal(
        ifm_generation_start_parts(&parts, &request, 1, false, &generation, NULL),
        IFM_OK);
    atomic_store(&model.cancels, generation);
    outcome result = consume(generation);
    assert_int_equal(result.status, IFM_OK);
    assert_int_equal(result.finish, IFM_FINISH_CANCELLED);
    /* The step under way was delivered, with what was held back. */
    assert_string_equal(result.text, "[a][][bc]");
}

static void an_error_ends_it_with_its_message(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, 1, 2, 3};
    script model = {.ids = ids, .fails_at = 3};
    ifm_request request = request_of(4);
    outcome result = run(&model, &request);
    assert_int_equal(result.n, 2);
    assert_int_equal(result.finish, IFM_FINISH_ERROR);
    assert_int_equal(result.status, IFM_ERR_LIMIT);
    assert_string_equal(result.error.message, "the script fails here");
}

static void logits_that_are_no_numbers(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, 1, 2, 3};
    script model = {.ids = ids, .nan_at = 2};
    ifm_request request = request_of(4);
    outcome result = run(&model, &request);
    assert_int_equal(result.n, 1);
    assert_int_equal(result.finish, IFM_FINISH_ERROR);
    assert_non_null(strstr(result.error.message, "NaN"));
}

static void logprobs_come_with_each_token(void **state)
{
    (void)state;
    static const float tolerance = 1e-5f; /* f32 of numbers near 5 */
    static const int32_t ids[] = {7, 2};
    script model = {.ids = ids};
    ifm_generation_parts parts = parts_of(&model);
    ifm_request request = request_of(2);
    request.logprobs = 3;
    ifm_generation *generation;
    assert_int_equal(
        ifm_generation_start_parts(&parts, &request, 1, false, &generation, NULL),
        IFM_OK);
    float expected = 5.0f - logf(expf(5.0f) + V - 1);
    ifm_token tokens[2];
    for (int i = 0; i < 2; i++) {
        assert_true(ifm_generation_next(generation, &tokens[i]));
        assert_int_equal(tokens[i].id, ids[i]);
        assert_true(fabsf(tokens[i].logprob - expected) < tolerance);
        assert_true(fabsf(tokens[i].top[1].logprob - (expected - 5.0f)) < tolerance);
    }
    assert_int_equal(tokens[0].top[0].id, 7);
    assert_int_equal(tokens[1].top[0].id, 2);
    assert_int_equal(tokens[1].top[1].id, 0);
    assert_int_equal(tokens[1].top[2].id, 1);
    assert_int_equal(ifm_generation_finish(generation, NULL, NULL), IFM_OK);
}

static void the_penalty_sees_prompt_and_output(void **state)
{
    (void)state;
    /* Logits are 5 for the scripted id and 1 for 9: a penalty of 10 makes 9 the winner
     * where the scripted one was seen, in the prompt (3) or in the output (6). */
    static const int32_t ids[] = {3, 6, 6, 7};
    script model = {.ids = ids, .second = 9};
    ifm_request request = request_of(4);
    request.sampling.repetition_penalty = 10;
    outcome result = run(&model, &request);
    assert_string_equal(result.text, "[j][g][g][h]");
    model.n_evals = model.n_seen = 0;
    model.ids = (const int32_t[]){6, 6, 7, 3};
    request.sampling.repetition_penalty = 10;
    result = run(&model, &request);
    assert_string_equal(result.text, "[g][j][h][d]");
}

static const int32_t outside[] = {3, V};
static const char *const empty_stop[] = {"x", ""};
static const char *const one_stop[] = {"x"};

static const struct {
    int32_t n_used; /* tokens in the session already */
    bool mute;      /* without a tokenizer */
    ifm_request request;
    ifm_status status;
    const char *part;
} nonsense[] = {
    {0, 0, {.ids = prompt, .max_new_tokens = 1}, IFM_ERR_ARGUMENT, "is empty"},
    {0, 0, {.ids = prompt, .n_ids = 3}, IFM_ERR_ARGUMENT, "0 new tokens asked for"},
    {0,
     0,
     {.ids = prompt, .n_ids = 3, .max_new_tokens = 1, .logprobs = 21},
     IFM_ERR_ARGUMENT,
     "21 log-probabilities asked for, expected 0 to 20"},
    {0,
     0,
     {.ids = outside, .n_ids = 2, .max_new_tokens = 1},
     IFM_ERR_ARGUMENT,
     "token 2 of the prompt is 16, outside the vocabulary of 16"},
    {0,
     0,
     {.ids = prompt, .n_ids = 3, .max_new_tokens = 62},
     IFM_ERR_LIMIT,
     "3 prompt tokens and 62 new ones do not fit the context of 64: at most 61"},
    {60,
     0,
     {.ids = prompt, .n_ids = 3, .max_new_tokens = 2},
     IFM_ERR_LIMIT,
     "context of 4: at most 1 new tokens do (-n 1)"},
    {0,
     0,
     {.ids = prompt, .n_ids = 3, .max_new_tokens = INT32_MAX},
     IFM_ERR_LIMIT,
     "at most 61"},
    {0,
     1,
     {.ids = prompt, .n_ids = 3, .max_new_tokens = 1, .stop = one_stop, .n_stop = 1},
     IFM_ERR_ARGUMENT,
     "stop texts need a tokenizer"},
    {0,
     0,
     {.ids = prompt, .n_ids = 3, .max_new_tokens = 1, .stop = empty_stop, .n_stop = 2},
     IFM_ERR_ARGUMENT,
     "stop text 2 is empty"},
    {0,
     0,
     {.ids = prompt, .n_ids = 3, .max_new_tokens = 1, .sampling.top_p = 2},
     IFM_ERR_ARGUMENT,
     "top-p is 2"},
};

static void requests_that_make_no_sense(void **state)
{
    (void)state;
    static const int32_t ids[] = {0};
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        script model = {.ids = ids};
        ifm_generation_parts parts = parts_of(&model);
        parts.n_used = nonsense[i].n_used;
        if (nonsense[i].mute)
            parts.push = NULL;
        ifm_generation *generation;
        ifm_error err = {0};
        ifm_status st = ifm_generation_start_parts(&parts, &nonsense[i].request, 1, false,
                                                   &generation, &err);
        if (st != nonsense[i].status || strstr(err.message, nonsense[i].part) == NULL)
            fail_msg("\"%s\", expected \"%s\"", err.message, nonsense[i].part);
        assert_null(generation);
    }
}

static void a_prompt_longer_than_the_context(void **state)
{
    (void)state;
    static const int32_t ids[ROOM + 1];
    script model = {.ids = ids};
    ifm_generation_parts parts = parts_of(&model);
    ifm_generation *generation;
    ifm_error err = {0};
    ifm_request request = {.ids = ids, .n_ids = ROOM + 1, .max_new_tokens = 1};
    assert_int_equal(
        ifm_generation_start_parts(&parts, &request, 1, false, &generation, &err),
        IFM_ERR_LIMIT);
    assert_string_equal(err.message, "the prompt has 65 tokens, but the context has room "
                                     "for 64: shorten it");
    request.n_ids = ROOM;
    assert_int_equal(
        ifm_generation_start_parts(&parts, &request, 1, false, &generation, &err),
        IFM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "no new token fits"));
}

static void without_a_tokenizer_there_is_no_text(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, 1};
    script model = {.ids = ids};
    ifm_generation_parts parts = parts_of(&model);
    parts.push = NULL;
    ifm_request request = request_of(2);
    ifm_generation *generation;
    assert_int_equal(
        ifm_generation_start_parts(&parts, &request, 1, false, &generation, NULL),
        IFM_OK);
    outcome result = consume(generation);
    assert_string_equal(result.text, "[][]");
}

/* Many short generations, consumed as they come, late, or not at all. */
static void nothing_is_lost_between_the_threads(void **state)
{
    (void)state;
    static const int32_t ids[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (int round = 0; round < 300; round++) {
        script model = {.ids = ids};
        ifm_generation_parts parts = parts_of(&model);
        ifm_request request = request_of(10);
        ifm_generation *generation;
        assert_int_equal(
            ifm_generation_start_parts(&parts, &request, 1, false, &generation, NULL),
            IFM_OK);
        if (round % 3 == 2) {
            assert_int_equal(ifm_generation_finish(generation, NULL, NULL), IFM_OK);
            continue;
        }
        outcome result = consume(generation);
        assert_string_equal(result.text, "[a][b][c][d][e][f][g][h][i][j]");
    }
    assert_int_equal(ifm_generation_finish(NULL, NULL, NULL), IFM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_at_its_length),
        cmocka_unit_test(ends_at_the_end_of_text),
        cmocka_unit_test(stop_texts_across_tokens),
        cmocka_unit_test(held_text_is_exactly_what_may_begin_a_stop),
        cmocka_unit_test(cancelled_after_the_step),
        cmocka_unit_test(an_error_ends_it_with_its_message),
        cmocka_unit_test(logits_that_are_no_numbers),
        cmocka_unit_test(logprobs_come_with_each_token),
        cmocka_unit_test(the_penalty_sees_prompt_and_output),
        cmocka_unit_test(requests_that_make_no_sense),
        cmocka_unit_test(a_prompt_longer_than_the_context),
        cmocka_unit_test(without_a_tokenizer_there_is_no_text),
        cmocka_unit_test(nothing_is_lost_between_the_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
