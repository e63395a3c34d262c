/* The spool: what comes back is what went in, whatever the disk does. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <cmocka.h>

#include "base/random.h"
#include "load/load.h"
#include "load/pack.h"
#include "load/spool.h"

static ifm_spool *new_spool(void)
{
    ifm_spool *spool = NULL;
    ifm_error err = {0};
    if (ifm_spool_new(NULL, &spool, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return spool;
}

static ifm_record new_record(int32_t id)
{
    ifm_record r = ifm_record_empty();
    r.id = id;
    r.start = IFM_START_WARM;
    r.wire = malloc(sizeof *r.wire);
    *r.wire = ifm_wire_unknown();
    return r;
}

/* A stream of n tokens, `per_piece` an event. */
static ifm_record stream_of(int32_t id, size_t n, size_t per_piece)
{
    ifm_record r = new_record(id);
    const size_t pieces = n / per_piece;
    r.ok = true;
    r.wire->outcome = IFM_OUTCOME_OK;
    r.n_tokens = n;
    r.token_ns = calloc(n, sizeof *r.token_ns);
    r.wire->pieces = calloc(pieces + 2, sizeof *r.wire->pieces);
    r.wire->pieces[0] = (ifm_piece){900, 0, 40, 0, IFM_PIECE_EMPTY};
    r.text = calloc(pieces * 5 + 1, 1);
    r.text_events = calloc(pieces, sizeof *r.text_events);
    for (size_t i = 0; i < pieces; i++) {
        int64_t t = 100000000 + (int64_t)i * 20000003;
        r.wire->pieces[i + 1] =
            (ifm_piece){t, (int32_t)per_piece, 180, (int32_t)i + 1, IFM_PIECE_CONTENT};
        memcpy(r.text + i * 5, " word", 5);
        r.text_events[i] = (ifm_text_event){t, r.text + i * 5, 5};
        for (size_t k = 0; k < per_piece; k++)
            r.token_ns[i * per_piece + k] = t;
    }
    r.wire->pieces[pieces + 1] =
        (ifm_piece){3000000000, 0, 6, (int32_t)pieces, IFM_PIECE_DONE};
    r.wire->n_pieces = pieces + 2;
    r.n_text = pieces * 5;
    r.n_text_events = pieces;
    return r;
}

static void assert_same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void assert_same_array(const void *a, const void *b, size_t n, size_t size)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL && n > 0)
        assert_memory_equal(a, b, n * size);
}

static void assert_same_wire(const ifm_wire *a, const ifm_wire *b)
{
    assert_int_equal(a->n_pieces, b->n_pieces);
    for (size_t i = 0; i < a->n_pieces; i++) {
        const ifm_piece *p = &a->pieces[i], *q = &b->pieces[i];
        assert_true(p->t_ns == q->t_ns && p->tokens == q->tokens &&
                    p->bytes == q->bytes && p->read == q->read && p->kind == q->kind);
    }
    assert_int_equal(a->n_event_ns, b->n_event_ns);
    assert_same_array(a->event_ns, b->event_ns, a->n_event_ns, sizeof *a->event_ns);
    assert_string_equal(a->request_id, b->request_id);
    assert_memory_equal(&a->usage, &b->usage, sizeof a->usage);
    assert_memory_equal(&a->server, &b->server, sizeof a->server);
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->http_version, b->http_version);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->retry_after_ns, b->retry_after_ns);
    assert_int_equal(a->reused, b->reused);
    assert_int_equal(a->missing_done, b->missing_done);
    assert_int_equal(a->due_at_ns, b->due_at_ns);
    assert_int_equal(a->gate_ns, b->gate_ns);
    assert_int_equal(a->service_start_ns, b->service_start_ns);
    assert_int_equal(a->dns_ns, b->dns_ns);
    assert_int_equal(a->connect_ns, b->connect_ns);
    assert_int_equal(a->tls_ns, b->tls_ns);
    assert_int_equal(a->headers_ns, b->headers_ns);
    assert_int_equal(a->first_event_ns, b->first_event_ns);
    assert_int_equal(a->ttfo_ns, b->ttfo_ns);
    assert_int_equal(a->end_ns, b->end_ns);
    assert_int_equal(a->body_bytes, b->body_bytes);
    assert_int_equal(a->token_source, b->token_source);
    assert_int_equal(a->asked_input_tokens, b->asked_input_tokens);
    assert_int_equal(a->asked_output_tokens, b->asked_output_tokens);
    assert_int_equal(a->session, b->session);
    assert_int_equal(a->turn, b->turn);
    assert_int_equal(a->rank, b->rank);
}

static void assert_same_texts(const ifm_record *a, const ifm_record *b)
{
    assert_same_text(a->error, b->error);
    assert_same_text(a->finish_reason, b->finish_reason);
    assert_int_equal(a->n_text, b->n_text);
    assert_same_array(a->text, b->text, a->n_text, 1);
    assert_int_equal(a->n_text_events, b->n_text_events);
    for (size_t i = 0; i < a->n_text_events; i++) {
        const ifm_text_event *e = &a->text_events[i], *f = &b->text_events[i];
        assert_int_equal(e->t_ns, f->t_ns);
        assert_int_equal(e->n_text, f->n_text);
        assert_int_equal(e->text - a->text, f->text - b->text);
    }
}

static void assert_same(const ifm_record *a, const ifm_record *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->prompt, b->prompt);
    assert_int_equal(a->start, b->start);
    assert_int_equal(a->ok, b->ok);
    assert_int_equal(a->due_ns, b->due_ns);
    assert_int_equal(a->sent_ns, b->sent_ns);
    assert_int_equal(a->n_input, b->n_input);
    assert_same_array(a->input_ids, b->input_ids, a->n_input, sizeof *a->input_ids);
    assert_int_equal(a->n_tokens, b->n_tokens);
    assert_same_array(a->output_ids, b->output_ids, a->n_tokens, sizeof *a->output_ids);
    assert_same_array(a->token_ns, b->token_ns, a->n_tokens, sizeof *a->token_ns);
    assert_same_array(a->handover_ns, b->handover_ns, a->n_tokens,
                      sizeof *a->handover_ns);
    assert_int_equal(a->n_logprobs, b->n_logprobs);
    assert_same_array(a->logprobs, b->logprobs, a->n_tokens, sizeof *a->logprobs);
    assert_same_array(a->top, b->top, a->n_tokens * (size_t)a->n_logprobs,
                      sizeof *a->top);
    assert_memory_equal(a->phases_ns, b->phases_ns, sizeof a->phases_ns);
    assert_memory_equal(a->phase_io, b->phase_io, sizeof a->phase_io);
    assert_memory_equal(&a->streamer, &b->streamer, sizeof a->streamer);
    assert_true(a->resident_frac_before == b->resident_frac_before);
    assert_int_equal(a->peak_rss_bytes, b->peak_rss_bytes);
    assert_same_texts(a, b);
    assert_same_wire(a->wire, b->wire);
}

/* Every field something that no other has, extremes among them. */
static ifm_record full_record(void)
{
    ifm_record r = stream_of(INT32_MIN, 12, 3);
    r.sequence = 7;
    r.prompt = INT32_MAX;
    r.due_ns = INT64_MIN;
    r.sent_ns = INT64_MAX;
    r.start = IFM_START_WARMUP;
    r.error = strdup("");
    r.finish_reason = strdup("length");
    r.n_input = 3;
    r.input_ids = calloc(3, sizeof *r.input_ids);
    r.input_ids[1] = -5;
    r.output_ids = calloc(12, sizeof *r.output_ids);
    r.handover_ns = calloc(12, sizeof *r.handover_ns);
    r.handover_ns[4] = -3;
    r.handover_ns[5] = INT64_MAX;
    r.n_logprobs = 2;
    r.logprobs = calloc(12, sizeof *r.logprobs);
    r.top = calloc(24, sizeof *r.top);
    r.top[23] = (ifm_candidate){99, -0.25f};
    r.text[2] = '\0'; /* a NUL within is text, too */
    r.phases_ns[IFM_PHASE_OTHER] = 77;
    r.phase_io[2].read_bytes = 1 << 20;
    r.streamer = (ifm_streamer){1, 2, 3, 4};
    r.resident_frac_before = 0.1;
    r.peak_rss_bytes = 1234;
    ifm_wire *w = r.wire;
    memset(w->request_id, 'x', sizeof w->request_id - 1);
    w->status = 200;
    w->http_version = 11;
    w->attempts = 3;
    w->retry_after_ns = 5;
    w->reused = w->missing_done = true;
    w->due_at_ns = 1000000000000;
    w->gate_ns = 6;
    w->service_start_ns = 7;
    w->dns_ns = 8;
    w->connect_ns = 9;
    w->tls_ns = 10;
    w->headers_ns = 11;
    w->first_event_ns = 12;
    w->ttfo_ns = 13;
    w->end_ns = 14;
    w->n_event_ns = 4;
    w->event_ns = calloc(4, sizeof *w->event_ns);
    for (size_t i = 0; i < 4; i++)
        w->event_ns[i] = r.token_ns[3 * i];
    w->body_bytes = 1 << 30;
    w->usage = (ifm_usage){15, 16, 17, 18};
    w->token_source = IFM_TOKENS_PER_EVENT;
    w->server = (ifm_server_times){19, 20, 21, 22, 23, 24};
    w->asked_input_tokens = 25;
    w->asked_output_tokens = 26;
    w->session = 27;
    w->turn = 28;
    w->rank = 29;
    w->pieces[1].tokens = -1;
    w->pieces[2].kind = IFM_PIECE_REASONING;
    return r;
}

/* Through pack and back, as the spool does it. */
static void check_round_trip(ifm_record *r)
{
    ifm_packed packed = {0};
    ifm_record back;
    ifm_error err = {0};
    assert_true(ifm_pack(r, &packed));
    if (ifm_unpack(packed.data, packed.n, &back, &err) != IFM_OK)
        fail_msg("%s", err.message);
    assert_same(r, &back);
    ifm_record_deinit(&back);
    free(packed.data);
    ifm_record_deinit(r);
}

static void every_field_comes_back(void **state)
{
    (void)state;
    ifm_record full = full_record();
    check_round_trip(&full);

    ifm_record refused = new_record(1); /* nothing came: no piece, no token, no text */
    refused.error = strdup("127.0.0.1:9: connection refused");
    refused.wire->outcome = IFM_OUTCOME_REFUSED;
    check_round_trip(&refused);

    ifm_record plain = stream_of(2, 100, 1);
    check_round_trip(&plain);

    ifm_record spread = stream_of(3, 8, 4); /* times between those of the pieces */
    for (int i = 0; i < 8; i++)
        spread.token_ns[i] += i;
    spread.text_events[1].t_ns -= 17;
    check_round_trip(&spread);
}

static void a_token_an_event_costs_little(void **state)
{
    (void)state;
    ifm_record r = stream_of(0, 1000, 1);
    ifm_packed packed = {0};
    assert_true(ifm_pack(&r, &packed));
    assert_true(packed.n / 1000 < 20); /* 5 of them are its text */
    free(packed.data);
    ifm_record_deinit(&r);
}

/* Bytes that something else wrote: an error or a record, never a crash (see sanitizers). */
static void damaged_bytes_are_an_error(void **state)
{
    (void)state;
    ifm_record r = full_record(), back;
    ifm_packed packed = {0};
    ifm_random dice;
    ifm_random_init(&dice, 3);
    assert_true(ifm_pack(&r, &packed));
    for (size_t n = 0; n < packed.n; n++)
        assert_int_equal(ifm_unpack(packed.data, n, &back, NULL), IFM_ERR_FORMAT);
    for (int i = 0; i < 20000; i++) {
        size_t at = ifm_random_below(&dice, packed.n);
        uint8_t was = packed.data[at];
        packed.data[at] = (uint8_t)ifm_random_below(&dice, 256);
        if (ifm_unpack(packed.data, packed.n, &back, NULL) == IFM_OK)
            ifm_record_deinit(&back);
        packed.data[at] = was;
    }
    free(packed.data);
    ifm_record_deinit(&r);
}

static void append(ifm_spool *spool, ifm_record r)
{
    ifm_error err = {0};
    if (ifm_spool_append(spool, &r, &err) != IFM_OK)
        fail_msg("%s", err.message);
    ifm_record_deinit(&r);
}

static size_t read_ids(ifm_spool *spool, int32_t first)
{
    ifm_spool_reader *reader;
    const ifm_record *r;
    size_t n = 0;
    assert_int_equal(ifm_spool_reader_new(spool, &reader, NULL), IFM_OK);
    while (ifm_spool_next(reader, &r, NULL) == IFM_OK && r != NULL)
        assert_int_equal(r->id, first + (int32_t)n++);
    ifm_spool_reader_free(reader);
    return n;
}

static void large_records_span_blocks(void **state)
{
    (void)state;
    ifm_spool *spool = new_spool();
    ifm_record large = stream_of(0, 4, 1);
    const size_t n = 8 << 20;
    free(large.text);
    large.text = malloc(n + 1);
    memset(large.text, 'a', n);
    large.text[n] = '\0';
    large.n_text = n;
    large.n_text_events = 1;
    large.text_events[0] = (ifm_text_event){100000000, large.text, n};
    assert_int_equal(ifm_spool_append(spool, &large, NULL), IFM_OK);
    append(spool, stream_of(1, 5, 1));
    ifm_spool_reader *reader;
    const ifm_record *r;
    assert_int_equal(ifm_spool_reader_new(spool, &reader, NULL), IFM_OK);
    assert_int_equal(ifm_spool_next(reader, &r, NULL), IFM_OK);
    assert_same(&large, r);
    assert_int_equal(ifm_spool_next(reader, &r, NULL), IFM_OK);
    assert_int_equal(r->id, 1);
    assert_int_equal(ifm_spool_next(reader, &r, NULL), IFM_OK);
    assert_null(r);
    ifm_spool_reader_free(reader);
    ifm_record_deinit(&large);
    ifm_spool_free(spool);
}

static void many_records_in_little_memory(void **state)
{
    (void)state;
    enum { N = 100000 };
    ifm_spool *spool = new_spool();
    ifm_record r = stream_of(0, 20, 1);
    for (int i = 0; i < N; i++) {
        r.id = i;
        assert_int_equal(ifm_spool_append(spool, &r, NULL), IFM_OK);
        if (i == N / 2) /* reading in between takes nothing away */
            assert_int_equal(read_ids(spool, 0), N / 2 + 1);
    }
    assert_int_equal(ifm_spool_count(spool), N);
    assert_int_equal(read_ids(spool, 0), N);
    assert_int_equal(read_ids(spool, 0), N);
    assert_true(ifm_spool_bytes(spool) > 20 * N * 10);
    assert_true(ifm_spool_memory_bytes(spool) < 8 << 20);
    ifm_record_deinit(&r);
    ifm_spool_free(spool);
}

static void an_empty_spool_ends_at_once(void **state)
{
    (void)state;
    ifm_spool *spool = new_spool();
    assert_int_equal(read_ids(spool, 0), 0);
    ifm_spool_free(spool);
    ifm_spool_free(NULL);
}

static void raw_bytes_make_the_same_spool(void **state)
{
    (void)state;
    ifm_spool *a = new_spool(), *b = new_spool();
    ifm_spool_reader *reader;
    static char bytes[20000];
    size_t n;
    for (int i = 0; i < 1000; i++)
        append(a, stream_of(i, 1 + (size_t)i % 50, 1));
    assert_int_equal(ifm_spool_reader_new(a, &reader, NULL), IFM_OK);
    while (ifm_spool_read_raw(reader, bytes, sizeof bytes, &n, NULL) == IFM_OK && n > 0)
        assert_int_equal(ifm_spool_append_raw(b, bytes, n, NULL), IFM_OK);
    assert_int_equal(n, 0);
    ifm_spool_reader_free(reader);
    assert_int_equal(ifm_spool_count(b), 1000);
    assert_int_equal(ifm_spool_bytes(b), ifm_spool_bytes(a));
    assert_int_equal(read_ids(b, 0), 1000);

    /* Too little room: how much it takes is said, and nothing is skipped. */
    assert_int_equal(ifm_spool_reader_new(a, &reader, NULL), IFM_OK);
    assert_int_equal(ifm_spool_read_raw(reader, bytes, 16, &n, NULL), IFM_ERR_LIMIT);
    assert_true(n > 16);
    size_t needs = n;
    assert_int_equal(ifm_spool_read_raw(reader, bytes, needs, &n, NULL), IFM_OK);
    assert_int_equal(n, needs);
    assert_int_equal(ifm_spool_append_raw(b, bytes, n - 1, NULL), IFM_ERR_FORMAT);
    ifm_spool_reader_free(reader);
    ifm_spool_free(a);
    ifm_spool_free(b);
}

/* A file that may not grow: as with a full disk, what was written before stays. */
static void a_full_disk_is_an_error_that_stays(void **state)
{
    (void)state;
    enum { LIMIT = 3 << 20 };
    struct rlimit before, small;
    ifm_spool *spool = new_spool();
    ifm_record r = stream_of(0, 50, 1);
    ifm_error err = {0};
    ifm_status st = IFM_OK;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = LIMIT;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 20000 && st == IFM_OK; i++) {
        r.id = i;
        st = ifm_spool_append(spool, &r, &err);
    }
    assert_int_equal(st, IFM_ERR_IO);
    assert_non_null(strstr(err.message, "TMPDIR"));
    assert_int_equal(ifm_spool_append(spool, &r, NULL), IFM_ERR_IO);
    size_t kept = read_ids(spool, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    ifm_packed packed = {0};
    assert_true(ifm_pack(&r, &packed));
    assert_in_range(kept, LIMIT / (packed.n + 5), LIMIT / (packed.n - 5));
    assert_int_equal(ifm_spool_count(spool), kept);
    assert_true(ifm_spool_bytes(spool) <= LIMIT);
    free(packed.data);
    ifm_record_deinit(&r);
    ifm_spool_free(spool);
}

/* What append still had in memory may be what finds no room. */
static void the_last_of_it_finds_no_room(void **state)
{
    (void)state;
    ifm_spool *spool = new_spool();
    ifm_record r = new_record(0);
    struct rlimit before, small;
    ifm_error err = {0};
    assert_int_equal(ifm_spool_append(spool, &r, NULL), IFM_OK);
    assert_int_equal(ifm_spool_flush(spool, NULL), IFM_OK);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = (rlim_t)ifm_spool_bytes(spool);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(ifm_spool_append(spool, &r, NULL), IFM_OK);
    assert_int_equal(ifm_spool_flush(spool, &err), IFM_ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(err.message, "TMPDIR"));
    assert_int_equal(read_ids(spool, 0), 1);
    ifm_record_deinit(&r);
    ifm_spool_free(spool);
}

static void a_directory_that_is_not_there(void **state)
{
    (void)state;
    ifm_spool *spool;
    ifm_error err = {0};
    assert_int_equal(ifm_spool_new("/nonexistent", &spool, &err), IFM_ERR_NOT_FOUND);
    assert_null(spool);
    assert_non_null(strstr(err.message, "/nonexistent"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(a_token_an_event_costs_little),
        cmocka_unit_test(damaged_bytes_are_an_error),
        cmocka_unit_test(large_records_span_blocks),
        cmocka_unit_test(many_records_in_little_memory),
        cmocka_unit_test(an_empty_spool_ends_at_once),
        cmocka_unit_test(raw_bytes_make_the_same_spool),
        cmocka_unit_test(a_full_disk_is_an_error_that_stays),
        cmocka_unit_test(the_last_of_it_finds_no_room),
        cmocka_unit_test(a_directory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
