/*
 * llama.cpp's own steps, timed through its C API: what bench/peers.py sets beside ours.
 *
 *     llama_steps MODEL.gguf THREADS REPEATS  →  one JSON line of raw samples, in ms:
 *     {"ttft": […], "step": […], "prefill": […], "ids": […]}
 *
 * ttft: a 6-token prompt on a cleared cache until its logits and the argmax over them are
 * there (no tokenizer: that only helps llama.cpp). step: each of the 19 decode steps after
 * it, argmax included. prefill: 512 tokens until the last one's logits are there. ids: the
 * 20 tokens of a request, so that all can be seen to do the same work. Defaults are
 * llama.cpp's, but for the number of threads and a context of 1,024.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "llama.h"

enum { PROMPT = 6, STEPS = 19, PREFILL = 512, CONTEXT = 1024 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void die(const char *what)
{
    fprintf(stderr, "llama_steps: %s\n", what);
    exit(1);
}

static llama_token argmax(const float *logits, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static llama_token evaluate(struct llama_context *context, llama_token *ids, int n,
                            int n_vocab)
{
    if (llama_decode(context, llama_batch_get_one(ids, n)) != 0)
        die("llama_decode failed");
    return argmax(llama_get_logits_ith(context, -1), n_vocab);
}

static void print_samples(const char *name, const double *ms, int n, const char *end)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < n; i++)
        printf("%s%.4f", i ? ", " : "", ms[i]);
    printf("]%s", end);
}

static void be_quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static struct llama_context *make_context(struct llama_model *model, int threads)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = CONTEXT;
    params.n_threads = params.n_threads_batch = threads;
    struct llama_context *context = llama_init_from_model(model, params);
    if (context == NULL)
        die("cannot make a context");
    return context;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage: llama_steps MODEL.gguf THREADS REPEATS");
    int threads = atoi(argv[2]), repeats = atoi(argv[3]);
    if (threads < 1 || repeats < 1)
        die("THREADS and REPEATS are at least 1");
    llama_log_set(be_quiet, NULL);
    llama_backend_init();
    struct llama_model *model =
        llama_model_load_from_file(argv[1], llama_model_default_params());
    if (model == NULL)
        die("cannot load the model");
    struct llama_context *context = make_context(model, threads);
    int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));

    llama_token prompt[PROMPT] = {2025, 3649, 8379, 25, 530, 11};
    llama_token text[PREFILL], ids[1 + STEPS];
    for (int i = 0; i < PREFILL; i++)
        text[i] = (llama_token)((1 + 7919LL * i) % n_vocab);
    double *ttft = calloc((size_t)repeats, sizeof *ttft);
    double *prefill = calloc((size_t)repeats, sizeof *prefill);
    double *step = calloc((size_t)repeats * STEPS, sizeof *step);
    if (ttft == NULL || prefill == NULL || step == NULL)
        die("no memory");
    for (int r = -1; r < repeats; r++) { /* round -1 warms up and is not kept */
        int k = r < 0 ? 0 : r;
        llama_memory_clear(llama_get_memory(context), true);
        double t = now_ms();
        llama_token id = evaluate(context, prompt, PROMPT, n_vocab);
        ids[0] = id;
        ttft[k] = now_ms() - t;
        for (int i = 0; i < STEPS; i++) {
            t = now_ms();
            id = evaluate(context, &id, 1, n_vocab);
            ids[1 + i] = id;
            step[k * STEPS + i] = now_ms() - t;
        }
        llama_memory_clear(llama_get_memory(context), true);
        t = now_ms();
        evaluate(context, text, PREFILL, n_vocab);
        prefill[k] = now_ms() - t;
    }
    printf("{");
    print_samples("ttft", ttft, repeats, ", ");
    print_samples("step", step, repeats * STEPS, ", ");
    print_samples("prefill", prefill, repeats, ", \"ids\": [");
    for (int i = 0; i <= STEPS; i++)
        printf("%s%d", i ? ", " : "", ids[i]);
    printf("]}\n");
    free(ttft);
    free(prefill);
    free(step);
    llama_free(context);
    llama_model_free(model);
    return 0;
}
