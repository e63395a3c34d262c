/*
 * llama.cpp as a calculator for make_llama.py: commands are lines on standard input, answers
 * are binary on standard output (little-endian i32 and f32).
 *
 *     llama_logits MODEL.gguf THREADS POSITIONS
 *     → n_vocab, add_bos, bos, eos                  at the start
 *     tokens ADD_SPECIAL PARSE_SPECIAL HEX → n, ids[n]      of the UTF-8 in HEX
 *     clear                                →                forgets the sequence
 *     eval FROM ID,ID,…                    → f32[n − FROM][n_vocab]   appends n ids; logits
 *                                                           after each, from the FROM-th on
 *
 * Its own settings, but for the room of the context.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llama.h>

enum { MOST_TEXT = 1 << 20, MOST_IDS = 1 << 16 };

static struct {
    struct llama_context *context;
    const struct llama_vocab *vocab;
    int n_vocab, position;
} engine;

static void die(const char *what)
{
    fprintf(stderr, "llama_logits: %s\n", what);
    exit(1);
}

static void be_quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)user;
    if (level == GGML_LOG_LEVEL_ERROR)
        fputs(text, stderr);
}

static void put(const void *data, size_t n)
{
    if (fwrite(data, 4, n, stdout) != n)
        die("cannot write");
}

static void open_model(const char *path, int threads, uint32_t positions)
{
    llama_log_set(be_quiet, NULL);
    llama_backend_init();
    struct llama_model *model =
        llama_model_load_from_file(path, llama_model_default_params());
    if (model == NULL)
        die("cannot load the model");
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = positions;
    params.n_threads = params.n_threads_batch = threads;
    engine.context = llama_init_from_model(model, params);
    if (engine.context == NULL)
        die("cannot make a context");
    engine.vocab = llama_model_get_vocab(model);
    engine.n_vocab = llama_vocab_n_tokens(engine.vocab);
    int32_t about[] = {engine.n_vocab, llama_vocab_get_add_bos(engine.vocab),
                       llama_vocab_bos(engine.vocab), llama_vocab_eos(engine.vocab)};
    put(about, 4);
}

static void tokens(const char *words)
{
    static char text[MOST_TEXT];
    static llama_token ids[MOST_IDS];
    int n_text = 0, byte;
    const char *hex = words + 4; /* after two flags and their spaces */
    for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        text[n_text++] = (char)byte;
    int32_t n = llama_tokenize(engine.vocab, text, n_text, ids, MOST_IDS, words[0] == '1',
                               words[2] == '1');
    if (n < 0)
        die("too many tokens");
    put(&n, 1);
    put(ids, (size_t)n);
}

static void eval(const char *words)
{
    char *end;
    int from = (int)strtol(words, &end, 10), n = 0;
    struct llama_batch batch = llama_batch_init(MOST_IDS, 0, 1);
    while (*end == ' ' || *end == ',') {
        batch.token[n] = (llama_token)strtol(end + 1, &end, 10);
        batch.pos[n] = engine.position++;
        batch.n_seq_id[n] = 1;
        batch.seq_id[n][0] = 0;
        batch.logits[n] = n >= from;
        n++;
    }
    batch.n_tokens = n;
    if (llama_decode(engine.context, batch) != 0)
        die("llama_decode failed");
    for (int i = from; i < n; i++)
        put(llama_get_logits_ith(engine.context, i), (size_t)engine.n_vocab);
    llama_batch_free(batch);
}

int main(int argc, char **argv)
{
    static char line[2 * MOST_TEXT + 64];
    if (argc != 4)
        die("usage: llama_logits MODEL.gguf THREADS POSITIONS");
    open_model(argv[1], atoi(argv[2]), (uint32_t)atoi(argv[3]));
    for (fflush(stdout); fgets(line, sizeof line, stdin); fflush(stdout)) {
        if (strncmp(line, "tokens ", 7) == 0) {
            tokens(line + 7);
        } else if (strncmp(line, "eval ", 5) == 0) {
            eval(line + 5);
        } else if (strcmp(line, "clear\n") == 0) {
            llama_memory_clear(llama_get_memory(engine.context), true);
            engine.position = 0;
        } else {
            die("no such command");
        }
    }
    return 0;
}
