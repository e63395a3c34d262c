/* wire: the client, against a server that follows a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire_fixture.h"

/* ---- answers ----------------------------------------------------------------------- */

static void a_stream_is_stamped_in_order(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT},         {READ},
                                 {PAUSE, .n = 20}, {SEND, HEAD},
                                 {PAUSE, .n = 20}, {SEND, CHUNK_WORD},
                                 {PAUSE, .n = 20}, {SEND, CHUNK_WORD CHUNK_DONE END},
                                 {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    assert_int_equal(ifm_client_in_flight(f.client), 1);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_OK);
    const ifm_record *r = &f.records[0];
    const ifm_wire *w = r->wire;
    assert_int_equal(r->n_tokens, 2);
    assert_int_equal(w->status, 200);
    assert_int_equal(w->http_version, 11);
    assert_int_equal(w->attempts, 1);
    assert_false(w->reused);
    assert_string_equal(w->request_id, "request-0");
    assert_true(w->service_start_ns >= 0);
    assert_true(w->dns_ns >= w->service_start_ns);
    assert_true(w->connect_ns >= w->dns_ns);
    assert_int_equal(w->tls_ns, -1);
    assert_true(r->sent_ns >= w->connect_ns);
    assert_true(w->headers_ns >= r->sent_ns);
    assert_true(w->first_event_ns >= w->headers_ns);
    assert_int_equal(r->token_ns[0], w->first_event_ns);
    assert_true(r->token_ns[1] >= r->token_ns[0]);
    assert_true(w->end_ns >= r->token_ns[1]);
    assert_true(f.n_pieces >= 2);
    end(&f);
}

static void what_one_read_brings_shares_its_time(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_OK);
    const ifm_wire *w = f.records[0].wire;
    assert_int_equal(w->n_pieces, 3);
    assert_int_equal(ifm_wire_shared_pieces(w), 2);
    assert_int_equal(w->pieces[0].t_ns, w->pieces[2].t_ns);
    end(&f);
}

static void the_request_is_what_was_asked(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    static const char *const headers[] = {"X-Team: a", "Accept: */*"};
    fixture f = {.options = {.headers = headers, .n_headers = 2, .api_key = "sk-1"}};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    const char *text = ifm_buffer_text(&f.server.requests);
    assert_non_null(strstr(text, "POST /v1/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(text, "\r\nX-Request-Id: request-0\r\n"));
    assert_non_null(strstr(text, "\r\nAuthorization: Bearer sk-1\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(text, "\r\nX-Team: a\r\n"));
    assert_non_null(strstr(text, "\r\nAccept: */*\r\n"));
    assert_null(strstr(text, "text/event-stream"));
    assert_null(strstr(text, "Expect"));
    assert_non_null(strstr(text, "\r\n\r\n{\"prompt\":\"x\"}"));
    end(&f);
}

/* What a URL holds travels as a header, is hidden where the server repeats it, and leaves
 * the environment's key at home. "user:pa55w0rd" in base64. */
static void credentials_of_a_url_are_sent_and_hidden(void **state)
{
    (void)state;
    static const char answer[] =
        "HTTP/1.1 401 No\r\nContent-Length: 59\r\n\r\n"
        "{\"error\":{\"message\":\"no Basic dXNlcjpwYTU1dzByZA== today\"}}";
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, answer}, {WAIT_END}};
    fixture f = {.options = {.api_key = "sk-1"}};
    assert_true(server_start(&f.server, steps, sizeof steps / sizeof *steps, NULL));
    snprintf(f.url, sizeof f.url, "http://user:pa55w0rd@127.0.0.1:%d", f.server.port);
    begin_at(&f, f.url);
    ask(&f, 0);
    serve(&f, 1);
    const char *text = ifm_buffer_text(&f.server.requests);
    assert_non_null(strstr(text, "\r\nAuthorization: Basic dXNlcjpwYTU1dzByZA==\r\n"));
    assert_null(strstr(text, "sk-1"));
    assert_string_equal(f.records[0].error, "status 401: no Basic *** today");
    end(&f);
}

/* A server that keeps the connection open behind "[DONE]" is not waited for, and until it was
 * given up the request has not ended: the next one of a closed loop is due then. */
static void done_ends_what_the_server_does_not(void **state)
{
    (void)state;
    static const step steps[] = {
        {ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD CHUNK_DONE}, {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_OK);
    assert_true(f.records[0].wire->end_ns < 20 * S);
    assert_true(f.records[0].wire->end_ns > f.records[0].token_ns[0]);
    end(&f);
}

/* ---- connections ------------------------------------------------------------------- */

static void a_connection_is_used_again(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ},        {SEND, WHOLE},
                                 {READ},   {SEND, WHOLE}, {WAIT_END}};
    fixture f = {.again = 1};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 2); /* the second from inside on_done */
    assert_outcome(&f, 0, IFM_OUTCOME_OK);
    assert_outcome(&f, 1, IFM_OUTCOME_OK);
    const ifm_wire *w = f.records[1].wire;
    assert_true(w->reused);
    assert_int_equal(w->dns_ns, -1);
    assert_int_equal(w->connect_ns, -1);
    assert_int_equal(f.server.accepted, 1);
    assert_non_null(
        strstr(ifm_buffer_text(&f.server.requests), "X-Request-Id: request-1\r\n"));
    end(&f);
}

static void new_connections_are_made_if_asked(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END},
                                 {ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    fixture f = {.options = {.new_connection = true}};
    BEGIN(&f, steps);
    for (int i = 0; i < 2; i++) {
        ask(&f, i);
        serve(&f, i + 1);
        assert_outcome(&f, i, IFM_OUTCOME_OK);
        assert_false(f.records[i].wire->reused);
        assert_true(f.records[i].wire->connect_ns >= 0);
    }
    assert_int_equal(f.server.accepted, 2);
    end(&f);
}

/* The server closed it meanwhile: found out before the request is sent. */
static void a_stale_connection_is_replaced(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {CLOSE},
                                 {ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    usleep(20000);
    ask(&f, 1);
    serve(&f, 2);
    assert_outcome(&f, 1, IFM_OUTCOME_OK);
    assert_false(f.records[1].wire->reused);
    assert_true(f.records[1].wire->connect_ns >= 0);
    assert_int_equal(f.records[1].wire->attempts, 1);
    end(&f);
}

/* The server closes it just when the request is there: libcurl sends it once more, and the
 * record says so. */
static void a_request_that_met_a_closing_connection_is_sent_again(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {READ},    {CLOSE},
                                 {ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 1);
    ask(&f, 1);
    serve(&f, 2);
    assert_outcome(&f, 1, IFM_OUTCOME_OK);
    assert_int_equal(f.records[1].wire->attempts, 2);
    assert_false(f.records[1].wire->reused);
    assert_true(f.records[1].wire->connect_ns >= 0);
    assert_true(f.records[1].sent_ns >= f.records[1].wire->connect_ns);
    end(&f);
}

/* In whatever way it ends an open connection just then: one more try, on a fresh one. */
static void a_connection_that_breaks_when_it_is_used_again_is_replaced(void **state)
{
    (void)state;
    static const step reset[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {READ},    {RESET},
                                 {ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    static const step closed[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {CLOSE},
                                  {ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    static const step half[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {READ},    {HALF_CLOSE},
                                {ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    static const step *const scripts[] = {reset, closed, half};
    static const size_t lengths[] = {9, 8, 9};
    for (int i = 0; i < 3; i++) {
        fixture f = {.again = 1}; /* at once: the end of the first may not be seen yet */
        begin(&f, scripts[i], lengths[i]);
        ask(&f, 0);
        serve(&f, 2);
        assert_outcome(&f, 1, IFM_OUTCOME_OK);
        assert_false(f.records[1].wire->reused);
        assert_true(f.records[1].wire->attempts <= 2);
        assert_true(f.records[1].sent_ns >= f.records[1].wire->connect_ns);
        assert_int_equal(f.server.accepted, 2);
        end(&f);
    }
}

/* A fresh connection that breaks is no stale one: its request has failed. */
static void a_connection_that_breaks_when_it_is_fresh_is_not_replaced(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ},   {SEND, WHOLE}, {READ},
                                 {RESET},  {ACCEPT}, {READ},        {RESET}};
    fixture f = {.again = 1};
    BEGIN(&f, steps);
    ask(&f, 0);
    serve(&f, 2);
    assert_outcome(&f, 1, IFM_OUTCOME_RESET);
    assert_int_equal(f.records[1].wire->attempts, 2);
    end(&f);
}

static void many_at_once_have_their_own(void **state)
{
    (void)state;
    enum { N = 20 };
    step steps[4 * N];
    for (int i = 0; i < N; i++) {
        steps[4 * i] = (step){.kind = ACCEPT};
        steps[4 * i + 1] = (step){.kind = READ};
        steps[4 * i + 2] = (step){.kind = SEND, .text = WHOLE};
        steps[4 * i + 3] = (step){.kind = PAUSE, .n = 1};
    }
    fixture f = {0};
    begin(&f, steps, 4 * N);
    for (int i = 0; i < N; i++)
        ask(&f, i);
    assert_int_equal(ifm_client_in_flight(f.client), N);
    serve(&f, N);
    for (int i = 0; i < N; i++)
        assert_outcome(&f, i, IFM_OUTCOME_OK);
    end(&f);
}

static void unix_sockets_are_servers(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    fixture f = {0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/ifm_wire_%d.sock", (int)getpid());
    assert_true(server_start(&f.server, steps, 4, path));
    snprintf(f.url, sizeof f.url, "unix:%s:/api", path);
    begin_at(&f, f.url);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_OK);
    assert_true(f.records[0].wire->connect_ns >= 0);
    assert_true(f.records[0].sent_ns >= f.records[0].wire->connect_ns);
    assert_non_null(
        strstr(ifm_buffer_text(&f.server.requests), "POST /api/v1/completions "));
    end(&f);
}

/* A prompt that no socket takes at once is sent when its last byte is. */
static void a_large_body_is_sent_when_its_last_byte_is(void **state)
{
    (void)state;
    enum { N = 8 << 20 };
    static const step steps[] = {
        {ACCEPT}, {PAUSE, .n = 50}, {READ}, {SEND, WHOLE}, {WAIT_END}};
    fixture f = {0};
    char *body = malloc(N);
    memset(body, 'x', N);
    BEGIN(&f, steps);
    ask_body(&f, 0, body, N);
    free(body);
    serve(&f, 1);
    assert_outcome(&f, 0, IFM_OUTCOME_OK);
    assert_true(f.records[0].sent_ns >= 49 * MS);
    assert_true(f.server.requests.length > N);
    end(&f);
}

/* ---- control ----------------------------------------------------------------------- */

static void cancelling_ends_all(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {SEND, HEAD CHUNK_WORD}, {WAIT_END}};
    fixture f = {0};
    BEGIN(&f, steps);
    ask(&f, 0);
    ask(&f, 1); /* nobody accepts it */
    while (f.n_pieces == 0)
        ifm_client_serve(f.client, (ifm_time){ifm_time_now().ns + S / 100}, -1);
    ifm_client_cancel(f.client);
    assert_int_equal(f.n_done, 2);
    assert_outcome(&f, 0, IFM_OUTCOME_CANCELLED);
    assert_outcome(&f, 1, IFM_OUTCOME_CANCELLED);
    assert_int_equal(f.records[0].wire->n_pieces, 1);
    assert_int_equal(ifm_client_in_flight(f.client), 0);
    end(&f);
}

static void serving_ends_in_time_and_when_woken(void **state)
{
    (void)state;
    static const step steps[] = {{ACCEPT}, {READ}, {WAIT_END}};
    fixture f = {0};
    int pipe_fds[2];
    BEGIN(&f, steps);
    assert_int_equal(pipe(pipe_fds), 0);
    ask(&f, 0);
    const int64_t until = ifm_time_now().ns + 20 * MS;
    ifm_client_serve(f.client, (ifm_time){until}, pipe_fds[0]);
    assert_true(ifm_time_now().ns >= until);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    ifm_client_serve(f.client, (ifm_time){INT64_MAX}, pipe_fds[0]); /* returns */
    assert_int_equal(f.n_done, 0);
    ifm_client_cancel(f.client);
    end(&f);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void models_are_asked_for(void **state)
{
    (void)state;
    static const step good[] = {{ACCEPT},
                                {READ},
                                {SEND, "HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n"
                                       "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}\n"},
                                {WAIT_END}};
    static const step none[] = {
        {ACCEPT},
        {READ},
        {SEND, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"data\":[]}"},
        {WAIT_END}};
    static const step html[] = {
        {ACCEPT},
        {READ},
        {SEND, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"},
        {WAIT_END}};
    static const step locked[] = {
        {ACCEPT}, {READ}, {SEND, STATUS("401 No", "")}, {WAIT_END}};
    static const step closed[] = {{ACCEPT}, {READ}, {CLOSE}};
    static const struct {
        const step *steps;
        size_t n;
        ifm_status status;
        const char *words;
    } cases[] = {{good, 4, IFM_OK, "a"},
                 {none, 4, IFM_ERR_FORMAT, "has no model"},
                 {html, 4, IFM_ERR_FORMAT, "no list of models"},
                 {locked, 4, IFM_ERR_IO, "OPENAI_API_KEY"},
                 {closed, 3, IFM_ERR_IO, "closed"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f = {0};
        char *model = NULL;
        begin(&f, cases[i].steps, cases[i].n);
        assert_int_equal(ifm_client_first_model(f.client, -1, &model, &err),
                         cases[i].status);
        if (strstr(model != NULL ? model : err.message, cases[i].words) == NULL)
            fail_msg("%s", err.message);
        free(model);
        end(&f);
    }
}

static void too_many_connections_are_refused_at_once(void **state)
{
    (void)state;
    const ifm_client_options options = {.url = "http://h", .connections = 1u << 30};
    ifm_client *client = NULL;
    assert_int_equal(ifm_client_new(&options, &client, &err), IFM_ERR_LIMIT);
    assert_non_null(strstr(err.message, "ulimit -n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_stamped_in_order),
        cmocka_unit_test(what_one_read_brings_shares_its_time),
        cmocka_unit_test(the_request_is_what_was_asked),
        cmocka_unit_test(credentials_of_a_url_are_sent_and_hidden),
        cmocka_unit_test(done_ends_what_the_server_does_not),
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(new_connections_are_made_if_asked),
        cmocka_unit_test(a_stale_connection_is_replaced),
        cmocka_unit_test(a_request_that_met_a_closing_connection_is_sent_again),
        cmocka_unit_test(a_connection_that_breaks_when_it_is_used_again_is_replaced),
        cmocka_unit_test(a_connection_that_breaks_when_it_is_fresh_is_not_replaced),
        cmocka_unit_test(many_at_once_have_their_own),
        cmocka_unit_test(unix_sockets_are_servers),
        cmocka_unit_test(a_large_body_is_sent_when_its_last_byte_is),
        cmocka_unit_test(cancelling_ends_all),
        cmocka_unit_test(serving_ends_in_time_and_when_woken),
        cmocka_unit_test(models_are_asked_for),
        cmocka_unit_test(too_many_connections_are_refused_at_once),
    };
    return RUN_BY_BOTH(tests);
}
