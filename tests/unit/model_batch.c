/* model: what a sequence of a batch gets is what it gets alone, ragged and padded, whatever
 * the others are, when they end, and how many threads compute. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inferometer/inferometer.h"
#include "kern/kern.h"

/* More rows are summed in another order, as two implementations are (model_reference.c). */
static const float TOLERANCE_F32 = 1e-4f;

/* With weights of 16 bits, tables that round activations where there are many rows. */
static const float TOLERANCE_16_BITS = 2e-2f;

enum { BATCH = 8, STEPS = 4, MAX_V = 512, ROOM = 96, NEW = 12 };

/* Longer and shorter than a block of keys, a window, a step of rows; and one alone. */
static const int32_t lengths[BATCH] = {9, 40, 1, 23, 16, 2, 63, 17};

static const char *source_root(void)
{
    const char *root = getenv("IFM_SOURCE_ROOT");
    return root != NULL ? root : ".";
}

static ifm_model *open_model(const char *name, const char *kernels)
{
    char path[4096];
    ifm_model *model = NULL;
    ifm_error err = {0};
    const ifm_model_options options = {.kernels = kernels};
    snprintf(path, sizeof path, "%s/%s", source_root(), name);
    if (ifm_model_open(path, &options, &model, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return model;
}

static ifm_session *new_session(const ifm_model *model, int32_t positions,
                                int32_t sequences, int32_t threads)
{
    ifm_session *session = NULL;
    ifm_error err = {0};
    const ifm_session_options options = {
        .positions = positions, .threads = threads, .sequences = sequences};
    if (ifm_session_new(model, &options, &session, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return session;
}

static int32_t id_of(const ifm_model *model, int32_t sequence, int32_t position)
{
    return (sequence * 61 + position * 37 + 11) % ifm_model_describe(model)->n_vocab;
}

/* The ids of a sequence, prompt and what is appended later. */
static const int32_t *ids_of(const ifm_model *model, int32_t sequence)
{
    static int32_t ids[BATCH][ROOM];
    for (int32_t i = 0; i < ROOM; i++)
        ids[sequence][i] = id_of(model, sequence, i);
    return ids[sequence];
}

/* Logits [STEPS + 1][sequence][V]: after the prompt, and after each of the steps. */
typedef float logits_table[STEPS + 1][BATCH][MAX_V];

static void compute_alone(const ifm_model *model, int32_t n, logits_table out)
{
    const size_t bytes = (size_t)ifm_model_describe(model)->n_vocab * sizeof(float);
    ifm_session *session = new_session(model, ROOM, 1, 1);
    const float *logits;
    for (int32_t s = 0; s < n; s++) {
        const int32_t *ids = ids_of(model, s);
        ifm_session_truncate(session, 0);
        for (int32_t step = 0; step <= STEPS; step++) {
            const int32_t at = step > 0 ? lengths[s] + step - 1 : 0;
            assert_int_equal(ifm_session_eval(session, ids + at,
                                              step > 0 ? 1 : lengths[s], &logits, NULL),
                             IFM_OK);
            memcpy(out[step][s], logits, bytes);
        }
    }
    ifm_session_free(session);
}

/* Sequence s takes part in steps up to this one. */
static int32_t last_step_of(int32_t s)
{
    return s % 3 == 1 ? STEPS : s % 3 == 2 ? 1 : STEPS - 1;
}

static int32_t longest_of(int32_t n)
{
    int32_t longest = 0;
    for (int32_t s = 0; s < n; s++)
        longest = lengths[s] > longest ? lengths[s] : longest;
    return longest;
}

static void compute_batch(const ifm_model *model, int32_t n, bool padded, int32_t threads,
                          logits_table out)
{
    const int32_t v = ifm_model_describe(model)->n_vocab;
    ifm_session *session = new_session(model, ROOM, n, threads);
    ifm_error err = {0};
    for (int32_t step = 0; step <= STEPS; step++) {
        ifm_append appends[BATCH];
        const float *logits;
        int32_t m = 0;
        for (int32_t s = 0; s < n; s++) {
            if (step > last_step_of(s) && !padded)
                continue;
            appends[m++] = (ifm_append){
                .sequence = s,
                .n = step > 0 ? 1 : lengths[s],
                .ids = ids_of(model, s) + (step > 0 ? lengths[s] + step - 1 : 0),
                .padding = padded ? longest_of(n) - lengths[s] : 0,
            };
        }
        if (m == 0)
            break;
        if (ifm_session_eval_batch(session, appends, m, &logits, &err) != IFM_OK)
            fail_msg("%s", err.message);
        for (int32_t i = 0; i < m; i++)
            memcpy(out[step][appends[i].sequence], logits + (int64_t)i * v,
                   (size_t)v * sizeof *logits);
    }
    for (int32_t s = 0; s < n; s++)
        assert_int_equal(ifm_session_sequence_length(session, s),
                         lengths[s] + (padded ? STEPS : last_step_of(s)));
    ifm_session_free(session);
}

static void compare(const ifm_model *model, int32_t n, bool padded, float tolerance,
                    logits_table alone, logits_table batch)
{
    const int32_t v = ifm_model_describe(model)->n_vocab;
    for (int32_t s = 0; s < n; s++)
        for (int32_t step = 0; step <= (padded ? STEPS : last_step_of(s)); step++)
            for (int32_t i = 0; i < v; i++) {
                const float off = fabsf(alone[step][s][i] - batch[step][s][i]);
                if (!(off <= tolerance))
                    fail_msg("sequence %d of %d, step %d, logit %d: off by %g", s, n,
                             step, i, (double)off);
            }
}

static void check_model(const char *name, const char *kernels, float tolerance)
{
    static logits_table alone, batch;
    ifm_model *model = open_model(name, kernels);
    assert_true(ifm_model_describe(model)->n_vocab <= MAX_V);
    compute_alone(model, BATCH, alone);
    for (int32_t n = 1; n <= BATCH; n++)
        for (int padded = 0; padded < 2; padded++) {
            compute_batch(model, n, padded, 2, batch);
            compare(model, n, padded, n == 1 ? 0 : tolerance, alone, batch);
        }
    ifm_model_close(model);
}

static void a_batch_changes_no_logits(void **state)
{
    (void)state;
    const ifm_kern *tables[IFM_KERN_MAX];
    const int n = ifm_kernels_available(tables, IFM_KERN_MAX);
    for (int i = 0; i < n; i++) {
        const char *kernels = tables[i]->name;
        check_model("tests/reference/gpt2/plain", kernels, TOLERANCE_F32);
        check_model("tests/reference/gpt2/bf16", kernels, TOLERANCE_16_BITS);
        check_model("tests/reference/llama/llama", kernels, TOLERANCE_F32);
        check_model("tests/reference/llama/qwen3", kernels, TOLERANCE_F32);
        check_model("tests/reference/llama/mistral", kernels, TOLERANCE_F32);
        check_model("tests/reference/llama/qwen2_sliding", kernels, TOLERANCE_F32);
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    static const char *const names[] = {"tests/reference/gpt2/plain",
                                        "tests/reference/llama/mistral"};
    static logits_table one, many;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ifm_model *model = open_model(names[i], NULL);
        for (int padded = 0; padded < 2; padded++) {
            memset(one, 0, sizeof one);
            memset(many, 0, sizeof many);
            compute_batch(model, BATCH, padded, 1, one);
            for (int32_t threads = 2; threads <= 5; threads++) {
                compute_batch(model, BATCH, padded, threads, many);
                assert_memory_equal(one, many, sizeof one);
            }
        }
        ifm_model_close(model);
    }
}

/* Long sequences are attended in chunks, also where few rows of some are mixed with a token
 * of another, and where the longest is behind padding. */
static void long_sequences_in_chunks(void **state)
{
    (void)state;
    enum { LONG = 300, SHORT = 3, POSITIONS = 600 };
    static int32_t ids[LONG + 2];
    const int32_t *other = ids + 5; /* another text for the short sequence */
    static float alone[3][MAX_V];
    ifm_model *model = open_model("tests/reference/gpt2/long_context", NULL);
    const int32_t v = ifm_model_describe(model)->n_vocab;
    const size_t bytes = (size_t)v * sizeof(float);
    const float *logits;
    for (int32_t i = 0; i < LONG + 2; i++)
        ids[i] = id_of(model, 0, i);
    ifm_session *single = new_session(model, POSITIONS, 1, 1);
    assert_int_equal(ifm_session_eval(single, ids, LONG, &logits, NULL), IFM_OK);
    assert_int_equal(ifm_session_eval(single, ids + LONG, 1, &logits, NULL), IFM_OK);
    memcpy(alone[0], logits, bytes);
    ifm_session_truncate(single, 0);
    assert_int_equal(ifm_session_eval(single, other, SHORT, &logits, NULL), IFM_OK);
    memcpy(alone[1], logits, bytes);
    assert_int_equal(ifm_session_eval(single, other + SHORT, 1, &logits, NULL), IFM_OK);
    memcpy(alone[2], logits, bytes);
    for (int32_t threads = 1; threads <= 3; threads++) {
        ifm_session *batch = new_session(model, POSITIONS, 2, threads);
        const ifm_append first = {.n = LONG, .ids = ids};
        const ifm_append mixed[] = {
            {.n = 1, .ids = ids + LONG},
            {.sequence = 1, .n = SHORT, .ids = other},
        };
        const ifm_append behind = {
            .sequence = 1, .n = 1, .ids = other + SHORT, .padding = LONG - SHORT};
        assert_int_equal(ifm_session_eval_batch(batch, &first, 1, &logits, NULL), IFM_OK);
        assert_int_equal(ifm_session_eval_batch(batch, mixed, 2, &logits, NULL), IFM_OK);
        for (int32_t i = 0; i < v; i++) {
            assert_true(fabsf(logits[i] - alone[0][i]) <= TOLERANCE_F32);
            assert_true(fabsf(logits[v + i] - alone[1][i]) <= TOLERANCE_F32);
        }
        for (int again = 0; again < 2; again++) {
            const ifm_append both[] = {{.n = 1, .ids = ids + LONG + 1}, behind};
            assert_int_equal(ifm_session_eval_batch(batch, both, 2, &logits, NULL),
                             IFM_OK);
            for (int32_t i = 0; again == 0 && i < v; i++)
                assert_true(fabsf(logits[v + i] - alone[2][i]) <= TOLERANCE_F32);
        }
        ifm_session_free(batch);
    }
    ifm_session_free(single);
    ifm_model_close(model);
}

static void limits_are_errors(void **state)
{
    (void)state;
    static const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8};
    ifm_model *model = open_model("tests/reference/gpt2/plain", NULL);
    ifm_session *session = new_session(model, 8, 2, 1), *none = NULL;
    const float *logits;
    const struct {
        ifm_append appends[2];
        int32_t n;
        ifm_status status;
    } cases[] = {
        {{{0}}, 0, IFM_ERR_ARGUMENT},
        {{{.n = 0, .ids = ids}}, 1, IFM_ERR_ARGUMENT},
        {{{.n = 1, .ids = ids, .padding = -1}}, 1, IFM_ERR_ARGUMENT},
        {{{.sequence = -1, .n = 1, .ids = ids}}, 1, IFM_ERR_ARGUMENT},
        {{{.sequence = 2, .n = 1, .ids = ids}}, 1, IFM_ERR_ARGUMENT},
        {{{.n = 1, .ids = ids}, {.n = 1, .ids = ids}}, 2, IFM_ERR_ARGUMENT},
        {{{.sequence = 1, .n = 1, .ids = ids}, {.n = 1, .ids = ids}},
         2,
         IFM_ERR_ARGUMENT},
        {{{.n = 4, .ids = ids, .padding = 5}}, 1, IFM_ERR_LIMIT},
        {{{.n = 8, .ids = ids, .padding = INT32_MAX}}, 1, IFM_ERR_LIMIT},
        {{{.n = 4, .ids = ids}, {.sequence = 1, .n = 8, .ids = ids, .padding = 1}},
         2,
         IFM_ERR_LIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            ifm_session_eval_batch(session, cases[i].appends, cases[i].n, &logits, NULL),
            cases[i].status);
        assert_int_equal(ifm_session_length(session), 0);
    }
    assert_int_equal(ifm_session_sequence_length(session, 2), 0);
    assert_int_equal(ifm_session_sequence_length(session, -1), 0);
    ifm_session_options options = {.positions = 1,
                                   .sequences = IFM_SESSION_SEQUENCES_MAX + 1};
    assert_int_equal(ifm_session_new(model, &options, &none, NULL), IFM_ERR_ARGUMENT);
    options.sequences = -1;
    assert_int_equal(ifm_session_new(model, &options, &none, NULL), IFM_ERR_ARGUMENT);
    ifm_session_free(session);
    ifm_model_close(model);
}

/* ---- generation --------------------------------------------------------------------- */

typedef struct said {
    int32_t ids[NEW];
    float logprobs[NEW];
    char text[512];
    int32_t n;
    ifm_finish finish;
} said;

static void collect(ifm_generation *generation, said *out, int32_t n)
{
    ifm_token token;
    ifm_error err = {0};
    memset(out, 0, (size_t)n * sizeof *out);
    while (ifm_generation_next(generation, &token)) {
        assert_in_range(token.sequence, 0, n - 1);
        said *of = &out[token.sequence];
        of->ids[of->n] = token.id;
        of->logprobs[of->n++] = token.logprob;
        assert_float_equal(token.top[0].logprob, token.logprob, 0);
        strncat(of->text, token.text, token.n_text);
    }
    for (int32_t i = 0; i < n; i++)
        out[i].finish = ifm_generation_ended(generation, i);
    if (ifm_generation_finish(generation, NULL, &err) != IFM_OK)
        fail_msg("%s", err.message);
}

/* Prompts of different lengths, of which some end early, by their own limit or by text. */
static void make_requests(ifm_tokenizer *tokenizer, ifm_request requests[BATCH])
{
    static const char *const prompts[BATCH] = {
        "An increasing sequence: one,",
        "two, three, four, five,",
        "A",
        "An increasing sequence: one, two, three, four, five, six, seven,",
        "seven, eight,",
        "An increasing sequence: ten,",
        "one",
        "An increasing sequence: one, two,",
    };
    static const char *const stop[] = {" six"};
    static const int32_t most[BATCH] = {NEW, 3, NEW, 1, 7, NEW, NEW, NEW};
    ifm_error err = {0};
    for (int32_t i = 0; i < BATCH; i++) {
        int32_t *ids;
        size_t n;
        if (ifm_tokenizer_encode(tokenizer, prompts[i], strlen(prompts[i]),
                                 IFM_ENCODE_DEFAULT, &ids, &n, &err) != IFM_OK)
            fail_msg("%s", err.message);
        requests[i] = (ifm_request){.ids = ids,
                                    .n_ids = n,
                                    .max_new_tokens = most[i],
                                    .stop = stop,
                                    .n_stop = 1,
                                    .logprobs = 1};
    }
}

static void compare_said(const said *alone, const said *batch, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(alone[i].n, batch[i].n);
        assert_int_equal(alone[i].finish, batch[i].finish);
        assert_string_equal(alone[i].text, batch[i].text);
        for (int32_t j = 0; j < alone[i].n; j++) {
            assert_int_equal(alone[i].ids[j], batch[i].ids[j]);
            assert_float_equal(alone[i].logprobs[j], batch[i].logprobs[j],
                               TOLERANCE_16_BITS);
        }
    }
}

static void a_batch_generates_the_same(void **state)
{
    (void)state;
    char path[4096];
    said alone[BATCH], batch[BATCH];
    ifm_request requests[BATCH];
    ifm_generation *generation;
    ifm_tokenizer *tokenizer;
    ifm_error err = {0};
    const ifm_tokenizer_options uncached = {.no_cache = true};
    ifm_model *model = open_model("models/counting", NULL);
    snprintf(path, sizeof path, "%s/models/counting", source_root());
    assert_int_equal(ifm_tokenizer_open(path, &uncached, &tokenizer, NULL), IFM_OK);
    make_requests(tokenizer, requests);
    ifm_session *session = new_session(model, ROOM, BATCH, 2);
    for (int32_t i = 0; i < BATCH; i++) {
        ifm_session_truncate(session, 0);
        if (ifm_generation_start(session, tokenizer, &requests[i], &generation, &err))
            fail_msg("%s", err.message);
        collect(generation, &alone[i], 1);
    }
    assert_int_equal(alone[0].finish, IFM_FINISH_STOP);
    assert_int_equal(alone[3].finish, IFM_FINISH_LENGTH);
    for (int32_t n = 1; n <= BATCH; n++)
        for (int padded = 0; padded < 2; padded++) {
            ifm_session_truncate(session, 0);
            if (ifm_generation_start_batch(session, tokenizer, requests, (size_t)n,
                                           padded, &generation, &err))
                fail_msg("%s", err.message);
            collect(generation, batch, n);
            compare_said(alone, batch, n);
        }
    assert_int_equal(ifm_generation_start_batch(session, tokenizer, requests, BATCH + 1,
                                                false, &generation, NULL),
                     IFM_ERR_ARGUMENT);
    for (int32_t i = 0; i < BATCH; i++)
        free((void *)(uintptr_t)requests[i].ids);
    ifm_session_free(session);
    ifm_tokenizer_close(tokenizer);
    ifm_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_changes_no_logits),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(long_sequences_in_chunks),
        cmocka_unit_test(limits_are_errors),
        cmocka_unit_test(a_batch_generates_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
