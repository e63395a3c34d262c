/*
 * The steps of an engine, timed in process: the same loop for Inferometer
 * (steps_inferometer.c) and llama.cpp (steps_llama.c), which are each linked with it.
 *
 *     steps MODEL THREADS REPEATS PROMPT [first|N|N:DEPTH[,DEPTH]]…
 *     →  one JSON line of raw samples, in ms, and the ids of the greedy continuation
 *
 * PROMPT: its ids, 1,2,3.
 * first: "ttft", a prompt on an empty cache until its logits and the argmax over them are
 *     there (no tokenizer: that helps everyone alike), and "decode", each of the 19 steps
 *     after it, argmax included; "ids" are the 20 tokens, so that all can be seen to do the
 *     same work.
 * N: "prefill N", N tokens on an empty cache until the last one's logits are there.
 * N:DEPTH,…: the same, once, then the cache cut back to each depth (N or less, greatest
 *     first) and 16 steps there, "decode DEPTH".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "steps.h"

enum { STEPS = 19, DEEP_STEPS = 16, MOST_PROMPT = 64, MOST_REPEATS = 1000 };

static struct {
    int n_vocab, repeats, n_prompt;
    int32_t prompt[MOST_PROMPT];
    const char *separator; /* before the next key of the answer */
} bench = {.separator = "{"};

void steps_die(const char *what)
{
    fprintf(stderr, "steps: %s\n", what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int32_t argmax(const float *logits)
{
    int best = 0;
    for (int i = 1; i < bench.n_vocab; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* The likeliest token after ids[n], and how long that took. */
static int32_t next(const int32_t *ids, int n, double *ms)
{
    double start = now_ms();
    int32_t id = argmax(engine_eval(ids, n));
    *ms = now_ms() - start;
    return id;
}

static void print_samples(const char *name, int depth, const double *ms, int n)
{
    printf("%s\"%s", bench.separator, name);
    if (depth > 0)
        printf(" %d", depth);
    printf("\": [");
    for (int i = 0; i < n; i++)
        printf("%s%.4f", i ? ", " : "", ms[i]);
    printf("]");
    bench.separator = ", ";
}

/* Round -1 warms up and is overwritten. */
static void time_first(void)
{
    static double ttft[MOST_REPEATS], decode[MOST_REPEATS * STEPS];
    int32_t ids[1 + STEPS];
    for (int r = -1; r < bench.repeats; r++) {
        int k = r < 0 ? 0 : r;
        engine_truncate(0);
        ids[0] = next(bench.prompt, bench.n_prompt, &ttft[k]);
        for (int i = 0; i < STEPS; i++)
            ids[1 + i] = next(&ids[i], 1, &decode[k * STEPS + i]);
    }
    print_samples("ttft", 0, ttft, bench.repeats);
    print_samples("decode", 0, decode, bench.repeats * STEPS);
    printf(", \"ids\": [");
    for (int i = 0; i <= STEPS; i++)
        printf("%s%d", i ? ", " : "", (int)ids[i]);
    printf("]");
}

static int32_t *make_text(int n)
{
    int32_t *text = malloc((size_t)n * sizeof *text);
    if (text == NULL)
        steps_die("no memory");
    for (int i = 0; i < n; i++)
        text[i] = (int32_t)((1 + 7919LL * i) % bench.n_vocab);
    return text;
}

static void time_prefill(int n)
{
    static double ms[MOST_REPEATS];
    int32_t *text = make_text(n);
    for (int r = -1; r < bench.repeats; r++) {
        engine_truncate(0);
        next(text, n, &ms[r < 0 ? 0 : r]);
    }
    print_samples("prefill", n, ms, bench.repeats);
    free(text);
}

/* An eighth of the prompt warms the engine up. */
static void time_deep(int n, const char *depths)
{
    double prefill, ms[DEEP_STEPS], unused;
    int32_t *text = make_text(n);
    engine_truncate(0);
    next(text, n / 8, &unused);
    engine_truncate(0);
    int32_t id = next(text, n, &prefill);
    print_samples("prefill", n, &prefill, 1);
    for (char *end; *depths; depths = end + (*end == ',')) {
        int depth = (int)strtol(depths, &end, 10);
        if (depth < 1 || depth > n)
            steps_die("a depth is 1 to the length of its prompt");
        engine_truncate(depth);
        id = next(&id, 1, &unused);
        for (int i = 0; i < DEEP_STEPS; i++)
            id = next(&id, 1, &ms[i]);
        print_samples("decode", depth, ms, DEEP_STEPS);
    }
    free(text);
}

static void parse_prompt(const char *text)
{
    for (char *end; *text && bench.n_prompt < MOST_PROMPT; text = end + (*end == ','))
        bench.prompt[bench.n_prompt++] = (int32_t)strtol(text, &end, 10);
    if (*text || bench.n_prompt == 0)
        steps_die("a PROMPT is 1 to 64 ids: 1,2,3");
}

int main(int argc, char **argv)
{
    if (argc < 6)
        steps_die("usage: steps MODEL THREADS REPEATS PROMPT WORK…");
    int threads = atoi(argv[2]), positions = MOST_PROMPT + STEPS;
    bench.repeats = atoi(argv[3]);
    if (threads < 1 || bench.repeats < 1 || bench.repeats > MOST_REPEATS)
        steps_die("THREADS and REPEATS are at least 1");
    parse_prompt(argv[4]);
    for (int i = 5; i < argc; i++)
        if (atoi(argv[i]) + DEEP_STEPS + 1 > positions)
            positions = atoi(argv[i]) + DEEP_STEPS + 1;
    bench.n_vocab = engine_open(argv[1], threads, positions);
    for (int i = 5; i < argc; i++) {
        const char *colon = strchr(argv[i], ':');
        if (strcmp(argv[i], "first") == 0)
            time_first();
        else if (colon)
            time_deep(atoi(argv[i]), colon + 1);
        else
            time_prefill(atoi(argv[i]));
    }
    puts("}");
    engine_close();
    return 0;
}
