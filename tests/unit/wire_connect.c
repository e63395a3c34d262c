/* wire: on the way to a server, and to its having read a long request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire_fixture.h"

/* No socket's buffers hold as much. */
enum { LONG_BODY = 24 << 20 };

static void ask_long(fixture *f, int i)
{
    char *body = malloc(LONG_BODY);
    memset(body, 'x', LONG_BODY);
    ask_body(f, i, body, LONG_BODY);
    free(body);
}

/* ---- localhost ---------------------------------------------------------------------- */

/* Listens on this machine's own address of a family, on *port, or a free one. -1: there is no
 * such family here, or the port is taken. */
static int listen_at(int family, int *port, int backlog)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)*port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)*port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *at =
        family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    const int fd = socket(family, SOCK_STREAM, 0);
    if (fd >= 0 && family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, at, size) != 0 || getsockname(fd, at, &size) != 0 ||
        listen(fd, backlog) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
    return fd;
}

static const step three[] = {{ACCEPT},      {READ}, {SEND, WHOLE}, {READ},
                             {SEND, WHOLE}, {READ}, {SEND, WHOLE}, {WAIT_END}};

/* "localhost", one after the other, where `family` has the server. */
static void ask_localhost(fixture *f, int listener, int port)
{
    f->server =
        (server){.listener = listener, .port = port, .steps = three, .n_steps = 8};
    assert_int_equal(pthread_create(&f->server.thread, NULL, server_run, &f->server), 0);
    snprintf(f->url, sizeof f->url, "http://localhost:%d", port);
    f->again = 2;
    begin_at(f, f->url);
    ask(f, 0);
    serve(f, 3);
    for (int i = 0; i < 3; i++)
        assert_outcome(f, i, IFM_OUTCOME_OK);
    assert_int_equal(f->server.accepted, 1);
    end(f);
}

static void localhost_is_both_protocols(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        fixture f = {0};
        int port = 0;
        const int listener = listen_at(families[i], &port, 8);
        if (listener >= 0)
            ask_localhost(&f, listener, port);
    }
}

/* A listener whose queue is full answers no handshake. The other address has its turn, and
 * has the next requests at once. */
static void a_hole_is_passed_by(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 2; i++) {
        fixture f = {0};
        int port = 0, fillers[4];
        const int listener = listen_at(families[i], &port, 8);
        const int hole = listener >= 0 ? listen_at(families[1 - i], &port, 0) : -1;
        if (hole < 0) {
            close(listener);
            continue;
        }
        struct sockaddr_storage to;
        socklen_t size = sizeof to;
        getsockname(hole, (struct sockaddr *)&to, &size);
        for (int k = 0; k < 4; k++) {
            fillers[k] = socket(families[1 - i], SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)connect(fillers[k], (struct sockaddr *)&to, size);
        }
        ask_localhost(&f, listener, port);
        for (int k = 0; k < 4; k++)
            close(fillers[k]);
        close(hole);
    }
}

/* ---- unix sockets ------------------------------------------------------------------- */

/* A unix socket's full queue refuses at once (EAGAIN), where TCP would wait. libcurl takes it
 * for a connection. */
static void a_full_queue_is_waited_for(void **state)
{
    (void)state;
    enum { N = 12 };
    step steps[4 * N + 1] = {{PAUSE, .n = 20}};
    for (int i = 0; i < N; i++) {
        steps[4 * i + 1] = (step){.kind = ACCEPT};
        steps[4 * i + 2] = (step){.kind = READ};
        steps[4 * i + 3] = (step){.kind = SEND, .text = WHOLE};
        steps[4 * i + 4] = (step){.kind = PAUSE, .n = 1};
    }
    fixture f = {0};
    char path[64];
    if (by_libcurl)
        return;
    snprintf(path, sizeof path, "/tmp/ifm_queue_%d.sock", (int)getpid());
    assert_true(server_start(&f.server, steps, 4 * N + 1, path));
    assert_int_equal(listen(f.server.listener, 1), 0);
    snprintf(f.url, sizeof f.url, "unix:%s", path);
    f.options.new_connection = true;
    begin_at(&f, f.url);
    for (int i = 0; i < N; i++)
        ask(&f, i);
    serve(&f, N);
    for (int i = 0; i < N; i++)
        assert_outcome(&f, i, IFM_OUTCOME_OK);
    end(&f);
}

/* ---- long requests ------------------------------------------------------------------ */

/* An open connection that breaks is as stale when half of a long request went over it. */
static void a_long_request_that_met_a_closing_connection_is_sent_again(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {TASTE},   {RESET},
                                 {ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    ask_long(&f, 1);
    serve(&f, 2);
    assert_outcome(&f, 1, IFM_OUTCOME_OK);
    assert_int_equal(f.records[1].wire->attempts, 2);
    assert_false(f.records[1].wire->reused);
    assert_int_equal(f.server.accepted, 2);
    end(&f);
}

static void who_does_not_read_on_stalls(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {PAUSE, .n = 400}, {WAIT_END}};
    fixture f = {.options = {.idle_timeout_ns = 60 * MS}};
    BEGIN(&f, steps);
    ask_long(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_STALLED);
    assert_int_equal(f.records[0].wire->attempts, 1);
    end(&f);
}

static void an_answer_may_come_before_the_request_is_read(void **state)
{
    (void)state;
    static const step steps[] = {
        {ACCEPT},     {SEND, STATUS("413 Too Large", "Connection: close\r\n")},
        {HALF_CLOSE}, {ACCEPT},
        {READ},       {SEND, WHOLE},
        {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask_long(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_CLIENT_ERROR);
    assert_int_equal(f.records[0].wire->status, 413);
    ask(&f, 1); /* over another connection */
    serve(&f, 2);
    assert_outcome(&f, 1, IFM_OUTCOME_OK);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(localhost_is_both_protocols),
        cmocka_unit_test(a_hole_is_passed_by),
        cmocka_unit_test(a_full_queue_is_waited_for),
        cmocka_unit_test(a_long_request_that_met_a_closing_connection_is_sent_again),
        cmocka_unit_test(who_does_not_read_on_stalls),
        cmocka_unit_test(an_answer_may_come_before_the_request_is_read),
    };
    return RUN_BY_BOTH(tests);
}
