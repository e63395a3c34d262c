/* The writer of JSON: what a reader gets back is what was written. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "result/fields.h"
#include "result/writer.h"

/* What was written as text, and as a value. */
static char text[1 << 20];

static json_t *ended(ifm_writer *w, FILE *file)
{
    ifm_error err = {0};
    json_error_t error;
    if (ifm_writer_end(w, "the test", &err) != IFM_OK)
        fail_msg("%s", err.message);
    rewind(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    fclose(file);
    json_t *value = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL)
        fail_msg("%s at %d: %s", error.text, error.position, text);
    return value;
}

static ifm_writer begun(FILE **file)
{
    ifm_writer w;
    *file = tmpfile();
    assert_int_equal(ifm_writer_init(&w, *file, NULL), IFM_OK);
    return w;
}

static void the_layout_is_as_asked(void **state)
{
    (void)state;
    FILE *file;
    ifm_writer w = begun(&file);
    const int64_t numbers[] = {1, -2};
    ifm_writer_open(&w, '{', IFM_WRITER_LINES);
    ifm_writer_key(&w, "a");
    ifm_writer_ints64(&w, numbers, 2);
    ifm_writer_key(&w, "b");
    ifm_writer_open(&w, '[', IFM_WRITER_LINES);
    ifm_writer_open(&w, '{', IFM_WRITER_ONE_LINE);
    ifm_writer_key(&w, "c");
    ifm_writer_bool(&w, true);
    ifm_writer_key(&w, "d");
    ifm_writer_known(&w, -1);
    ifm_writer_close(&w);
    ifm_writer_tree(&w, json_pack("{s:[i]}", "e", 1));
    ifm_writer_close(&w);
    ifm_writer_key(&w, "f");
    ifm_writer_open(&w, '[', IFM_WRITER_LINES);
    ifm_writer_close(&w);
    ifm_writer_key(&w, "g");
    ifm_writer_ints32(&w, NULL, 3);
    ifm_writer_close(&w);
    ifm_writer_line(&w);
    json_decref(ended(&w, file));
    assert_string_equal(text, "{\n"
                              " \"a\": [1, -2],\n"
                              " \"b\": [\n"
                              "  {\"c\": true, \"d\": null},\n"
                              "  {\n"
                              "   \"e\": [\n"
                              "    1\n"
                              "   ]\n"
                              "  }\n"
                              " ],\n"
                              " \"f\": [],\n"
                              " \"g\": null\n"
                              "}\n");
}

static void numbers_come_back(void **state)
{
    (void)state;
    const int64_t ints[] = {0, 7, -1, INT64_MAX, INT64_MIN, 1000000000};
    const double reals[] = {0, -0.5, 0.1, 1e300, 5e-324, 1.0 / 3, 1e15, 123456789.125};
    FILE *file;
    ifm_writer w = begun(&file);
    ifm_writer_open(&w, '[', IFM_WRITER_ONE_LINE);
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        ifm_writer_int(&w, ints[i]);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        ifm_writer_real(&w, reals[i]);
    ifm_writer_real(&w, NAN);
    ifm_writer_real(&w, -INFINITY);
    ifm_writer_seconds(&w, 100000001);
    ifm_writer_seconds(&w, -1500000000);
    ifm_writer_close(&w);
    json_t *array = ended(&w, file);
    size_t at = 0;
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        const json_t *value = json_array_get(array, at++);
        assert_true(json_is_integer(value) && json_integer_value(value) == ints[i]);
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const json_t *value = json_array_get(array, at++);
        assert_true(json_is_real(value) && json_real_value(value) == reals[i]);
    }
    assert_true(json_is_null(json_array_get(array, at)));
    assert_true(json_is_null(json_array_get(array, at + 1)));
    assert_true(json_real_value(json_array_get(array, at + 2)) == 0.100000001);
    assert_true(json_real_value(json_array_get(array, at + 3)) == -1.5);
    assert_non_null(strstr(text, "0.1,")); /* not 0.10000000000000001 */
    json_decref(array);
}

/* Any bytes become the text that ifm_json_text, which asks Jansson, makes of them. */
static void any_bytes_become_text(void **state)
{
    (void)state;
    enum { TEXTS = 20000, LONGEST = 24 };
    static const unsigned char interesting[] = {0x00, 0x01, 0x1f, 0x7f, '"',  '\\', '\n',
                                                'a',  0x80, 0xbf, 0xc1, 0xc2, 0xe0, 0xa0,
                                                0xed, 0x9f, 0xef, 0xbb, 0xf0, 0x90, 0xf4,
                                                0x8f, 0xf5, 0xff, 0xe2, 0x82, 0xac, ' '};
    ifm_random dice;
    ifm_random_init(&dice, 2);
    FILE *file;
    ifm_writer w = begun(&file);
    json_t *expected = json_array();
    ifm_writer_open(&w, '[', IFM_WRITER_LINES);
    for (int i = 0; i < TEXTS; i++) {
        char bytes[LONGEST];
        size_t n = ifm_random_below(&dice, LONGEST);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)interesting[ifm_random_below(&dice, sizeof interesting)];
        ifm_writer_text_n(&w, bytes, n);
        json_array_append_new(expected, ifm_json_text(bytes, n));
    }
    ifm_writer_text(&w, NULL);
    json_array_append_new(expected, json_null());
    ifm_writer_close(&w);
    json_t *array = ended(&w, file);
    assert_int_equal(json_array_size(array), TEXTS + 1);
    for (size_t i = 0; i <= TEXTS; i++)
        if (!json_equal(json_array_get(array, i), json_array_get(expected, i)))
            fail_msg("text %zu differs", i);
    json_decref(array);
    json_decref(expected);
}

static void texts_longer_than_the_buffer(void **state)
{
    (void)state;
    enum { N = 300000 };
    char *longer = malloc(N);
    memset(longer, 'x', N);
    longer[N / 2] = '"';
    FILE *file;
    ifm_writer w = begun(&file);
    ifm_writer_text_n(&w, longer, N);
    json_t *value = ended(&w, file);
    assert_int_equal(json_string_length(value), N);
    assert_memory_equal(json_string_value(value), longer, N);
    json_decref(value);
    free(longer);
}

static void a_full_disk_is_told_at_the_end(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL)
        skip();
    ifm_writer w;
    ifm_error err = {0};
    assert_int_equal(ifm_writer_init(&w, full, NULL), IFM_OK);
    ifm_writer_int(&w, 1);
    assert_int_equal(ifm_writer_end(&w, "the test", &err), IFM_ERR_IO);
    assert_non_null(strstr(err.message, "cannot write the test"));
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_as_asked),
        cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(any_bytes_become_text),
        cmocka_unit_test(texts_longer_than_the_buffer),
        cmocka_unit_test(a_full_disk_is_told_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
