/*
 * The floor of a decode step: the least time in which threads read as many bytes as the
 * weights have, each byte once, multiplied and added as f32.
 *
 *     bare_pass BYTES THREADS REPEATS  →  one JSON line of raw samples, in ms:
 *     {"small pages": […], "huge pages": […]}
 *
 * It knows nothing of the project that it judges: no engine, no pool. Compile it for the
 * machine that it runs on (-O3 -march=native), as bench/peers.sh does. Eight streams a
 * thread keep more cache lines under way than one.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { LINE = 64, STREAMS = 8, MOST_THREADS = 64 };

/* As wide as the machine's own registers, by the compiler's word and without their names. A
 * wider type would be cut into pieces, and so many sums be kept in memory. */
typedef float vec __attribute__((vector_size(__BIGGEST_ALIGNMENT__)));
enum {
    FLOATS = sizeof(vec) / sizeof(float),
    VECTORS = LINE / sizeof(vec), /* of a cache line */
};

typedef struct {
    pthread_t thread;
    int index;
    float sum; /* what was read must matter, or the compiler leaves it out */
} part;

static struct {
    vec *lines;
    size_t stream_lines; /* of one stream; a thread has STREAMS of them side by side */
    int threads, passes;
    atomic_int started, done; /* passes begun; threads that finished the current one */
} work;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void read_part(part *self)
{
    const size_t n = work.stream_lines;
    const vec *from = work.lines + (size_t)self->index * STREAMS * n * VECTORS;
    vec sums[STREAMS] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t s = 0; s < STREAMS; s++)
            for (size_t v = 0; v < VECTORS; v++)
                sums[s] += from[(s * n + i) * VECTORS + v] * 0.5f;
    for (size_t s = 0; s < STREAMS; s++)
        for (size_t j = 0; j < FLOATS; j++)
            self->sum += sums[s][j];
}

/* Threads wait by looking: a sleeper's awakening would count as reading. */
static void *follow(void *argument)
{
    part *self = argument;
    for (int pass = 1; pass <= work.passes; pass++) {
        while (atomic_load_explicit(&work.started, memory_order_acquire) < pass)
            ;
        read_part(self);
        atomic_fetch_add_explicit(&work.done, 1, memory_order_release);
    }
    return NULL;
}

static double time_pass(part *self)
{
    double start = now_ms();
    atomic_store_explicit(&work.done, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&work.started, 1, memory_order_release);
    read_part(self);
    while (atomic_load_explicit(&work.done, memory_order_acquire) < work.threads - 1)
        ;
    return now_ms() - start;
}

/* Two passes warm up and are not kept. */
static void measure(size_t bytes, int advice, int repeats, double *ms)
{
    work.lines =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (work.lines == MAP_FAILED)
        die("bare_pass: mmap");
    madvise(work.lines, bytes, advice);
    for (size_t i = 0; i < bytes / sizeof(float); i++)
        ((float *)work.lines)[i] = (float)(i % 1024);
    work.started = 0;
    work.passes = repeats + 2;
    part parts[MOST_THREADS] = {0};
    for (int i = 1; i < work.threads; i++) {
        parts[i].index = i;
        if (pthread_create(&parts[i].thread, NULL, follow, &parts[i]) != 0)
            die("bare_pass: pthread_create");
    }
    for (int i = 0; i < work.passes; i++) {
        double taken = time_pass(&parts[0]);
        if (i >= 2)
            ms[i - 2] = taken;
    }
    for (int i = 1; i < work.threads; i++)
        pthread_join(parts[i].thread, NULL);
    float sum = 0;
    for (int i = 0; i < work.threads; i++)
        sum += parts[i].sum;
    if (sum == 1) /* never: but the compiler cannot know */
        fputs("bare_pass: odd\n", stderr);
    munmap(work.lines, bytes);
}

static void print_samples(const char *name, const double *ms, int n, const char *end)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < n; i++)
        printf("%s%.4f", i ? ", " : "", ms[i]);
    printf("]%s", end);
}

int main(int argc, char **argv)
{
    long long bytes = argc == 4 ? atoll(argv[1]) : 0;
    int repeats = argc == 4 ? atoi(argv[3]) : 0;
    work.threads = argc == 4 ? atoi(argv[2]) : 0;
    if (bytes < 1 || work.threads < 1 || work.threads > MOST_THREADS || repeats < 1) {
        fputs("usage: bare_pass BYTES THREADS REPEATS\n", stderr);
        return 2;
    }
    /* Rounded up, so that every stream is whole cache lines. */
    size_t streams = (size_t)work.threads * STREAMS;
    work.stream_lines = ((size_t)bytes / LINE + streams) / streams;
    size_t size = work.stream_lines * streams * LINE;
    double *ms = calloc((size_t)repeats, sizeof *ms);
    if (ms == NULL)
        die("bare_pass");
    printf("{");
    measure(size, MADV_NOHUGEPAGE, repeats, ms);
    print_samples("small pages", ms, repeats, ", ");
    measure(size, MADV_HUGEPAGE, repeats, ms);
    print_samples("huge pages", ms, repeats, "}\n");
    free(ms);
    return 0;
}
