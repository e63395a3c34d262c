/*
 * The engine alone, on random weights of distilgpt2's shape in memory: time per token,
 * first token after 6, prompt of 512; against one bare pass over the same bytes by the
 * same threads. For work on kernels: no files, no tokenizer, no sampling.
 *
 *     build/bench/engine [--threads N] [--kernels NAME] [--dtype f32|f16|bf16]
 *                        [--rounds N] [--huge] [--cpu] [MODEL]
 *
 * MODEL is a checkpoint to use instead (mapped as `run` maps it). Medians over rounds; the
 * bare pass is measured in turns with the rest, as neighbours and clocks change.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/random.h"
#include "inferometer/model.h"
#include "model/model.h"
#include "os/cpu.h"
#include "os/pool.h"

enum { MAX_TENSORS = 256, MAX_ROUNDS = 1000, MAX_TOKENS = 512, DECODE = 16 };

typedef struct arguments {
    int threads, rounds;
    bool huge;
    ifm_dtype dtype;
    const char *kernels, *model;
} arguments;

/* Random tensors by name, side by side in one block, as a file has them. */
typedef struct synthetic {
    ifm_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][48];
    int n;
    unsigned char *block;
    size_t bytes;
    ifm_dtype dtype;
} synthetic;

static const ifm_config distilgpt2 = {
    .n_embd = 768,
    .n_head = 12,
    .n_kv_head = 12,
    .head_dim = 64,
    .n_layer = 6,
    .n_inner = 3072,
    .n_positions = 1024,
    .n_vocab = 50257,
    .norm_eps = 1e-5f,
    .scale_attn_weights = true,
    .tied_head = true,
    .bos_id = -1,
    .eos_id = -1,
};

static void add_tensor(synthetic *s, const char *name, int64_t rows, int64_t columns)
{
    ifm_tensor *x = &s->tensors[s->n];
    snprintf(s->names[s->n], sizeof s->names[0], "%s", name);
    *x = (ifm_tensor){.name = s->names[s->n++],
                      .dtype = s->dtype,
                      .n_dimensions = rows ? 2 : 1,
                      .file = "memory"};
    x->shape[0] = rows ? rows : columns;
    x->shape[1] = rows ? columns : 0;
    x->n_bytes = (size_t)((rows ? rows : 1) * columns) * ifm_dtype_block_bytes(s->dtype);
    s->bytes += x->n_bytes;
}

static void add_layer(synthetic *s, const ifm_config *c, int layer)
{
    static const struct {
        const char *name;
        int rows, columns; /* 0: none; 1, 3: times C; 4: F */
    } parts[] = {
        {"ln_1.weight", 0, 1},        {"ln_1.bias", 0, 1},
        {"attn.c_attn.weight", 1, 3}, {"attn.c_attn.bias", 0, 3},
        {"attn.c_proj.weight", 1, 1}, {"attn.c_proj.bias", 0, 1},
        {"ln_2.weight", 0, 1},        {"ln_2.bias", 0, 1},
        {"mlp.c_fc.weight", 1, 4},    {"mlp.c_fc.bias", 0, 4},
        {"mlp.c_proj.weight", 4, 1},  {"mlp.c_proj.bias", 0, 1},
    };
    char name[48];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(name, sizeof name, "h.%d.%s", layer, parts[i].name);
        add_tensor(s, name, parts[i].rows * c->n_embd, parts[i].columns * c->n_embd);
    }
}

static void fill_tensor(const ifm_tensor *x, unsigned char *at, ifm_random *random)
{
    const size_t size = ifm_dtype_block_bytes(x->dtype);
    const bool gain = strstr(x->name, "ln_") && strstr(x->name, "weight");
    for (size_t i = 0; i < x->n_bytes / size; i++) {
        const float v = (float)((ifm_random_unit(random) - 0.5) * 0.08) + (gain ? 1 : 0);
        const uint16_t half =
            x->dtype == IFM_DTYPE_F16 ? ifm_f32_to_f16(v) : ifm_f32_to_bf16(v);
        memcpy(at + i * size, size == 4 ? (const void *)&v : (const void *)&half, size);
    }
}

static const ifm_tensor *find_synthetic(const void *source, const char *name)
{
    const synthetic *s = source;
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->names[i], name))
            return &s->tensors[i];
    return NULL;
}

static void make_synthetic(synthetic *s, const ifm_config *c, bool huge)
{
    ifm_random random;
    ifm_random_init(&random, 1);
    add_tensor(s, "wte.weight", c->n_vocab, c->n_embd);
    add_tensor(s, "wpe.weight", c->n_positions, c->n_embd);
    for (int i = 0; i < c->n_layer; i++)
        add_layer(s, c, i);
    add_tensor(s, "ln_f.weight", 0, c->n_embd);
    add_tensor(s, "ln_f.bias", 0, c->n_embd);
    s->block =
        mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->block == MAP_FAILED)
        exit(1);
#ifdef MADV_HUGEPAGE
    madvise(s->block, s->bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
    size_t at = 0;
    for (int i = 0; i < s->n; i++) {
        s->tensors[i].data = s->block + at;
        fill_tensor(&s->tensors[i], s->block + at, &random);
        at += s->tensors[i].n_bytes;
    }
}

/* One pass over bytes that a decode step reads, by eight streams a thread. The type is one
 * register of every machine, wherever the bytes lie: sums of a wider one are kept in memory. */
typedef struct bare_pass {
    const unsigned char *bytes;
    size_t n;
    int threads;
    float sum[64];
} bare_pass;

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

enum { LINE = 64, STREAMS = 8 };

static void read_once(void *arg, int thread)
{
    bare_pass *b = arg;
    int64_t begin, end;
    ifm_pool_part((int64_t)(b->n / LINE), LINE, thread, b->threads, &begin, &end);
    const int64_t stream = (end - begin) / STREAMS * LINE;
    const unsigned char *at = b->bytes + begin * LINE;
    four sum[STREAMS] = {0};
    for (int64_t i = 0; i < stream; i += LINE)
        for (int s = 0; s < STREAMS; s++)
            for (int j = 0; j < LINE; j += (int)sizeof(four))
                sum[s] += *(const four *)(const void *)(at + s * stream + i + j);
    for (int s = 0; s < STREAMS; s++)
        for (int j = 0; j < 4; j++)
            b->sum[thread % 64] += sum[s][j];
}

typedef struct series {
    const char *name;
    double ms[MAX_ROUNDS];
    int n;
} series;

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(series *s, double q)
{
    qsort(s->ms, (size_t)s->n, sizeof *s->ms, compare_doubles);
    return s->ms[(int)(q * (s->n - 1))];
}

/* With --cpu, the calling thread's processor time stands for the time: with one thread on
 * a machine that others use, it is the steadier number. */
static bool use_cpu_time;

static ifm_time now(void)
{
    struct timespec t;
    if (!use_cpu_time)
        return ifm_time_now();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (ifm_time){(int64_t)t.tv_sec * 1000000000 + t.tv_nsec};
}

static double since(ifm_time start)
{
    return (double)ifm_time_between(start, now()) * 1e-6;
}

static void check(ifm_status status, const ifm_error *err)
{
    if (status == IFM_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static void eval(ifm_session *session, const int32_t *ids, int n)
{
    const float *logits;
    ifm_error err;
    check(ifm_session_eval(session, ids, n, &logits, &err), &err);
}

enum { BARE, TPOT, FIRST, PREFILL, N_SERIES };

static void run_round(ifm_session *session, ifm_pool *pool, bare_pass *bare,
                      const int32_t *ids, series *all, int round)
{
    ifm_time start = now();
    ifm_pool_run(pool, read_once, bare);
    all[BARE].ms[all[BARE].n++] = since(start);
    ifm_session_truncate(session, 0);
    start = now();
    eval(session, ids, 6);
    all[FIRST].ms[all[FIRST].n++] = since(start);
    start = now();
    for (int i = 0; i < DECODE; i++)
        eval(session, ids + i, 1);
    all[TPOT].ms[all[TPOT].n++] = since(start) / DECODE;
    if (round % 4 && !use_cpu_time)
        return;
    ifm_session_truncate(session, 0);
    start = now();
    eval(session, ids, MAX_TOKENS);
    all[PREFILL].ms[all[PREFILL].n++] = since(start);
}

static void report(series *all, int64_t decode_bytes, size_t bare_bytes)
{
    const double bare =
        quantile(&all[BARE], 0.5) * (double)decode_bytes / (double)bare_bytes;
    const double tpot = quantile(&all[TPOT], 0.5);
    const double prefill = quantile(&all[PREFILL], 0.5);
    printf("bare pass   %8.3f ms (least %.3f)  %6.2f GB/s\n", bare,
           quantile(&all[BARE], 0) * (double)decode_bytes / (double)bare_bytes,
           (double)decode_bytes / bare * 1e-6);
    printf("TPOT        %8.3f ms (least %.3f)  %6.2f GB/s, %.0f%% of the bare pass\n",
           tpot, quantile(&all[TPOT], 0), (double)decode_bytes / tpot * 1e-6,
           100 * bare / tpot);
    printf("TTFT of 6   %8.3f ms (least %.3f)  %6.2f TPOT\n", quantile(&all[FIRST], 0.5),
           quantile(&all[FIRST], 0), quantile(&all[FIRST], 0.5) / tpot);
    printf("prefill 512 %8.3f ms (least %.3f)  %6.0f tokens/s\n", prefill,
           quantile(&all[PREFILL], 0), MAX_TOKENS / prefill * 1e3);
}

static arguments parse(int argc, char **argv)
{
    arguments a = {.rounds = 20, .threads = ifm_cpu_room_now().threads};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--threads"))
            a.threads = atoi(next), i++;
        else if (!strcmp(argv[i], "--rounds"))
            a.rounds = atoi(next), i++;
        else if (!strcmp(argv[i], "--kernels"))
            a.kernels = next, i++;
        else if (!strcmp(argv[i], "--cpu"))
            use_cpu_time = true;
        else if (!strcmp(argv[i], "--huge"))
            a.huge = true;
        else if (!strcmp(argv[i], "--dtype")) {
            for (int d = 0; d < IFM_DTYPE_FLOAT_COUNT; d++)
                a.dtype =
                    !strcmp(next, ifm_dtype_name((ifm_dtype)d)) ? (ifm_dtype)d : a.dtype;
            i++;
        } else
            a.model = argv[i];
    }
    a.rounds = a.rounds < MAX_ROUNDS ? a.rounds : MAX_ROUNDS;
    return a;
}

static ifm_model *open_model(const arguments *a, synthetic *s, bare_pass *bare)
{
    ifm_error err;
    if (a->model) {
        ifm_model *model;
        ifm_mapping mapping;
        const ifm_model_options options = {.kernels = a->kernels};
        check(ifm_model_open(a->model, &options, &model, &err), &err);
        (void)ifm_weights_file(model->weights, 0, &mapping);
        *bare = (bare_pass){.bytes = mapping.data, .n = mapping.size};
        return model;
    }
    static ifm_model model;
    s->dtype = a->dtype;
    make_synthetic(s, &distilgpt2, a->huge);
    model.config = distilgpt2;
    check(ifm_kernels_find(a->kernels, &model.kern, &err), &err);
    model.ops = ifm_family_ops_of(distilgpt2.family);
    check(model.ops->bind(&model, &(ifm_tensor_source){.find = find_synthetic, .arg = s},
                          &err),
          &err);
    *bare = (bare_pass){.bytes = s->block, .n = s->bytes};
    model.info.decode_bytes =
        (int64_t)s->bytes - (int64_t)find_synthetic(s, "wpe.weight")->n_bytes;
    model.info.n_vocab = distilgpt2.n_vocab;
    model.info.dtype = ifm_dtype_name(a->dtype);
    return &model;
}

int main(int argc, char **argv)
{
    static synthetic s;
    static series all[N_SERIES];
    static int32_t ids[MAX_TOKENS];
    ifm_error err;
    ifm_pool *pool;
    ifm_session *session;
    bare_pass bare;
    const arguments a = parse(argc, argv);
    const ifm_model *model = open_model(&a, &s, &bare);
    const ifm_session_options options = {.positions = MAX_TOKENS, .threads = a.threads};
    check(ifm_session_new(model, &options, &session, &err), &err);
    check(ifm_pool_new(a.threads, &pool, &err), &err);
    bare.threads = a.threads;
    for (int i = 0; i < MAX_TOKENS; i++)
        ids[i] = (int32_t)((int64_t)i * 7919 % model->info.n_vocab);
    printf("%s, %s, %d threads, session %.1f MiB\n", ifm_dtype_name(a.dtype),
           model->kern->name, a.threads,
           (double)ifm_session_bytes(model, &options) / (1 << 20));
    eval(session, ids, MAX_TOKENS);
    for (int i = 0; i < a.rounds; i++)
        run_round(session, pool, &bare, ids, all, i);
    report(all, model->info.decode_bytes, bare.n);
    ifm_session_free(session);
    ifm_pool_free(pool);
    return isnan(bare.sum[0]); /* so that the pass is not optimised away */
}
