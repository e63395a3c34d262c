/* text: the same ids as Hugging Face tokenizers, on strings made to be nasty
 * (tests/reference/make_tokenizer.py), and the same bytes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "inferometer/tokenizer.h"
#include "text/pattern.h"
#include "text_support.h"

/* add_special_tokens: also in front of a text that begins with BOS already. */
#define AS_HUGGING_FACE (IFM_ENCODE_BOS | IFM_ENCODE_SPECIAL | IFM_ENCODE_EOS)

static json_t *reference;
static ifm_tokenizer *gpt2;

static ifm_tokenizer *open_uncached(const char *path)
{
    ifm_error err = {0};
    ifm_tokenizer *tokenizer = NULL;
    const ifm_tokenizer_options options = {.no_cache = true};
    if (ifm_tokenizer_open(path, &options, &tokenizer, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

static int open_all(void **state)
{
    (void)state;
    reference = read_reference("tests/reference/tokenizer/gpt2.json");
    gpt2 = open_uncached(source_path("models/counting"));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    json_decref(reference);
    ifm_tokenizer_close(gpt2);
    return 0;
}

/* Encodes, and compares with a JSON array of ids. */
static void expect_ids(ifm_tokenizer *tokenizer, const json_t *row, const char *key,
                       unsigned flags)
{
    ifm_error err = {0};
    size_t n, n_ids;
    int32_t *ids = NULL;
    char *text = text_of(row, &n);
    const json_t *expected = json_object_get(row, key);
    if (ifm_tokenizer_encode(tokenizer, text, n, flags, &ids, &n_ids, &err) != IFM_OK)
        fail_msg("\"%s\": %s", text, err.message);
    bool equal = n_ids == json_array_size(expected);
    for (size_t i = 0; equal && i < n_ids; i++)
        equal = ids[i] == json_integer_value(json_array_get(expected, i));
    if (!equal) {
        char *dump = json_dumps(row, JSON_COMPACT);
        printf("got");
        for (size_t i = 0; i < n_ids; i++)
            printf(" %d", ids[i]);
        fail_msg("\n%s: expected %s", dump, key);
    }
    free(ids);
    free(text);
}

static void gpt2_gives_the_same_ids(void **state)
{
    (void)state;
    size_t i;
    json_t *row, *cases = json_object_get(reference, "cases");
    assert_true(json_array_size(cases) > 400);
    json_array_foreach(cases, i, row)
    {
        bool differs = json_object_get(row, "plain") != NULL;
        expect_ids(gpt2, row, "ids", IFM_ENCODE_DEFAULT);
        expect_ids(gpt2, row, differs ? "plain" : "ids", IFM_ENCODE_PLAIN);
    }
}

/* One after the other, the strings that a linear congruential generator picks. */
static char *mix(uint64_t seed, size_t picks, size_t *n)
{
    json_t *cases = json_object_get(reference, "cases");
    size_t count = json_array_size(cases), total = 0,
           *lengths = calloc(count, sizeof *lengths);
    char **texts = calloc(count, sizeof *texts);
    for (size_t i = 0; i < count; i++)
        texts[i] = text_of(json_array_get(cases, i), &lengths[i]);
    char *out = NULL;
    for (int pass = 0; pass < 2; pass++) {
        uint64_t x = seed;
        size_t at = 0;
        for (size_t i = 0; i < picks; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            size_t which = (x >> 33) % count;
            if (pass == 1)
                memcpy(out + at, texts[which], lengths[which]);
            at += lengths[which];
        }
        total = at;
        if (pass == 0)
            out = malloc(total);
        assert_non_null(out);
    }
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    free(lengths);
    *n = total;
    return out;
}

static char *repeat(const json_t *row, size_t *n)
{
    size_t length, times = (size_t)json_integer_value(json_object_get(row, "times"));
    char *piece = text_of(row, &length), *out = malloc(length * times);
    assert_non_null(out);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * length, piece, length);
    free(piece);
    *n = length * times;
    return out;
}

static uint64_t fnv(const int32_t *ids, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < 4 * n; i++)
        h = (h ^ ((uint32_t)ids[i / 4] >> i % 4 * 8 & 0xff)) * 0x100000001b3u;
    return h;
}

static void long_texts_give_the_same_ids(void **state)
{
    (void)state;
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(reference, "long"), i, row)
    {
        size_t n, n_ids;
        int32_t *ids;
        json_t *seed = json_object_get(row, "mix_seed");
        char *text =
            seed == NULL
                ? repeat(row, &n)
                : mix((uint64_t)json_integer_value(seed),
                      (size_t)json_integer_value(json_object_get(row, "picks")), &n);
        assert_int_equal(
            ifm_tokenizer_encode(gpt2, text, n, IFM_ENCODE_DEFAULT, &ids, &n_ids, NULL),
            IFM_OK);
        char sum[32];
        snprintf(sum, sizeof sum, "%016llx", (unsigned long long)fnv(ids, n_ids));
        if ((json_int_t)n_ids != json_integer_value(json_object_get(row, "n_ids")) ||
            strcmp(sum, json_string_value(json_object_get(row, "fnv"))) != 0)
            fail_msg("%s: got %zu ids, %s", json_dumps(row, JSON_COMPACT), n_ids, sum);
        free(ids);
        free(text);
    }
}

/* Byte-level BPE loses nothing: the bytes of the tokens are the text. */
static void the_bytes_come_back(void **state)
{
    (void)state;
    size_t n, n_ids, at = 0;
    int32_t *ids;
    char *text = mix(7, 2000, &n);
    assert_int_equal(
        ifm_tokenizer_encode(gpt2, text, n, IFM_ENCODE_DEFAULT, &ids, &n_ids, NULL),
        IFM_OK);
    for (size_t i = 0; i < n_ids; i++) {
        size_t length;
        const char *bytes = ifm_tokenizer_bytes(gpt2, ids[i], &length);
        assert_non_null(bytes);
        assert_true(length <= n - at);
        assert_memory_equal(bytes, text + at, length);
        at += length;
    }
    assert_int_equal(at, n);
    free(ids);
    free(text);
}

/* Streamed token by token: as tokenizers decodes it at once, and never half a character. */
static void streams_decode_the_same(void **state)
{
    (void)state;
    size_t i, k, cap = ifm_detokenizer_max_bytes(gpt2);
    json_t *row, *id;
    char *out = malloc(cap);
    json_array_foreach(json_object_get(reference, "streams"), i, row)
    {
        size_t n, at = 0;
        char *expected = text_of(row, &n);
        ifm_detokenizer detokenizer;
        ifm_detokenizer_init(&detokenizer, gpt2);
        json_array_foreach(json_object_get(row, "ids"), k, id)
        {
            size_t got = ifm_detokenizer_push(&detokenizer,
                                              (int32_t)json_integer_value(id), out, cap);
            assert_true(got <= n - at);
            assert_memory_equal(out, expected + at, got);
            at += got;
            assert_true(at == n || (expected[at] & 0xc0) != 0x80);
        }
        size_t got = ifm_detokenizer_flush(&detokenizer, out, cap);
        assert_int_equal(at + got, n);
        assert_memory_equal(out, expected + at, got);
        free(expected);
    }
    free(out);
}

static size_t put_code_point(uint32_t c, char *out)
{
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(unsigned char)(marks[length] | c);
    return length;
}

/* Newer than Unicode 16, which the reference has: the library knows more letters then. */
static bool library_is_newer(void)
{
    char version[64] = "";
    pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version);
    return atoi(version) > 16;
}

/* Everything that the reference puts in one class, in a row, must be one piece. */
static void every_code_point_has_the_same_class(void **state)
{
    (void)state;
    json_t *runs = json_object_get(reference, "classes");
    ifm_splitter splitter;
    ifm_buffer pattern = {0};
    assert_int_equal(
        ifm_pattern_translate(ifm_pattern_gpt2, strlen(ifm_pattern_gpt2), &pattern, NULL),
        IFM_OK);
    assert_int_equal(ifm_splitter_init(&splitter, pattern.data, pattern.length, NULL),
                     IFM_OK);
    ifm_buffer_deinit(&pattern);
    enum { CODE_POINTS = 0x110000 };
    char *text = malloc(4 * CODE_POINTS);
    uint32_t seen = 0;
    for (const char *kind = library_is_newer() ? "LNS" : "LNPS"; *kind != '\0'; kind++) {
        size_t n = 0, start, end, i;
        json_t *run;
        json_array_foreach(runs, i, run)
        {
            json_t *next = json_array_get(json_array_get(runs, i + 1), 0);
            uint32_t first = (uint32_t)json_integer_value(json_array_get(run, 0));
            uint32_t stop =
                next != NULL ? (uint32_t)json_integer_value(next) : CODE_POINTS;
            if (*json_string_value(json_array_get(run, 1)) != *kind)
                continue;
            for (uint32_t c = first; c < stop; c++, seen++)
                n += put_code_point(c, text + n);
        }
        ifm_splitter_expect(&splitter, n);
        assert_int_equal(ifm_splitter_next(&splitter, text, n, 0, &start, &end, NULL),
                         IFM_OK);
        if (start != 0 || end != n)
            fail_msg("class %c: byte %zu of %zu is in another class", *kind, end, n);
    }
    assert_true(library_is_newer() || seen == CODE_POINTS - 2048);
    free(text);
    ifm_splitter_deinit(&splitter);
}

static bool is_word(ifm_splitter *splitter, uint32_t c)
{
    char text[4];
    size_t n = put_code_point(c, text), start, end;
    assert_int_equal(ifm_splitter_next(splitter, text, n, 0, &start, &end, NULL), IFM_OK);
    return start == 0;
}

/* What a token that must stand alone takes for a part of a word. */
static void every_code_point_is_the_same_kind_of_word(void **state)
{
    (void)state;
    json_t *runs = json_object_get(reference, "words"), *run;
    ifm_splitter splitter;
    size_t i;
    uint32_t from = 0;
    bool expected = false;
    assert_int_equal(
        ifm_splitter_init(&splitter, ifm_pattern_word, strlen(ifm_pattern_word), NULL),
        IFM_OK);
    ifm_splitter_expect(&splitter, 0x110000);
    json_array_foreach(runs, i, run)
    {
        uint32_t to = (uint32_t)json_integer_value(json_array_get(run, 0));
        /* Within a run the ends and the middle are looked at: a million takes too long. */
        const uint32_t looked_at[] = {from, from + (to - from) / 2, to - 1};
        for (size_t k = 0; k < 3 && to > from; k++) {
            uint32_t c = looked_at[k];
            bool surrogate = c >= 0xd800 && c < 0xe000;
            bool newer = library_is_newer() && !expected;
            if (!surrogate && !newer && is_word(&splitter, c) != expected)
                fail_msg("U+%04X: expected %d", (unsigned)c, expected);
        }
        from = to;
        expected = *json_string_value(json_array_get(run, 1)) == 'W';
    }
    ifm_splitter_deinit(&splitter);
}

/* Small tokenizers: added tokens of every kind, a BOS rule, a prefix space. */
static void added_tokens_give_the_same_ids(void **state)
{
    (void)state;
    static const char *const names[] = {"added", "prefix", "split"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char name[128];
        size_t i;
        json_t *row;
        snprintf(name, sizeof name, "tests/reference/tokenizer/%s", names[k]);
        ifm_tokenizer *tokenizer = open_uncached(source_path(name));
        snprintf(name, sizeof name, "tests/reference/tokenizer/%s/reference.json",
                 names[k]);
        json_t *root = read_reference(name);
        json_array_foreach(json_object_get(root, "cases"), i, row)
        {
            expect_ids(tokenizer, row, "ids", AS_HUGGING_FACE);
        }
        json_decref(root);
        ifm_tokenizer_close(tokenizer);
    }
}

static void gpt2_knows_its_special_token(void **state)
{
    (void)state;
    size_t n;
    assert_int_equal(ifm_tokenizer_size(gpt2), 50257);
    assert_int_equal(ifm_tokenizer_bos(gpt2), 50256);
    assert_int_equal(ifm_tokenizer_eos(gpt2), 50256);
    assert_true(ifm_tokenizer_is_special(gpt2, 50256));
    assert_false(ifm_tokenizer_is_special(gpt2, 50255));
    assert_memory_equal(ifm_tokenizer_bytes(gpt2, 50256, &n), "<|endoftext|>", 13);
    assert_int_equal(n, 13);
    assert_null(ifm_tokenizer_bytes(gpt2, 50257, &n));
    assert_null(ifm_tokenizer_bytes(gpt2, -1, &n));
    assert_false(ifm_tokenizer_is_special(gpt2, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_gives_the_same_ids),
        cmocka_unit_test(long_texts_give_the_same_ids),
        cmocka_unit_test(the_bytes_come_back),
        cmocka_unit_test(streams_decode_the_same),
        cmocka_unit_test(every_code_point_has_the_same_class),
        cmocka_unit_test(every_code_point_is_the_same_kind_of_word),
        cmocka_unit_test(added_tokens_give_the_same_ids),
        cmocka_unit_test(gpt2_knows_its_special_token),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
