/* The reader of event streams: whatever pieces a stream comes in, its events are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/sse.h"

/* Events as text, one behind the other: "name(n)=data;" */
typedef struct log {
    ifm_buffer text;
    int left; /* events that are wanted; -1: all */
} log_t;

static bool take(void *user, const ifm_sse_event *event)
{
    log_t *log = user;
    ifm_buffer_printf(&log->text, "%s(%zu)=", event->name, event->n_data);
    ifm_buffer_append(&log->text, event->data, event->n_data);
    ifm_buffer_puts(&log->text, ";");
    return log->left < 0 || --log->left > 0;
}

/* The bytes lie in a block of exactly their size, which is gone after the call. */
static bool feed(ifm_sse *sse, const char *bytes, size_t n, log_t *log)
{
    char *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    bool more = ifm_sse_feed(sse, copy, n, take, log);
    memset(copy, '#', n);
    free(copy);
    return more;
}

/* Everything that the standard has and servers send. */
static const char everything[] = "\xef\xbb\xbf: hello\r\n"
                                 "data: one\n\n"
                                 "data:two\r\n\r\n"
                                 "data: three\r\r"
                                 ": ping\r\n\r\n"
                                 "event: ping\ndata: {}\n\n"
                                 "data: a\ndata:b\r\ndata:  c\rdata\n\n"
                                 "id: 7\nretry: 10\nunknown: x\ndata: four\n\n"
                                 "event: dropped\n\n"
                                 "data:\n\n"
                                 "data: five: six\n\n"
                                 "error: {\"code\":400}\n\n"
                                 "event: first\nevent:second\ndata: x\n\n"
                                 "\n\n\r\n\r"
                                 "data: [DONE]\n\n";
static const char expected[] =
    "message(3)=one;message(3)=two;message(5)=three;ping(2)={};message(7)=a\nb\n c\n;"
    "message(4)=four;message(0)=;message(9)=five: six;error(12)={\"code\":400};"
    "second(1)=x;message(6)=[DONE];";

static void check(const ifm_sse *sse, const log_t *log)
{
    assert_string_equal(ifm_buffer_text(&log->text), expected);
    assert_int_equal(sse->events, 11);
    assert_int_equal(sse->comments, 2);
    assert_false(ifm_sse_pending(sse));
}

static void every_split_in_three(void **state)
{
    (void)state;
    const size_t n = sizeof everything - 1;
    for (size_t i = 0; i <= n; i++)
        for (size_t k = i; k <= n; k++) {
            ifm_sse sse;
            log_t log = {.left = -1};
            ifm_sse_init(&sse);
            assert_true(feed(&sse, everything, i, &log));
            assert_true(feed(&sse, everything + i, k - i, &log));
            assert_true(feed(&sse, everything + k, n - k, &log));
            check(&sse, &log);
            ifm_sse_deinit(&sse);
            ifm_buffer_deinit(&log.text);
        }
}

static void byte_by_byte(void **state)
{
    (void)state;
    ifm_sse sse;
    log_t log = {.left = -1};
    ifm_sse_init(&sse);
    for (size_t i = 0; i + 1 < sizeof everything; i++)
        assert_true(feed(&sse, everything + i, 1, &log));
    check(&sse, &log);
    ifm_sse_deinit(&sse);
    ifm_buffer_deinit(&log.text);
}

/* A line ends with its CR: an event that nothing follows is not held back for an LF. */
static void cr_ends_at_once(void **state)
{
    (void)state;
    ifm_sse sse;
    log_t log = {.left = -1};
    ifm_sse_init(&sse);
    feed(&sse, "data: x\r\n\r", 10, &log);
    assert_string_equal(ifm_buffer_text(&log.text), "message(1)=x;");
    feed(&sse, "\ndata: y\r", 9, &log);
    feed(&sse, "\r", 1, &log);
    assert_string_equal(ifm_buffer_text(&log.text), "message(1)=x;message(1)=y;");
    ifm_sse_deinit(&sse);
    ifm_buffer_deinit(&log.text);
}

static void nul_bytes_are_data(void **state)
{
    (void)state;
    static const char stream[] = "data: a\0b\n\n";
    ifm_sse sse;
    log_t log = {.left = -1};
    ifm_sse_init(&sse);
    feed(&sse, stream, sizeof stream - 1, &log);
    assert_int_equal(log.text.length, sizeof "message(3)=a.b;" - 1);
    assert_memory_equal(log.text.data, "message(3)=a\0b;", log.text.length);
    ifm_sse_deinit(&sse);
    ifm_buffer_deinit(&log.text);
}

static void a_mark_only_at_the_beginning(void **state)
{
    (void)state;
    static const char stream[] = "data: a\n\n\xef\xbb\xbf"
                                 "data: b\n\n";
    ifm_sse sse;
    log_t log = {.left = -1};
    ifm_sse_init(&sse);
    feed(&sse, stream, sizeof stream - 1, &log);
    assert_string_equal(ifm_buffer_text(&log.text), "message(1)=a;");
    ifm_sse_deinit(&sse);
    ifm_buffer_deinit(&log.text);
}

static void the_taker_may_stop(void **state)
{
    (void)state;
    ifm_sse sse;
    log_t log = {.left = 2};
    ifm_sse_init(&sse);
    assert_false(feed(&sse, everything, sizeof everything - 1, &log));
    assert_string_equal(ifm_buffer_text(&log.text), "message(3)=one;message(3)=two;");
    ifm_sse_deinit(&sse);
    ifm_buffer_deinit(&log.text);
}

static void what_began_is_pending(void **state)
{
    (void)state;
    static const char *const beginnings[] = {"d",          "data: x",     "data: x\n",
                                             "event: x\n", ": a comment", "data: x\r"};
    static const bool holds_event[] = {false, true, true, false, false, true};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        ifm_sse sse;
        log_t log = {.left = -1};
        ifm_sse_init(&sse);
        feed(&sse, beginnings[i], strlen(beginnings[i]), &log);
        assert_true(ifm_sse_pending(&sse));
        assert_int_equal(log.text.length, 0);
        assert_true(ifm_sse_finish(&sse, take, &log));
        assert_string_equal(ifm_buffer_text(&log.text),
                            holds_event[i] ? "message(1)=x;" : "");
        assert_false(ifm_sse_pending(&sse));
        ifm_sse_deinit(&sse);
        ifm_buffer_deinit(&log.text);
    }
}

static bool count_bytes(void *user, const ifm_sse_event *event)
{
    *(size_t *)user += event->n_data;
    return true;
}

/* An event of `size` bytes in reads of `piece`, as one line or as lines of 1023. */
static bool feed_huge(size_t size, size_t piece, bool lines, size_t *taken)
{
    static const char next[] = "\ndata: ";
    ifm_sse sse;
    ifm_buffer stream = {0};
    ifm_buffer_puts(&stream, "data: ");
    const size_t line = lines ? 1023 : size;
    for (size_t left = size; left > 0;) {
        const size_t n = left < line ? left : line;
        char *room = ifm_buffer_extend(&stream, n);
        assert_non_null(room);
        memset(room, 'x', n);
        left -= n;
        if (left > 0) {
            ifm_buffer_puts(&stream, next);
            left--; /* the LF that joins */
        }
    }
    ifm_buffer_puts(&stream, "\n\n");
    ifm_sse_init(&sse);
    bool more = true;
    *taken = 0;
    for (size_t i = 0; more && i < stream.length; i += piece) {
        size_t n = stream.length - i < piece ? stream.length - i : piece;
        more = ifm_sse_feed(&sse, stream.data + i, n, count_bytes, taken);
    }
    assert_int_equal(!more, sse.too_large);
    ifm_sse_deinit(&sse);
    ifm_buffer_deinit(&stream);
    return more;
}

static void huge_events(void **state)
{
    (void)state;
    static const size_t pieces[] = {1000, 16384, SIZE_MAX / 2};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        for (int lines = 0; lines < 2; lines++) {
            size_t taken;
            assert_true(feed_huge(8 << 20, pieces[i], lines, &taken));
            assert_int_equal(taken, 8 << 20);
            assert_true(feed_huge(IFM_SSE_EVENT_LIMIT, pieces[i], lines, &taken));
            assert_int_equal(taken, IFM_SSE_EVENT_LIMIT);
            assert_false(feed_huge(IFM_SSE_EVENT_LIMIT + 1, pieces[i], lines, &taken));
            assert_int_equal(taken, 0);
        }
}

/* A comment is not kept, however long it is. */
static void endless_comment(void **state)
{
    (void)state;
    ifm_sse sse;
    log_t log = {.left = -1};
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    ifm_sse_init(&sse);
    feed(&sse, ":", 1, &log);
    for (int i = 0; i < 300; i++) /* over the limit of an event */
        assert_true(ifm_sse_feed(&sse, block, sizeof block, take, &log));
    assert_true(sse.line.capacity < 1000);
    feed(&sse, "\ndata: x\n\n", 10, &log);
    assert_string_equal(ifm_buffer_text(&log.text), "message(1)=x;");
    assert_int_equal(sse.comments, 1);
    ifm_sse_deinit(&sse);
    ifm_buffer_deinit(&log.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_in_three),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(cr_ends_at_once),
        cmocka_unit_test(nul_bytes_are_data),
        cmocka_unit_test(a_mark_only_at_the_beginning),
        cmocka_unit_test(the_taker_may_stop),
        cmocka_unit_test(what_began_is_pending),
        cmocka_unit_test(huge_events),
        cmocka_unit_test(endless_comment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
