/* Reports and pictures of runs of every shape: nothing missing, nothing left behind. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "measure/verdict.h"
#include "report/report.h"
#include "report/text.h"
#include "report_fixture.h"

static ifm_random dice;

/* A request of n tokens, `step` ns apart, whose TTFT is all prefill. */
static void add_request(ifm_run *run, ifm_start start, size_t n, int64_t ttft,
                        int64_t step)
{
    ifm_record *r = ifm_run_add(run);
    r->ok = true;
    r->start = start;
    r->id = (int32_t)run->n_records - 1;
    r->n_input = 6;
    r->n_tokens = n;
    r->output_ids = calloc(n, sizeof *r->output_ids);
    r->token_ns = calloc(n, sizeof *r->token_ns);
    r->text = strdup(" two\n`|\x1b[31m");
    r->n_text = strlen(r->text);
    r->finish_reason = strdup("length");
    r->input_ids = calloc(6, sizeof *r->input_ids);
    int64_t t = ttft + (int64_t)ifm_random_below(&dice, (uint64_t)ttft / 20);
    r->phases_ns[IFM_PHASE_PREFILL] = t - 3000;
    r->phases_ns[IFM_PHASE_DELIVER] = 3000;
    for (size_t i = 0; i < n; i++) {
        r->token_ns[i] = t;
        t += step + (int64_t)ifm_random_below(&dice, (uint64_t)step / 20);
    }
}

static void make_run(ifm_run *run, size_t n_cold, size_t n_warm, size_t n_tokens,
                     int64_t step)
{
    ifm_random_init(&dice, 5);
    *run = (ifm_run){.clock_name = "CLOCK_MONOTONIC", .clock_resolution_ns = 1};
    run->host.cpu = strdup("A 'quoted' \"CPU\" {with} every @ sign_of ^ trouble \\n");
    run->host.cores = 2;
    run->target.kind = strdup("native");
    run->target.model_name = strdup("my_model's`$(touch x)`");
    run->target.threads = 2;
    run->target.weight_bytes = run->target.decode_bytes = 327650304;
    run->host.read_bandwidth_bytes_per_s = 4e10;
    run->workload.max_new_tokens = (int32_t)n_tokens;
    for (size_t i = 0; i < n_cold; i++)
        add_request(run, IFM_START_COLD, n_tokens, 1000 * step, step);
    for (size_t i = 0; i < n_warm; i++)
        add_request(run, IFM_START_WARM, n_tokens, step, step);
    ifm_verdict_judge(run);
}

static bool gnuplot_is_there(void)
{
    return system("gnuplot --version >/dev/null 2>&1") == 0;
}

static void assert_picture(const char *directory, const char *name)
{
    char path[256];
    unsigned char head[24] = {0};
    snprintf(path, sizeof path, "%s/%s.png", directory, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s is missing", path);
    assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    /* Width and height, big-endian, in the first chunk: 1600 and 1000. */
    assert_memory_equal(head + 12, "IHDR\0\0\x06\x40\0\0\x03\xe8", 12);
    fclose(f);
    snprintf(path, sizeof path, "%s/%s.svg", directory, name);
    assert_int_equal(access(path, R_OK), 0);
}

/* Removes what is in the directory, and the directory; returns how many files it had. */
static int remove_all(const char *directory)
{
    int n = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        assert_int_equal(unlink(path), 0);
        n++;
    }
    closedir(d);
    assert_int_equal(rmdir(directory), 0);
    return n;
}

static void check_pictures(size_t n_cold, size_t n_warm, size_t n_tokens, int64_t step,
                           int expected)
{
    char directory[] = "/tmp/ifm-pictures-XXXXXX";
    assert_non_null(mkdtemp(directory));
    ifm_run run;
    make_run(&run, n_cold, n_warm, n_tokens, step);
    ifm_error err = {0};
    if (ifm_report_plots(&run, 1, directory, &err) != IFM_OK)
        fail_msg("%s", err.message);
    if (expected > 0) {
        assert_picture(directory, "ttft");
        assert_picture(directory, "timeline");
    }
    assert_int_equal(remove_all(directory), 2 * expected);
    ifm_run_deinit(&run);
}

static void pictures_of_every_shape(void **state)
{
    (void)state;
    if (!gnuplot_is_there()) {
        print_message("gnuplot is missing: pictures are not tested\n");
        skip();
    }
    check_pictures(6, 6, 20, 10000000, 6);  /* milliseconds */
    check_pictures(0, 3, 5, 40000, 6);      /* microseconds, warm only */
    check_pictures(1, 0, 1, 2000000000, 3); /* one cold token after half an hour */
    check_pictures(0, 0, 1, 1000, 0);       /* nothing at all */
}

static void pictures_need_a_directory(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 1, 1, 2, 1000000);
    ifm_error err = {0};
    assert_int_equal(ifm_report_plots(&run, 1, "/dev/null/x", &err), IFM_ERR_IO);
    assert_non_null(strstr(err.message, "/dev/null"));
    ifm_run_deinit(&run);
}

static void pictures_of_hostile_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "two\nlines'; system('touch pwned') #",
        "$(touch pwned) `touch pwned` %s %n {/*9 x} ^_@&~",
        "\xff\xfe half \xe2\x82",
        "模型_五 \U0001f389 \u202e",
    };
    if (!gnuplot_is_there())
        skip();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char directory[] = "/tmp/ifm-pictures-XXXXXX";
        assert_non_null(mkdtemp(directory));
        ifm_run run;
        fixture_run(&run, &fixture_usual);
        free(run.target.model_name);
        run.target.model_name = strdup(names[i]);
        ifm_error err = {0};
        if (ifm_report_plots(&run, 1, directory, &err) != IFM_OK)
            fail_msg("%s: %s", names[i], err.message);
        assert_picture(directory, "itl");
        assert_int_equal(remove_all(directory), 12);
        assert_int_not_equal(access("pwned", F_OK), 0);
        ifm_run_deinit(&run);
    }
}

/* Draws with `program` as the gnuplot, or with none (NULL); what it says goes to *err. */
static ifm_status draw_with(const char *program, int *files_left, ifm_error *err)
{
    char bin[] = "/tmp/ifm-bin-XXXXXX", directory[] = "/tmp/ifm-pictures-XXXXXX";
    assert_non_null(mkdtemp(bin));
    assert_non_null(mkdtemp(directory));
    if (program != NULL) {
        char path[64];
        snprintf(path, sizeof path, "%s/gnuplot", bin);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fputs(program, out);
        fclose(out);
        assert_int_equal(chmod(path, 0755), 0);
    }
    char *before = strdup(getenv("PATH"));
    assert_int_equal(setenv("PATH", bin, 1), 0);
    ifm_run run;
    fixture_run(&run, &fixture_usual);
    ifm_status st = ifm_report_plots(&run, 1, directory, err);
    ifm_run_deinit(&run);
    assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
    *files_left = remove_all(directory);
    remove_all(bin);
    return st;
}

static void gnuplot_may_be_missing_or_fail(void **state)
{
    (void)state;
    ifm_error err = {0};
    int left = -1;
    assert_int_equal(draw_with(NULL, &left, &err), IFM_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "gnuplot is not installed"));
    assert_non_null(strstr(err.message, "install gnuplot"));
    assert_int_equal(left, 0);
    assert_int_equal(draw_with("#!/bin/sh\necho 'line 7: no such terminal' >&2\nexit 3\n",
                               &left, &err),
                     IFM_ERR_CHILD);
    assert_non_null(strstr(err.message, "exited with code 3: line 7: no such terminal"));
    assert_int_equal(left, 0);
    /* It draws some, then gives up: the first ones do not stay. */
    assert_int_equal(
        draw_with("#!/bin/sh\nwhile read -r a b c; do\n"
                  "if test \"$a $b\" = 'set output'; then f=${c#?}; f=${f%?}; "
                  ": > \"$f\"; fi\ndone\ncase $f in *itl*) exit 1;; esac\n",
                  &left, &err),
        IFM_ERR_CHILD);
    assert_int_equal(left, 0);
}

/* The report as text; the caller frees it. */
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

static void assert_lines_fit(const char *text, size_t width)
{
    for (const char *line = text; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        char copy[1024];
        snprintf(copy, sizeof copy, "%.*s", (int)n, line);
        /* Generated text may take four lines' room; everything else stays inside. */
        if (ifm_text_columns(copy) > width && strncmp(copy, "  text", 6) != 0)
            fail_msg("%zu columns: %s", ifm_text_columns(copy), copy);
        line += n + (line[n] == '\n');
    }
}

static void terminal_reports_fit_and_stay_in_their_alphabet(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{6, 6, 20}, {0, 3, 5}, {1, 0, 1}, {0, 0, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        ifm_run run;
        make_run(&run, shapes[i][0], shapes[i][1], shapes[i][2], 10000000);
        ifm_report_style style = {.unicode = true, .width = 80};
        char *text = report(&run, &style);
        assert_lines_fit(text, 80);
        assert_null(strchr(text, '\x1b'));
        assert_int_equal(strstr(text, "Cold start") != NULL, shapes[i][0] > 0);
        assert_int_equal(strstr(text, "Warm start") != NULL, shapes[i][1] > 0);
        assert_non_null(strstr(text, "verdict"));
        free(text);
        style.unicode = false;
        text = report(&run, &style);
        for (const char *c = text; *c != '\0'; c++)
            assert_true((unsigned char)*c < 0x80);
        free(text);
        ifm_run_deinit(&run);
    }
}

static void markdown_is_not_broken_by_what_it_quotes(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 6, 6, 20, 10000000);
    char *text = report(&run, NULL);
    assert_non_null(strstr(text, "` two\\n'\\|\\x1b[31m`"));
    assert_non_null(strstr(text, "| TTFT | "));
    assert_null(strchr(text, '\x1b'));
    free(text);
    ifm_run_deinit(&run);
}

static void csv_has_a_row_a_request(void **state)
{
    (void)state;
    ifm_run run;
    make_run(&run, 1, 2, 1, 10000000);
    run.records[0].ok = false;
    run.records[0].error = strdup("said \"no\", twice");
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(ifm_report_csv(&run, 1, out, NULL), IFM_OK);
    fclose(out);
    int rows = 0;
    for (const char *c = text; (c = strstr(c, "\r\n")) != NULL; c += 2)
        rows++;
    assert_int_equal(rows, 4);
    assert_non_null(
        strstr(text, "0,cold,0,false,\"said \"\"no\"\", twice\",\"length\",6,1,"));
    free(text);
    ifm_run_deinit(&run);
}

static void numbers_keep_three_digits(void **state)
{
    (void)state;
    assert_string_equal(ifm_word_duration_alone(812345, true).text, "812 µs");
    assert_string_equal(ifm_word_duration_alone(2.41e6, true).text, "2.41 ms");
    assert_string_equal(ifm_word_duration_alone(31e9, false).text, "31.0 s");
    assert_string_equal(ifm_word_duration_alone(850, true).text, "850 ns");
    assert_string_equal(ifm_word_bytes(327650304).text, "328 MB");
    assert_string_equal(ifm_word_count(3432896).text, "3.43 M");
    assert_string_equal(ifm_word_count(950).text, "950");
    assert_string_equal(ifm_word_rate(12345.4, true).text, "12,345");
    assert_string_equal(ifm_word_rate(1234567, true).text, "1,234,567");
    ifm_scale scale = ifm_scale_for(80e3, 2.4e6);
    assert_string_equal(ifm_word_duration(80e3, &scale, true).text, "0.0800");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_of_every_shape),
        cmocka_unit_test(pictures_need_a_directory),
        cmocka_unit_test(pictures_of_hostile_names),
        cmocka_unit_test(gnuplot_may_be_missing_or_fail),
        cmocka_unit_test(terminal_reports_fit_and_stay_in_their_alphabet),
        cmocka_unit_test(markdown_is_not_broken_by_what_it_quotes),
        cmocka_unit_test(csv_has_a_row_a_request),
        cmocka_unit_test(numbers_keep_three_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
