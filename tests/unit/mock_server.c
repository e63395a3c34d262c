/* The mock inside a test's own process: a thread, a port, a descriptor that ends it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "mock/mock.h"

typedef struct server {
    ifm_mock *mock;
    int stop[2];
    pthread_t thread;
    ifm_status status;
} server;

static void *serve(void *arg)
{
    server *s = arg;
    s->status = ifm_mock_run(s->mock, s->stop[0], NULL);
    return NULL;
}

static void start(server *s, const ifm_mock_options *options)
{
    assert_int_equal(pipe(s->stop), 0);
    assert_int_equal(ifm_mock_new(options, &s->mock, NULL), IFM_OK);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static ifm_mock_totals stop(server *s)
{
    assert_int_equal(write(s->stop[1], "", 1), 1);
    pthread_join(s->thread, NULL);
    assert_int_equal(s->status, IFM_OK);
    const ifm_mock_totals totals = ifm_mock_totals_of(s->mock);
    ifm_mock_free(s->mock);
    close(s->stop[0]);
    close(s->stop[1]);
    return totals;
}

static int connect_to(int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

static const char request[] =
    "POST /v1/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    "Content-Length: 45\r\n\r\n"
    "{\"prompt\":\"a b\",\"max_tokens\":5,\"stream\":true}";

static void test_in_a_thread(void **state)
{
    (void)state;
    static char text[1 << 16];
    server s;
    size_t n = 0;
    ssize_t got;
    ifm_mock_options options = ifm_mock_defaults();
    char log[] = "/tmp/mock-log-XXXXXX";
    const int log_fd = mkstemp(log);
    assert_true(log_fd >= 0);
    options.ttft_ns = options.itl_ns = 1000000;
    options.log_path = log;
    start(&s, &options);
    const int fd = connect_to(ifm_mock_port(s.mock));
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    while ((got = read(fd, text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(fd);
    assert_int_equal(count(text, "\"text\":\" w"), 5);
    assert_int_equal(count(text, "[DONE]"), 1);
    const ifm_mock_totals totals = stop(&s);
    assert_int_equal(totals.requests, 1);
    assert_int_equal(totals.events, 5);
    assert_int_equal(totals.tokens, 5);
    assert_true(totals.late_p50_ns >= 0 && totals.late_p50_ns <= totals.late_max_ns);
    assert_false(totals.died);
    got = read(log_fd, text, sizeof text - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_int_equal(count(text, "\n"), 1);
    assert_int_equal(count(text, "\"end\":\"whole\""), 1);
    close(log_fd);
    unlink(log);
}

static void test_ends_with_work_left(void **state)
{
    (void)state;
    server s;
    char byte;
    ifm_mock_options options = ifm_mock_defaults();
    options.concurrency = 1;
    options.ttft_ns = options.itl_ns = INT64_C(3600) * 1000000000;
    start(&s, &options);
    const int served = connect_to(ifm_mock_port(s.mock));
    assert_int_equal(write(served, request, sizeof request - 1), sizeof request - 1);
    assert_int_equal(read(served, &byte, 1), 1); /* the head: it is being served */
    const int waiting = connect_to(ifm_mock_port(s.mock));
    assert_int_equal(write(waiting, request, sizeof request - 1), sizeof request - 1);
    const int half = connect_to(ifm_mock_port(s.mock));
    assert_int_equal(write(half, request, 20), 20);
    const ifm_mock_totals totals = stop(&s);
    assert_in_range(totals.requests, 1, 2); /* the second may not have been read */
    assert_int_equal(totals.events, 0);
    assert_int_equal(totals.late_max_ns, -1);
    close(served);
    close(waiting);
    close(half);
}

static void fails(ifm_mock_options options, ifm_status expected, const char *words)
{
    ifm_error err = {0};
    ifm_mock *mock = NULL;
    assert_int_equal(ifm_mock_new(&options, &mock, &err), expected);
    assert_null(mock);
    assert_non_null(strstr(err.message, words));
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    ifm_mock_options options = ifm_mock_defaults();
    ifm_mock *first;
    assert_int_equal(ifm_mock_new(&options, &first, NULL), IFM_OK);
    options.port = ifm_mock_port(first);
    fails(options, IFM_ERR_IO, "in use");
    ifm_mock_free(first);
    options = ifm_mock_defaults();
    options.host = "no.such.host.invalid";
    fails(options, IFM_ERR_ARGUMENT, "no.such.host.invalid");
    options = ifm_mock_defaults();
    options.log_path = "/no/such/directory/log";
    fails(options, IFM_ERR_NOT_FOUND, "/no/such/directory/log");
    options = ifm_mock_defaults();
    options.model = "a \"quoted\" name";
    fails(options, IFM_ERR_ARGUMENT, "--model");
    options = ifm_mock_defaults();
    options.unix_path = "/no/such/directory/socket";
    fails(options, IFM_ERR_NOT_FOUND, "/no/such/directory/socket");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_a_thread),
        cmocka_unit_test(test_ends_with_work_left),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
