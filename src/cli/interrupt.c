#include "cli/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/process.h"

enum {
    MOST_FILES = 8,
    DOUBLED_MS = 200, /* shorter than anybody presses Ctrl-C twice on purpose */
};

static int pipe_ends[2] = {-1, -1};
static volatile sig_atomic_t happened;
static _Atomic int64_t first_ms; /* when the first signal came */
static _Atomic int groups[IFM_INTERRUPT_GROUPS];
static const char *_Atomic files[MOST_FILES];
static atomic_size_t n_files;

static void end_at_once(int number)
{
    for (size_t i = 0; i < IFM_INTERRUPT_GROUPS; i++) {
        int child = atomic_load(&groups[i]);
        if (child > 0)
            kill(-child, SIGKILL);
    }
    for (size_t i = 0; i < atomic_load(&n_files); i++)
        unlink(atomic_load(&files[i]));
    signal(number, SIG_DFL);
    raise(number); /* delivered when this handler returns */
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* async-signal-safe, says POSIX */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* timeout(1), and others, send a signal to us and to our process group: one Ctrl-C, seen
 * twice at once, is not a second one. */
static void on_signal(int number)
{
    int code = errno;
    int64_t now = now_ms();
    if (!happened) {
        happened = 1;
        atomic_store(&first_ms, now);
        if (write(pipe_ends[1], "", 1) < 0)
            happened = 1; /* it cannot be full after one byte; the flag is enough */
    } else if (now - atomic_load(&first_ms) > DOUBLED_MS) {
        end_at_once(number);
    }
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
    signal(SIGXFSZ, SIG_IGN); /* a file over the limit is EFBIG, which has a message */
    return IFM_OK;
}

int ifm_interrupt_fd(void)
{
    return pipe_ends[0];
}

bool ifm_interrupt_happened(void)
{
    return happened != 0;
}

_Atomic int *ifm_interrupt_group(size_t i)
{
    return i < IFM_INTERRUPT_GROUPS ? &groups[i] : NULL;
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
