/* The reader of HTTP/1.1 responses: whatever pieces one comes in, it is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/http1.h"

#define CHUNKED    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define BAD_CHUNKS "the answer's chunks are malformed: "
#define NO_HTTP    "it does not answer in HTTP"
#define NO_VERSION "it answers in a version of HTTP that is neither 1.0 nor 1.1"
#define NO_STATUS  "the answer's first line has no status of three digits"
#define NO_FIELD   "a line of the answer's head is not Name: value"
#define NO_LENGTH  "the answer's Content-Length is no number, or there are several"
#define NO_CODING  "the answer has a Transfer-Encoding that was not asked for"
#define NO_SIZE    BAD_CHUNKS "a size is no hexadecimal number"

/* A response as text: "[field]" for each, "(status state minor type to location)" when
 * the head is whole, then the body. */
typedef struct seen {
    ifm_http1 http;
    ifm_buffer text;
    size_t used;
} seen;

static void on_field(void *user, const char *line, size_t n)
{
    seen *s = user;
    assert_int_not_equal(s->http.status, 0);
    ifm_buffer_puts(&s->text, "[");
    ifm_buffer_append(&s->text, line, n);
    ifm_buffer_puts(&s->text, "]");
}

static void on_head(void *user)
{
    seen *s = user;
    static const char *const states[] = {"head", "body", "end", "broken"};
    ifm_buffer_printf(&s->text, "(%d %s 1.%d", s->http.status, states[s->http.state],
                      s->http.minor);
    if (s->http.type.data != NULL)
        ifm_buffer_printf(&s->text, " %s", s->http.type.data);
    if (s->http.location.data != NULL)
        ifm_buffer_printf(&s->text, " to %s", s->http.location.data);
    ifm_buffer_puts(&s->text, ")");
}

/* The bytes lie in a block of exactly their size, which is gone after the call. False when
 * the response wants no more. */
static bool feed(seen *s, const char *bytes, size_t n)
{
    const ifm_http1_hooks hooks = {on_field, on_head, s};
    char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    size_t n_body = SIZE_MAX;
    const size_t used = ifm_http1_take(&s->http, &hooks, copy, n, &n_body);
    assert_true(n_body <= used && used <= n);
    ifm_buffer_append(&s->text, copy, n_body);
    memset(copy, '#', n);
    free(copy);
    s->used += used;
    const bool over = s->http.state == IFM_HTTP1_END || s->http.state == IFM_HTTP1_BROKEN;
    assert_true(over || used == n);
    return !over;
}

static void forget(seen *s)
{
    ifm_http1_deinit(&s->http);
    ifm_buffer_deinit(&s->text);
    *s = (seen){0};
}

/* `keep` and `rest` are of responses that end: whether the connection may carry another
 * request, and how many bytes are not theirs; `why` of those that break. */
typedef struct row {
    const char *bytes, *text;
    ifm_http1_state state;
    bool keep;
    size_t rest;
    const char *why;
} row;

#define END(keeps, left) .state = IFM_HTTP1_END, .keep = (keeps), .rest = (left)
#define OPEN             .state = IFM_HTTP1_BODY
#define BROKEN(reason)   .state = IFM_HTTP1_BROKEN, .why = (reason)

static const row framed[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     "[Content-Length: 5](200 body 1.1)hello", END(true, 0)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 ",
     "[Content-Length: 5](200 body 1.1)hello", END(true, 9)},
    {"\r\n\nHTTP/1.1 200\ncontent-length:5\t\n\nhello\n",
     "[content-length:5\t](200 body 1.1)hello", END(true, 1)},
    {"HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\nRetry-After: 1\r\n\r\nx",
     "[content-length: 0][Retry-After: 1](429 end 1.1)", END(true, 1)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length:  5\r\n\r\nhello",
     "[Content-Length: 5, 5][Content-Length:  5](200 body 1.1)hello", END(true, 0)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 007\r\n\r\nhello",
     "[Content-Length: 007](200 body 1.1)hello", OPEN},
    {"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nhello",
     "[Content-Length: 18446744073709551615](200 body 1.1)hello", OPEN},
    {"HTTP/1.1 204 No Content\r\n\r\n", "(204 end 1.1)", END(true, 0)},
    {"HTTP/1.1 304 \r\nContent-Length: 9\r\n\r\nHTTP/1.1 ",
     "[Content-Length: 9](304 end 1.1)", END(true, 9)},
    {"HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "[Transfer-Encoding: chunked](204 end 1.1)", END(true, 5)},
    {CHUNKED "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
     "[Transfer-Encoding: chunked](200 body 1.1)hello, world", END(true, 0)},
    {CHUNKED "0\r\n\r\n0\r\n", "[Transfer-Encoding: chunked](200 body 1.1)",
     END(true, 3)},
    {CHUNKED "5 \t\r\nhello\n7;x=\"y\r\" ; z\n, world\r\n00a ;z\r\n0123456789\r\n0;\n\n",
     "[Transfer-Encoding: chunked](200 body 1.1)hello, world0123456789", END(true, 0)},
    {CHUNKED "0000000000000002\r\n\r\n\r\nB\nabcdefghijk\nb\r\n0123456789a\r\n0\n\r\n",
     "[Transfer-Encoding: chunked](200 body 1.1)\r\nabcdefghijk0123456789a",
     END(true, 0)},
    {CHUNKED "1\r\nx\r\n0\r\nTrailer: x\r\nno: 2\n\rz\r\n\r\nHTTP",
     "[Transfer-Encoding: chunked](200 body 1.1)x", END(true, 4)},
    {CHUNKED "0\r\n\r\r\n\r\nx", "[Transfer-Encoding: chunked](200 body 1.1)",
     END(true, 1)},
    {CHUNKED "1\r\nx\r\n0\r\nContent-Length: 9\n\n",
     "[Transfer-Encoding: chunked](200 body 1.1)x", END(true, 0)},
    {CHUNKED "ffffffffffffffff\r\n5\r\nhello",
     "[Transfer-Encoding: chunked](200 body 1.1)"
     "5\r\nhello",
     OPEN},
    {CHUNKED "5\r\nhell", "[Transfer-Encoding: chunked](200 body 1.1)hell", OPEN},
    {CHUNKED "5\r\nhello\r\n0\r\n", "[Transfer-Encoding: chunked](200 body 1.1)hello",
     OPEN},
    /* Chunks are stronger than a length, even than one that makes no sense. */
    {"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: Chunked\r\n"
     "Content-Length: x\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     "[Content-Length: 99][Transfer-Encoding: Chunked][Content-Length: x](200 body 1.1)x",
     END(true, 0)},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, ,chunked\r\n"
     "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
     "[Transfer-Encoding: identity, ,chunked][Transfer-Encoding: chunked](200 body 1.1)x",
     END(true, 0)},
    {"HTTP/1.1 200 OK\r\n\r\nhel\nlo", "(200 body 1.1)hel\nlo", OPEN},
    {"HTTP/1.1 200 OK\r\n\r\n", "(200 body 1.1)", OPEN},
};

static const row kept[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: Close\r\n\r\nx",
     "[Content-Length: 1][Connection: Close](200 body 1.1)x", END(false, 0)},
    {"HTTP/1.1 204 OK\r\nConnection: foo ,\tclose, keep-alive\r\n\r\n",
     "[Connection: foo ,\tclose, keep-alive](204 end 1.1)", END(false, 0)},
    {"HTTP/1.1 204 OK\r\nConnection: closed\r\n\r\n", "[Connection: closed](204 end 1.1)",
     END(true, 0)},
    {"HTTP/1.0 204 OK\r\n\r\n", "(204 end 1.0)", END(false, 0)},
    {"HTTP/1.0 200\r\nConnection: x,Keep-Alive\r\nContent-Length:1\r\n\r\nx",
     "[Connection: x,Keep-Alive][Content-Length:1](200 body 1.0)x", END(true, 0)},
    {"HTTP/1.0 204\r\nConnection: Keep-Alive\r\nConnection: close\r\n\r\n",
     "[Connection: Keep-Alive][Connection: close](204 end 1.0)", END(false, 0)},
    {"HTTP/1.0 200\r\nConnection: Keep-Alive\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     "[Connection: Keep-Alive][Transfer-Encoding: chunked](200 body 1.0)", END(false, 0)},
};

static const row heads[] = {
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nContent-Length: 7\r\nbad\r\n\r\n"
     "HTTP/1.1 204 OK\r\nX:\r\n\r\n",
     "[X:](204 end 1.1)", END(true, 0)},
    {"HTTP/1.1 100\nConnection: close\n\nHTTP/1.1 200 OK\nContent-Length: 1\n\nx",
     "[Content-Length: 1](200 body 1.1)x", END(true, 0)},
    {"HTTP/1.1 200 OK\r\nContent-Type:  text/event-stream; charset=utf-8 \r\n\r\n",
     "[Content-Type:  text/event-stream; charset=utf-8 ]"
     "(200 body 1.1 text/event-stream; charset=utf-8)",
     OPEN},
    {"HTTP/1.1 307 Elsewhere\r\nLocation: http://a:1/b\r\ncontent-length : 0\r\n\r\n",
     "[Location: http://a:1/b][content-length : 0](307 end 1.1 to http://a:1/b)",
     END(true, 0)},
    {"HTTP/1.1 200 OK\r\nContent-Type: a\r\nContent-Type:b\r\nContent-Length:0\r\n\r\n",
     "[Content-Type: a][Content-Type:b][Content-Length:0](200 end 1.1 b)", END(true, 0)},
    /* A line that is continued is one line. */
    {"HTTP/1.1 200 OK\r\n ignored\r\nTransfer-Encoding:\r\n\t chunked \r\n "
     "\r\nContent-Type:"
     " a;\n b\r\n\r\n0\r\n\r\n",
     "[Transfer-Encoding: chunked][Content-Type: a; b](200 body 1.1 a; b)", END(true, 0)},
    {"HTTP/1.1  599  \r\nContent-Length: 0\r\n\r\n", "[Content-Length: 0](599 end 1.1)",
     END(true, 0)},
    {"HTTP/1.1 200 OK\r\nX: a\rb\r\r\nContent-Length: 0\r\n\r\n",
     "[X: a\rb\r][Content-Length: 0](200 end 1.1)", END(true, 0)},
    {"", "", .state = IFM_HTTP1_HEAD},
    {"HTTP/1.1 200 OK\r\nA: b\r\n", "", .state = IFM_HTTP1_HEAD},
    {"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n", "[A: b]", .state = IFM_HTTP1_HEAD},
    {"HTTP/1.1 100 Continue\r\n\r\n", "", .state = IFM_HTTP1_HEAD},
};

static const row broken_heads[] = {
    {"SSH-2.0-OpenSSH_9.2\r\n", "", BROKEN(NO_HTTP)},
    {"\x15\x03\x03", "", BROKEN(NO_HTTP)},
    {"hello", "", BROKEN(NO_HTTP)},
    {"http/1.1 200 OK\r\n\r\n", "", BROKEN(NO_HTTP)},
    {"\r\n HTTP/1.1 200 OK\r\n\r\n", "", BROKEN(NO_HTTP)},
    {"HTTPS/1.1 200 OK\r\n\r\n", "", BROKEN(NO_HTTP)},
    {"HTTP/2 200\r\n\r\n", "", BROKEN(NO_VERSION)},
    {"HTTP/2.0 200\r\n\r\n", "", BROKEN(NO_VERSION)},
    {"HTTP/1.2 200\r\n\r\n", "", BROKEN(NO_VERSION)},
    {"HTTP/1.10 200\r\n\r\n", "", BROKEN(NO_VERSION)},
    {"HTTP/1.\r\n\r\n", "", BROKEN(NO_VERSION)},
    {"HTTP/1.1\r\n\r\n", "", BROKEN(NO_STATUS)},
    {"HTTP/1.1 OK\r\n\r\n", "", BROKEN(NO_STATUS)},
    {"HTTP/1.1 20\r\n\r\n", "", BROKEN(NO_STATUS)},
    {"HTTP/1.1 2000 OK\r\n\r\n", "", BROKEN(NO_STATUS)},
    {"HTTP/1.1 099 OK\r\n\r\n", "", BROKEN(NO_STATUS)},
    {"HTTP/1.1 200OK\r\n\r\n", "", BROKEN(NO_STATUS)},
    {"HTTP/1.1 -20 OK\r\n\r\n", "", BROKEN(NO_STATUS)},
    {"HTTP/1.1 101 Switching\r\n\r\n", "",
     BROKEN("it switches to another protocol, which was not asked for")},
    {"HTTP/1.1 200 OK\r\nA: b\r\nno colon\r\n\r\n", "[A: b]", BROKEN(NO_FIELD)},
    {"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "", BROKEN(NO_FIELD)},
    {"HTTP/1.1 100 OK\r\n\r\nHTTP/3", "", BROKEN(NO_VERSION)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello", "[Content-Length: 5, 6]",
     BROKEN(NO_LENGTH)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
     "[Content-Length: 5][Content-Length: 4]", BROKEN(NO_LENGTH)},
    {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "[Content-Length: -5]",
     BROKEN(NO_LENGTH)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\nhello", "[Content-Length: 5 5]",
     BROKEN(NO_LENGTH)},
    {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", "[Content-Length:]",
     BROKEN(NO_LENGTH)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
     "[Content-Length: 18446744073709551616]", BROKEN(NO_LENGTH)},
    {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
     "[Content-Length: 99999999999999999999999]", BROKEN(NO_LENGTH)},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     "[Transfer-Encoding: gzip, chunked]", BROKEN(NO_CODING)},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "[Transfer-Encoding: gzip]",
     BROKEN(NO_CODING)},
};

static const row broken_chunks[] = {
    {CHUNKED "\r\nhello", "[Transfer-Encoding: chunked](200 body 1.1)", BROKEN(NO_SIZE)},
    {CHUNKED "x\r\n", "[Transfer-Encoding: chunked](200 body 1.1)", BROKEN(NO_SIZE)},
    {CHUNKED "-1\r\n", "[Transfer-Encoding: chunked](200 body 1.1)", BROKEN(NO_SIZE)},
    {CHUNKED "0x5\r\n", "[Transfer-Encoding: chunked](200 body 1.1)", BROKEN(NO_SIZE)},
    {CHUNKED "5g\r\n", "[Transfer-Encoding: chunked](200 body 1.1)", BROKEN(NO_SIZE)},
    {CHUNKED " 5\r\nhello", "[Transfer-Encoding: chunked](200 body 1.1)",
     BROKEN(NO_SIZE)},
    {CHUNKED "5 5\r\nhello", "[Transfer-Encoding: chunked](200 body 1.1)",
     BROKEN(NO_SIZE)},
    {CHUNKED "00000000000000005\r\nhello", "[Transfer-Encoding: chunked](200 body 1.1)",
     BROKEN(BAD_CHUNKS "a size has more than 16 digits")},
    {CHUNKED "5\rhello", "[Transfer-Encoding: chunked](200 body 1.1)",
     BROKEN(BAD_CHUNKS "a size ends with a CR")},
    {CHUNKED "5\r\nhello!\r\n", "[Transfer-Encoding: chunked](200 body 1.1)hello",
     BROKEN(BAD_CHUNKS "one is longer than its size")},
    {CHUNKED "5\r\nhello\r0\r\n", "[Transfer-Encoding: chunked](200 body 1.1)hello",
     BROKEN(BAD_CHUNKS "one ends with a CR")},
    {CHUNKED "5\r\nhello\r\n\r\n", "[Transfer-Encoding: chunked](200 body 1.1)hello",
     BROKEN(NO_SIZE)},
};

static void check(const row *r, seen *s)
{
    assert_string_equal(ifm_buffer_text(&s->text), r->text);
    assert_int_equal(s->http.state, r->state);
    if (r->state == IFM_HTTP1_END) {
        assert_int_equal(s->http.keep_alive, r->keep);
        assert_int_equal(s->used, strlen(r->bytes) - r->rest);
    }
    if (r->state != IFM_HTTP1_BROKEN)
        assert_null(s->http.why);
    else
        assert_string_equal(s->http.why, r->why);
    forget(s);
}

/* In three pieces at every two places, so in two and in one, too; then byte by byte. */
static void check_splits(const row *rows, size_t n_rows)
{
    for (const row *r = rows; r < rows + n_rows; r++) {
        const size_t n = strlen(r->bytes);
        seen s = {0};
        for (size_t i = 0; i <= n; i++)
            for (size_t k = i; k <= n; k++) {
                if (feed(&s, r->bytes, i) && feed(&s, r->bytes + i, k - i))
                    feed(&s, r->bytes + k, n - k);
                check(r, &s);
            }
        for (size_t i = 0; i < n && feed(&s, r->bytes + i, 1); i++)
            ;
        check(r, &s);
    }
}

static void bodies(void **state)
{
    (void)state;
    check_splits(framed, sizeof framed / sizeof *framed);
}

static void connections(void **state)
{
    (void)state;
    check_splits(kept, sizeof kept / sizeof *kept);
}

static void heads_of_all_kinds(void **state)
{
    (void)state;
    check_splits(heads, sizeof heads / sizeof *heads);
}

static void what_is_broken(void **state)
{
    (void)state;
    check_splits(broken_heads, sizeof broken_heads / sizeof *broken_heads);
    check_splits(broken_chunks, sizeof broken_chunks / sizeof *broken_chunks);
}

/* Only a body that was to end with the connection is whole then. */
static void the_end_of_the_connection(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        ifm_http1_state state;
    } rows[] = {
        {"", IFM_HTTP1_HEAD},
        {"HTTP/1.1 200 OK\r\nA: b\r\n", IFM_HTTP1_HEAD},
        {"HTTP/1.1 200 OK\r\n\r\n", IFM_HTTP1_END},
        {"HTTP/1.1 200 OK\r\n\r\nhello", IFM_HTTP1_END},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", IFM_HTTP1_END},
        {"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", IFM_HTTP1_BODY},
        {CHUNKED "5\r\nhello\r\n", IFM_HTTP1_BODY},
        {CHUNKED "5\r\nhello\r\n0\r\n", IFM_HTTP1_BODY},
        {CHUNKED "x\r\n", IFM_HTTP1_BROKEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seen s = {0};
        feed(&s, rows[i].bytes, strlen(rows[i].bytes));
        ifm_http1_close(&s.http);
        assert_int_equal(s.http.state, rows[i].state);
        if (rows[i].state != IFM_HTTP1_BODY)
            assert_false(s.http.keep_alive);
        forget(&s);
    }
}

/* What one response left is nothing to the next, however it ended. */
static void one_after_the_other(void **state)
{
    (void)state;
    static const char stream[] =
        "HTTP/1.0 307\nLocation: a\nContent-Type: b\nConnection: close\nContent-Length: 1"
        "\n\nx" CHUNKED "1\r\ny\r\n0\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"
        "HTTP/1.1 200 OK\r\nPending: a\r\nConte";
    static const char whole[] = "HTTP/1.1 204\r\nA: b\r\n\r\n";
    for (size_t piece = 1; piece < sizeof stream; piece++) {
        seen s = {0};
        for (size_t at = 0; at < sizeof stream - 1; at = s.used) {
            const size_t left = sizeof stream - 1 - at;
            if (!feed(&s, stream + at, left < piece ? left : piece)) {
                assert_false(feed(&s, stream + s.used, 1)); /* takes nothing more */
                ifm_http1_begin(&s.http);
            }
        }
        assert_int_equal(s.http.state, IFM_HTTP1_HEAD);
        ifm_http1_begin(&s.http);
        feed(&s, whole, sizeof whole - 1);
        assert_true(s.http.state == IFM_HTTP1_END && s.http.keep_alive);
        assert_string_equal(
            ifm_buffer_text(&s.text),
            "[Location: a][Content-Type: b][Connection: close][Content-Length: 1]"
            "(307 body 1.0 b to a)x[Transfer-Encoding: chunked](200 body 1.1)y"
            "[Content-Length: 5][Content-Length: 6][A: b](204 end 1.1)");
        forget(&s);
    }
}

static void nul_bytes(void **state)
{
    (void)state;
    static const char body[] = "HTTP/1.1 200 \0\r\nContent-Length: 3\r\n\r\n\0\0a";
    static const char head[] = "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n";
    seen s = {0};
    feed(&s, body, sizeof body - 1);
    assert_int_equal(s.http.state, IFM_HTTP1_END);
    assert_memory_equal(s.text.data + s.text.length - 3, "\0\0a", 3);
    forget(&s);
    feed(&s, head, sizeof head - 1);
    assert_int_equal(s.http.state, IFM_HTTP1_BROKEN);
    assert_string_equal(s.http.why, "the answer's head has a NUL in it");
    forget(&s);
}

static void without_hooks(void **state)
{
    (void)state;
    char bytes[] = CHUNKED "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    const ifm_http1_hooks none = {0};
    for (int i = 0; i < 2; i++) {
        char copy[sizeof bytes];
        memcpy(copy, bytes, sizeof bytes);
        ifm_http1 http = {0};
        size_t n_body = 0;
        assert_int_equal(
            ifm_http1_take(&http, i == 0 ? NULL : &none, copy, sizeof bytes - 1, &n_body),
            sizeof bytes - 1);
        assert_int_equal(n_body, 6);
        assert_memory_equal(copy, "abcdef", 6);
        ifm_http1_deinit(&http);
    }
}

/* Feeds `times` times `text`, then the rest; how the response is then. */
static ifm_http1_state fill(seen *s, const char *first, const char *text, size_t times,
                            size_t piece, const char *rest)
{
    ifm_buffer all = {0};
    ifm_buffer_puts(&all, first);
    for (size_t i = 0; i < times; i++)
        ifm_buffer_puts(&all, text);
    ifm_buffer_puts(&all, rest);
    assert_false(all.failed);
    for (size_t at = 0; at < all.length; at += piece)
        if (!feed(s, all.data + at, all.length - at < piece ? all.length - at : piece))
            break;
    ifm_buffer_deinit(&all);
    return s->http.state;
}

static const size_t pieces[] = {1, 1000, 1 << 20};

static void the_limit_of_a_head(void **state)
{
    (void)state;
    static const char line[] = "HTTP/1.1 204 OK\r\nA: ", early[] = "HTTP/1.1 103\n\n";
    const size_t limit = 256 << 10, n = limit - (sizeof line - 1) - 4;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        seen s = {0};
        assert_int_equal(fill(&s, line, "x", n, pieces[i], "\r\n\r\n"), IFM_HTTP1_END);
        forget(&s);
        assert_int_equal(fill(&s, line, "x", n + 1, pieces[i], "\r\n\r\n"),
                         IFM_HTTP1_BROKEN);
        assert_int_equal(s.used, limit);
        assert_string_equal(s.http.why, "the answer's head is longer than 256 KiB");
        forget(&s);
        /* Those before the final one, and empty lines, count. */
        assert_int_equal(fill(&s, "", early, limit / 14, pieces[i], ""), IFM_HTTP1_HEAD);
        forget(&s);
        assert_int_equal(fill(&s, "", early, limit / 14 + 1, pieces[i], ""),
                         IFM_HTTP1_BROKEN);
        forget(&s);
        assert_int_equal(fill(&s, "", "\r\n", limit / 2, pieces[i], "HTTP"),
                         IFM_HTTP1_BROKEN);
        forget(&s);
    }
}

/* Extensions and trailers may be endless; nothing of them is kept. */
static void nothing_of_a_body_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        seen s = {0};
        assert_int_equal(fill(&s, CHUNKED "1;", "x", 300000, pieces[i], "\r\na\r\n"),
                         IFM_HTTP1_BODY);
        assert_int_equal(fill(&s, "1", " ", 300000, pieces[i], "\nb\n"), IFM_HTTP1_BODY);
        assert_int_equal(fill(&s, "1", "\r\nc\r\n1", 100000, pieces[i], "\r\nd\r\n"),
                         IFM_HTTP1_BODY);
        assert_int_equal(fill(&s, "0\r\n", "x: y\r\n", 100000, pieces[i], "\r\n"),
                         IFM_HTTP1_END);
        assert_true(s.http.line.capacity < 1000 && s.http.field.capacity < 1000);
        const size_t head = sizeof "[Transfer-Encoding: chunked](200 body 1.1)" - 1;
        assert_int_equal(s.text.length, head + 3 + 100000);
        assert_memory_equal(s.text.data + head, "abccc", 5);
        assert_int_equal(s.text.data[s.text.length - 1], 'd');
        forget(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(connections),
        cmocka_unit_test(heads_of_all_kinds),
        cmocka_unit_test(what_is_broken),
        cmocka_unit_test(the_end_of_the_connection),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(without_hooks),
        cmocka_unit_test(the_limit_of_a_head),
        cmocka_unit_test(nothing_of_a_body_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
