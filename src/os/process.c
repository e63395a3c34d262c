#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/program.h"

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(ifm_process *self)
{
    close_fd(&self->in);
    close_fd(&self->out);
    close_fd(&self->err);
    for (int i = 0; i < 3; i++)
        close_fd(&self->child_ends[i]);
}

/* Both ends close on exec. Not pipe2, which macOS lacks: no other thread of ours spawns. */
static bool make_pipe(int *reader, int *writer)
{
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    *reader = ends[0];
    *writer = ends[1];
    return true;
}

static void make_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

ifm_status ifm_process_prepare(ifm_process *self, ifm_error *err)
{
    *self = (ifm_process){.in = -1, .out = -1, .err = -1, .child_ends = {-1, -1, -1}};
    if (!make_pipe(&self->child_ends[0], &self->in) ||
        !make_pipe(&self->out, &self->child_ends[1]) ||
        !make_pipe(&self->err, &self->child_ends[2])) {
        int code = errno;
        close_all(self);
        return ifm_fail_errno(err, code, "child process: cannot make a pipe");
    }
    make_nonblocking(self->in);
    make_nonblocking(self->out);
    make_nonblocking(self->err);
    return IFM_OK;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &none);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP |
                                                    POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETSIGMASK);
}

/* dup2 leaves a descriptor that already has the right number with its close-on-exec flag,
 * and one of 0…2 would be overwritten by another: they are moved out of the way. */
static bool lift_child_ends(ifm_process *self)
{
    for (int i = 0; i < 3; i++) {
        if (self->child_ends[i] > 2)
            continue;
        int lifted = fcntl(self->child_ends[i], F_DUPFD_CLOEXEC, 3);
        if (lifted < 0)
            return false;
        close(self->child_ends[i]);
        self->child_ends[i] = lifted;
    }
    return true;
}

static int spawn(ifm_process *self, const char *const *argv, ifm_time *before)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return code;
    code = posix_spawnattr_init(&attributes);
    if (code != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return code;
    }
    for (int i = 0; i < 3 && code == 0; i++)
        code = posix_spawn_file_actions_adddup2(&actions, self->child_ends[i], i);
    if (code == 0)
        code = set_attributes(&attributes);
    *before = ifm_time_now();
    if (code == 0)
        code = posix_spawn(&self->pid, argv[0], &actions, &attributes,
                           (char *const *)(uintptr_t)argv, ifm_program_environment());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

ifm_status ifm_process_spawn(ifm_process *self, const char *const *argv, ifm_time *before,
                             ifm_error *err)
{
    int code = lift_child_ends(self) ? spawn(self, argv, before) : errno;
    if (code != 0) {
        self->pid = 0;
        close_all(self);
        return ifm_fail_errno(err, code, "%s: cannot start", argv[0]);
    }
    for (int i = 0; i < 3; i++)
        close_fd(&self->child_ends[i]);
    return IFM_OK;
}

ssize_t ifm_process_write(const ifm_process *self, const char *data, size_t n)
{
    ssize_t written = write(self->in, data, n);
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return 0;
    return written;
}

void ifm_process_close_input(ifm_process *self)
{
    close_fd(&self->in);
}

static int milliseconds_until(ifm_time deadline)
{
    int64_t left_ns = ifm_time_between(ifm_time_now(), deadline);
    int64_t ms = left_ns / 1000000 + (left_ns % 1000000 > 0);
    return ms <= 0 ? 0 : ms > 1000000 ? 1000000 : (int)ms;
}

ifm_process_ready ifm_process_wait(const ifm_process *self, bool want_in, int cancel_fd,
                                   ifm_time deadline)
{
    enum { IN, OUT, ERR, CANCEL, N };
    struct pollfd polled[N] = {
        [IN] = {want_in ? self->in : -1, POLLOUT, 0},
        [OUT] = {self->out, POLLIN, 0},
        [ERR] = {self->err, POLLIN, 0},
        [CANCEL] = {cancel_fd, POLLIN, 0},
    };
    int n;
    do
        n = poll(polled, N, milliseconds_until(deadline));
    while ((n < 0 && errno == EINTR) ||
           (n == 0 && ifm_time_between(ifm_time_now(), deadline) > 0));
    return (ifm_process_ready){
        .in = polled[IN].revents != 0,
        .out = polled[OUT].revents != 0,
        .err = polled[ERR].revents != 0,
        .cancelled = polled[CANCEL].revents != 0,
        .late = n == 0,
    };
}

/* Whether the child has ended. It stays a zombie, so that its process id, which is also its
 * group's, cannot be given to somebody else before the group is killed. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    int failed;
    do
        failed = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
    while (failed != 0 && errno == EINTR);
    return failed != 0 || info.si_pid == pid;
}

static int reap(pid_t pid)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    return got == pid ? status : 0;
}

ifm_process_end_state ifm_process_end(ifm_process *self, int64_t grace_ns)
{
    enum { LONGEST_NAP_NS = 5000000 };
    ifm_process_end_state state = {.exited = true};
    close_all(self);
    if (self->pid <= 0)
        return state;
    ifm_time begin = ifm_time_now();
    int64_t nap_ns = 50000;
    bool ended = has_ended(self->pid);
    while (!ended && ifm_time_between(begin, ifm_time_now()) < grace_ns) {
        nanosleep(&(struct timespec){.tv_nsec = (long)nap_ns}, NULL);
        nap_ns = nap_ns < LONGEST_NAP_NS ? nap_ns * 2 : nap_ns;
        ended = has_ended(self->pid);
    }
    state.killed = !ended;
    /* The group, even when its leader is gone: what it started must not outlive it. */
    kill(-self->pid, SIGKILL);
    int status = reap(self->pid);
    state.exited = WIFEXITED(status);
    state.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    state.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    self->pid = 0;
    return state;
}

void ifm_process_describe_end(const ifm_process_end_state *state, char *text, size_t size)
{
    if (state->exited)
        snprintf(text, size, "exited with code %d", state->code);
    else
        snprintf(text, size, "was killed by signal %d (%s)", state->signal,
                 strsignal(state->signal));
}

void ifm_process_ignore_sigpipe(void)
{
    signal(SIGPIPE, SIG_IGN);
}
