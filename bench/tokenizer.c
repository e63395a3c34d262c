/*
 * What a tokenizer costs: opening it from the compiled cache and from its source files,
 * compiling its pattern, and encoding.
 *
 *     tokenizer MODEL [TEXT-FILE…]
 *
 * Times are the least of many; the first opening of this process is what a cold start pays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inferometer/tokenizer.h"
#include "os/file.h"
#include "text/pattern.h"

enum { OPENINGS = 200, COMPILATIONS = 8, ENCODINGS = 8, PROMPTS = 1000 };

static ifm_error err;

static void must(ifm_status st)
{
    if (st == IFM_OK)
        return;
    fprintf(stderr, "tokenizer: %s\n", err.message);
    exit(1);
}

static double us_since(ifm_time start)
{
    return (double)ifm_time_between(start, ifm_time_now()) / 1e3;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* Opens `times` times; *first is the first opening, the rest's least is returned. */
static double time_opening(const char *path, bool no_cache, int times, double *first)
{
    const ifm_tokenizer_options options = {.no_cache = no_cache};
    double best = 1e12;
    for (int i = 0; i < times; i++) {
        ifm_tokenizer *tokenizer;
        ifm_time start = ifm_time_now();
        must(ifm_tokenizer_open(path, &options, &tokenizer, &err));
        double us = us_since(start);
        if (i == 0)
            *first = us;
        best = least(best, us);
        ifm_tokenizer_close(tokenizer);
    }
    return best;
}

static void time_pattern(void)
{
    double first = 0, best = 1e12;
    ifm_buffer pattern = {0};
    must(ifm_pattern_translate(ifm_pattern_gpt2, strlen(ifm_pattern_gpt2), &pattern,
                               &err));
    for (int i = 0; i < OPENINGS; i++) {
        ifm_splitter splitter;
        ifm_time start = ifm_time_now();
        must(ifm_splitter_init(&splitter, pattern.data, pattern.length, &err));
        double us = us_since(start);
        if (i == 0)
            first = us;
        best = least(best, us);
        ifm_splitter_deinit(&splitter);
    }
    ifm_buffer_deinit(&pattern);
    printf("compiling GPT-2's pattern     first %8.1f us   least %8.1f us\n", first,
           best);
}

static double time_encoding(ifm_tokenizer *tokenizer, const char *text, size_t n,
                            int times, size_t *n_ids)
{
    double best = 1e12;
    for (int i = 0; i < times; i++) {
        int32_t *ids;
        ifm_time start = ifm_time_now();
        must(ifm_tokenizer_encode(tokenizer, text, n, IFM_ENCODE_DEFAULT, &ids, n_ids,
                                  &err));
        best = least(best, us_since(start));
        free(ids);
    }
    return best;
}

static void time_file(ifm_tokenizer *tokenizer, const char *path)
{
    char *text;
    size_t n, n_ids;
    must(ifm_file_read(path, (size_t)1 << 30, &text, &n, &err));
    double us = time_encoding(tokenizer, text, n, ENCODINGS, &n_ids);
    printf("%-30s%.1f MB/s, %.2f M tokens/s (%zu bytes, %zu tokens)\n", path,
           (double)n / us, (double)n_ids / us, n, n_ids);
    free(text);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: tokenizer MODEL [TEXT-FILE…]\n");
        return 2;
    }
    static const char prompt[] = "An increasing sequence: one,";
    double first;
    size_t n_ids;
    ifm_tokenizer *tokenizer;
    double best = time_opening(argv[1], false, OPENINGS, &first);
    printf("opening from the cache        first %8.1f us   least %8.1f us\n", first,
           best);
    best = time_opening(argv[1], true, COMPILATIONS, &first);
    printf("opening from the source files first %8.1f us   least %8.1f us\n", first,
           best);
    time_pattern();
    must(ifm_tokenizer_open(argv[1], NULL, &tokenizer, &err));
    first = time_encoding(tokenizer, prompt, sizeof prompt - 1, 1, &n_ids);
    best = time_encoding(tokenizer, prompt, sizeof prompt - 1, PROMPTS, &n_ids);
    printf("encoding a prompt of %zu tokens first %8.1f us   least %8.1f us\n", n_ids,
           first, best);
    for (int i = 2; i < argc; i++)
        time_file(tokenizer, argv[i]);
    ifm_tokenizer_close(tokenizer);
    return 0;
}
