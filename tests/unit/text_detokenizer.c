/* text: a stream of tokens becomes whole characters, whatever bytes the model writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "inferometer/tokenizer.h"
#include "text/utf8.h"
#include "text_support.h"

#define R "\xef\xbf\xbd" /* U+FFFD */

static ifm_tokenizer *tokenizer;
static int32_t byte_ids[256];

static int open_all(void **state)
{
    (void)state;
    const ifm_tokenizer_options options = {.no_cache = true};
    assert_int_equal(ifm_tokenizer_open(source_path("tests/reference/tokenizer/added"),
                                        &options, &tokenizer, NULL),
                     IFM_OK);
    for (int32_t id = 0; id < ifm_tokenizer_size(tokenizer); id++) {
        size_t n;
        const char *bytes = ifm_tokenizer_bytes(tokenizer, id, &n);
        if (n == 1)
            byte_ids[(unsigned char)bytes[0]] = id;
    }
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    ifm_tokenizer_close(tokenizer);
    return 0;
}

/* Streams bytes, a token each; what comes out goes to out, terminated. */
static size_t stream(const unsigned char *bytes, size_t n, char *out, size_t cap)
{
    ifm_detokenizer d;
    size_t at = 0;
    ifm_detokenizer_init(&d, tokenizer);
    for (size_t i = 0; i < n; i++)
        at += ifm_detokenizer_push(&d, byte_ids[bytes[i]], out + at, cap - at - 1);
    at += ifm_detokenizer_flush(&d, out + at, cap - at - 1);
    out[at] = '\0';
    return at;
}

/* The Unicode Standard 15, tables 3-8 to 3-11, and what ends in the middle. */
static void invalid_bytes_are_replaced_by_maximal_subparts(void **state)
{
    (void)state;
    const struct {
        const char *bytes, *text;
    } cases[] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A"},
        {"a\xf1\x80\x80\xe1\x80\xc2"
         "b\x80"
         "c\x80\xbf"
         "d",
         "a" R R R "b" R "c" R R "d"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xf0\x9f\x98", R},
        {"\xf0\x9f\x98x", R "x"},
        {"\xf0\x9f\xf0\x9f\x98\x80", R "\xf0\x9f\x98\x80"},
        {"\xc3", R},
        {"\xc3\xc3\xa9", R "\xc3\xa9"},
        {"\xf5\x80\x80\x80", R R R R},
        {"\xf4\x8f\xbf\xbf\xf4\x90", "\xf4\x8f\xbf\xbf" R R},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[128];
        stream((const unsigned char *)cases[i].bytes, strlen(cases[i].bytes), out,
               sizeof out);
        assert_string_equal(out, cases[i].text);
    }
}

/* Nothing is shown before it is whole, and then at once. */
static void half_a_character_is_held_back(void **state)
{
    (void)state;
    ifm_detokenizer d;
    char out[16];
    static const unsigned char face[] = {0xf0, 0x9f, 0x98, 0x80};
    ifm_detokenizer_init(&d, tokenizer);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ifm_detokenizer_push(&d, byte_ids[face[i]], out, sizeof out), 0);
    assert_int_equal(ifm_detokenizer_push(&d, byte_ids[face[3]], out, sizeof out), 4);
    assert_memory_equal(out, face, 4);
    assert_int_equal(ifm_detokenizer_flush(&d, out, sizeof out), 0);
}

/* <s> in the middle of a character gives no text and does not break it. */
static void special_tokens_give_no_text(void **state)
{
    (void)state;
    ifm_detokenizer d;
    char out[16];
    size_t n;
    assert_memory_equal(ifm_tokenizer_bytes(tokenizer, 620, &n), "<s>", 3);
    ifm_detokenizer_init(&d, tokenizer);
    assert_int_equal(ifm_detokenizer_push(&d, byte_ids[0xc3], out, sizeof out), 0);
    assert_int_equal(ifm_detokenizer_push(&d, 620, out, sizeof out), 0);
    assert_int_equal(ifm_detokenizer_push(&d, -1, out, sizeof out), 0);
    assert_int_equal(ifm_detokenizer_push(&d, 1 << 30, out, sizeof out), 0);
    assert_int_equal(ifm_detokenizer_push(&d, byte_ids[0xa9], out, sizeof out), 2);
    assert_memory_equal(out, "\xc3\xa9", 2);
    /* An added token that is not special is text. */
    assert_int_equal(ifm_detokenizer_push(&d, 624, out, sizeof out), 6);
    assert_memory_equal(out, "<left>", 6);
}

static void a_small_buffer_gets_whole_characters(void **state)
{
    (void)state;
    ifm_detokenizer d;
    char out[8] = "@@@@@@@";
    ifm_detokenizer_init(&d, tokenizer);
    ifm_detokenizer_push(&d, byte_ids[0xc3], out, 1);
    assert_int_equal(ifm_detokenizer_push(&d, byte_ids[0xa9], out, 1), 0);
    assert_string_equal(out, "@@@@@@@");
    ifm_detokenizer_push(&d, byte_ids[0xc3], out, 1);
    assert_int_equal(ifm_detokenizer_flush(&d, out, 2), 0);
    assert_int_equal(ifm_detokenizer_push(&d, 624, out, 3), 3);
    assert_string_equal(out, "<le@@@@");
}

/* One push never gives more than it promises, and what comes out is UTF-8. */
static void the_promised_size_suffices(void **state)
{
    (void)state;
    ifm_random random;
    ifm_random_init(&random, 3);
    size_t cap = ifm_detokenizer_max_bytes(tokenizer);
    char *out = malloc(cap);
    ifm_detokenizer d;
    ifm_detokenizer_init(&d, tokenizer);
    for (int i = 0; i < 20000; i++) {
        int32_t id = (int32_t)ifm_random_below(&random, i % 2 == 0 ? 256 : 636);
        size_t n = ifm_detokenizer_push(&d, id, out, cap);
        assert_true(n <= cap);
        assert_int_equal(ifm_utf8_check(out, n), n);
    }
    free(out);
}

static void every_code_point_is_itself(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        unsigned char bytes[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
        uint32_t rest = c;
        for (size_t i = n; i-- > 1; rest >>= 6)
            bytes[i] = (unsigned char)(0x80 | (rest & 0x3f));
        bytes[0] = (unsigned char)(marks[n] | rest);
        ifm_utf8_kind kind;
        size_t length = ifm_utf8_step(bytes, n, &kind);
        if (c >= 0xd800 && c < 0xe000) {
            assert_int_equal(kind, IFM_UTF8_BAD);
            assert_int_equal(length, 1);
            continue;
        }
        assert_int_equal(kind, IFM_UTF8_WHOLE);
        assert_int_equal(length, n);
        assert_int_equal(ifm_utf8_decode(bytes, n), c);
        for (size_t i = 1; i < n; i++) {
            assert_int_equal(ifm_utf8_step(bytes, i, &kind), i);
            assert_int_equal(kind, IFM_UTF8_CUT);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invalid_bytes_are_replaced_by_maximal_subparts),
        cmocka_unit_test(half_a_character_is_held_back),
        cmocka_unit_test(special_tokens_give_no_text),
        cmocka_unit_test(a_small_buffer_gets_whole_characters),
        cmocka_unit_test(the_promised_size_suffices),
        cmocka_unit_test(every_code_point_is_itself),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
