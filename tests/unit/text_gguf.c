/* text: the tokenizer in a GGUF file is cached like any other, and its lies are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "inferometer/tokenizer.h"
#include "text_support.h"

static char directory[64], cache[64], path[128];

static int enter(void **state)
{
    (void)state;
    make_directory(directory);
    make_directory(cache);
    snprintf(path, sizeof path, "%s/m.gguf", directory);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    remove_directory(directory);
    remove_directory(cache);
    return 0;
}

/* ---- a file, piece by piece -------------------------------------------------------- */

enum { U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9 };

typedef struct file {
    ifm_buffer values;
    uint64_t n_values;
} file;

static void put_number(ifm_buffer *out, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        char byte = (char)(unsigned char)(value >> 8 * i);
        ifm_buffer_append(out, &byte, 1);
    }
}

static void put_string(ifm_buffer *out, const char *text)
{
    put_number(out, strlen(text), 8);
    ifm_buffer_puts(out, text);
}

static void put_key(file *f, const char *key, uint32_t type)
{
    f->n_values++;
    put_string(&f->values, key);
    put_number(&f->values, type, 4);
}

static void put_text_value(file *f, const char *key, const char *text)
{
    put_key(f, key, STRING);
    put_string(&f->values, text);
}

/* Words with spaces between; merges have a "+" for their space. */
static void put_words(file *f, const char *key, const char *words)
{
    char word[64];
    uint64_t n = 0;
    ifm_buffer all = {0};
    for (int used = 0; sscanf(words, "%63s%n", word, &used) == 1; words += used, n++) {
        for (char *c = word; *c != '\0'; c++)
            *c = *c == '+' ? ' ' : *c;
        put_string(&all, word);
    }
    put_key(f, key, ARRAY);
    put_number(&f->values, STRING, 4);
    put_number(&f->values, n, 8);
    ifm_buffer_append(&f->values, all.data, all.length);
    ifm_buffer_deinit(&all);
}

static void put_numbers(file *f, const char *key, const char *digits)
{
    put_key(f, key, ARRAY);
    put_number(&f->values, I32, 4);
    put_number(&f->values, strlen(digits), 8);
    for (; *digits != '\0'; digits++)
        put_number(&f->values, (uint64_t)(*digits - '0'), 4);
}

static void put_id(file *f, const char *key, uint32_t id)
{
    put_key(f, key, U32);
    put_number(&f->values, id, 4);
}

static void finish(file *f)
{
    ifm_buffer all = {0};
    ifm_buffer_append(&all, "GGUF\3\0\0\0", 8);
    put_number(&all, 0, 8);
    put_number(&all, f->n_values, 8);
    ifm_buffer_append(&all, f->values.data, f->values.length);
    put_file(directory, "m.gguf", all.data, all.length);
    ifm_buffer_deinit(&all);
    ifm_buffer_deinit(&f->values);
}

#define K "tokenizer.ggml."

/* What NULL leaves out is not in the file. */
static void make(const char *model, const char *pre, const char *tokens,
                 const char *types, const char *merges)
{
    file f = {0};
    if (model != NULL)
        put_text_value(&f, K "model", model);
    if (pre != NULL)
        put_text_value(&f, K "pre", pre);
    if (tokens != NULL)
        put_words(&f, K "tokens", tokens);
    if (types != NULL)
        put_numbers(&f, K "token_type", types);
    if (merges != NULL)
        put_words(&f, K "merges", merges);
    put_id(&f, K "bos_token_id", 4);
    put_id(&f, K "eos_token_id", 4000000000u);
    finish(&f);
}

/* ---- tests ------------------------------------------------------------------------- */

static ifm_status open_it(const char *cache_dir, ifm_tokenizer **out, ifm_error *err)
{
    const ifm_tokenizer_options options = {.no_cache = cache_dir == NULL,
                                           .cache_dir = cache_dir};
    return ifm_tokenizer_open(path, &options, out, err);
}

static void the_second_opening_is_cached(void **state)
{
    (void)state;
    const struct timespec past[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    for (int changed = 0; changed < 2; changed++) {
        make("gpt2", "llama-bpe", changed ? "a b ab <s> <x>" : "a b ab <end> <x>",
             "11143", "a+b");
        for (int i = 0; i < 2; i++) {
            ifm_error err = {0};
            ifm_tokenizer *t;
            int32_t *ids;
            size_t n;
            assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
            if (open_it(cache, &t, &err) != IFM_OK)
                fail_msg("%s", err.message);
            assert_int_equal(ifm_tokenizer_cached(t), i);
            assert_int_equal(ifm_tokenizer_bos(t), 4);
            assert_int_equal(ifm_tokenizer_eos(t), -1);
            assert_int_equal(
                ifm_tokenizer_encode(t, "ab<x>a", 6, IFM_ENCODE_DEFAULT, &ids, &n, NULL),
                IFM_OK);
            assert_int_equal(n, 4); /* llama-bpe: BOS in front */
            const int32_t expected[] = {4, 2, 4, 0};
            assert_memory_equal(ids, expected, sizeof expected);
            free(ids);
            ifm_tokenizer_close(t);
        }
    }
}

static void lies_are_named(void **state)
{
    (void)state;
    static const char some[] = "a b ab <s> <x>";
    const struct {
        const char *model, *pre, *tokens, *types, *merges;
        ifm_status status;
        const char *part;
    } cases[] = {
        {NULL, "gpt-2", some, NULL, "a+b", IFM_ERR_NOT_FOUND, "holds no tokenizer"},
        {"bert", "gpt-2", some, NULL, "a+b", IFM_ERR_UNSUPPORTED,
         "model \"bert\" is not supported, only gpt2 and llama are"},
        {"gpt2", "nobody", some, NULL, "a+b", IFM_ERR_UNSUPPORTED,
         "tokenizer.ggml.pre \"nobody\" is not supported"},
        {"gpt2", "gpt-2", NULL, NULL, "a+b", IFM_ERR_FORMAT, "tokens is not there"},
        {"gpt2", "gpt-2", "", NULL, "a+b", IFM_ERR_FORMAT, "has no token"},
        {"gpt2", "gpt-2", some, "111", "a+b", IFM_ERR_FORMAT,
         "token_type has 3 elements, fewer than the 5 tokens"},
        {"gpt2", "gpt-2", some, NULL, NULL, IFM_ERR_FORMAT, "merges is not there"},
        {"gpt2", "gpt-2", some, NULL, "a+b ab", IFM_ERR_FORMAT,
         "merges[1] is no merge, expected two tokens"},
        {"gpt2", "gpt-2", some, NULL, "a+x", IFM_ERR_FORMAT,
         "\"a\" and \"x\": the second half is not in the vocabulary"},
        {"gpt2", "gpt-2", some, NULL, "b+a", IFM_ERR_FORMAT, "what it makes is not"},
        {"gpt2", "gpt-2", "a b \xff", NULL, "a+b", IFM_ERR_FORMAT,
         "tokens[2]: byte 0 is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ifm_error err = {0};
        ifm_tokenizer *t = NULL;
        make(cases[i].model, cases[i].pre, cases[i].tokens, cases[i].types,
             cases[i].merges);
        ifm_status st = open_it(NULL, &t, &err);
        if (st != cases[i].status || strstr(err.message, cases[i].part) == NULL ||
            strstr(err.message, "m.gguf") == NULL || strchr(err.message, '\n') != NULL)
            fail_msg("case %zu: %s \"%s\"", i, ifm_status_name(st), err.message);
        assert_null(t);
    }
    ifm_tokenizer *t;
    unlink(path);
    assert_int_equal(open_it(NULL, &t, NULL), IFM_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_second_opening_is_cached, enter, leave),
        cmocka_unit_test_setup_teardown(lies_are_named, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
