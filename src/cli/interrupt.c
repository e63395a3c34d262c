#include "cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/error.h"
#include "os/process.h"

enum { MOST_FILES = 8 };

static int pipe_ends[2] = {-1, -1};
static volatile sig_atomic_t signals;
static _Atomic int group;
static const char *_Atomic files[MOST_FILES];
static atomic_size_t n_files;

static void end_at_once(int number)
{
    int child = atomic_load(&group);
    if (child > 0)
        kill(-child, SIGKILL);
    for (size_t i = 0; i < atomic_load(&n_files); i++)
        unlink(atomic_load(&files[i]));
    signal(number, SIG_DFL);
    raise(number); /* delivered when this handler returns */
}

static void on_signal(int number)
{
    int code = errno;
    if (signals++ > 0)
        end_at_once(number);
    else if (write(pipe_ends[1], "", 1) < 0)
        signals = 1; /* nobody waits yet: the flag is enough */
    errno = code;
}

ifm_status ifm_interrupt_install(ifm_error *err)
{
    if (pipe(pipe_ends) != 0)
        return ifm_fail_errno(err, errno, "cannot make a pipe");
    for (int i = 0; i < 2; i++) {
        fcntl(pipe_ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(pipe_ends[i], F_SETFL, O_NONBLOCK);
    }
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        struct sigaction before;
        sigemptyset(&action.sa_mask);
        /* nohup, and shells that start us in the background, ignore some for us. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
            continue;
        sigaction(numbers[i], &action, NULL);
    }
    ifm_process_ignore_sigpipe();
    return IFM_OK;
}

int ifm_interrupt_fd(void)
{
    return pipe_ends[0];
}

bool ifm_interrupt_happened(void)
{
    return signals > 0;
}

_Atomic int *ifm_interrupt_group(void)
{
    return &group;
}

void ifm_interrupt_remember_file(const char *path)
{
    size_t n = atomic_load(&n_files);
    if (path == NULL) {
        atomic_store(&n_files, 0);
    } else if (n < MOST_FILES) {
        atomic_store(&files[n], path);
        atomic_store(&n_files, n + 1);
    }
}
