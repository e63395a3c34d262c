/* Answers: every shape of event and every outcome, as a table of bodies and what becomes of
 * them. Times are the number of the read, in microseconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "wire/answer.h"

enum { US = 1000, HEAD_NS = 5 * US, FIRST_NS = 10 * US };

typedef struct answer {
    ifm_record record;
    bool more, complete;
} answer;

typedef struct given {
    int32_t status;
    const char *type;
    ifm_outcome transport;
    const char *detail;
    ifm_tokenizer *tokenizer;
} given;

static const given events = {.status = 200, .type = "text/event-stream; charset=utf-8"};
static const given json = {.status = 200, .type = "application/json"};

/* One read for each of the reads[]; NULL ends them. The read i comes at 10 + i µs. */
static answer answer_to(const given *how, const char *const *reads)
{
    answer a = {.record = ifm_record_empty(), .more = true};
    ifm_answer *self;
    a.record.wire = malloc(sizeof *a.record.wire);
    assert_non_null(a.record.wire);
    *a.record.wire = ifm_wire_unknown();
    const ifm_answer_options options = {.stream = true, .tokenizer = how->tokenizer};
    assert_int_equal(ifm_answer_new(&options, &a.record, &self, NULL), IFM_OK);
    if (how->status != 0)
        ifm_answer_head(self, how->status, how->type, HEAD_NS);
    int64_t t = FIRST_NS;
    for (size_t i = 0; reads[i] != NULL && a.more; i++, t += US) {
        const size_t n = strlen(reads[i]);
        char *exact = malloc(n + (n == 0));
        memcpy(exact, reads[i], n);
        a.more = ifm_answer_take(self, exact, n, t);
        memset(exact, '#', n);
        free(exact);
    }
    a.complete = ifm_answer_complete(self);
    ifm_answer_end(self, how->transport, how->detail, t);
    ifm_answer_free(self);
    return a;
}

static answer answer_one(const given *how, const char *body)
{
    const char *const reads[] = {body, NULL};
    return answer_to(how, reads);
}

static void drop(answer *a)
{
    ifm_record_deinit(&a->record);
}

#define DONE "data: [DONE]\n\n"
#define TEXT(t)                                                                          \
    "data: {\"choices\":[{\"index\":0,\"text\":\"" t "\",\"finish_reason\":null}]}\n\n"
#define CHAT(d)                                                                          \
    "data: {\"choices\":[{\"index\":0,\"delta\":{" d "},\"finish_reason\":null}]}\n\n"
#define STOP(r)                                                                          \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" r "\"}]}\n\n"
#define USAGE(n)                                                                         \
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":" #n     \
    ",\"total_tokens\":9}}\n\n"

static void plain_completion(void **state)
{
    (void)state;
    static const char *const reads[] = {
        TEXT("Hel"), TEXT("lo"), TEXT("!"), STOP("length") USAGE(3), DONE, NULL};
    answer a = answer_to(&events, reads);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_completion),
    };
    (void)json;
    (void)answer_one;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
