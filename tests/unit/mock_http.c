/* The reader of requests: the same request in every split, limits, and bytes that mean ill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mock/http.h"

/* Feeds in pieces of `step` bytes; returns how many bytes were taken. */
static size_t feed(ifm_mock_request *r, const char *bytes, size_t n, size_t step)
{
    size_t at = 0;
    while (at < n && !ifm_mock_request_ended(r)) {
        const size_t most = n - at < step ? n - at : step;
        const size_t taken = ifm_mock_request_feed(r, bytes + at, most);
        assert_true(taken == most || ifm_mock_request_ended(r));
        at += taken;
    }
    return at;
}

static int status_of(const char *bytes, size_t n)
{
    ifm_mock_request r = {0};
    feed(&r, bytes, n, n);
    const int status = r.reading == IFM_MOCK_BAD     ? r.status
                       : r.reading == IFM_MOCK_WHOLE ? 200
                                                     : 0;
    assert_true(status < 400 || r.complaint[0] != '\0');
    ifm_mock_request_deinit(&r);
    return status;
}

#define STATUS(text) status_of(text, sizeof(text) - 1)

static const char whole[] = "POST /v1/completions?x=1 HTTP/1.1\r\nHost: a\r\n"
                            "X-Request-ID:\t id 7 \r\nAuthorization: Bearer k\r\n"
                            "Content-Length: 11\r\n\r\n{\"a\":\"\r\n\r\n\"";

static void check_whole(const ifm_mock_request *r)
{
    assert_int_equal(r->reading, IFM_MOCK_WHOLE);
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->path, "/v1/completions");
    assert_string_equal(r->request_id, "id 7");
    assert_string_equal(r->authorization, "Bearer k");
    assert_int_equal(r->minor, 1);
    assert_true(r->keep_alive);
    assert_int_equal(r->body.length, 11);
    assert_string_equal(ifm_buffer_text(&r->body), "{\"a\":\"\r\n\r\n\"");
}

static void test_every_split(void **state)
{
    (void)state;
    const size_t n = sizeof whole - 1;
    for (size_t cut = 0; cut <= n; cut++) {
        ifm_mock_request r = {0};
        size_t taken = ifm_mock_request_feed(&r, whole, cut);
        assert_int_equal(taken, cut);
        assert_int_equal(r.begun, cut > 0);
        assert_int_equal(ifm_mock_request_feed(&r, whole + cut, n - cut), n - cut);
        check_whole(&r);
        ifm_mock_request_deinit(&r);
    }
    for (size_t step = 1; step < 9; step++) {
        ifm_mock_request r = {0};
        assert_int_equal(feed(&r, whole, n, step), n);
        check_whole(&r);
        ifm_mock_request_deinit(&r);
    }
}

static void test_chunks_in_every_split(void **state)
{
    (void)state;
    static const char text[] =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "3\r\nabc\r\nA;name=\"v\"\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\nnext";
    const size_t n = sizeof text - 1;
    for (size_t step = 1; step <= n; step++) {
        ifm_mock_request r = {0};
        assert_int_equal(feed(&r, text, n, step), n - 4);
        assert_int_equal(r.reading, IFM_MOCK_WHOLE);
        assert_string_equal(ifm_buffer_text(&r.body), "abc0123456789");
        ifm_mock_request_deinit(&r);
    }
}

static void test_one_behind_the_other(void **state)
{
    (void)state;
    char twice[2 * sizeof whole];
    snprintf(twice, sizeof twice, "%s%s", whole, whole);
    const size_t n = sizeof whole - 1;
    ifm_mock_request r = {0};
    assert_int_equal(ifm_mock_request_feed(&r, twice, 2 * n), n);
    check_whole(&r);
    assert_int_equal(ifm_mock_request_feed(&r, twice + n, n), 0); /* takes no more */
    ifm_mock_request_reset(&r);
    assert_false(r.begun);
    assert_int_equal(ifm_mock_request_feed(&r, twice + n, n), n);
    check_whole(&r);
    ifm_mock_request_deinit(&r);
}

static void keep_alive_is(const char *text, bool expected)
{
    ifm_mock_request r = {0};
    feed(&r, text, strlen(text), 1000);
    assert_int_equal(r.reading, IFM_MOCK_WHOLE);
    assert_int_equal(r.keep_alive, expected);
    ifm_mock_request_deinit(&r);
}

static void test_keep_alive(void **state)
{
    (void)state;
    keep_alive_is("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
    keep_alive_is("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false);
    keep_alive_is("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE , Close\r\n\r\n", false);
    keep_alive_is("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true);
    keep_alive_is("GET / HTTP/1.0\r\n\r\n", false);
    keep_alive_is("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    assert_int_equal(STATUS("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(STATUS("GET http://a:1/b HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(STATUS("GET / HTTP/1.1\nHost: a\n\n"), 400);
    assert_int_equal(STATUS("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET /\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET / HTTPS/1.1\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET / HTTP/1.2\r\n\r\n"), 505);
    assert_int_equal(STATUS("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_int_equal(STATUS("G\0T / HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET /\x01 HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"), 400);
    assert_int_equal(STATUS("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"), 400);
    assert_int_equal(STATUS("ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n\r\n"), 501);
}

#define HEAD "POST / HTTP/1.1\r\nHost: a\r\n"

static void test_lengths_of_bodies(void **state)
{
    (void)state;
    assert_int_equal(STATUS(HEAD "Content-Length: 0\r\n\r\n"), 200);
    assert_int_equal(STATUS(HEAD "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
                     200);
    assert_int_equal(STATUS(HEAD "Content-Length: 2\r\nContent-Length: 3\r\n\r\nab"),
                     400);
    assert_int_equal(STATUS(HEAD "Content-Length: +2\r\n\r\nab"), 400);
    assert_int_equal(STATUS(HEAD "Content-Length: -2\r\n\r\nab"), 400);
    assert_int_equal(STATUS(HEAD "Content-Length: \r\n\r\nab"), 400);
    assert_int_equal(
        STATUS(HEAD "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    assert_int_equal(
        STATUS(HEAD "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"), 400);
    assert_int_equal(STATUS(HEAD "Transfer-Encoding: gzip\r\n\r\n"), 501);
    assert_int_equal(STATUS(HEAD "Content-Length: 33554433\r\n\r\n"), 413);
    assert_int_equal(STATUS(HEAD "Content-Length: 99999999999999999999999999\r\n\r\n"),
                     413);
}

#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static void test_chunks_that_lie(void **state)
{
    (void)state;
    assert_int_equal(STATUS(CHUNKED "2\r\nab\r\n0\r\n\r\n"), 200);
    assert_int_equal(STATUS(CHUNKED "2\r\nabc\r\n0\r\n\r\n"), 400);
    assert_int_equal(STATUS(CHUNKED "\r\n"), 400);
    assert_int_equal(STATUS(CHUNKED "-1\r\n"), 400);
    assert_int_equal(STATUS(CHUNKED "2x\r\nab\r\n"), 400);
    assert_int_equal(STATUS(CHUNKED "2000001\r\n"), 413);
    assert_int_equal(STATUS(CHUNKED "ffffffffffffffffff\r\n"), 413);
    assert_int_equal(STATUS(CHUNKED "1\r\na\r\n2000000\r\n"), 413);
    assert_int_equal(STATUS(CHUNKED "0\r\nbad trailer\r\n\r\n"), 400);
}

/* A head of `n` times `line`. */
static int status_of_many(const char *line, size_t n)
{
    ifm_buffer text = {0};
    ifm_buffer_puts(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (size_t i = 0; i < n; i++)
        ifm_buffer_puts(&text, line);
    ifm_buffer_puts(&text, "\r\n");
    const int status = status_of(ifm_buffer_text(&text), text.length);
    ifm_buffer_deinit(&text);
    return status;
}

static void test_limits_of_the_head(void **state)
{
    (void)state;
    static char line[IFM_MOCK_LINE_LIMIT + 64];
    assert_int_equal(status_of_many("A: b\r\n", 99), 200);
    assert_int_equal(status_of_many("A: b\r\n", 100), 431);
    memset(line, 'x', sizeof line);
    memcpy(line, "A: ", 3);
    strcpy(line + 12000, "\r\n");
    assert_int_equal(status_of_many(line, 1), 200);
    assert_int_equal(status_of_many(line, 6), 431); /* 72 kB together */
    memset(line, 'x', sizeof line);
    assert_int_equal(status_of(line, sizeof line), 414); /* no line end in sight */
    memcpy(line, "GET / HTTP/1.1\r\nA: ", 19);
    assert_int_equal(status_of(line, sizeof line), 431);
    memcpy(line, "GET /", 5);
    strcpy(line + 300, " HTTP/1.1\r\n");
    for (int i = 5; i < 300; i++)
        line[i] = 'p';
    assert_int_equal(status_of(line, strlen(line)), 414);
    static const char id[] = "GET / HTTP/1.1\r\nX-Request-Id: ";
    memset(line, 'x', sizeof line);
    memcpy(line, id, sizeof id - 1);
    strcpy(line + 400, "\r\n");
    assert_int_equal(status_of(line, strlen(line)), 431);
}

/* Each byte of a good request changed to each of some bad ones: it ends somehow, and never
 * reads or keeps more than was there (a sanitizer looks on). */
static void test_hostile_bytes(void **state)
{
    (void)state;
    static const char bad[] = {0, '\r', '\n', ' ', ':', 0x7f, (char)0xff, '9'};
    char text[sizeof whole];
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        for (size_t b = 0; b < sizeof bad; b++) {
            memcpy(text, whole, sizeof whole);
            text[i] = bad[b];
            ifm_mock_request r = {0};
            const size_t taken = feed(&r, text, sizeof whole - 1, 5);
            assert_true(taken <= sizeof whole - 1);
            assert_true(r.body.length <= 99);
            assert_true(r.reading != IFM_MOCK_BAD || r.status >= 400);
            ifm_mock_request_deinit(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split),
        cmocka_unit_test(test_chunks_in_every_split),
        cmocka_unit_test(test_one_behind_the_other),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_lengths_of_bodies),
        cmocka_unit_test(test_chunks_that_lie),
        cmocka_unit_test(test_limits_of_the_head),
        cmocka_unit_test(test_hostile_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
