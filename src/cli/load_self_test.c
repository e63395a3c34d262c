#include "cli/load_self_test.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "drive/self_test.h"
#include "load/floor.h"
#include "os/file.h"
#include "os/host.h"
#include "report/text.h"

enum { ROWS_MAX = IFM_FLOORS_MAX, LABEL = 24, COLUMN = 11 };

/* ---- the table: a line a quantity, a column a case ---------------------------------- */

typedef struct quantity {
    const char *label; /* NULL: only a gap */
    double (*of)(const ifm_self_test_row *row);
    enum { COUNT, MS, US, FRACTION } unit;
} quantity;

/* clang-format off */
static double q_requests(const ifm_self_test_row *r) { return (double)r->errors.n_requests; }
static double q_failed(const ifm_self_test_row *r) { return (double)r->errors.n_failed; }
static double q_wrong(const ifm_self_test_row *r)
{
    return (double)(r->errors.n_miscounted + r->errors.n_unknown);
}
static double q_peak(const ifm_self_test_row *r) { return (double)r->peak_in_flight; }
static double q_rate(const ifm_self_test_row *r) { return r->events_per_s; }
static double q_ttft50(const ifm_self_test_row *r) { return r->errors.ttft.p50; }
static double q_ttft99(const ifm_self_test_row *r) { return r->errors.ttft.p99; }
static double q_ttft_max(const ifm_self_test_row *r) { return r->errors.ttft.max; }
static double q_itl50(const ifm_self_test_row *r) { return r->errors.itl.p50; }
static double q_itl99(const ifm_self_test_row *r) { return r->errors.itl.p99; }
static double q_itl_max(const ifm_self_test_row *r) { return r->errors.itl.max; }
static double q_tpot99(const ifm_self_test_row *r) { return r->errors.tpot.p99; }
static double q_lag99(const ifm_self_test_row *r) { return r->lag_p99_ns; }
static double q_cpu(const ifm_self_test_row *r) { return r->cpu_s_per_1000_events; }
static double q_core(const ifm_self_test_row *r) { return r->events_per_s_per_core; }
static double q_bytes(const ifm_self_test_row *r) { return r->bytes_per_event; }
/* clang-format on */

/* clang-format off */
static const quantity quantities[] = {
    {"requests", q_requests, COUNT},
    {"of them failed", q_failed, COUNT},
    {"miscounted", q_wrong, COUNT},
    {"most at once", q_peak, COUNT},
    {"events/s", q_rate, COUNT},
    {"TTFT error, p50, ms", q_ttft50, MS},
    {"TTFT error, p99, ms", q_ttft99, MS},
    {"TTFT error, max, ms", q_ttft_max, MS},
    {"ITL error, p50, ms", q_itl50, MS},
    {"ITL error, p99, ms", q_itl99, MS},
    {"ITL error, max, ms", q_itl_max, MS},
    {"TPOT error, p99, ms", q_tpot99, MS},
    {"client lag, p99, ms", q_lag99, MS},
    {"CPU s per 1,000 events", q_cpu, FRACTION},
    {"events/s per core", q_core, COUNT},
    {"bytes per event", q_bytes, COUNT},
};
/* clang-format on */
enum { QUANTITIES = sizeof quantities / sizeof *quantities };

static ifm_word cell(const quantity *q, const ifm_self_test_row *row)
{
    const double x = q->of(row);
    ifm_word word = {{0}};
    if (isnan(x))
        snprintf(word.text, sizeof word.text, "-");
    else if (q->unit == MS)
        snprintf(word.text, sizeof word.text, "%.3f", x / 1e6);
    else if (q->unit == FRACTION)
        snprintf(word.text, sizeof word.text, "%.4f", x);
    else if (x >= 1000)
        word = ifm_word_rate(x, false);
    else
        snprintf(word.text, sizeof word.text, "%.0f", x);
    return word;
}

static void print_terminal(FILE *out, const char *head, const ifm_self_test_row *rows,
                           size_t n)
{
    fprintf(out, "%s\n\n%-*s", head, LABEL, "");
    for (size_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s", rows[i].test.name);
        name[strcspn(name, " ") == 5 && strncmp(name, "burst", 5) != 0 ? 5 : 12] = '\0';
        fprintf(out, "%*s", COLUMN + (i == 2), rows[i].test.burst ? "burst 512" : name);
    }
    fputc('\n', out);
    for (size_t k = 0; k < QUANTITIES; k++) {
        fprintf(out, "  %-*s", LABEL - 2, quantities[k].label);
        for (size_t i = 0; i < n; i++)
            fprintf(out, "%*s", COLUMN + (i == 2), cell(&quantities[k], &rows[i]).text);
        fputc('\n', out);
    }
}

static ifm_status print_markdown(FILE *out, const ifm_self_test_row *rows, size_t n)
{
    fputs("| |", out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, " %s |", rows[i].test.name);
    fputs("\n| --- |", out);
    for (size_t i = 0; i < n; i++)
        fputs(" ---: |", out);
    for (size_t k = 0; k < QUANTITIES; k++) {
        fprintf(out, "\n| %s |", quantities[k].label);
        for (size_t i = 0; i < n; i++)
            fprintf(out, " %s |", cell(&quantities[k], &rows[i]).text);
    }
    fputc('\n', out);
    return ferror(out) ? IFM_ERR_IO : IFM_OK;
}

/* ---- the other document ------------------------------------------------------------- */

static json_t *error_json(const ifm_truth_error *e)
{
    return e->n == 0 ? json_null()
                     : json_pack("{s:I, s:f, s:f, s:f}", "n", (json_int_t)e->n, "p50_ns",
                                 e->p50, "p99_ns", e->p99, "max_ns", e->max);
}

static json_t *row_json(const ifm_self_test_row *r)
{
    const ifm_truth_errors *e = &r->errors;
    return json_pack(
        "{s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:o, s:f, s:f, s:f, "
        "s:f, s:I}",
        "name", r->test.name, "streams", (json_int_t)r->test.streams, "burst",
        r->test.burst, "requests", (json_int_t)e->n_requests, "failed",
        (json_int_t)e->n_failed, "miscounted",
        (json_int_t)(e->n_miscounted + e->n_unknown), "peak_in_flight",
        (json_int_t)r->peak_in_flight, "events_per_s", r->events_per_s, "ttft_error",
        error_json(&e->ttft), "itl_error", error_json(&e->itl), "tpot_error",
        error_json(&e->tpot), "lateness", error_json(&e->late), "client_lag_p99_ns",
        isnan(r->lag_p99_ns) ? -1.0 : r->lag_p99_ns, "cpu_s_per_1000_events",
        r->cpu_s_per_1000_events, "events_per_s_per_core", r->events_per_s_per_core,
        "bytes_per_event", r->bytes_per_event, "memory_bytes",
        (json_int_t)r->memory_bytes);
}

static ifm_status print_json(FILE *out, const ifm_self_test_row *rows, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, row_json(&rows[i]));
    json_t *document =
        json_pack("{s:s, s:o}", "schema", "inferometer.self-test/1", "cases", list);
    const bool ok = document != NULL && json_array_size(list) == n &&
                    json_dumpf(document, out, JSON_INDENT(1)) == 0 &&
                    fputc('\n', out) != EOF;
    json_decref(document);
    return ok ? IFM_OK : IFM_ERR_IO;
}

/* ---- the command ------------------------------------------------------------------------ */

typedef ifm_status write_function(FILE *out, const ifm_self_test_row *rows, size_t n);

static ifm_status write_file(const char *path, write_function *write,
                             const ifm_self_test_row *rows, size_t n, ifm_error *err)
{
    if (path == NULL)
        return IFM_OK;
    if (strcmp(path, "-") == 0)
        return write(stdout, rows, n) == IFM_OK
                   ? IFM_OK
                   : ifm_fail(err, IFM_ERR_IO, "standard output: cannot write");
    ifm_output out;
    ifm_status st = ifm_output_open(&out, path, err);
    if (st != IFM_OK)
        return st;
    if (write(out.stream, rows, n) != IFM_OK) {
        ifm_output_abort(&out);
        return ifm_fail(err, IFM_ERR_IO, "%s: cannot be written", path);
    }
    return ifm_output_commit(&out, err);
}

static void on_case(void *user, const ifm_self_test_case *test)
{
    char text[64];
    snprintf(text, sizeof text, "self-test: %s", test->name);
    ifm_progress_say(user, text);
}

static ifm_status store(const ifm_self_test_row *rows, size_t n, ifm_error *err)
{
    ifm_floor floors[ROWS_MAX];
    size_t n_floors = 0;
    for (size_t i = 0; i < n; i++)
        if (!rows[i].test.burst)
            floors[n_floors++] = ifm_self_test_floor(&rows[i]);
    char now[32];
    const time_t t = time(NULL);
    struct tm utc;
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
    return ifm_floor_store(floors, n_floors, now, err);
}

static bool all_came(const ifm_self_test_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const ifm_truth_errors *e = &rows[i].errors;
        if (e->n_failed + e->n_miscounted + e->n_unknown > 0 ||
            (int64_t)e->n_requests != rows[i].test.n_requests)
            return false;
    }
    return true;
}

static void print_report(const ifm_self_test_row *rows, size_t n)
{
    ifm_host_facts host;
    ifm_host_describe(&host);
    char head[512];
    snprintf(head, sizeof head,
             "The client against a server of known timing, both on this host\n%s, %s",
             host.cpu[0] != '\0' ? host.cpu : "unknown processor", host.kernel);
    print_terminal(stdout, head, rows, n);
}

static int conclude(const ifm_arguments *arguments, const ifm_self_test_row *rows,
                    size_t n, ifm_error *err)
{
    const char *json = ifm_arguments_string(arguments, "json");
    const char *markdown = ifm_arguments_string(arguments, "markdown");
    const bool to_stdout = (json != NULL && strcmp(json, "-") == 0) ||
                           (markdown != NULL && strcmp(markdown, "-") == 0);
    if (!to_stdout && !ifm_arguments_flag(arguments, "quiet"))
        print_report(rows, n);
    ifm_status st = write_file(json, print_json, rows, n, err);
    if (st == IFM_OK)
        st = write_file(markdown, print_markdown, rows, n, err);
    if (st == IFM_OK)
        st = store(rows, n, err);
    if (st != IFM_OK)
        return ifm_command_fail(&ifm_command_load, err);
    return all_came(rows, n) ? IFM_EXIT_FINE : IFM_EXIT_UNTRUSTWORTHY;
}

int ifm_load_self_test(const ifm_arguments *arguments)
{
    ifm_self_test_row rows[ROWS_MAX];
    ifm_progress progress;
    ifm_progress_init(&progress, ifm_arguments_flag(arguments, "quiet"));
    const ifm_self_test_options options = {
        .cancel_fd = ifm_interrupt_fd(), .on_case = on_case, .user = &progress};
    ifm_error err = {0};
    ifm_status st = IFM_OK;
    for (size_t i = 0; i < ifm_self_test_n_cases && st == IFM_OK; i++)
        st = ifm_self_test_run(&options, &ifm_self_test_cases[i], &rows[i], &err);
    ifm_progress_erase(&progress);
    if (st != IFM_OK)
        return ifm_command_fail(&ifm_command_load, &err);
    return conclude(arguments, rows, ifm_self_test_n_cases, &err);
}
