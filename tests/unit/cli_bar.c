/* cli: the line of a download, at every width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bar.h"

static int columns(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += (*text & 0xc0) != 0x80; /* characters, not bytes */
    return n;
}

static void expect(const ifm_hub_progress *at, double per_s, int width, bool unicode,
                   const char *line)
{
    char text[512];
    ifm_bar_format(text, sizeof text, at, per_s, width, unicode);
    assert_string_equal(text, line);
}

static void the_line_says_all(void **state)
{
    (void)state;
    const ifm_hub_progress half = {"sub/model.safetensors", 50000000, 100000000, 5,
                                   false};
    expect(&half, 12300000, 79, true,
           "model.safetensors  █████████▌            50%  50.0 of 100.0 MB  12.3 MB/s  "
           "0:04");
    expect(&half, 12300000, 79, false,
           "model.safetensors  #########..........   50%  50.0 of 100.0 MB  12.3 MB/s  "
           "0:04");
    expect(&half, 12300000, 60, true,
           "model.safetensors   50%  50.0 of 100.0 MB  12.3 MB/s  0:04");
    expect(&half, 1000, 50, true, "model.   50%  50.0 of 100.0 MB  1.0 kB/s  13:53:20");
    expect(&half, 1000, 30, true, " 50%  50.0 of 100.0 MB  1.0 kB");
    const ifm_hub_progress unknown = {"x", 999950, -1, 5, false};
    expect(&unknown, 2500, 79, true, "x  1.0 MB  2.5 kB/s");
    const ifm_hub_progress checking = {"x", 999, 1000000, 0, true};
    expect(&checking, 5, 40, true, "x    0%  999 bytes of 1.0 MB  checking");
    const ifm_hub_progress nothing = {"x", 0, 0, 0, false};
    expect(&nothing, 0, 79, true, "x  0 bytes");
}

static void it_fits(void **state)
{
    (void)state;
    for (int64_t done = 0; done <= 1000; done++) {
        int width = 1 + (int)(done % 200);
        const ifm_hub_progress at = {"model-00001-of-00002.safetensors", done * 123456789,
                                     123456789000, done, false};
        char text[512];
        ifm_bar_format(text, sizeof text, &at, 1234567.0 * (double)(done + 1), width,
                       true);
        if (columns(text) > width)
            fail_msg("%d columns, not %d: %s", columns(text), width, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_says_all),
        cmocka_unit_test(it_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
