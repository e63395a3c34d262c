/* What is seen of a load while it runs, as text. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "report/load_live.h"
#include "report/text.h"

static const ifm_load_plan plan = {
    .arrival = IFM_ARRIVAL_POISSON, .request_rate = 20, .concurrency = 64};

/* Half of a load of 1,200 requests. Caller frees. */
static ifm_totals *totals_at(int64_t t_ns)
{
    ifm_totals *t = calloc(1, sizeof *t);
    assert_non_null(t);
    const int64_t s = t_ns / 1000000000;
    t->t_ns = t_ns;
    t->planned = 1200;
    t->outcome[IFM_OUTCOME_OK] = 20 * s;
    t->in_flight = 54;
    t->output_tokens = t->events = 2560 * s;
    for (int i = 0; i < 100; i++) {
        ifm_histogram_add(&t->ttft, 180000000 + 1000000 * i);
        ifm_histogram_add(&t->itl, 20000000 + 100000 * i);
        ifm_histogram_add(&t->lag, 30000 + 100 * i);
    }
    return t;
}

/* The dashboard after `past` earlier ticks of a second each; the caller frees. */
static char *dashboard(const ifm_totals *now, int past, const ifm_report_style *style,
                       int rows)
{
    ifm_live live = {.plan = &plan};
    ifm_buffer out = {0};
    for (int i = past; i > 0; i--) {
        ifm_totals *then = totals_at(now->t_ns - i * (int64_t)1000000000);
        ifm_live_see(&live, then);
        free(then);
    }
    ifm_live_dashboard(&live, now, style, rows, &out);
    assert_false(out.failed);
    return out.data != NULL ? ifm_buffer_take(&out) : strdup("");
}

static int count_lines(const char *text, int width)
{
    int lines = 0;
    for (const char *line = text; *line != '\0'; lines++) {
        char copy[1024];
        const size_t n = strcspn(line, "\n");
        assert_int_equal(line[n], '\n');
        snprintf(copy, sizeof copy, "%.*s", (int)n, line);
        if ((int)ifm_text_columns(copy) > width)
            fail_msg("%zu columns: %s", ifm_text_columns(copy), copy);
        line += n + 1;
    }
    return lines;
}

static void the_dashboard_is_as_stored(void **state)
{
    (void)state;
    ifm_totals *t = totals_at(30000000000);
    t->outcome[IFM_OUTCOME_RESET] = 7;
    t->outcome[IFM_OUTCOME_TIMEOUT] = 3;
    t->waiting = 12;
    const ifm_report_style style = {.unicode = true, .width = 79};
    char *text = dashboard(t, 5, &style, 23);
    assert_golden("live_utf8.txt", text);
    free(text);
    free(t);
}

/* Whatever the terminal's size: never wider, never higher, nothing but lines. */
static void the_dashboard_fits(void **state)
{
    (void)state;
    ifm_totals *t = totals_at(3599000000000);
    for (int i = 0; i < IFM_OUTCOME_COUNT; i++)
        t->outcome[i] = 123456;
    for (int width = 1; width < 130; width += 7)
        for (int rows = 0; rows < 12; rows++)
            for (int unicode = 0; unicode < 2; unicode++) {
                const ifm_report_style style = {.unicode = unicode, .width = width};
                char *text = dashboard(t, 20, &style, rows);
                assert_true(count_lines(text, width) <= rows);
                for (const char *c = text; *c != '\0'; c++) {
                    assert_true((unsigned char)*c >= 0x20 || *c == '\n');
                    assert_true(unicode || (unsigned char)*c < 0x80);
                }
                free(text);
            }
    free(t);
}

static void colour_is_always_ended(void **state)
{
    (void)state;
    ifm_totals *t = totals_at(30000000000);
    t->outcome[IFM_OUTCOME_REFUSED] = 1;
    for (int width = 1; width < 100; width++) {
        const ifm_report_style style = {.colour = true, .unicode = true, .width = width};
        char *text = dashboard(t, 3, &style, 23);
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            char *last = strrchr(line, '\x1b');
            if (last != NULL)
                assert_memory_equal(last, "\x1b[0m", 4);
        }
        free(text);
    }
    free(t);
}

static char *line_of(const ifm_totals *t, const ifm_totals *then)
{
    ifm_live live = {.plan = &plan};
    ifm_buffer out = {0};
    if (then != NULL)
        ifm_live_see(&live, then);
    ifm_live_line(&live, t, true, &out);
    return ifm_buffer_take(&out);
}

static void rates_are_of_the_last_seconds(void **state)
{
    (void)state;
    ifm_totals *then = totals_at(26000000000), *now = totals_at(30000000000);
    char *text = line_of(now, then);
    assert_non_null(strstr(text, "load: 0:30, 600 of 1,200 done, 54 in flight, 20.0 "
                                 "requests/s, 2,560 tokens/s; TTFT p50 "));
    free(text);
    /* Nobody counts tokens: events are not called so. */
    now->output_tokens = then->output_tokens = 0;
    text = line_of(now, then);
    assert_non_null(strstr(text, ", 2,560 events/s;"));
    free(text);
    /* The first tick has nothing to compare with. */
    text = line_of(now, NULL);
    assert_null(strstr(text, "/s"));
    free(text);
    free(then);
    free(now);
}

static void the_beginning_shows_nothing_made_up(void **state)
{
    (void)state;
    ifm_totals *t = calloc(1, sizeof *t);
    t->planned = -1;
    t->duration_ns = 60000000000;
    const ifm_report_style style = {.unicode = true, .width = 79};
    char *text = dashboard(t, 0, &style, 23);
    assert_non_null(strstr(text, "0 done  0:00\n"));
    assert_non_null(strstr(text, "TTFT       —\n"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "left"));
    free(text);
    /* Half of the duration. */
    t->t_ns = 30000000000;
    text = dashboard(t, 0, &style, 23);
    assert_non_null(strstr(text, "0:30, 0:30 left\n"));
    free(text);
    /* It is over, but some are still coming. */
    t->t_ns = 61000000000;
    t->in_flight = 3;
    text = dashboard(t, 0, &style, 23);
    assert_non_null(strstr(text, "1:01, the last ones\n"));
    free(text);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dashboard_is_as_stored),
        cmocka_unit_test(the_dashboard_fits),
        cmocka_unit_test(colour_is_always_ended),
        cmocka_unit_test(rates_are_of_the_last_seconds),
        cmocka_unit_test(the_beginning_shows_nothing_made_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
