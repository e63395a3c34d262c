/*
 * Reports of a load: the whole report against a stored one, and what must hold for any.
 * After a change that is meant: IFM_UPDATE_GOLDEN=1 meson test report_load, then read the
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
#include "load_fixture.h"
#include "report/load_report.h"
#include "report/load_text.h"

/* The report as text, which the caller frees; style NULL: as Markdown. */
static char *report(const ifm_load_run *load, const ifm_load_summary *summary,
                    const ifm_report_style *style)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    ifm_error err = {0};
    if (style != NULL)
        assert_int_equal(ifm_report_load_terminal(load, summary, out, style, &err),
                         IFM_OK);
    else
        assert_int_equal(ifm_report_load_markdown(load, summary, out, &err), IFM_OK);
    fclose(out);
    return text;
}

static void reports_are_as_stored(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary summary;
    load_fixture(&load, &summary);
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &summary, &style);
    assert_golden("load_utf8.txt", text);
    free(text);
    style.unicode = false;
    text = report(&load, &summary, &style);
    for (const char *c = text; *c != '\0'; c++)
        assert_true((unsigned char)*c < 0x80);
    assert_golden("load_ascii.txt", text);
    free(text);
    text = report(&load, &summary, NULL);
    assert_golden("load_markdown.md", text);
    free(text);
    load_fixture_free(&load, &summary);
}

static void assert_lines_fit(const char *text, size_t width)
{
    for (const char *line = text; *line != '\0';) {
        const size_t n = strcspn(line, "\n");
        char copy[1024];
        snprintf(copy, sizeof copy, "%.*s", (int)n, line);
        if (ifm_text_columns(copy) > width)
            fail_msg("%zu columns: %s", ifm_text_columns(copy), copy);
        line += n + (line[n] == '\n');
    }
}

/* Nothing went well: no table, no rate that would be made up, every failure by name. */
static void a_load_of_failures_is_reported(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    load_fixture(&load, &s);
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++)
        s.metric[m] = ifm_stats_of(NULL, 0);
    s.n_ok = 0;
    s.n_good = 0;
    memset(s.outcome, 0, sizeof s.outcome);
    s.outcome[IFM_OUTCOME_REFUSED] = 1200;
    s.steady_found = false;
    s.whole = (ifm_load_rates){0, 0, 0, 0, 0};
    load.n_floors = 0;
    load.run.incomplete = true;
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &s, &style);
    assert_lines_fit(text, 80);
    assert_null(strstr(text, "Latency"));
    assert_non_null(strstr(text, "0 of 1,200 answered (0.0%) · 1,200 failed:"));
    assert_non_null(strstr(text, "1,200  connection-refused"));
    assert_non_null(strstr(text, "no steady stretch was found"));
    assert_non_null(strstr(text, "incomplete"));
    assert_non_null(strstr(text, "load --self-test"));
    free(text);
    load_fixture_free(&load, &s);
}

/* Few values: a dash, and what is missing. */
static void few_requests_have_no_tail(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    ifm_random dice;
    load_fixture(&load, &s);
    ifm_random_init(&dice, 1);
    for (int m = 0; m < IFM_LOAD_METRIC_COUNT; m++)
        if (s.metric[m].n > 0)
            s.metric[m] = load_fixture_stats(&dice, 40, 20000000);
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &s, &style);
    assert_lines_fit(text, 80);
    assert_non_null(strstr(text, "p95 needs 59 values, p99 299;"));
    assert_null(strstr(text, "p90 needs"));
    free(text);
    load_fixture_free(&load, &s);
}

static void what_is_one_event_is_said(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    load_fixture(&load, &s);
    s.itl_per_event = true;
    s.tokens_per_event = 3.4;
    s.token_source = IFM_TOKENS_EVENTS;
    ifm_random dice;
    ifm_random_init(&dice, 2);
    s.metric[IFM_LOAD_TTFO] = load_fixture_stats(&dice, 1100, 400000000);
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &s, &style);
    assert_non_null(strstr(text, "\n  ITL, per event "));
    assert_non_null(strstr(text, "\n  TTFO "));
    assert_non_null(strstr(text, "\n  Output events/s "));
    assert_non_null(strstr(text, "3.40 tokens an event · nobody counts tokens"));
    free(text);
    load_fixture_free(&load, &s);
}

/* Names come from servers and files: none may command the terminal or be markup. */
static void names_command_nothing(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    load_fixture(&load, &s);
    free(load.plan.model);
    load.plan.model = strdup("a|b\x1b[31m\n| x |");
    free(load.plan.input_len);
    load.plan.input_len = strdup("\x1b[2J");
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &s, &style);
    assert_null(strchr(text, '\x1b'));
    free(text);
    text = report(&load, &s, NULL);
    assert_null(strchr(text, '\x1b'));
    assert_non_null(strstr(text, "| model | a\\|b\\\\x1b\\[31m\\\\n\\| x \\| |\n"));
    free(text);
    load_fixture_free(&load, &s);
}

static void colour_changes_no_letter(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    load_fixture(&load, &s);
    ifm_report_style style = {.unicode = true, .width = 100};
    char *plain = report(&load, &s, &style);
    style.colour = true;
    char *coloured = report(&load, &s, &style), *out = coloured;
    for (const char *c = coloured; *c != '\0'; c++) {
        if (*c == '\x1b')
            c = strchr(c, 'm');
        else
            *out++ = *c;
    }
    *out = '\0';
    for (const char *p = plain, *q = coloured; *p != '\0'; p++, q++) {
        while (*p == '\n' && *q == ' ')
            q++;
        assert_int_equal(*p, *q);
    }
    free(plain);
    free(coloured);
    load_fixture_free(&load, &s);
}

/* A search whose threshold is 12 requests a second, some of it undecided. */
static void a_search_is_a_row_a_step(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    load_fixture(&load, &s);
    ifm_rate_options options = ifm_rate_options_usual();
    options.guess = 5;
    load.search = calloc(1, sizeof *load.search);
    ifm_rate_search_init(load.search, &options);
    double rate;
    int64_t n;
    while (ifm_rate_search_next(load.search, &rate, &n))
        ifm_rate_search_tell(load.search, n,
                             rate < 12   ? n - n / 300
                             : rate < 15 ? n * 95 / 100
                                         : n / 2,
                             1, true);
    for (size_t i = 0; i < load.search->n_steps; i++)
        load.search->steps[i].ttft_p95_ns = 2e7 * load.search->steps[i].rate;
    load.plan.request_rate = load.search->low;
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &s, &style);
    assert_golden("load_search.txt", text);
    assert_lines_fit(text, 80);
    free(text);
    text = report(&load, &s, NULL);
    assert_non_null(strstr(text, "| 20 | 400 | 50.0% |"));
    free(text);
    free(load.search);
    load_fixture_free(&load, &s);
}

/* Ended before anything was decided: nothing is claimed. */
static void a_search_that_was_ended_claims_nothing(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    load_fixture(&load, &s);
    const ifm_rate_options options = ifm_rate_options_usual();
    load.search = calloc(1, sizeof *load.search);
    ifm_rate_search_init(load.search, &options);
    ifm_rate_search_tell(load.search, 50, 50, 1, true);
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &s, &style);
    assert_non_null(strstr(text, "no rate was decided (the search was ended early)"));
    assert_null(strstr(text, "keep it,"));
    free(text);
    free(load.search);
    load_fixture_free(&load, &s);
}

static void lost_processes_are_named(void **state)
{
    (void)state;
    ifm_load_run load;
    ifm_load_summary s;
    load_fixture(&load, &s);
    load.n_ranks = 2;
    load.ranks = calloc(2, sizeof *load.ranks);
    load.ranks[0] = (ifm_load_rank){"a", 0, false, 600, 0, 0, 0};
    load.ranks[1] = (ifm_load_rank){"b", 1, true, 590, 1010, 500, 2300};
    ifm_report_style style = {.unicode = true, .width = 80};
    char *text = report(&load, &s, &style);
    assert_non_null(strstr(text, "2 · 590 to 600 requests each · clocks agree within "
                                 "2.30 µs\n"));
    assert_non_null(strstr(text, "rank 1 on b died: 1,010 requests"));
    free(text);
    load_fixture_free(&load, &s);
}

static void words_are_right(void **state)
{
    (void)state;
    assert_string_equal(ifm_word_whole(0).text, "0");
    assert_string_equal(ifm_word_whole(999).text, "999");
    assert_string_equal(ifm_word_whole(1234567).text, "1,234,567");
    assert_string_equal(ifm_word_whole(-123456).text, "-123,456");
    /* Only all of them are 100%. */
    assert_string_equal(ifm_word_share(99999, 100000, true).text, "99.9%");
    assert_string_equal(ifm_word_share(5, 5, true).text, "100%");
    assert_string_equal(ifm_word_share(0, 0, true).text, "—");
    assert_string_equal(ifm_word_span(300000000).text, "0.30 s");
    assert_string_equal(ifm_word_span(60000000000).text, "60 s");
    assert_string_equal(ifm_word_span(62400000000).text, "62.4 s");
    assert_string_equal(ifm_word_span(754000000000).text, "12 min 34 s");
    assert_string_equal(ifm_word_span(7380000000000).text, "2 h 03 min");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_as_stored),
        cmocka_unit_test(a_load_of_failures_is_reported),
        cmocka_unit_test(few_requests_have_no_tail),
        cmocka_unit_test(what_is_one_event_is_said),
        cmocka_unit_test(names_command_nothing),
        cmocka_unit_test(colour_changes_no_letter),
        cmocka_unit_test(a_search_is_a_row_a_step),
        cmocka_unit_test(a_search_that_was_ended_claims_nothing),
        cmocka_unit_test(lost_processes_are_named),
        cmocka_unit_test(words_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
