/*
 * The floor of a cold start: what only getting at a model file costs a fresh process.
 *
 *     touch FILE MODE THREADS  →  milliseconds, from the start of main
 *
 *     touch     map, and read one byte of every page
 *     sum       map, and read every byte
 *     populate  map, and let the kernel fill the page tables (MADV_POPULATE_READ)
 *     copy      read(2) through a small buffer, and read every byte of it
 *     huge      read(2) into anonymous memory of huge pages
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

enum { PAGE = 4096, BUFFER = 1 << 18, HUGE_PAGE = 2 << 20, MOST_THREADS = 64 };

static struct {
    int fd;
    const char *mode;
    unsigned char *bytes; /* the mapping, or the memory that is read into */
    size_t size;
} file;

typedef struct {
    pthread_t thread;
    size_t from, to;
    uint64_t sum; /* what was read must matter, or the compiler leaves it out */
} part;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static bool mode_is(const char *name)
{
    return strcmp(file.mode, name) == 0;
}

static uint64_t sum_of(const unsigned char *bytes, size_t n)
{
    uint64_t sum = 0, word;
    for (size_t i = 0; i + sizeof word <= n; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        sum += word;
    }
    return sum;
}

/* Reads the part in pieces to `into` (the same place every time, or ever further). */
static void read_part(part *p, unsigned char *into, bool advance)
{
    for (size_t at = p->from; at < p->to;) {
        size_t want = p->to - at < BUFFER ? p->to - at : BUFFER;
        unsigned char *here = advance ? into + at : into;
        ssize_t got = pread(file.fd, here, want, (off_t)at);
        if (got <= 0)
            die("read");
        p->sum += sum_of(here, (size_t)got);
        at += (size_t)got;
    }
}

static void *work(void *argument)
{
    part *p = argument;
    size_t n = p->to - p->from;
    if (mode_is("touch")) {
        for (size_t i = p->from; i < p->to; i += PAGE)
            p->sum += file.bytes[i];
    } else if (mode_is("sum")) {
        p->sum = sum_of(file.bytes + p->from, n);
    } else if (mode_is("populate")) {
        if (n > 0 && madvise(file.bytes + p->from, n, MADV_POPULATE_READ) != 0)
            die("madvise");
    } else if (mode_is("copy")) {
        unsigned char *buffer = malloc(BUFFER);
        if (buffer == NULL)
            die("malloc");
        read_part(p, buffer, false);
        free(buffer);
    } else {
        read_part(p, file.bytes, true);
    }
    return NULL;
}

static void get_memory(void)
{
    bool huge = mode_is("huge");
    int flags = huge ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    if (mode_is("copy"))
        return;
    file.bytes = mmap(NULL, file.size, huge ? PROT_READ | PROT_WRITE : PROT_READ, flags,
                      huge ? -1 : file.fd, 0);
    if (file.bytes == MAP_FAILED)
        die("mmap");
    if (huge)
        madvise(file.bytes, file.size, MADV_HUGEPAGE);
}

static bool known_mode(const char *mode)
{
    static const char *const modes[] = {"touch", "sum", "populate", "copy", "huge"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode, modes[i]) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int threads = argc == 4 ? atoi(argv[3]) : 0;
    if (threads < 1 || threads > MOST_THREADS || !known_mode(argv[2])) {
        fputs("usage: touch FILE touch|sum|populate|copy|huge THREADS\n", stderr);
        return 2;
    }
    struct stat status;
    file.mode = argv[2];
    file.fd = open(argv[1], O_RDONLY);
    if (file.fd < 0 || fstat(file.fd, &status) != 0)
        die(argv[1]);
    file.size = (size_t)status.st_size;
    get_memory();

    part parts[MOST_THREADS] = {0};
    size_t share =
        (file.size / (size_t)threads + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    for (size_t i = 0; i < (size_t)threads; i++) {
        size_t from = i * share, to = from + share;
        parts[i].from = from < file.size ? from : file.size;
        parts[i].to = to < file.size ? to : file.size;
        if (i > 0 && pthread_create(&parts[i].thread, NULL, work, &parts[i]) != 0)
            die("pthread_create");
    }
    work(&parts[0]);
    uint64_t sum = parts[0].sum;
    for (int i = 1; i < threads; i++) {
        pthread_join(parts[i].thread, NULL);
        sum += parts[i].sum;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.3f\n", (double)(end.tv_sec - start.tv_sec) * 1e3 +
                         (double)(end.tv_nsec - start.tv_nsec) * 1e-6);
    return sum == 1; /* practically never: keeps the sums alive */
}
