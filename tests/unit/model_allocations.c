/* model: nothing is allocated between the first token and the last, whatever is asked for.
 *
 * The linker puts the wrappers below in front of the functions (--wrap); they count from
 * the moment at which the first token is chosen until the consumer has seen the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "inferometer/inferometer.h"
#include "model/sample.h"

static atomic_bool counting;
static atomic_int n_allocations;

static void count(void)
{
    if (atomic_load(&counting))
        atomic_fetch_add(&n_allocations, 1);
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t alignment, size_t n);
void *__real_mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset);
int32_t __real_ifm_sampler_next(ifm_sampler *self, const float *logits);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t alignment, size_t n);
void *__wrap_mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset);
int32_t __wrap_ifm_sampler_next(ifm_sampler *self, const float *logits);

void *__wrap_malloc(size_t n)
{
    count();
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    count();
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    count();
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n)
{
    count();
    return __real_aligned_alloc(alignment, n);
}

void *__wrap_mmap(void *p, size_t n, int protection, int flags, int fd, off_t offset)
{
    count();
    return __real_mmap(p, n, protection, flags, fd, offset);
}

int32_t __wrap_ifm_sampler_next(ifm_sampler *self, const float *logits)
{
    int32_t id = __real_ifm_sampler_next(self, logits);
    atomic_store(&counting, true);
    return id;
}

typedef struct engine {
    ifm_model *model;
    ifm_tokenizer *tokenizer;
    ifm_session *session;
    int32_t *ids;
    size_t n_ids;
} engine;

static void must(ifm_status status, const ifm_error *err)
{
    if (status != IFM_OK)
        fail_msg("%s", err->message);
}

static int open_engine(void **state)
{
    static engine self;
    char path[1024];
    const char *root = getenv("IFM_SOURCE_ROOT");
    const char *prompt = "An increasing sequence: one,";
    ifm_error err = {0};
    snprintf(path, sizeof path, "%s/models/counting", root != NULL ? root : ".");
    must(ifm_model_open(path, NULL, &self.model, &err), &err);
    ifm_tokenizer_options uncached = {.no_cache = true};
    must(ifm_tokenizer_open(path, &uncached, &self.tokenizer, &err), &err);
    must(ifm_tokenizer_encode(self.tokenizer, prompt, strlen(prompt), IFM_ENCODE_DEFAULT,
                              &self.ids, &self.n_ids, &err),
         &err);
    ifm_session_options options = {.positions = 128, .threads = 2};
    must(ifm_session_new(self.model, &options, &self.session, &err), &err);
    *state = &self;
    return 0;
}

static int close_engine(void **state)
{
    engine *self = *state;
    ifm_session_free(self->session);
    free(self->ids);
    ifm_tokenizer_close(self->tokenizer);
    ifm_model_close(self->model);
    return 0;
}

/* Allocations of a request between its first token and its last. */
static int allocations_of(engine *self, ifm_request request, char *text, size_t cap)
{
    request.ids = self->ids;
    request.n_ids = self->n_ids;
    request.max_new_tokens = 20;
    ifm_generation *generation;
    ifm_error err = {0};
    ifm_session_truncate(self->session, 0);
    must(
        ifm_generation_start(self->session, self->tokenizer, &request, &generation, &err),
        &err);
    atomic_store(&n_allocations, 0);
    ifm_token token;
    size_t n = 0;
    while (ifm_generation_next(generation, &token)) {
        assert_true(n + token.n_text < cap);
        memcpy(text + n, token.text, token.n_text);
        n += token.n_text;
    }
    atomic_store(&counting, false);
    text[n] = '\0';
    must(ifm_generation_finish(generation, NULL, &err), &err);
    return atomic_load(&n_allocations);
}

static void no_allocation_greedy(void **state)
{
    char text[1000];
    assert_int_equal(allocations_of(*state, (ifm_request){0}, text, sizeof text), 0);
    assert_string_equal(text,
                        " two, three, four, five, six, seven, eight, nine, ten, eleven,");
}

static void no_allocation_with_everything(void **state)
{
    static const char *const stop[] = {"never to be said", ", x"};
    char text[4000];
    ifm_request request = {
        .sampling = {.temperature = 0.8f,
                     .top_k = 40,
                     .top_p = 0.9f,
                     .min_p = 0.01f,
                     .repetition_penalty = 1.1f,
                     .seed = 1},
        .stop = stop,
        .n_stop = 2,
        .logprobs = 5,
        .ignore_eos = true,
    };
    assert_int_equal(allocations_of(*state, request, text, sizeof text), 0);
}

/* Four sequences, of which one ends early, with padding and without. */
static void no_allocation_in_a_batch(void **state)
{
    enum { BATCH = 4 };
    const engine *self = *state;
    ifm_request requests[BATCH];
    for (int32_t i = 0; i < BATCH; i++)
        requests[i] = (ifm_request){.ids = self->ids,
                                    .n_ids = self->n_ids - (size_t)i,
                                    .max_new_tokens = 5 + i,
                                    .logprobs = i};
    for (int padded = 0; padded < 2; padded++) {
        const ifm_session_options options = {
            .positions = 32, .threads = 2, .sequences = BATCH};
        ifm_generation *generation;
        ifm_session *session;
        ifm_error err = {0};
        ifm_token token;
        must(ifm_session_new(self->model, &options, &session, &err), &err);
        must(ifm_generation_start_batch(session, self->tokenizer, requests, BATCH, padded,
                                        &generation, &err),
             &err);
        atomic_store(&n_allocations, 0);
        while (ifm_generation_next(generation, &token))
            assert_in_range(token.sequence, 0, BATCH - 1);
        atomic_store(&counting, false);
        must(ifm_generation_finish(generation, NULL, &err), &err);
        ifm_session_free(session);
        assert_int_equal(atomic_load(&n_allocations), 0);
    }
}

/* The other family's passes: a prompt, then tokens, past its window. */
static void no_allocation_in_llama(void **state)
{
    (void)state;
    enum { PROMPT = 12, STEPS = 24 };
    char path[1024];
    const char *root = getenv("IFM_SOURCE_ROOT");
    const int32_t ids[PROMPT] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const ifm_session_options options = {.positions = PROMPT + STEPS, .threads = 2};
    ifm_model *model;
    ifm_session *session;
    const float *logits;
    ifm_error err = {0};
    snprintf(path, sizeof path, "%s/tests/reference/gguf_models/mistral/model.gguf",
             root != NULL ? root : ".");
    must(ifm_model_open(path, NULL, &model, &err), &err);
    must(ifm_session_new(model, &options, &session, &err), &err);
    atomic_store(&n_allocations, 0);
    atomic_store(&counting, true);
    ifm_status st = ifm_session_eval(session, ids, PROMPT, &logits, &err);
    for (int i = 0; st == IFM_OK && i < STEPS; i++)
        st = ifm_session_eval(session, &ids[i % PROMPT], 1, &logits, &err);
    atomic_store(&counting, false);
    ifm_session_free(session);
    ifm_model_close(model);
    assert_int_equal(st, IFM_OK);
    assert_int_equal(atomic_load(&n_allocations), 0);
}

/* The count counts. */
static void an_allocation_would_be_seen(void **state)
{
    (void)state;
    atomic_store(&n_allocations, 0);
    atomic_store(&counting, true);
    ifm_sampler *sampler = NULL;
    ifm_sampling sampling = {.temperature = 1};
    ifm_status st = ifm_sampler_new(&sampling, 10, &sampler, NULL);
    atomic_store(&counting, false);
    ifm_sampler_free(sampler);
    assert_int_equal(st, IFM_OK);
    assert_int_equal(atomic_load(&n_allocations), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_allocation_greedy),
        cmocka_unit_test(no_allocation_with_everything),
        cmocka_unit_test(no_allocation_in_a_batch),
        cmocka_unit_test(no_allocation_in_llama),
        cmocka_unit_test(an_allocation_would_be_seen),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
