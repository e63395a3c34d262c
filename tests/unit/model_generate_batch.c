/* model: the generation of a batch with a scripted model: what each step computes, what each
 * sequence says, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "model/generate.h"

enum { V = 16, EOS = 15, ROOM = 16, SEQUENCES = 3, MOST_STEPS = 8 };

/* Says the ids of a script for each sequence, and writes down what it was asked: "0:3+2" is
 * three tokens of sequence 0 with two positions of padding. */
typedef struct script {
    const int32_t *ids[SEQUENCES];
    bool flat;        /* logits are nearly equal: sampling decides */
    int32_t fails_at; /* step, from 1; 0: never */
    int32_t n_steps;
    int32_t said[SEQUENCES];
    char asked[MOST_STEPS][64];
    float logits[SEQUENCES][V];
} script;

static ifm_status eval(void *session, const ifm_append *appends, int32_t n,
                       const float **logits, ifm_error *err)
{
    script *self = session;
    assert_in_range(self->n_steps, 0, MOST_STEPS - 1);
    char *asked = self->asked[self->n_steps++];
    for (int32_t i = 0; i < n; i++) {
        const ifm_append *a = &appends[i];
        const size_t at = strlen(asked);
        snprintf(asked + at, 64 - at, "%s%d:%d+%d", i > 0 ? " " : "", a->sequence, a->n,
                 a->padding);
        memset(self->logits[i], 0, sizeof self->logits[i]);
        const int32_t id = self->ids[a->sequence][self->said[a->sequence]++];
        self->logits[i][id] = self->flat ? 0.5f : 5.0f;
    }
    if (self->n_steps == self->fails_at)
        return ifm_fail(err, IFM_ERR_LIMIT, "the script fails here");
    *logits = self->logits[0];
    return IFM_OK;
}

/* Each token is a letter. */
static size_t push(ifm_detokenizer *self, int32_t id, char *out, size_t cap)
{
    (void)self;
    assert_true(cap >= 1);
    *out = (char)('a' + id);
    return 1;
}

static size_t flush(ifm_detokenizer *self, char *out, size_t cap)
{
    (void)self, (void)out, (void)cap;
    return 0;
}

static const int32_t eos_ids[] = {EOS};
static const int32_t prompt[] = {3, 4, 5, 6, 7};
static const char *const stop[] = {"c"};

/* Ends by its length after 4 tokens, by the end of text after 2, by a stop text after 3. */
static const int32_t says[SEQUENCES][MOST_STEPS] = {
    {3, 4, 5, 6, 0, 0, 0, 0}, {7, EOS, 0, 0, 0, 0, 0, 0}, {0, 1, 2, 3, 4, 5, 6, 7}};

static script new_script(void)
{
    return (script){.ids = {says[0], says[1], says[2]}};
}

static void make_requests(ifm_request requests[SEQUENCES])
{
    requests[0] = (ifm_request){.ids = prompt, .n_ids = 2, .max_new_tokens = 4};
    requests[1] = (ifm_request){.ids = prompt, .n_ids = 5, .max_new_tokens = 6};
    requests[2] = (ifm_request){
        .ids = prompt, .n_ids = 1, .max_new_tokens = 7, .stop = stop, .n_stop = 1};
}

typedef struct outcome {
    char text[SEQUENCES][32];
    int32_t n[SEQUENCES];
    ifm_finish finish[SEQUENCES];
    ifm_status status;
} outcome;

static ifm_status start(script *model, const ifm_request *requests, size_t n, bool padded,
                        ifm_generation **out)
{
    const ifm_generation_parts parts = {
        .session = model,
        .eval = eval,
        .n_vocab = V,
        .n_room = ROOM,
        .eos_ids = eos_ids,
        .n_eos = 1,
        .push = push,
        .flush = flush,
        .max_text_bytes = 1,
    };
    return ifm_generation_start_parts(&parts, requests, n, padded, out, NULL);
}

static outcome run(script *model, const ifm_request *requests, size_t n, bool padded)
{
    outcome result = {0};
    ifm_generation *generation;
    ifm_token token;
    ifm_time last = {0};
    assert_int_equal(start(model, requests, n, padded, &generation), IFM_OK);
    while (ifm_generation_next(generation, &token)) {
        assert_in_range(token.sequence, 0, SEQUENCES - 1);
        strncat(result.text[token.sequence], token.text, token.n_text);
        result.n[token.sequence]++;
        assert_true(token.pushed_at.ns >= last.ns);
        last = token.pushed_at;
    }
    for (int32_t i = 0; i < (int32_t)n; i++)
        result.finish[i] = ifm_generation_ended(generation, i);
    assert_int_equal(ifm_generation_ended(generation, (int32_t)n), IFM_FINISH_ERROR);
    result.status = ifm_generation_finish(generation, NULL, NULL);
    return result;
}

static void check_outcome(const outcome *result)
{
    assert_int_equal(result->status, IFM_OK);
    assert_string_equal(result->text[0], "defg");
    assert_string_equal(result->text[1], "h");
    assert_string_equal(result->text[2], "ab");
    assert_int_equal(result->n[0], 4);
    assert_int_equal(result->n[1], 2);
    assert_int_equal(result->n[2], 3);
    assert_int_equal(result->finish[0], IFM_FINISH_LENGTH);
    assert_int_equal(result->finish[1], IFM_FINISH_EOS);
    assert_int_equal(result->finish[2], IFM_FINISH_STOP);
}

static void who_ends_leaves_the_batch(void **state)
{
    (void)state;
    script model = new_script();
    ifm_request requests[SEQUENCES];
    make_requests(requests);
    const outcome result = run(&model, requests, SEQUENCES, false);
    check_outcome(&result);
    assert_int_equal(model.n_steps, 4);
    assert_string_equal(model.asked[0], "0:2+0 1:5+0 2:1+0");
    assert_string_equal(model.asked[1], "0:1+0 1:1+0 2:1+0");
    assert_string_equal(model.asked[2], "0:1+0 2:1+0");
    assert_string_equal(model.asked[3], "0:1+0");
}

static void padded_all_stay_until_the_last(void **state)
{
    (void)state;
    script model = new_script();
    ifm_request requests[SEQUENCES];
    make_requests(requests);
    const outcome result = run(&model, requests, SEQUENCES, true);
    check_outcome(&result);
    assert_int_equal(model.n_steps, 4);
    assert_string_equal(model.asked[0], "0:2+3 1:5+0 2:1+4");
    for (int i = 1; i < 4; i++)
        assert_string_equal(model.asked[i], "0:1+3 1:1+0 2:1+4");
}

/* Each draws from its own sequence of random numbers. */
static void sampled_as_if_alone(void **state)
{
    (void)state;
    ifm_request requests[SEQUENCES];
    outcome alone[SEQUENCES];
    make_requests(requests);
    for (int i = 0; i < SEQUENCES; i++) {
        requests[i].sampling = (ifm_sampling){.temperature = 1, .seed = 5};
        requests[i].ignore_eos = true;
        requests[i].n_stop = 0;
        script single = {.ids = {says[i]}, .flat = true};
        alone[i] = run(&single, &requests[i], 1, false);
    }
    script model = new_script();
    model.flat = true;
    const outcome result = run(&model, requests, SEQUENCES, false);
    for (int i = 0; i < SEQUENCES; i++) {
        assert_int_equal(result.n[i], requests[i].max_new_tokens);
        assert_string_equal(result.text[i], alone[i].text[0]);
    }
}

static void an_error_ends_who_is_left(void **state)
{
    (void)state;
    script model = new_script();
    model.fails_at = 3;
    ifm_request requests[SEQUENCES];
    make_requests(requests);
    const outcome result = run(&model, requests, SEQUENCES, false);
    assert_int_equal(result.status, IFM_ERR_LIMIT);
    assert_int_equal(result.n[0], 2);
    assert_int_equal(result.finish[0], IFM_FINISH_ERROR);
    assert_int_equal(result.finish[1], IFM_FINISH_EOS);
    assert_int_equal(result.finish[2], IFM_FINISH_ERROR);
}

static void cancelling_ends_all(void **state)
{
    (void)state;
    script model = {.ids = {says[2], says[2], says[2]}};
    ifm_request requests[SEQUENCES];
    ifm_generation *generation;
    ifm_token token;
    int32_t n = 0;
    make_requests(requests);
    for (int i = 0; i < SEQUENCES; i++)
        requests[i].max_new_tokens = 7, requests[i].n_stop = 0;
    assert_int_equal(start(&model, requests, SEQUENCES, false, &generation), IFM_OK);
    ifm_generation_cancel(generation);
    while (ifm_generation_next(generation, &token))
        n++;
    /* The thread may have been anywhere when it was told; all end by the next step. */
    for (int32_t i = 0; i < SEQUENCES; i++) {
        const ifm_finish finish = ifm_generation_ended(generation, i);
        assert_true(finish == IFM_FINISH_CANCELLED || finish == IFM_FINISH_LENGTH);
    }
    assert_in_range(n, SEQUENCES, SEQUENCES * 7);
    assert_int_equal(ifm_generation_finish(generation, NULL, NULL), IFM_OK);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    script model = new_script();
    ifm_request requests[SEQUENCES];
    ifm_generation *generation;
    make_requests(requests);
    /* Alone each fits: 5 + 6, 1 + 12; as a rectangle they are 5 + 12. */
    requests[2].max_new_tokens = 12;
    assert_int_equal(start(&model, requests, SEQUENCES, true, &generation),
                     IFM_ERR_LIMIT);
    assert_null(generation);
    requests[2].n_ids = 0;
    assert_int_equal(start(&model, requests, SEQUENCES, false, &generation),
                     IFM_ERR_ARGUMENT);
    assert_null(generation);
    assert_int_equal(model.n_steps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_ends_leaves_the_batch),
        cmocka_unit_test(padded_all_stay_until_the_last),
        cmocka_unit_test(sampled_as_if_alone),
        cmocka_unit_test(an_error_ends_who_is_left),
        cmocka_unit_test(cancelling_ends_all),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
