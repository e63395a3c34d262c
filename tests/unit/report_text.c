/*
 * Reports as text: the whole report against a stored one, and what must hold for any run.
 * After a change that is meant: IFM_UPDATE_GOLDEN=1 meson test report_text, then read the
 * difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "golden.h"
#include "inferometer/inferometer.h"
#include "report/report.h"
#include "report/text.h"
#include "report_fixture.h"

static const fixture_shape one_token = {1, 2, 1, 37000000, 5200000, 4100000, false};

/* The report as text, which the caller frees; style NULL: as Markdown. */
static char *report(const ifm_run *run, const ifm_report_style *style)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    ifm_error err = {0};
    if (style != NULL)
        assert_int_equal(ifm_report_terminal(run, 1, out, style, &err), IFM_OK);
    else
        assert_int_equal(ifm_report_markdown(run, 1, out, &err), IFM_OK);
    fclose(out);
    return text;
}

static void reports_are_as_stored(void **state)
{
    (void)state;
    ifm_run run;
    fixture_run(&run, &fixture_usual);
    ifm_run_warn(&run, "load", false,
                 "Other programs kept %d%% of the processors busy: close them, or take "
                 "more runs.",
                 31);
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&run, &style);
    assert_golden("report_utf8.txt", text);
    free(text);
    style.unicode = false;
    text = report(&run, &style);
    assert_golden("report_ascii.txt", text);
    free(text);
    ifm_run_deinit(&run);
    fixture_run(&run, &one_token);
    style.unicode = true;
    text = report(&run, &style);
    assert_golden("report_one_token.txt", text);
    free(text);
    ifm_run_deinit(&run);
}

/* Colour adds nothing but escapes. */
static void colour_changes_no_letter(void **state)
{
    (void)state;
    ifm_run run;
    fixture_run(&run, &fixture_usual);
    ifm_report_style style = {.unicode = true, .width = 80};
    char *plain = report(&run, &style);
    style.colour = true;
    char *coloured = report(&run, &style), *out = coloured;
    assert_non_null(strchr(coloured, '\x1b'));
    for (const char *c = coloured; *c != '\0'; c++) {
        if (*c == '\x1b')
            c = strchr(c, 'm');
        else
            *out++ = *c;
    }
    *out = '\0';
    /* Padding before an escape stays where it is: compare without spaces at the ends. */
    for (const char *p = plain, *q = coloured; *p != '\0'; p++, q++) {
        while (*p == '\n' && *q == ' ')
            q++;
        assert_int_equal(*p, *q);
    }
    free(plain);
    free(coloured);
    ifm_run_deinit(&run);
}

static void failed_runs_do_not_vanish(void **state)
{
    (void)state;
    ifm_run run;
    fixture_run(&run, &one_token);
    for (size_t i = 0; i < run.n_records; i++) {
        if (run.records[i].start != IFM_START_WARM)
            continue;
        run.records[i].ok = false;
        run.records[i].error = strdup("the worker was killed by signal 9 (Killed)");
    }
    ifm_report_style style = {.width = 80};
    char *text = report(&run, &style);
    assert_non_null(strstr(text, "Warm start: all 2 failed\n  the worker was killed by "
                                 "signal 9 (Killed)\n"));
    free(text);
    text = report(&run, NULL);
    assert_non_null(strstr(text, "Warm start: none of 2 went well.\n"));
    free(text);
    ifm_run_deinit(&run);
}

static void assert_one_line(const char *text, size_t n, bool unicode,
                            const char *expected)
{
    ifm_buffer out = {0};
    ifm_text_one_line(&out, text, n, 40, unicode);
    assert_string_equal(ifm_buffer_text(&out), expected);
    ifm_buffer_deinit(&out);
}

/* Names and texts come from files and models: none may command the terminal. */
static void shown_text_commands_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool unicode;
        const char *expected;
    } cases[] = {
        {"plain", true, "plain"},
        {"a\nb\tc\rd", true, "a\\nb\\tc\\rd"},
        {"\x1b[31mred", true, "\\x1b[31mred"},
        {"\xe2\x1b[31m", true, "?\\x1b[31m"}, /* half a character before an escape */
        {"\xf0\x9f\x1b[0m", true, "??\\x1b[0m"},
        {"\x9b"
         "31m",
         true, "?31m"}, /* CSI as one byte */
        {"\xc2\x9b"
         "31m",
         true, "\\x9b31m"},                 /* CSI as a character */
        {"\xc0\x9b", true, "??"},           /* an escape, overlong */
        {"\xed\xa0\x80", true, "???"},      /* a surrogate */
        {"\xf4\x90\x80\x80", true, "????"}, /* past the last code point */
        {"cut \xe2\x82", true, "cut ??"},
        {"\u202Eevil", true, "\\u202eevil"}, /* turns the writing direction */
        {"fünf 五 🎉", true, "fünf 五 🎉"},
        {"fünf 五", false, "f?nf ?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_one_line(cases[i].text, strlen(cases[i].text), cases[i].unicode,
                        cases[i].expected);
    assert_one_line("a\0b", 3, true, "a\\x00b");
}

static void markdown_quotes_names(void **state)
{
    (void)state;
    ifm_run run;
    fixture_run(&run, &fixture_usual);
    free(run.target.model_name);
    run.target.model_name = strdup("my|model_x\n| --- |<img>");
    run.target.threads = 1;
    ifm_run_warn(&run, "x", true, "a <b> of `c`\nd");
    char *text = report(&run, NULL);
    assert_non_null(
        strstr(text, "| model | my\\|model\\_x\\\\n\\| --- \\|\\<img\\>, gpt2, 81.9 M"));
    assert_non_null(strstr(text, ", 1 thread, "));
    assert_non_null(strstr(text, "- **spoiled**: a \\<b\\> of \\`c\\`\\\\nd\n"));
    free(text);
    ifm_run_deinit(&run);
}

/* The next field of RFC 4180 text, unquoted into field[256]; returns what ended it. */
static char next_field(const char **text, char *field)
{
    const char *c = *text;
    bool quoted = *c == '"';
    c += quoted;
    while (quoted ? *c != '"' || c[1] == '"' : *c != ',' && *c != '\r') {
        assert_true(*c != '\0');
        c += quoted && *c == '"';
        *field++ = *c++;
    }
    *field = '\0';
    c += quoted;
    char end = *c++;
    assert_true(end == ',' || (end == '\r' && *c == '\n'));
    *text = c + (end == '\r');
    return end;
}

/* Reads a row into fields; returns how many. */
static size_t read_row(const char **text, char (*fields)[256])
{
    size_t n = 0;
    while (next_field(text, fields[n++]) == ',')
        assert_true(n < 32);
    return n;
}

static size_t find_column(char (*names)[256], size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    fail_msg("no column %s", name);
    return 0;
}

static void csv_can_be_read_back(void **state)
{
    (void)state;
    ifm_run run;
    fixture_run(&run, &fixture_usual);
    run.records[1].ok = false;
    run.records[1].error = strdup("said \"no\",\r\ntwice");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(ifm_report_csv(&run, 1, out, NULL), IFM_OK);
    fclose(out);
    const char *at = text;
    static char names[32][256], fields[32][256];
    size_t n = read_row(&at, names), ttft = find_column(names, n, "ttft_ns");
    size_t e2el = find_column(names, n, "e2el_ns"),
           generation = find_column(names, n, "generation_ns"),
           first_phase = find_column(names, n, "spawn_ns");
    for (size_t i = 0; i < run.n_records; i++) {
        assert_int_equal(read_row(&at, fields), n);
        assert_int_equal(atoi(fields[0]), run.records[i].id);
        assert_string_equal(fields[find_column(names, n, "error")],
                            i == 1 ? run.records[1].error : "");
        int64_t sum = 0;
        for (size_t p = 0; p < IFM_PHASE_COUNT; p++)
            sum += strtoll(fields[first_phase + p], NULL, 10);
        assert_int_equal(sum, strtoll(fields[ttft], NULL, 10));
        assert_int_equal(strtoll(fields[ttft], NULL, 10), run.records[i].token_ns[0]);
        assert_int_equal(strtoll(fields[e2el], NULL, 10),
                         sum + strtoll(fields[generation], NULL, 10));
    }
    assert_int_equal(*at, '\0');
    free(text);
    ifm_run_deinit(&run);
}

static void units_follow_the_magnitude(void **state)
{
    (void)state;
    assert_string_equal(ifm_scale_for(2e3, 9e5).unit, "µs");
    assert_string_equal(ifm_scale_for(2e3, 9e6).unit, "ms");
    assert_string_equal(ifm_scale_for(4e6, 5e9).unit, "ms");
    assert_string_equal(ifm_scale_for(7.5e9, 2e11).unit, "s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_as_stored),
        cmocka_unit_test(colour_changes_no_letter),
        cmocka_unit_test(failed_runs_do_not_vanish),
        cmocka_unit_test(shown_text_commands_nothing),
        cmocka_unit_test(markdown_quotes_names),
        cmocka_unit_test(csv_can_be_read_back),
        cmocka_unit_test(units_follow_the_magnitude),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
