/* The JSON scanner: numbers, names, strings of every length, what leniency forgives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/scan.h"

static bool read_real(const char *text, double *value)
{
    ifm_scan scan;
    ifm_scan_init(&scan, text, strlen(text));
    return ifm_scan_real(&scan, value) && ifm_scan_end(&scan);
}

static void numbers(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "-1",
                                       "12.5",
                                       "0.1",
                                       "123456789012345678",
                                       "9007199254740993",
                                       "1e3",
                                       "1E+3",
                                       "25e-1",
                                       "0.000001",
                                       "1.7976931348623157e308",
                                       "5e-324",
                                       "0.00000000000000000000123",
                                       "123456789012345678901234567890",
                                       "0e99999999999999999999",
                                       "1234567890.1234567890123456789",
                                       "2.2250738585072014e-308"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value, expected = strtod(good[i], NULL);
        assert_true(read_real(good[i], &value));
        /* 15 digits, as promised; of the subnormal all that there is. */
        assert_true(fabs(value - expected) <= 1e-15 * fabs(expected));
    }
    static const char *const bad[] = {"",    "-", "+1",    "01",  "1.",  ".5", "1e",
                                      "1e+", "x", "\"1\"", "nan", "1 2", "--1"};
    double value;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(read_real(bad[i], &value));
    assert_true(read_real("1e999", &value) && isinf(value));
    assert_true(read_real("-1e99999999999999999999", &value) && isinf(value) &&
                value < 0);
    assert_true(read_real("1e-99999999999999999999", &value) && value == 0);
    assert_true(read_real("4503599627370497", &value) && value == 4503599627370497.0);
}

static void names(void **state)
{
    (void)state;
    static const char text[] = " { \"a\" : 1, \"b\\n\":2 , \"\": 3 } ";
    static const char *const expected[] = {"a", "b\\n", ""};
    ifm_scan scan;
    ifm_scan_init(&scan, text, strlen(text));
    assert_true(ifm_scan_take(&scan, '{'));
    size_t i = 0;
    for (; ifm_scan_more(&scan, '}', i == 0); i++) {
        const char *name;
        size_t n;
        double value;
        assert_true(ifm_scan_name(&scan, &name, &n));
        assert_int_equal(n, strlen(expected[i]));
        assert_memory_equal(name, expected[i], n);
        assert_true(ifm_scan_real(&scan, &value) && value == (double)(i + 1));
    }
    assert_int_equal(i, 3);
    assert_true(ifm_scan_end(&scan));
}

static bool read_string(const char *text, bool lenient, char *out, size_t cap, size_t *n)
{
    ifm_scan scan;
    const size_t length = strlen(text);
    char *exact = malloc(length);
    assert_non_null(exact);
    memcpy(exact, text, length);
    ifm_scan_init(&scan, exact, length);
    scan.lenient = lenient;
    bool read = ifm_scan_string(&scan, out, cap, n) && ifm_scan_end(&scan);
    free(exact);
    return read;
}

/* What ends a run of plain characters, at every place of the eight that are looked at. */
static void strings_of_every_length(void **state)
{
    (void)state;
    static const char *const inside[] = {"",     "\\n",  "\\u00e9", "\xc3\xa9",
                                         "\\\\", "\\\"", "\x7f"};
    static const char *const meant[] = {"",   "\n", "\xc3\xa9", "\xc3\xa9",
                                        "\\", "\"", "\x7f"};
    for (size_t k = 0; k < sizeof inside / sizeof *inside; k++)
        for (int before = 0; before < 20; before++)
            for (int behind = 0; behind < 10; behind++) {
                char text[64], expected[64], out[64];
                size_t n;
                snprintf(text, sizeof text, "\"%.*s%s%.*s\"", before,
                         "abcdefghijklmnopqrst", inside[k], behind, "0123456789");
                snprintf(expected, sizeof expected, "%.*s%s%.*s", before,
                         "abcdefghijklmnopqrst", meant[k], behind, "0123456789");
                assert_true(read_string(text, false, out, sizeof out, &n));
                assert_string_equal(out, expected);
                assert_int_equal(n, strlen(expected));
            }
}

static void bad_strings(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x01", "\n",    "\x1f",         "\xff",    "\xc3",
                                      "\\x",  "\\u12", "\xed\xa0\x80", "\xc0\x80"};
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        for (int before = 0; before < 20; before++)
            for (int lenient = 0; lenient < 2; lenient++) {
                char text[64], out[64];
                size_t n;
                snprintf(text, sizeof text, "\"%.*s%s\"", before, "abcdefghijklmnopqrst",
                         bad[k]);
                assert_false(read_string(text, lenient, out, sizeof out, &n));
                assert_false(read_string(text, lenient, NULL, 0, &n));
            }
    char out[4];
    size_t n;
    assert_true(read_string("\"abc\"", false, out, 4, &n));
    assert_false(read_string("\"abcd\"", false, out, 4, &n));
    assert_false(read_string("\"abc", false, out, 4, &n));
}

static void leniency(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"a\\u0000b\"",
                                        "\"\\ud83dx\"",
                                        "\"\\udc00\"",
                                        "\"\\ud83d\\u0041\"",
                                        "\"\\ud83d\\ud83d\\ude00\"",
                                        "\"\\ud83d\""};
    static const char *const meant[] = {"a\xef\xbf\xbd"
                                        "b",
                                        "\xef\xbf\xbdx",
                                        "\xef\xbf\xbd",
                                        "\xef\xbf\xbd"
                                        "A",
                                        "\xef\xbf\xbd\xf0\x9f\x98\x80",
                                        "\xef\xbf\xbd"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char out[64];
        size_t n;
        assert_false(read_string(texts[i], false, out, sizeof out, &n));
        assert_true(read_string(texts[i], true, out, sizeof out, &n));
        assert_string_equal(out, meant[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(names),
        cmocka_unit_test(strings_of_every_length),
        cmocka_unit_test(bad_strings),
        cmocka_unit_test(leniency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
