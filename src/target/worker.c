#include "target/worker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum {
    GRACE_NS = 500000000,  /* for a worker whose input was closed to exit by itself */
    BLOCK_BYTES = 1 << 16, /* one read */
};

void ifm_worker_init(ifm_worker *self, const ifm_worker_options *options)
{
    *self = (ifm_worker){.options = *options};
}

/* Ends the child, at once or after giving it time, and says how it ended. */
static ifm_process_end_state end_child(ifm_worker *self, int64_t grace_ns)
{
    ifm_process_end_state state = ifm_process_end(&self->process, grace_ns);
    if (self->options.group != NULL)
        atomic_store(self->options.group, 0);
    ifm_buffer_deinit(&self->in);
    ifm_buffer_deinit(&self->out);
    self->running = false;
    return state;
}

void ifm_worker_end(ifm_worker *self)
{
    if (self->running)
        end_child(self, GRACE_NS);
}

/* Puts the worker's name in front of an error, ends the child. */
static ifm_status give_up(ifm_worker *self, ifm_status status, ifm_error *err)
{
    if (self->running)
        end_child(self, 0);
    bool own_words = status != IFM_ERR_CHILD && status != IFM_ERR_IO;
    return own_words ? status : ifm_fail_within(err, status, "%s", self->options.name);
}

/* ---- stderr: the last words ------------------------------------------------------- */

/* Reads what there is; false when there is no more for now. */
static bool hear(ifm_worker *self)
{
    char block[1024];
    ssize_t n =
        self->process.err >= 0 ? read(self->process.err, block, sizeof block) : -1;
    if (n == 0) {
        close(self->process.err);
        self->process.err = -1;
    }
    enum { KEEP = sizeof self->last_words - 1 };
    for (ssize_t i = 0; i < n; i++) {
        if (self->n_last_words == KEEP) {
            memmove(self->last_words, self->last_words + KEEP / 2, KEEP - KEEP / 2);
            self->n_last_words = KEEP - KEEP / 2;
        }
        self->last_words[self->n_last_words++] = block[i];
    }
    self->last_words[self->n_last_words] = '\0';
    return n > 0;
}

/* The last line with something in it. */
static const char *last_line(ifm_worker *self)
{
    char *text = self->last_words;
    size_t n = self->n_last_words;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    const char *line = strrchr(text, '\n');
    return line != NULL ? line + 1 : text;
}

/* The child closed its output although something was expected of it. */
static ifm_status fail_ended(ifm_worker *self, ifm_error *err)
{
    bool half = self->in.length > self->in_used;
    /* It may die a moment after its output closed; its stderr is read first. */
    for (int i = 0; i < 64 && hear(self); i++)
        continue;
    ifm_process_end_state state = end_child(self, GRACE_NS);
    char how[96];
    ifm_process_describe_end(&state, how, sizeof how);
    if (state.killed)
        snprintf(how, sizeof how, "closed its output");
    const char *words = last_line(self);
    return ifm_fail(err, IFM_ERR_CHILD, "%s before it was done%s%s%s%s", how,
                    half ? ", in the middle of a line" : "",
                    *words != '\0' ? "; its last words: \"" : "", words,
                    *words != '\0' ? "\"" : "");
}

/* ---- lines ------------------------------------------------------------------------ */

static ifm_status send_more(ifm_worker *self)
{
    while (self->out_sent < self->out.length) {
        ssize_t n = ifm_process_write(&self->process, self->out.data + self->out_sent,
                                      self->out.length - self->out_sent);
        if (n < 0) {
            /* It does not read: what it says, or how it died, is the better message. */
            self->out_sent = self->out.length;
            return IFM_OK;
        }
        if (n == 0)
            return IFM_OK;
        self->out_sent += (size_t)n;
    }
    return IFM_OK;
}

static ifm_status receive_more(ifm_worker *self, ifm_error *err)
{
    char block[BLOCK_BYTES];
    ssize_t n = read(self->process.out, block, sizeof block);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR
                   ? IFM_OK
                   : ifm_fail_errno(err, errno, "cannot read from it");
    if (n == 0) {
        self->out_ended = true;
        return IFM_OK;
    }
    if ((uint64_t)n > self->budget_bytes)
        return ifm_fail(err, IFM_ERR_CHILD,
                        "a flood: it says far more than a request needs");
    self->budget_bytes -= (uint64_t)n;
    ifm_buffer_append(&self->in, block, (size_t)n);
    return self->in.failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for its events")
                           : IFM_OK;
}

/* Finds the next whole line; false when there is none yet. */
static bool next_line(ifm_worker *self, const char **line, size_t *n)
{
    const char *begin = ifm_buffer_text(&self->in) + self->in_used;
    size_t left = self->in.length - self->in_used;
    const char *end = memchr(begin, '\n', left);
    if (end != NULL) {
        *line = begin;
        *n = (size_t)(end - begin);
        self->in_used += *n + 1;
        return true;
    }
    if (self->in_used > 0) {
        /* What was used is given back: the buffer holds little more than one line. */
        memmove(self->in.data, begin, left);
        self->in.length = left;
        self->in_used = 0;
    }
    return false;
}

/* Waits for the next line. Its bytes are valid until the next call. */
static ifm_status await_line(ifm_worker *self, ifm_time deadline, const char **line,
                             size_t *n, ifm_error *err)
{
    while (!next_line(self, line, n)) {
        if (self->in.length > IFM_PROTOCOL_LINE_LIMIT)
            return ifm_fail(err, IFM_ERR_CHILD, "a line of more than %d bytes",
                            IFM_PROTOCOL_LINE_LIMIT);
        if (self->out_ended)
            return fail_ended(self, err);
        ifm_process_ready ready =
            ifm_process_wait(&self->process, self->out_sent < self->out.length,
                             self->options.cancel_fd, deadline);
        if (ready.cancelled)
            return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
        if (ready.late)
            return ifm_fail(err, IFM_ERR_CHILD,
                            "no answer within %lld s: killed (--timeout sets the limit)",
                            (long long)(self->options.timeout_ns / 1000000000));
        if (ready.err)
            hear(self);
        ifm_status st = ready.in ? send_more(self) : IFM_OK;
        if (st == IFM_OK && ready.out)
            st = receive_more(self, err);
        if (st != IFM_OK)
            return st;
    }
    return IFM_OK;
}

/* ---- events ----------------------------------------------------------------------- */

static ifm_status check_hello(ifm_worker *self, const ifm_event *event, ifm_error *err)
{
    if (!self->greeted && event->kind != IFM_EVENT_HELLO &&
        event->kind != IFM_EVENT_ERROR)
        return ifm_fail(err, IFM_ERR_CHILD, "its first line is no \"hello\"");
    if (event->kind != IFM_EVENT_HELLO)
        return IFM_OK;
    if (self->greeted)
        return ifm_fail(err, IFM_ERR_CHILD, "\"hello\" came twice");
    self->greeted = true;
    if (event->protocol != IFM_PROTOCOL_VERSION)
        return ifm_fail(err, IFM_ERR_CHILD, "it speaks protocol %lld, expected %d",
                        (long long)event->protocol, IFM_PROTOCOL_VERSION);
    return IFM_OK;
}

static ifm_status next_event(ifm_worker *self, ifm_time deadline, ifm_event *event,
                             ifm_error *err)
{
    const char *line = NULL;
    size_t n = 0;
    ifm_status st = await_line(self, deadline, &line, &n, err);
    if (st == IFM_OK)
        st = ifm_event_parse(event, line, n, err);
    if (st != IFM_OK)
        return st;
    st = check_hello(self, event, err);
    if (st != IFM_OK)
        ifm_event_deinit(event);
    return st;
}

static ifm_time deadline_of(const ifm_worker *self)
{
    return (ifm_time){ifm_time_now().ns + self->options.timeout_ns};
}

/* Room for a request's events, several times over. */
static void allow(ifm_worker *self, const ifm_target_request *request)
{
    uint64_t tokens = request != NULL ? (uint64_t)request->max_new_tokens : 0;
    uint64_t input = request != NULL ? request->n_prompt + request->n_ids : 0;
    for (size_t i = 0; request != NULL && i < request->n_sequences; i++) {
        const ifm_sequence *s = &request->sequences[i];
        tokens += (uint64_t)s->max_new_tokens;
        input += s->n_prompt + s->n_ids;
    }
    self->budget_bytes = (8u << 20) + tokens * 4096 + input * 16;
}

static ifm_status collect(ifm_worker *self, ifm_collector *collector, ifm_target *target,
                          ifm_error *err)
{
    ifm_time deadline = deadline_of(self);
    ifm_status st = IFM_OK;
    while (st == IFM_OK && !collector->done) {
        ifm_event event;
        st = next_event(self, deadline, &event, err);
        if (st != IFM_OK)
            break;
        st = ifm_collector_take(collector, &event, ifm_time_now(), err);
        bool tells = event.kind == IFM_EVENT_HELLO || event.kind == IFM_EVENT_LOADED ||
                     event.kind == IFM_EVENT_DONE;
        if (st == IFM_OK && tells && target->facts != NULL)
            st = ifm_collect_facts(target->facts, &event, err);
        if (st == IFM_OK && event.kind == IFM_EVENT_TEXT && target->on_text != NULL)
            target->on_text(target->on_text_user, event.text, event.n_text);
        ifm_event_deinit(&event);
    }
    return st;
}

/* ---- the three things that a worker does ------------------------------------------ */

static ifm_status open_child(ifm_worker *self, const ifm_worker_model *model,
                             const ifm_target_request *request, bool stream,
                             ifm_time *before, ifm_error *err)
{
    ifm_worker_end(self);
    *self = (ifm_worker){.options = self->options};
    ifm_status st = ifm_process_prepare(&self->process, err);
    if (st != IFM_OK)
        return st;
    self->running = true;
    allow(self, request);
    st = ifm_protocol_write_load(&self->out, model, err);
    if (st == IFM_OK && request != NULL)
        st = ifm_protocol_write_request(&self->out, request, self->requests++, stream,
                                        err);
    if (st == IFM_OK)
        st = send_more(self); /* before the spawn: it waits in the pipe */
    if (st == IFM_OK)
        st = ifm_process_spawn(&self->process, self->options.argv, before, err);
    if (st == IFM_OK && self->options.group != NULL)
        atomic_store(self->options.group, (int)self->process.pid);
    return st;
}

ifm_status ifm_worker_start(ifm_worker *self, const ifm_worker_model *model,
                            ifm_target_facts *facts, ifm_error *err)
{
    ifm_time before;
    ifm_status st = open_child(self, model, NULL, false, &before, err);
    ifm_time deadline = deadline_of(self);
    bool loaded = false;
    while (st == IFM_OK && !loaded) {
        ifm_event event;
        st = next_event(self, deadline, &event, err);
        if (st != IFM_OK)
            break;
        loaded = event.kind == IFM_EVENT_LOADED;
        if (event.kind == IFM_EVENT_ERROR)
            st = ifm_collector_take(&(ifm_collector){0}, &event, ifm_time_now(), err);
        else if ((loaded || event.kind == IFM_EVENT_HELLO) && facts != NULL)
            st = ifm_collect_facts(facts, &event, err);
        ifm_event_deinit(&event);
    }
    return st == IFM_OK ? st : give_up(self, st, err);
}

ifm_status ifm_worker_cold(ifm_worker *self, const ifm_worker_model *model,
                           const ifm_target_request *request, ifm_target *target,
                           ifm_record *records, ifm_error *err)
{
    ifm_time before;
    ifm_collector collector = {0};
    ifm_status st =
        open_child(self, model, request, target->on_text != NULL, &before, err);
    if (st == IFM_OK) {
        st = ifm_collector_init(&collector, records, request, 0, true, before, err);
        if (st == IFM_OK)
            st = collect(self, &collector, target, err);
        ifm_collector_deinit(&collector);
    }
    return st == IFM_OK ? st : give_up(self, st, err);
}

ifm_status ifm_worker_warm(ifm_worker *self, const ifm_target_request *request,
                           ifm_target *target, ifm_record *records, ifm_error *err)
{
    if (!self->running)
        return ifm_fail(err, IFM_ERR_ARGUMENT, "%s: is not running", self->options.name);
    ifm_collector collector;
    int32_t number = self->requests++;
    ifm_buffer_clear(&self->out);
    self->out_sent = 0;
    allow(self, request);
    ifm_status st = ifm_collector_init(&collector, records, request, number, false,
                                       ifm_time_now(), err);
    if (st == IFM_OK)
        st = ifm_protocol_write_request(&self->out, request, number,
                                        target->on_text != NULL, err);
    if (st == IFM_OK)
        st = send_more(self);
    if (st == IFM_OK)
        st = collect(self, &collector, target, err);
    ifm_collector_deinit(&collector);
    return st == IFM_OK ? st : give_up(self, st, err);
}
