/* gnuplot as a child: the script goes to its standard input, complaints come back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/process.h"
#include "report/plots.h"

static const int64_t patience_ns = 120 * (int64_t)1000000000;
static const int64_t grace_ns = 2 * (int64_t)1000000000;

/* The first executable of that name in PATH, on the heap; NULL: there is none. */
static char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *p = path != NULL ? path : "/usr/bin:/bin"; *p != '\0';) {
        size_t n = strcspn(p, ":");
        ifm_buffer candidate = {0};
        ifm_buffer_append(&candidate, p, n);
        ifm_buffer_printf(&candidate, "%s%s", n > 0 ? "/" : "./", name);
        if (!candidate.failed && access(candidate.data, X_OK) == 0)
            return ifm_buffer_take(&candidate);
        ifm_buffer_deinit(&candidate);
        p += n + (p[n] == ':');
    }
    return NULL;
}

/* Reads what there is; false at the end of the stream. */
static bool drain(int fd, ifm_buffer *into)
{
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0 && into->length < 65536)
        ifm_buffer_append(into, bytes, (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Feeds the script and collects what gnuplot says, until it closes its streams. False:
 * it took too long. */
static bool converse(ifm_process *child, const char *script, size_t n, ifm_buffer *said)
{
    ifm_time deadline = {ifm_time_now().ns + patience_ns};
    size_t written = 0;
    bool out = true, err = true;
    while (out || err) {
        ifm_process_ready ready = ifm_process_wait(child, written < n, -1, deadline);
        if (ready.late)
            return false;
        if (ready.in && written < n) {
            ssize_t took = ifm_process_write(child, script + written, n - written);
            written = took < 0 ? n : written + (size_t)took;
            if (written == n)
                ifm_process_close_input(child);
        }
        if (ready.err)
            err = drain(child->err, said);
        if (ready.out)
            out = drain(child->out, said);
    }
    return true;
}

/* The line of gnuplot's complaint that says what is wrong: the last one. */
static const char *last_line(ifm_buffer *said)
{
    while (said->length > 0 && strchr("\n ", said->data[said->length - 1]) != NULL)
        said->data[--said->length] = '\0';
    const char *text = ifm_buffer_text(said), *end = strrchr(text, '\n');
    return end != NULL ? end + 1 : text;
}

ifm_status ifm_gnuplot_run(const char *script, size_t n, ifm_error *err)
{
    char *program = find_program("gnuplot");
    if (program == NULL)
        return ifm_fail(err, IFM_ERR_NOT_FOUND,
                        "plots: gnuplot is not installed (`sh tools/deps.sh`, or "
                        "`apt-get install gnuplot-nox`, `brew install gnuplot`)");
    ifm_process child;
    ifm_buffer said = {0};
    ifm_time before;
    const char *const argv[] = {program, "-", NULL};
    ifm_status st = ifm_process_prepare(&child, err);
    if (st == IFM_OK)
        st = ifm_process_spawn(&child, argv, &before, err);
    if (st == IFM_OK) {
        ifm_process_ignore_sigpipe();
        bool in_time = converse(&child, script, n, &said);
        ifm_process_end_state end = ifm_process_end(&child, in_time ? grace_ns : 0);
        char how[128];
        ifm_process_describe_end(&end, how, sizeof how);
        if (!in_time || !end.exited || end.code != 0)
            st = ifm_fail(err, IFM_ERR_CHILD, "plots: gnuplot %s: %s", how,
                          last_line(&said));
    }
    ifm_buffer_deinit(&said);
    free(program);
    return st;
}
