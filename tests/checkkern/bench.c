/* How fast each function is, on one thread: processor time, so that a neighbour who takes
 * the core does not count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "probe/probe.h"

enum { REPEATS = 7 };
static const double SECONDS_EACH = 0.02;

/* Shapes of distilgpt2: the largest matrix of a layer, and a part of its head. */
enum { C = 768, F = 3072, V = 8192, D = 64 };

/* Heads of SmolLM2: three query heads share a key-value head. */
enum { GROUP = 3, DEPTH = 4096, ATTEND_ROWS = 256 };

typedef struct subject {
    const ifm_kern *kern;
    ifm_product product;
    const ifm_way *way;
    void *packed; /* for the way */
    size_t bytes; /* of w, that run_bare reads */
    ifm_attention attention;
    float *x, *y;
    void *kv; /* 2 DEPTH D numbers */
    unsigned char *w;
    void *scratch;
} subject;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds of one call: the least of several series. */
static double time_of(void (*run)(subject *), subject *s)
{
    double least = 1e9;
    for (int r = 0; r < REPEATS; r++) {
        int64_t n = 0;
        const double start = now_s();
        double spent;
        do {
            run(s);
            n++;
            spent = now_s() - start;
        } while (spent < SECONDS_EACH);
        least = spent / (double)n < least ? spent / (double)n : least;
    }
    return least;
}

static void run_product(subject *s)
{
    if (s->way->pack)
        s->way->pack(&s->product, 0, s->product.t, s->packed);
    s->way->multiply(&s->product, s->scratch);
}

static void run_attend(subject *s)
{
    ifm_kern_attend_way(s->kern, s->attention.t * s->attention.group, D)
        ->attend(&s->attention);
}

static void run_norm(subject *s)
{
    s->kern->layer_norm(s->y, s->x, s->x, s->x, C, 1e-5f);
}

static void run_gelu(subject *s)
{
    const ifm_epilogue e = {.part = s->x,
                            .slices = 1,
                            .y = s->y,
                            .t = 1,
                            .n1 = F,
                            .activation = IFM_KERN_GELU_NEW};
    s->kern->epilogue(&e);
}

static void run_argmax(subject *s)
{
    s->y[0] += (float)s->kern->argmax(s->x, 50257);
}

static void run_sum_exp(subject *s)
{
    float max;
    double sum;
    s->kern->max_sum_exp(s->x, 50257, &max, &sum);
    s->y[0] += (float)sum;
}

/* Reads `bytes` of w in eight streams and does nothing else: what a product of few rows is
 * measured by. A wider type than every machine's registers would be kept in memory. */
static void run_bare(subject *s)
{
    enum { LINE = 64, STREAMS = 8 };
    typedef uint64_t words __attribute__((vector_size(16), aligned(1), may_alias));
    const size_t run = s->bytes / STREAMS / LINE * LINE;
    words any[STREAMS] = {0};
    for (size_t i = 0; i < run; i += LINE)
        for (size_t j = 0; j < STREAMS; j++)
            for (size_t b = 0; b < LINE; b += sizeof(words))
                any[j] |= *(const words *)(const void *)(s->w + j * run + i + b);
    for (size_t j = 0; j < STREAMS; j++)
        s->y[0] += (float)(any[j][0] & 1);
}

/* `peak`: operations per second that are possible; 0: not known. `bare`: seconds in which
 * the bytes can be read at all; 0: not asked. */
static void line_of_product(const char *name, double seconds, double bytes,
                            double operations, double peak, double bare)
{
    printf("  %-24s %12.2f us %8.2f GB/s %9.2f Gop/s", name, seconds * 1e6,
           bytes / seconds * 1e-9, operations / seconds * 1e-9);
    if (peak > 0)
        printf(" %3.0f%% of peak", 100 * operations / seconds / peak);
    if (bare > 0)
        printf(" %3.0f%% of reading", 100 * bare / seconds);
    printf("\n");
}

static void line(const char *name, double seconds, double bytes, double operations,
                 double peak)
{
    line_of_product(name, seconds, bytes, operations, peak, 0);
}

/* True when `table` has the instructions that a peak is called after: those of a table, or
 * one of the two that AMX has. */
static bool reaches(const ifm_kern *table, const char *name)
{
    const ifm_kern *all[IFM_KERN_MAX];
    const int n = ifm_kernels_available(all, IFM_KERN_MAX);
    const char *of_table = strncmp(name, "amx", 3) ? name : "amx";
    for (int i = 0; i < n; i++) {
        if (!strcmp(all[i]->name, of_table))
            return true;
        if (all[i] == table)
            return false;
    }
    return false;
}

/* Operations per second of one thread in registers alone, of the type that a way computes
 * in and with the table's instructions; 0: not known. */
static double peak_of(const ifm_kern *table, const ifm_way *way)
{
    static ifm_probe_peak peaks[IFM_PROBE_MAX_PEAKS];
    static size_t n;
    const char *type = way->eight_bit             ? "int8"
                       : way->rounding > 0x1p-20f ? "bf16"
                                                  : "f32";
    double most = 0;
    if (n == 0)
        n = ifm_probe_arithmetic(1, peaks);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(peaks[i].type, type) && reaches(table, peaks[i].kernels) &&
            peaks[i].per_s > most)
            most = peaks[i].per_s;
    return most;
}

/* The way that products of t rows go. */
static void bench_product(subject *s, int64_t t, ifm_layout layout, ifm_dtype dtype)
{
    static const char *const ranks[IFM_WAY_COUNT] = {"one", "few", "many"};
    const bool kn = layout == IFM_LAYOUT_KN;
    const int64_t n = kn ? F : V;
    char name[64];
    s->way = ifm_kern_way(s->kern, layout, dtype, t, false);
    if (!s->way->multiply)
        return;
    int rank = 0;
    while (&s->kern->ways[layout][dtype][rank] != s->way)
        rank++;
    s->product = (ifm_product){.x = s->x,
                               .x_stride = C + 16,
                               .w = s->w,
                               .w_stride = kn ? n : C,
                               .y = s->y,
                               .y_stride = n + 16,
                               .t = t,
                               .k1 = C,
                               .n1 = n};
    s->packed = s->way->pack ? aligned_alloc(64, s->way->packed_bytes(t, C) + 64) : NULL;
    s->product.packed = s->packed;
    snprintf(name, sizeof name, "%s %s %s T=%d", ranks[rank], kn ? "kn" : "nk",
             ifm_dtype_name(dtype), (int)t);
    s->bytes = (size_t)ifm_dtype_bytes_of(dtype, C * n);
    line_of_product(name, time_of(run_product, s), (double)s->bytes,
                    2.0 * (double)(t * C * n), peak_of(s->kern, s->way),
                    rank == IFM_WAY_MANY ? 0 : time_of(run_bare, s));
    free(s->packed);
}

static void bench_products(subject *s, int64_t t)
{
    for (int layout = 0; layout < IFM_LAYOUT_COUNT; layout++)
        for (int dtype = 0; dtype < IFM_DTYPE_COUNT; dtype++)
            bench_product(s, t, (ifm_layout)layout, (ifm_dtype)dtype);
}

/* A key-value head of p positions and the last t queries. */
static void bench_attention(subject *s, int64_t t, int64_t p, ifm_dtype dtype)
{
    char name[64];
    const int64_t first = p - t, size = dtype == IFM_DTYPE_F32 ? 4 : 2;
    const double positions = (double)t * (double)(first + 1 + p) / 2;
    s->attention = (ifm_attention){.q = s->x,
                                   .q_stride = GROUP * D,
                                   .k = s->kv,
                                   .v = (char *)s->kv + p * D * size,
                                   .dtype = dtype,
                                   .out = s->y,
                                   .out_stride = GROUP * D,
                                   .t = t,
                                   .t1 = t,
                                   .group = GROUP,
                                   .d = D,
                                   .first = first,
                                   .end = p,
                                   .scale = 0.1f,
                                   .scratch = s->scratch};
    snprintf(name, sizeof name, "attend %s T=%d P=%d", ifm_dtype_name(dtype), (int)t,
             (int)p);
    line(name, time_of(run_attend, s), 2.0 * (double)(p * D * size),
         4 * GROUP * D * positions, 0);
}

static void bench_depths(subject *s, check *c, ifm_dtype dtype)
{
    const int64_t n = 2 * DEPTH * D;
    float *numbers = random_floats(c, n, 1);
    s->kv = aligned_alloc(64, (size_t)n * sizeof *numbers);
    memcpy(s->kv, numbers, (size_t)n * sizeof *numbers);
    if (dtype == IFM_DTYPE_F16)
        s->kern->to_f16(s->kv, numbers, n);
    bench_attention(s, 1, 512, dtype);
    bench_attention(s, 1, DEPTH, dtype);
    if (s->kern != c->reference) {
        bench_attention(s, ATTEND_ROWS, ATTEND_ROWS, dtype);
        bench_attention(s, ATTEND_ROWS, DEPTH, dtype);
    }
    free(numbers);
    free(s->kv);
}

void bench_table(const ifm_kern *table, const ifm_kern *scalar)
{
    check c = {.tested = table, .reference = scalar};
    subject s = {.kern = table};
    const int64_t n_x = 256 * (C + 16), n_y = 256 * (V + 16), n_scratch = 1 << 20;
    ifm_random_init(&c.random, 1);
    s.x = random_floats(&c, n_x, 1);
    s.y = guarded_new(n_y);
    s.w = random_numbers(&c, (int64_t)C * V, IFM_DTYPE_F32, 1);
    /* Bytes that are no NaN in any type: the random f32 are, read as halves. */
    memset(s.w, 0x11, (size_t)C * V * 4);
    s.scratch = aligned_alloc(64, (size_t)n_scratch * 4);
    printf("%s\n", table->name);
    line("layer_norm", time_of(run_norm, &s), C * 4, C * 7, 0);
    line("gelu_new", time_of(run_gelu, &s), F * 4, F, 0);
    line("argmax 50257", time_of(run_argmax, &s), 50257 * 4, 50257, 0);
    line("max_sum_exp 50257", time_of(run_sum_exp, &s), 50257 * 4, 50257, 0);
    bench_depths(&s, &c, IFM_DTYPE_F32);
    bench_depths(&s, &c, IFM_DTYPE_F16);
    bench_products(&s, 1);
    bench_products(&s, 6);
    if (table != scalar)
        bench_products(&s, 256);
    free(s.x);
    guarded_free(s.y);
    free_numbers(s.w);
    free(s.scratch);
}
