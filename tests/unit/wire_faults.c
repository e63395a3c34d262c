/* wire: every way in which a request can fail has its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire_fixture.h"

/* ---- faults ------------------------------------------------------------------------ */

static void nobody_listens(void **state)
{
    (void)state;
    static const step steps[] = {{PAUSE, .n = 0}};
    fixture f = {0};
    BEGIN(&f, steps);
    server_end(&f.server); /* its port is free again */
    ask(&f, 0);
    assert_int_equal(f.n_done, 0); /* never inside ifm_client_start */
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_REFUSED);
    assert_says(&f, 0, "nobody listens");
    assert_int_equal(f.records[0].sent_ns, -1);
    assert_int_equal(f.records[0].wire->attempts, 0);
    ifm_client_free(f.client);
    ifm_record_deinit(&f.records[0]);
}

static void at(const char *url, ifm_outcome outcome, const char *words)
{
    fixture f = {0};
    f.options.connect_timeout_ns = 5 * S;
    begin_at(&f, url);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, outcome);
    assert_says(&f, 0, words);
    ifm_client_free(f.client);
    ifm_record_deinit(&f.records[0]);
}

static void places_that_are_none(void **state)
{
    (void)state;
    at("http://no-such-host.invalid", IFM_OUTCOME_DNS, "name of the host");
    at("http://u:secret@no-such-host.invalid", IFM_OUTCOME_DNS,
       "http://no-such-host.invalid:");
    at("unix:/nowhere/at/all.sock", IFM_OUTCOME_REFUSED, "no such socket");
}

static void connections_break(void **state)
{
    (void)state;
    static const step reset[] = {{ACCEPT}, {READ}, {RESET}};
    static const step closed[] = {{ACCEPT}, {READ}, {CLOSE}};
    static const step half[] = {{ACCEPT}, {READ}, {HALF_CLOSE}};
    static const step reset_inside[] = {
        {ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD}, {PAUSE, .n = 20}, {RESET}};
    static const step closed_inside[] = {
        {ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD}, {CLOSE}};
    static const step half_inside[] = {
        {ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD}, {HALF_CLOSE}};
    static const step no_http[] = {{ACCEPT}, {READ}, {SEND, "hello\r\n\r\n"}, {CLOSE}};
    static const step bad_chunk[] = {
        {ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD "zz\r\n"}, {CLOSE}};
    ONE(reset, NULL, RESET, "before an answer");
    ONE(closed, NULL, RESET, "before an answer");
    ONE(half, NULL, RESET, "before an answer");
    ONE(reset_inside, NULL, RESET, "inside the answer");
    ONE(closed_inside, NULL, TRUNCATED, "closed inside");
    ONE(half_inside, NULL, TRUNCATED, "closed inside");
    ONE(no_http, NULL, PROTOCOL, "HTTP");
    ONE(bad_chunk, NULL, PROTOCOL, "chunk");
}

/* What came before the end stays. */
static void tokens_before_a_fault_are_kept(void **state)
{
    (void)state;
    static const step steps[] = {
        {ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD CHUNK_WORD}, {CLOSE}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_TRUNCATED);
    assert_int_equal(f.records[0].wire->n_pieces, 2);
    end(&f);
}

static void time_is_limited(void **state)
{
    (void)state;
    static const step silent[] = {{ACCEPT}, {READ}, {WAIT_END}};
    static const step endless[] = {{ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD}, {WAIT_END}};
    static const step drips[] = {{ACCEPT},
                                 {READ},
                                 {SEND, HEAD},
                                 {PAUSE, .n = 40},
                                 {SEND, CHUNK_WORD},
                                 {PAUSE, .n = 40},
                                 {SEND, CHUNK_WORD},
                                 {PAUSE, .n = 40},
                                 {SEND, CHUNK_WORD CHUNK_DONE END},
                                 {WAIT_END}};
    const ifm_client_options total = {.timeout_ns = 60 * MS};
    const ifm_client_options idle = {.idle_timeout_ns = 60 * MS};
    const ifm_client_options patient = {.idle_timeout_ns = 10 * S};
    ONE(silent, &total, TIMEOUT, "--timeout");
    ONE(silent, &idle, STALLED, "--idle-timeout");
    ONE(endless, &total, TIMEOUT, "0.06 s");
    ONE(drips, &patient, OK, NULL);
}

static void statuses_are_told(void **state)
{
    (void)state;
    static const step limited[] = {
        {ACCEPT}, {READ}, {SEND, STATUS("429 No", "Retry-After: 7\r\n")}, {WAIT_END}};
    static const step missing[] = {
        {ACCEPT}, {READ}, {SEND, STATUS("404 No", "")}, {WAIT_END}};
    static const step broken[] = {
        {ACCEPT}, {READ}, {SEND, STATUS("500 No", "")}, {WAIT_END}};
    static const step moved[] = {
        {ACCEPT},
        {READ},
        {SEND, STATUS("307 Go", "Location: https://u:secret@other/x\r\n")},
        {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, limited);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_RATE_LIMITED);
    assert_int_equal(f.records[0].wire->status, 429);
    assert_int_equal(f.records[0].wire->retry_after_ns, 7 * S);
    end(&f);
    ONE(missing, NULL, CLIENT_ERROR, "404");
    ONE(broken, NULL, SERVER_ERROR, "500");
    ONE(moved, NULL, CLIENT_ERROR, "https://other/x");
}

static void retries_wait_as_told(void **state)
{
    (void)state;
    static const step steps[] = {
        {ACCEPT},
        {READ},
        {SEND, STATUS("429 No", "Retry-After: 0\r\n")},
        {READ},
        {SEND, STATUS("503 No", "retry-after-ms: 50\r\nRetry-After: 9\r\n")},
        {READ},
        {SEND, WHOLE},
        {WAIT_END}};
    fixture f = {.options = {.retries = 2}};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_OK);
    const ifm_wire *w = f.records[0].wire;
    assert_int_equal(w->attempts, 3);
    assert_int_equal(w->retry_after_ns, 50 * MS); /* kept though it went well then */
    assert_int_equal(w->status, 200);
    assert_true(f.records[0].sent_ns >= 49 * MS); /* the clock ran on from due */
    assert_true(w->service_start_ns < f.records[0].sent_ns);
    end(&f);
}

static void retries_are_limited(void **state)
{
    (void)state;
    static const step twice[] = {{ACCEPT},
                                 {READ},
                                 {SEND, STATUS("429 No", "Retry-After: 0\r\n")},
                                 {READ},
                                 {SEND, STATUS("429 No", "Retry-After: 0\r\n")},
                                 {WAIT_END}};
    /* A rest that is longer than the time that is left is not taken. */
    static const step late[] = {
        {ACCEPT}, {READ}, {SEND, STATUS("429 No", "Retry-After: 3600\r\n")}, {WAIT_END}};
    fixture f = {.options = {.retries = 1}};
    BEGIN(&f, twice);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_RATE_LIMITED);
    assert_int_equal(f.records[0].wire->attempts, 2);
    end(&f);
    f = (fixture){.options = {.retries = 5}};
    BEGIN(&f, late);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_RATE_LIMITED);
    assert_int_equal(f.records[0].wire->attempts, 1);
    assert_true(f.records[0].wire->end_ns < 10 * S);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(places_that_are_none),
        cmocka_unit_test(connections_break),
        cmocka_unit_test(tokens_before_a_fault_are_kept),
        cmocka_unit_test(time_is_limited),
        cmocka_unit_test(statuses_are_told),
        cmocka_unit_test(retries_wait_as_told),
        cmocka_unit_test(retries_are_limited),
    };
    return RUN_BY_BOTH(tests);
}
