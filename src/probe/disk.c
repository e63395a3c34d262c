#include "probe/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/random.h"
#include "probe/disk_file.h"
#include "probe/team.h"

enum {
    READERS = 4, /* requests that a disk sees at once: solid state needs several */
    BLOCK = 1 << 20,
    MOST_BYTES = 256 << 20,
    TEMPORARY_BYTES = 128 << 20,
    LEAST_BYTES =
        4 << 20, /* less says more about the first request than about the disk */
};
static const int64_t LONGEST_NS = 1500 * 1000 * 1000LL; /* of writing, and of reading */

/* More of a file than this in memory means that memory would be measured, too. */
static const double RESIDENT_LIMIT_FRAC = 0.01;

typedef struct disk_reading {
    int fd;
    int64_t bytes;
    ifm_time deadline;
    int64_t done[READERS];
    int error[READERS];
    unsigned char *blocks; /* [READERS][BLOCK] */
} disk_reading;

/* Each reader takes its quarter in order, until the end or the deadline. */
static void read_quarter(void *self, int thread, int threads)
{
    disk_reading *r = self;
    int64_t part = r->bytes / threads, start = part * thread;
    int64_t end = thread == threads - 1 ? r->bytes : start + part;
    unsigned char *block = r->blocks + (size_t)thread * BLOCK;
    for (int64_t at = start;
         at < end && ifm_time_between(ifm_time_now(), r->deadline) > 0;) {
        int64_t want = end - at < BLOCK ? end - at : BLOCK;
        ssize_t n = pread(r->fd, block, (size_t)want, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r->error[thread] = n < 0 ? errno : EIO;
            return;
        }
        at += n;
        r->done[thread] += n;
    }
}

/* A file without a name in `directory`: it is gone when it is closed, whatever happens. */
static int open_temporary(const char *directory, ifm_error *err)
{
    char path[1024];
    int n = snprintf(path, sizeof path, "%s/.inferometer-disk-XXXXXX", directory);
    if (n < 0 || (size_t)n >= sizeof path) {
        ifm_fail(err, IFM_ERR_LIMIT, "%s: too long a name", directory);
        return -1;
    }
    int fd = mkstemp(path);
    if (fd < 0)
        ifm_fail_errno(err, errno, "%s: cannot write a file to read back", directory);
    else
        unlink(path);
    return fd;
}

/* Random bytes, so that a file system that compresses has nothing to gain; *bytes is what
 * was written before the time was up. */
static ifm_status fill(int fd, const char *directory, int64_t *bytes, ifm_error *err)
{
    uint64_t *block = malloc(BLOCK);
    if (block == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "disk: no memory for a block");
    ifm_status st = IFM_OK;
    ifm_time begun = ifm_time_now();
    ifm_random random;
    ifm_random_init(&random, 1);
    for (size_t i = 0; i < BLOCK / sizeof *block; i++)
        block[i] = ifm_random_u64(&random);
    for (*bytes = 0; *bytes < TEMPORARY_BYTES; *bytes += BLOCK) {
        for (size_t i = 0; i < BLOCK / sizeof *block; i += 64)
            block[i] = ifm_random_u64(&random); /* no block like another */
        if (write(fd, block, BLOCK) != BLOCK) {
            st = ifm_fail_errno(err, errno != 0 ? errno : ENOSPC,
                                "%s: cannot write a file of %d MiB to read back",
                                directory, TEMPORARY_BYTES >> 20);
            break;
        }
        if (*bytes >= LEAST_BYTES && ifm_time_between(begun, ifm_time_now()) > LONGEST_NS)
            break;
    }
    free(block);
    return st;
}

static ifm_status read_cold(int fd, const char *path, ifm_probe_disk *out, ifm_error *err)
{
    ifm_disk_file_forget(fd);
    out->resident_frac = ifm_disk_file_resident_frac(fd, out->bytes);
    if (out->resident_frac < 0 || out->resident_frac > RESIDENT_LIMIT_FRAC)
        return ifm_fail(
            err, IFM_ERR_UNSUPPORTED,
            "%s: %.0f%% of the file stays in memory, so that its disk cannot be "
            "measured (a file system in memory, or a file in use)",
            path, 100 * (out->resident_frac < 0 ? 1 : out->resident_frac));
    disk_reading reading = {.fd = fd,
                            .bytes = out->bytes,
                            .deadline = {ifm_time_now().ns + LONGEST_NS},
                            .blocks = malloc((size_t)READERS * BLOCK)};
    if (reading.blocks == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "disk: no memory for blocks");
    int64_t ns = 0;
    ifm_status st =
        ifm_probe_team_run(&(ifm_probe_plan){.threads = READERS, .min_passes = 1},
                           &(ifm_probe_work){NULL, read_quarter, &reading}, &ns, err);
    free(reading.blocks);
    if (st != IFM_OK)
        return st;
    out->bytes = 0;
    for (int i = 0; i < READERS; i++) {
        if (reading.error[i] != 0)
            return ifm_fail_errno(err, reading.error[i], "%s: cannot read", path);
        out->bytes += reading.done[i];
    }
    out->bytes_per_s = (double)out->bytes * 1e9 / (double)ns;
    return IFM_OK;
}

ifm_status ifm_probe_disk_read(const char *path, ifm_probe_disk *out, ifm_error *err)
{
    *out = (ifm_probe_disk){0};
    struct stat facts;
    if (stat(path, &facts) != 0)
        return ifm_fail_errno(err, errno, "%s", path);
    out->temporary = S_ISDIR(facts.st_mode);
    int fd;
    ifm_status st = IFM_OK;
    if (out->temporary) {
        fd = open_temporary(path, err);
        if (fd < 0)
            return err != NULL ? err->status : IFM_ERR_IO;
        st = fill(fd, path, &out->bytes, err);
    } else {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return ifm_fail_errno(err, errno, "%s", path);
        out->bytes = facts.st_size < MOST_BYTES ? facts.st_size : MOST_BYTES;
        if (out->bytes < LEAST_BYTES)
            st = ifm_fail(
                err, IFM_ERR_UNSUPPORTED,
                "%s: too small to tell the speed of a disk (%lld bytes, expected "
                "%d MiB at least)",
                path, (long long)out->bytes, LEAST_BYTES >> 20);
    }
    if (st == IFM_OK)
        st = read_cold(fd, path, out, err);
    close(fd);
    return st;
}
