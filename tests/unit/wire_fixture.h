/* What the tests of the client share: one client, a server that follows a script, and what
 * became of each request. */
#ifndef WIRE_FIXTURE_H
#define WIRE_FIXTURE_H

#include "wire_server.h"
#include "wire/client.h"

#define S  1000000000ll
#define MS 1000000ll

#define HEAD                                                                             \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "          \
    "chunked\r\n\r\n"
#define WORD "data: {\"choices\":[{\"index\":0,\"text\":\" w\"}]}\n\n" /* 45 bytes */
#define LAST                                                                             \
    "data: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n"
#define DONE       "data: [DONE]\n\n" /* 14 bytes */
#define CHUNK_WORD "2d\r\n" WORD "\r\n"
#define CHUNK_DONE "e\r\n" DONE "\r\n"
#define END        "0\r\n\r\n"
#define WHOLE      HEAD CHUNK_WORD CHUNK_WORD CHUNK_DONE END
#define STATUS(line, headers)                                                            \
    "HTTP/1.1 " line "\r\nContent-Length: 2\r\n" headers "\r\n{}"

/* ---- one client, several requests -------------------------------------------------- */

enum { MOST = 64 };

typedef struct fixture {
    server server;
    ifm_client_options options;
    char url[128];
    ifm_client *client;
    ifm_record records[MOST];
    bool done[MOST];
    int n_done, n_pieces;
    int order[MOST];
    int again; /* starts so many more from on_done */
} fixture;

static ifm_error err;

/* Every test runs twice: once per carrier (client_parts.h), for they shall not differ. */
static bool by_libcurl;

static inline int choose_libcurl(void **state)
{
    (void)state;
    by_libcurl = true;
    return 0;
}

#define RUN_BY_BOTH(tests)                                                               \
    (cmocka_run_group_tests_name("sockets of our own", tests, NULL, NULL) +              \
     cmocka_run_group_tests_name("libcurl", tests, choose_libcurl, NULL))

static inline void ask(fixture *f, int i);

static inline void on_done(void *user, void *request, ifm_record *record)
{
    fixture *f = user;
    const int i = (int)((intptr_t)request - 1);
    assert_false(f->done[i]);
    f->records[i] = *record;
    f->done[i] = true;
    f->order[f->n_done++] = i;
    if (f->again > 0) {
        f->again--;
        ask(f, i + 1);
    }
}

static inline void on_piece(void *user, void *request, const ifm_piece *piece)
{
    (void)request, (void)piece;
    ((fixture *)user)->n_pieces++;
}

static inline void begin_at(fixture *f, const char *url)
{
    f->options.url = url;
    f->options.stream = true;
    f->options.libcurl = by_libcurl;
    if (f->options.timeout_ns == 0)
        f->options.timeout_ns = 20 * S;
    f->options.connections = MOST;
    f->options.on_done = on_done;
    f->options.on_piece = on_piece;
    f->options.user = f;
    assert_int_equal(ifm_client_new(&f->options, &f->client, &err), IFM_OK);
}

static inline void begin(fixture *f, const step *steps, size_t n)
{
    assert_true(server_start(&f->server, steps, n, NULL));
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", f->server.port);
    begin_at(f, f->url);
}

#define BEGIN(f, steps) begin(f, steps, sizeof(steps) / sizeof *(steps))

static inline void ask_body(fixture *f, int i, const char *body, size_t n)
{
    char id[32];
    snprintf(id, sizeof id, "request-%d", i);
    const ifm_call call = {body, n, id, ifm_time_now(), (void *)(intptr_t)(i + 1)};
    ifm_client_start(f->client, &call);
}

static inline void ask(fixture *f, int i)
{
    ask_body(f, i, "{\"prompt\":\"x\"}", 14);
}

/* Serves until n are done. */
static inline void serve(fixture *f, int n)
{
    const int64_t patience = ifm_time_now().ns + 30 * S;
    while (f->n_done < n) {
        ifm_client_serve(f->client, (ifm_time){ifm_time_now().ns + S}, -1);
        if (ifm_time_now().ns > patience)
            fail_msg("only %d of %d are done", f->n_done, n);
    }
}

static inline void end(fixture *f)
{
    ifm_client_free(f->client);
    server_end(&f->server);
    ifm_buffer_deinit(&f->server.requests);
    for (int i = 0; i < MOST; i++)
        if (f->done[i])
            ifm_record_deinit(&f->records[i]);
}

static inline void assert_outcome(const fixture *f, int i, ifm_outcome outcome)
{
    const ifm_wire *wire = f->records[i].wire;
    if (wire->outcome != outcome)
        fail_msg("request %d: %s (%s), expected %s", i, ifm_outcome_name(wire->outcome),
                 f->records[i].error != NULL ? f->records[i].error : "no words",
                 ifm_outcome_name(outcome));
    assert_int_equal(f->records[i].ok, outcome == IFM_OUTCOME_OK);
    if (outcome != IFM_OUTCOME_OK)
        assert_non_null(f->records[i].error);
}

static inline void assert_says(const fixture *f, int i, const char *words)
{
    if (f->records[i].error == NULL || strstr(f->records[i].error, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->records[i].error, words);
}

/* One request that the script ends in `outcome`, with these words. */
static inline void one(const step *steps, size_t n, const ifm_client_options *options,
                       ifm_outcome outcome, const char *words)
{
    fixture f = {0};
    if (options != NULL)
        f.options = *options;
    begin(&f, steps, n);
    ask(&f, 0);
    serve(&f, 1);
    assert_outcome(&f, 0, outcome);
    if (words != NULL)
        assert_says(&f, 0, words);
    assert_int_equal(ifm_client_in_flight(f.client), 0);
    end(&f);
}

#define ONE(steps, options, outcome, words)                                              \
    one(steps, sizeof(steps) / sizeof *(steps), options, IFM_OUTCOME_##outcome, words)

#endif
