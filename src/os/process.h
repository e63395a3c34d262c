/*
 * A child process with pipes to its three streams.
 *
 *     ifm_process_prepare   the pipes exist; what is written now waits for the child
 *     ifm_process_spawn     exec
 *     ifm_process_read/…    poll and read with a deadline
 *     ifm_process_end       kill if it must, reap, close: afterwards nothing is left
 *
 * The child leads a process group of its own: Ctrl-C on the terminal reaches the parent only,
 * which decides; and ending the child ends what it started as well. No descriptor other than
 * the three is inherited, all signals have their default meaning in the child.
 */
#ifndef IFM_OS_PROCESS_H
#define IFM_OS_PROCESS_H

#include <sys/types.h>

#include "inferometer/base.h"

typedef struct ifm_process {
    pid_t pid;         /* 0: not running */
    int in, out, err;  /* the parent's ends, non-blocking; -1: closed */
    int child_ends[3]; /* until the child has them */
} ifm_process;

/* How a process ended. */
typedef struct ifm_process_end_state {
    bool exited; /* by itself, with `code`; else by `signal` */
    bool killed; /* the signal was ours */
    int code, signal;
} ifm_process_end_state;

ifm_status ifm_process_prepare(ifm_process *self, ifm_error *err);

/* Starts argv[0] (a path; NULL-terminated argv) and stores the moment before. Errors: IO,
 * NOT_FOUND (no such program); the process is then closed. */
ifm_status ifm_process_spawn(ifm_process *self, const char *const *argv, ifm_time *before,
                             ifm_error *err);

/* Writes what fits without waiting; returns the bytes taken, -1 when the child does not read
 * any more (errno is EPIPE; the caller ignores SIGPIPE, see ifm_process_ignore_sigpipe). */
ssize_t ifm_process_write(const ifm_process *self, const char *data, size_t n);
void ifm_process_close_input(ifm_process *self);

/* What there is to do. */
typedef struct ifm_process_ready {
    bool in, out, err; /* can be written; can be read, or is at its end */
    bool cancelled;    /* cancel_fd is readable */
    bool late;         /* the deadline has passed */
} ifm_process_ready;

/* Waits until something of it is true. want_in: the caller has something to write.
 * cancel_fd: -1 or a descriptor whose readability ends the waiting. */
ifm_process_ready ifm_process_wait(const ifm_process *self, bool want_in, int cancel_fd,
                                   ifm_time deadline);

/* Ends the child: closes its streams, waits up to grace_ns for it to exit by itself, then
 * kills its group, and reaps it. Legal on a process that was never spawned. */
ifm_process_end_state ifm_process_end(ifm_process *self, int64_t grace_ns);

/* "exited with code 1", "was killed by signal 9 (Killed)"; text[size]. */
void ifm_process_describe_end(const ifm_process_end_state *state, char *text,
                              size_t size);

/* Writing to a child that died gives EPIPE instead of ending this program. Once, by the
 * program that uses processes. */
void ifm_process_ignore_sigpipe(void);

#endif
