/*
 * One point, measured by `inferometer run` or `load` as a child: exactly what a person would have
 * called, in a process that no earlier point has warmed or torn.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/sweep.h"
#include "os/process.h"
#include "os/program.h"

/* `run` has its own limit for each request; this one is never reached. */
static const int64_t patience_ns = 365 * (int64_t)86400 * 1000000000;
/* What `run` needs to end its own child and to write what it has. */
static const int64_t grace_ns = 10 * (int64_t)1000000000;

/* Reads what there is; false at the end of the stream. */
static bool drain(int fd, ifm_buffer *into)
{
    char bytes[4096];
    const ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0 && into->length < 65536)
        ifm_buffer_append(into, bytes, (size_t)n);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Collects what the child says until it closes its streams. False: Ctrl-C. */
static bool listen(ifm_process *child, ifm_buffer *said)
{
    const ifm_time deadline = {ifm_time_now().ns + patience_ns};
    ifm_buffer nothing = {0};
    bool out = true, err = true, cancelled = false;
    while ((out || err) && !cancelled) {
        const ifm_process_ready ready =
            ifm_process_wait(child, false, ifm_interrupt_fd(), deadline);
        if (ready.err)
            err = drain(child->err, said);
        if (ready.out)
            out = drain(child->out, &nothing);
        ifm_buffer_clear(&nothing);
        cancelled = ready.cancelled || ready.late;
    }
    ifm_buffer_deinit(&nothing);
    return !cancelled;
}

/* What measures a point. */
static const char *command_of(const ifm_sweep *sweep)
{
    return sweep->load ? "load" : "run";
}

/* The last line of what the child said, without its name; borrowed from *said. */
static const char *complaint(const ifm_sweep *sweep, ifm_buffer *said)
{
    char prefix[32];
    const int n = snprintf(prefix, sizeof prefix, "inferometer %s: ", command_of(sweep));
    while (said->length > 0 && strchr("\n ", said->data[said->length - 1]) != NULL)
        said->data[--said->length] = '\0';
    const char *text = ifm_buffer_text(said), *end = strrchr(text, '\n');
    text = end != NULL ? end + 1 : text;
    return strncmp(text, prefix, (size_t)n) == 0 ? text + n : text;
}

/* The words become an argv that is terminated by NULL. */
static const char *const *terminated(ifm_words *words)
{
    char **items = realloc(words->items, (words->n + 1) * sizeof *items);
    if (items == NULL || words->failed)
        return NULL;
    words->items = items;
    items[words->n] = NULL;
    return (const char *const *)items;
}

static ifm_status make_words(const ifm_sweep *sweep, const ifm_arguments *arguments,
                             const ifm_sweep_point *point, const char *document,
                             ifm_words *out, ifm_error *err)
{
    char *directory = ifm_program_directory();
    if (directory == NULL)
        return ifm_fail(err, IFM_ERR_IO,
                        "cannot find out where this program lies, to start it again");
    ifm_words_add(out, "%s/inferometer", directory);
    free(directory);
    ifm_words_add(out, "%s", command_of(sweep));
    ifm_sweep_common_words(arguments, out);
    ifm_sweep_point_words(arguments, point, out);
    ifm_words_add(out, "--quiet");
    ifm_words_add(out, "--json=%s", document);
    return out->failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory") : IFM_OK;
}

/* Starts the child and waits for its end. */
static ifm_status converse(ifm_words *words, ifm_buffer *said, ifm_process_end_state *end,
                           ifm_error *err)
{
    ifm_process child;
    ifm_time before;
    const char *const *argv = terminated(words);
    if (argv == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory");
    ifm_status st = ifm_process_prepare(&child, err);
    if (st == IFM_OK)
        st = ifm_process_spawn(&child, argv, &before, err);
    if (st != IFM_OK)
        return st;
    atomic_store(ifm_interrupt_group(0), (int)child.pid);
    ifm_process_close_input(&child);
    const bool ended = listen(&child, said);
    if (!ended)
        kill(child.pid,
             SIGTERM); /* it ends its own child, which no group of ours holds */
    *end = ifm_process_end(&child, grace_ns);
    atomic_store(ifm_interrupt_group(0), 0);
    return ended ? IFM_OK : ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
}

/* What became of it: a document that appears under its name, or a failure. */
static ifm_status take_result(const ifm_sweep *sweep, const char *running,
                              const char *document, const ifm_process_end_state *end,
                              ifm_buffer *said, ifm_sweep_point *point, ifm_error *err)
{
    if (end->exited &&
        (end->code == IFM_EXIT_FINE || end->code == IFM_EXIT_UNTRUSTWORTHY)) {
        ifm_sweep_document_read(running, point, NULL);
        if (point->state == IFM_SWEEP_MEASURED && rename(running, document) != 0)
            return ifm_fail_errno(err, errno, "%s: cannot write", document);
        return IFM_OK;
    }
    char how[128];
    ifm_process_describe_end(end, how, sizeof how);
    const char *why = complaint(sweep, said);
    ifm_sweep_point_fail(point, *why != '\0' ? why : how);
    point->usage = end->exited && end->code == IFM_EXIT_USAGE;
    return IFM_OK;
}

ifm_status ifm_sweep_child_run(const char *directory, const ifm_sweep *sweep,
                               const ifm_arguments *arguments, ifm_sweep_point *point,
                               ifm_error *err)
{
    ifm_words words = {0};
    ifm_buffer said = {0};
    ifm_process_end_state end = {0};
    char *running = ifm_sweep_document_path(directory, point, true);
    char *document = ifm_sweep_document_path(directory, point, false);
    ifm_status st = IFM_OK;
    if (running == NULL || document == NULL)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "sweep: no memory");
    else
        unlink(running);
    if (st == IFM_OK)
        st = make_words(sweep, arguments, point, running, &words, err);
    if (st == IFM_OK)
        st = converse(&words, &said, &end, err);
    if (st == IFM_OK)
        st = take_result(sweep, running, document, &end, &said, point, err);
    if (running != NULL)
        unlink(running);
    ifm_words_deinit(&words);
    ifm_buffer_deinit(&said);
    free(running);
    free(document);
    return st;
}
