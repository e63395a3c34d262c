/* base: errors stay one line, buffers survive, random numbers repeat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/random.h"

static void error_is_one_line(void **state)
{
    (void)state;
    ifm_error err = {0};
    assert_int_equal(ifm_fail(&err, IFM_ERR_FORMAT, "a\nb\x1b[2J: %d", 7),
                     IFM_ERR_FORMAT);
    assert_string_equal(err.message, "a?b?[2J: 7");
    assert_int_equal(ifm_fail_within(&err, IFM_ERR_FORMAT, "x.json"), IFM_ERR_FORMAT);
    assert_string_equal(err.message, "x.json: a?b?[2J: 7");
    assert_int_equal(ifm_fail(NULL, IFM_ERR_IO, "nobody listens"), IFM_ERR_IO);
}

static void error_never_ends_in_half_a_character(void **state)
{
    (void)state;
    char text[sizeof((ifm_error *)0)->message + 8];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 4 < sizeof text; i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        text[sizeof text - 1] = '\0';
        ifm_error err = {0};
        ifm_fail(&err, IFM_ERR_FORMAT, "%s", text);
        assert_int_equal((strlen(err.message) - shift) % 4, 0);
    }
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(ifm_status_name(IFM_OK), "OK");
    assert_string_equal(ifm_status_name(IFM_ERR_CANCELLED), "ERR_CANCELLED");
    assert_string_equal(ifm_status_name((ifm_status)999), "unknown status");
}

static void buffer_grows_and_hands_over(void **state)
{
    (void)state;
    ifm_buffer b = {0};
    assert_string_equal(ifm_buffer_text(&b), "");
    for (int i = 0; i < 1000; i++)
        ifm_buffer_printf(&b, "%d,", i % 10);
    assert_int_equal(b.length, 2000);
    ifm_buffer_append(&b, "\0z", 2);
    assert_int_equal(b.length, 2002);
    assert_false(b.failed);
    char *data = ifm_buffer_take(&b);
    assert_memory_equal(data + 1998, "9,\0z", 5);
    assert_null(b.data);
    free(data);
    ifm_buffer_deinit(&b);
}

static void arithmetic_knows_its_limits(void **state)
{
    (void)state;
    uint64_t x;
    size_t y;
    assert_true(ifm_add_u64(UINT64_MAX - 1, 1, &x));
    assert_false(ifm_add_u64(UINT64_MAX, 1, &x));
    assert_false(ifm_mul_u64(1ull << 60, 1ull << 4, &x));
    assert_true(ifm_mul_u64(1ull << 60, 15, &x));
    assert_false(ifm_mul_size(SIZE_MAX / 2, 3, &y));
    assert_false(ifm_add_size(SIZE_MAX, 1, &y));
    assert_int_equal(ifm_align_up(0, 64), 0);
    assert_int_equal(ifm_align_up(65, 64), 128);
}

static void random_repeats_and_is_spread(void **state)
{
    (void)state;
    ifm_random a, b;
    ifm_random_init(&a, 0);
    ifm_random_init(&b, 0);
    double sum = 0, sum2 = 0;
    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        double x = ifm_random_normal(&a);
        assert_true(x == ifm_random_normal(&b));
        sum += x;
        sum2 += x * x;
    }
    /* Five standard errors: 1/sqrt(N) of the mean, sqrt(2/N) of the variance. */
    assert_true(sum / N < 5 * 0.0071 && sum / N > -5 * 0.0071);
    assert_true(sum2 / N < 1.05 && sum2 / N > 0.95);
    for (int i = 0; i < 1000; i++)
        assert_true(ifm_random_below(&a, 7) < 7);
}

static void sizes_are_for_people(void **state)
{
    (void)state;
    char text[32];
    assert_string_equal(ifm_bytes_text(0, text), "0 bytes");
    assert_string_equal(ifm_bytes_text(999, text), "999 bytes");
    assert_string_equal(ifm_bytes_text(1000, text), "1.0 kB");
    assert_string_equal(ifm_bytes_text(999949, text), "999.9 kB");
    assert_string_equal(ifm_bytes_text(999951, text), "1.0 MB");
    assert_string_equal(ifm_bytes_text(INT64_MAX, text), "9223372.0 TB");
}

static void foreign_text_is_tamed(void **state)
{
    (void)state;
    char text[] = "a\x1b[31mb\n\xc2\x9b\xc3\xa4\x7f";
    assert_string_equal(ifm_bytes_tame(text), "a?[31mb???\xc3\xa4?");
    char plain[] = "llama";
    assert_string_equal(ifm_bytes_tame(plain), "llama");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_for_people),
        cmocka_unit_test(foreign_text_is_tamed),
        cmocka_unit_test(error_is_one_line),
        cmocka_unit_test(error_never_ends_in_half_a_character),
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(buffer_grows_and_hands_over),
        cmocka_unit_test(arithmetic_knows_its_limits),
        cmocka_unit_test(random_repeats_and_is_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
