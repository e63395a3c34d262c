/*
 * What the worker protocol costs: how long a request takes from here to the worker's "start"
 * stamp, and "done" from its stamp to where it has been read and parsed here.
 *
 *     pipe REQUESTS COMMAND [ARGUMENT…]      pipe 1000 python3 examples/echo_worker.py
 *
 * Both ends read the same clock. The way there holds our writing of the line, the pipe, the
 * sleeping worker's wake-up and its parsing; the way back its writing of all events of
 * TOKENS tokens at once, the pipe, our wake-up, and our parsing of them all. The worker
 * has nothing to compute; requests are PAUSE_US apart, so that it sleeps as it does behind a
 * measurement.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/process.h"
#include "target/protocol.h"

enum { TOKENS = 20, PAUSE_US = 2000, TIMEOUT_MS = 30000 };

typedef struct parent {
    ifm_process process;
    ifm_buffer in;
    size_t used;
    int64_t start_ns, done_ns; /* the worker's stamps of the request */
    bool loaded, done;
} parent;

static ifm_status take_line(parent *self, const char *line, size_t n, ifm_error *err)
{
    ifm_event event;
    ifm_status st = ifm_event_parse(&event, line, n, err);
    if (st != IFM_OK)
        return st;
    if (event.kind == IFM_EVENT_ERROR)
        st = ifm_fail(err, IFM_ERR_CHILD, "the worker says: %s", event.message);
    self->loaded = self->loaded || event.kind == IFM_EVENT_LOADED;
    if (event.kind == IFM_EVENT_START)
        self->start_ns = event.t_ns;
    if (event.kind == IFM_EVENT_DONE) {
        self->done_ns = event.t_ns;
        self->done = true;
    }
    ifm_event_deinit(&event);
    return st;
}

/* Reads and parses what there is, until *flag. */
static ifm_status listen_until(parent *self, const bool *flag, ifm_error *err)
{
    char bytes[1 << 16];
    while (!*flag) {
        struct pollfd fd = {.fd = self->process.out, .events = POLLIN};
        if (poll(&fd, 1, TIMEOUT_MS) != 1)
            return ifm_fail(err, IFM_ERR_CHILD, "the worker says nothing");
        ssize_t n = read(self->process.out, bytes, sizeof bytes);
        if (n <= 0)
            return ifm_fail(err, IFM_ERR_CHILD, "the worker has ended");
        ifm_buffer_append(&self->in, bytes, (size_t)n);
        char *end;
        while (self->used < self->in.length &&
               (end = memchr(self->in.data + self->used, '\n',
                             self->in.length - self->used)) != NULL) {
            char *line = self->in.data + self->used;
            self->used = (size_t)(end + 1 - self->in.data);
            ifm_status st = take_line(self, line, (size_t)(end - line), err);
            if (st != IFM_OK)
                return st;
        }
        if (self->used == self->in.length) {
            ifm_buffer_clear(&self->in);
            self->used = 0;
        }
    }
    return IFM_OK;
}

static ifm_status send_out(parent *self, const ifm_buffer *out, ifm_error *err)
{
    if (ifm_process_write(&self->process, out->data, out->length) != (ssize_t)out->length)
        return ifm_fail(err, IFM_ERR_CHILD, "the worker does not read");
    return IFM_OK;
}

static ifm_status load(parent *self, const char *const *argv, ifm_error *err)
{
    ifm_buffer out = {0};
    ifm_worker_model model = {.path = "none"};
    ifm_time before;
    ifm_status st = ifm_process_prepare(&self->process, err);
    if (st == IFM_OK)
        st = ifm_process_spawn(&self->process, argv, &before, err);
    if (st == IFM_OK)
        st = ifm_protocol_write_load(&out, &model, err);
    if (st == IFM_OK)
        st = send_out(self, &out, err);
    if (st == IFM_OK)
        st = listen_until(self, &self->loaded, err);
    ifm_buffer_deinit(&out);
    return st;
}

/* One request: there_ns and back_ns. */
static ifm_status ask(parent *self, int number, int64_t *there_ns, int64_t *back_ns,
                      ifm_error *err)
{
    static const char prompt[] = "An increasing sequence: one,";
    ifm_target_request request = {.prompt = prompt,
                                  .n_prompt = sizeof prompt - 1,
                                  .max_new_tokens = TOKENS,
                                  .sampling = {.repetition_penalty = 1, .top_p = 1}};
    ifm_buffer out = {0};
    self->done = false;
    usleep(PAUSE_US);
    ifm_time before = ifm_time_now();
    ifm_status st = ifm_protocol_write_request(&out, &request, number, false, err);
    if (st == IFM_OK)
        st = send_out(self, &out, err);
    if (st == IFM_OK)
        st = listen_until(self, &self->done, err);
    *there_ns = self->start_ns - before.ns;
    *back_ns = ifm_time_now().ns - self->done_ns;
    ifm_buffer_deinit(&out);
    return st;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, int64_t *ns, int n)
{
    qsort(ns, (size_t)n, sizeof *ns, compare);
    printf("%-6s min %7.1f  median %7.1f  p90 %7.1f  max %9.1f us\n", name,
           (double)ns[0] / 1e3, (double)ns[n / 2] / 1e3, (double)ns[n * 9 / 10] / 1e3,
           (double)ns[n - 1] / 1e3);
}

static ifm_status measure(parent *self, int n, int64_t *ns, ifm_error *err)
{
    int64_t *there = ns, *back = ns + n, *both = ns + 2 * (size_t)n, ignored;
    ifm_status st = ask(self, 0, &ignored, &ignored, err);
    for (int i = 0; i < n && st == IFM_OK; i++) {
        st = ask(self, i + 1, &there[i], &back[i], err);
        both[i] = there[i] + back[i];
    }
    if (st != IFM_OK)
        return st;
    printf("%d requests of %d tokens\n", n, TOKENS);
    print("there", there, n);
    print("back", back, n);
    print("both", both, n);
    return st;
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[1]) : 0;
    if (n < 1) {
        fprintf(stderr, "usage: pipe REQUESTS COMMAND [ARGUMENT…]\n");
        return 2;
    }
    /* "env" finds the command in PATH: ifm_process_spawn wants a path. */
    const char **command = calloc((size_t)argc, sizeof *command);
    int64_t *ns = calloc((size_t)n, 3 * sizeof *ns);
    ifm_error err = {.message = "no memory"};
    ifm_status st = IFM_ERR_NO_MEMORY;
    parent self = {0};
    ifm_process_ignore_sigpipe();
    if (command != NULL && ns != NULL) {
        command[0] = "/usr/bin/env";
        for (int i = 2; i < argc; i++)
            command[i - 1] = argv[i];
        st = load(&self, command, &err);
    }
    if (st == IFM_OK)
        st = measure(&self, n, ns, &err);
    ifm_process_end(&self.process, 1000000000);
    if (st != IFM_OK)
        fprintf(stderr, "pipe: %s\n", err.message);
    ifm_buffer_deinit(&self.in);
    free(ns);
    free(command);
    return st == IFM_OK ? 0 : 1;
}
