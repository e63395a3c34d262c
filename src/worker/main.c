/*
 * inferometer-worker: the engine in a process of its own, driven by JSON lines on its
 * standard input (docs/worker-protocol.md).
 *
 * It links the engine and nothing else, for what a cold run measures includes starting this
 * program. Its parent writes "load" and "request" into the pipe before it spawns us, so one
 * read gets both; answers are held back until there is nothing more to do.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "worker/worker.h"

enum { LINE_LIMIT = 64 << 20, BLOCK_BYTES = 1 << 16 };

/* Reads more of stdin; false at its end. */
static bool read_more(ifm_buffer *in)
{
    char block[BLOCK_BYTES];
    ssize_t n;
    do
        n = read(STDIN_FILENO, block, sizeof block);
    while (n < 0 && errno == EINTR);
    if (n <= 0 || in->length + (size_t)n > LINE_LIMIT)
        return false;
    ifm_buffer_append(in, block, (size_t)n);
    return !in->failed;
}

static ifm_status handle(ifm_worker_state *self, const json_t *json, ifm_error *err)
{
    const char *op = json_string_value(json_object_get(json, "op"));
    if (op != NULL && strcmp(op, "load") == 0)
        return ifm_worker_load(self, json, err);
    if (op != NULL && strcmp(op, "request") == 0)
        return ifm_worker_serve(self, json, err);
    return ifm_fail(err, IFM_ERR_FORMAT, "expected \"op\" to be \"load\" or \"request\"");
}

static int32_t request_of(const json_t *json)
{
    const json_t *number = json_object_get(json, "request");
    return json_is_integer(number) ? (int32_t)json_integer_value(number) : -1;
}

/* Handles one line; false when the worker cannot go on. */
static bool handle_line(ifm_worker_state *self, const char *line, size_t n)
{
    ifm_error err = {0};
    json_error_t where;
    json_t *json = json_loadb(line, n, JSON_ALLOW_NUL, &where);
    ifm_status st;
    if (json == NULL)
        st = ifm_fail(&err, IFM_ERR_FORMAT, "input line: %s at byte %d", where.text,
                      where.position);
    else
        st = handle(self, json, &err);
    if (st != IFM_OK) {
        ifm_worker_say_opening(self);
        ifm_worker_say_error(self, request_of(json), &err);
    }
    json_decref(json);
    return st == IFM_OK || self->model != NULL;
}

/* Handles the whole lines in `in`, keeps the rest. */
static bool handle_lines(ifm_worker_state *self, ifm_buffer *in)
{
    size_t used = 0;
    bool ok = true;
    const char *end;
    while (ok && used < in->length &&
           (end = memchr(in->data + used, '\n', in->length - used)) != NULL) {
        size_t n = (size_t)(end - in->data) - used;
        ok = handle_line(self, in->data + used, n);
        used += n + 1;
    }
    if (used > 0) {
        memmove(in->data, in->data + used, in->length - used);
        in->length -= used;
    }
    return ok;
}

int main(void)
{
    ifm_worker_state self = {.main_at = ifm_time_now(), .cold = true};
    ifm_buffer in = {0};
    self.usage = ifm_usage_faults();
    self.usage.read_bytes = 0;
    bool ok = true;
    while (ok && read_more(&in)) {
        ok = handle_lines(&self, &in);
        ifm_worker_say_opening(&self);
        ok = ifm_worker_flush(&self) && ok;
    }
    ifm_session_free(self.session);
    ifm_tokenizer_close(self.tokenizer);
    ifm_model_close(self.model);
    ifm_buffer_deinit(&in);
    ifm_buffer_deinit(&self.out);
    return ok ? 0 : 1;
}
