/* text: every kind of tokenizer that models have gives the ids that Hugging Face
 * tokenizers, llama.cpp and SentencePiece give (tests/reference/make_tokenizers.py), from
 * tokenizer.json and from GGUF, and decodes them to the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inferometer/tokenizer.h"
#include "text_support.h"

#define FOLDER "tests/reference/tokenizer/"
/* add_special_tokens: also in front of a text that begins with BOS already. */
#define AS_OTHERS (IFM_ENCODE_BOS | IFM_ENCODE_SPECIAL | IFM_ENCODE_EOS)

static const struct {
    const char *name;
    const char *gguf; /* whose ids the GGUF form gives; NULL: there is none */
    bool json;
} kinds[] = {
    {"gpt2_kind", "llama", true},
    {"llama3", "llama", true},
    {"qwen2", "llama", true},
    {"smollm", "llama", true},
    {"deepseek_llm", "llama", true},
    /* Where llama.cpp differs from the model's own tokenizer, it is that one's ids which the
     * GGUF form gives: an ideographic space before a letter (deepseek_coder), a symbol of
     * Unicode 16 (deepseek_v3), letters' cases, which it approximates (tekken, gpt4o). */
    {"deepseek_coder", "ids", true},
    {"deepseek_v3", "ids", true},
    {"tekken", "ids", true},
    {"gpt4o", "ids", true},
    {"by_default", "llama", true},
    {"llama2", NULL, true},
    {"metaspace", NULL, true},
    {"metaspace_split", NULL, true},
    {"gemma", NULL, true},
    {"no_bytes", NULL, true},
    {"behaviors", NULL, true},
    {"lookaheads", NULL, true},
    {"sentencepiece", "llama", false},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static json_t *strings;

static int read_strings(void **state)
{
    (void)state;
    strings = read_reference(FOLDER "strings.json");
    return 0;
}

static int forget_strings(void **state)
{
    (void)state;
    json_decref(strings);
    return 0;
}

static ifm_tokenizer *open_uncached(const char *kind, const char *file)
{
    char name[128];
    ifm_error err = {0};
    ifm_tokenizer *tokenizer = NULL;
    const ifm_tokenizer_options options = {.no_cache = true};
    snprintf(name, sizeof name, FOLDER "%s/%s", kind, file);
    if (ifm_tokenizer_open(source_path(name), &options, &tokenizer, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

static json_t *read_of(const char *kind, const char *file)
{
    char name[128];
    snprintf(name, sizeof name, FOLDER "%s/%s", kind, file);
    return read_reference(name);
}

static bool equals(const json_t *expected, const int32_t *ids, size_t n)
{
    bool equal = n == json_array_size(expected);
    for (size_t i = 0; equal && i < n; i++)
        equal = ids[i] == json_integer_value(json_array_get(expected, i));
    return equal;
}

static void print_difference(const char *kind, const char *text, const json_t *expected,
                             const int32_t *ids, size_t n)
{
    char *dump = json_dumps(expected, JSON_COMPACT);
    printf("%s: \"%s\"\n  expected %s\n  got     ", kind, text, dump);
    for (size_t i = 0; i < n; i++)
        printf(" %d", ids[i]);
    printf("\n");
    free(dump);
}

/* All strings, against the list `key` of each case, or the first list where that does not
 * differ. Returns how many were wrong. */
static int compare(ifm_tokenizer *tokenizer, const char *kind, const char *key)
{
    json_t *root = read_of(kind, "reference.json"), *row;
    size_t i;
    int wrong = 0;
    assert_true(json_array_size(strings) > 600);
    json_array_foreach(json_object_get(root, "cases"), i, row)
    {
        ifm_error err = {0};
        size_t n, n_ids = 0;
        int32_t *ids = NULL;
        char *text = text_of(json_array_get(strings, i), &n);
        json_t *expected = json_object_get(row, key);
        if (json_is_null(expected)) { /* the reference's Unicode is older */
            free(text);
            continue;
        }
        if (expected == NULL) /* the first list, which stands under "ids" */
            expected = json_object_get(row, "ids");
        if (ifm_tokenizer_encode(tokenizer, text, n, AS_OTHERS, &ids, &n_ids, &err) !=
            IFM_OK)
            fail_msg("%s: \"%s\": %s", kind, text, err.message);
        if (!equals(expected, ids, n_ids)) {
            if (wrong++ < 5)
                print_difference(kind, text, expected, ids, n_ids);
        }
        free(ids);
        free(text);
    }
    assert_int_equal(i, json_array_size(strings));
    json_decref(root);
    return wrong;
}

static void tokenizer_json_gives_the_same_ids(void **state)
{
    (void)state;
    int wrong = 0;
    for (int i = 0; i < N_KINDS; i++) {
        if (!kinds[i].json)
            continue;
        ifm_tokenizer *tokenizer = open_uncached(kinds[i].name, "");
        wrong += compare(tokenizer, kinds[i].name, "ids");
        ifm_tokenizer_close(tokenizer);
    }
    assert_int_equal(wrong, 0);
}

static void gguf_gives_the_same_ids(void **state)
{
    (void)state;
    int wrong = 0;
    for (int i = 0; i < N_KINDS; i++) {
        if (kinds[i].gguf == NULL)
            continue;
        ifm_tokenizer *tokenizer = open_uncached(kinds[i].name, "vocab.gguf");
        wrong += compare(tokenizer, kinds[i].name, kinds[i].gguf);
        ifm_tokenizer_close(tokenizer);
    }
    assert_int_equal(wrong, 0);
}

/* Streamed token by token, as it is decoded at once; special tokens left out. */
static void what_is_decoded_is_the_same(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        if (!kinds[k].json)
            continue;
        ifm_tokenizer *tokenizer = open_uncached(kinds[k].name, "");
        json_t *streams = read_of(kinds[k].name, "decoded.json"), *row, *id;
        size_t cap = ifm_detokenizer_max_bytes(tokenizer), i, j;
        char *out = malloc(cap);
        json_array_foreach(streams, i, row)
        {
            size_t n, at = 0, got;
            char *expected = text_of(row, &n);
            ifm_detokenizer detokenizer;
            ifm_detokenizer_init(&detokenizer, tokenizer);
            json_array_foreach(json_object_get(row, "ids"), j, id)
            {
                got = ifm_detokenizer_push(&detokenizer, (int32_t)json_integer_value(id),
                                           out, cap);
                if (got > n - at || memcmp(out, expected + at, got) != 0)
                    fail_msg("%s: \"%s\" at %zu: \"%.*s\"", kinds[k].name, expected, at,
                             (int)got, out);
                at += got;
            }
            got = ifm_detokenizer_flush(&detokenizer, out, cap);
            assert_int_equal(at + got, n);
            free(expected);
        }
        free(out);
        json_decref(streams);
        ifm_tokenizer_close(tokenizer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokenizer_json_gives_the_same_ids),
        cmocka_unit_test(gguf_gives_the_same_ids),
        cmocka_unit_test(what_is_decoded_is_the_same),
    };
    return cmocka_run_group_tests(tests, read_strings, forget_strings);
}
