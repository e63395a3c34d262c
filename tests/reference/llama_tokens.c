/*
 * llama.cpp's tokens of strings, for make_tokenizers.py.
 *
 *     llama_tokens MODEL.gguf < strings > ids
 *
 * A line of input is the hex digits of a string's bytes; a line of output its ids, with
 * special tokens recognised and BOS or EOS added as the file says. Reads only vocabularies.
 */
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void be_quiet(enum ggml_log_level level, const char *text, void *user)
{
    (void)level, (void)text, (void)user;
}

static size_t from_hex(char *line)
{
    size_t n = strcspn(line, "\n") / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        sscanf(line + 2 * i, "%2x", &byte);
        line[i] = (char)byte;
    }
    return n;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    llama_log_set(be_quiet, NULL);
    llama_backend_init();
    struct llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    struct llama_model *model = llama_model_load_from_file(argv[1], params);
    if (model == NULL)
        return 1;
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        int32_t n = (int32_t)from_hex(line), cap = n + 8;
        llama_token *ids = malloc((size_t)cap * sizeof *ids);
        int32_t n_ids = llama_tokenize(vocab, line, n, ids, cap, true, true);
        for (int32_t i = 0; i < n_ids; i++)
            printf("%s%d", i > 0 ? " " : "", ids[i]);
        putchar('\n');
        free(ids);
    }
    free(line);
    llama_model_free(model);
    return 0;
}
