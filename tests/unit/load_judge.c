/* The verdict over a load: each finding where it belongs, none on a quiet load; and the
 * floor that this host keeps. */
#include "load_made.h"

#include <unistd.h>

#include "load/floor.h"

/* A load without any fault: 400 requests, 20 a second, a floor far below, no host known. */
static ifm_load_run quiet_load(void)
{
    ifm_load_run load = made_load(IFM_ARRIVAL_CONSTANT, 0);
    load.plan.request_rate = 20;
    load.peak_in_flight = 10;
    load.n_floors = 1;
    load.floors[0] = (ifm_floor){.streams = 64, .ttft_p99_ns = 2e5, .itl_p99_ns = 1e5};
    for (int i = 0; i < 400; i++)
        made_add(&load, made_answer(i, i * 50 * (int64_t)MS, 100 * MS, 20 * MS, 20));
    return load;
}

/* Judges, frees, and returns all codes between spaces; "!" behind those that spoil. */
static const char *codes_of(ifm_load_run *load)
{
    static char codes[1024];
    ifm_load_summary s = made_summary(load);
    ifm_load_judge(load, &s);
    strcpy(codes, " ");
    for (size_t i = 0; i < load->run.n_warnings; i++) {
        const ifm_warning *w = &load->run.warnings[i];
        assert_true(strlen(w->message) < 500); /* not cut off */
        strcat(codes, w->code);
        strcat(codes, w->spoils ? "! " : " ");
    }
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(load);
    return codes;
}

static void a_quiet_load_has_no_findings(void **state)
{
    (void)state;
    ifm_load_run load = quiet_load();
    assert_string_equal(codes_of(&load), " ");
}

static void failures(void **state)
{
    (void)state;
    ifm_load_run load = quiet_load();
    made_add(&load, made_failure(400, 0, MS, IFM_OUTCOME_RESET));
    assert_string_equal(codes_of(&load), " failed-requests ");
    load = quiet_load();
    for (int i = 0; i < 40; i++)
        made_add(&load, made_failure(400 + i, 0, MS, IFM_OUTCOME_RATE_LIMITED));
    assert_string_equal(codes_of(&load), " failed-requests! rate-limited ");
    load = made_load(IFM_ARRIVAL_CLOSED, 1);
    for (int i = 0; i < 5; i++)
        made_add(&load, made_failure(i, 0, MS, IFM_OUTCOME_REFUSED));
    assert_string_equal(codes_of(&load), " all-failed! ");
    load = made_load(IFM_ARRIVAL_CLOSED, 1);
    load.run.incomplete = true;
    assert_string_equal(codes_of(&load), " no-requests! incomplete! ");
}

static void the_most_frequent_failures_are_named(void **state)
{
    (void)state;
    ifm_load_run load = quiet_load();
    const ifm_outcome outcomes[] = {IFM_OUTCOME_TIMEOUT, IFM_OUTCOME_TIMEOUT,
                                    IFM_OUTCOME_RESET,   IFM_OUTCOME_DNS,
                                    IFM_OUTCOME_TLS,     IFM_OUTCOME_TIMEOUT};
    for (int i = 0; i < 6; i++)
        made_add(&load, made_failure(400 + i, 0, MS, outcomes[i]));
    ifm_load_summary s = made_summary(&load);
    ifm_load_judge(&load, &s);
    const char *message = load.run.warnings[0].message;
    assert_non_null(strstr(message, "6 of 406 requests failed: 3 timeout ("));
    assert_non_null(strstr(message, ", …"));
    ifm_load_summary_deinit(&s);
    ifm_load_deinit(&load);
}

static ifm_load_run lagging_load(int64_t lag_ns, int64_t ttft_ns)
{
    ifm_load_run load = quiet_load();
    for (int i = 0; i < 20; i++) {
        ifm_record r = made_answer(400 + i, i * second, ttft_ns, 20 * MS, 20);
        r.wire->service_start_ns = lag_ns;
        made_add(&load, r);
    }
    return load;
}

static void the_client_itself_is_judged(void **state)
{
    (void)state;
    ifm_load_run load = lagging_load(3 * MS, 103 * MS); /* 3%: not worth a word */
    assert_string_equal(codes_of(&load), " ");
    load = lagging_load(7 * MS, 107 * MS);
    assert_string_equal(codes_of(&load), " client-lag ");
    load = lagging_load(30 * MS, 130 * MS);
    assert_string_equal(codes_of(&load), " client-lag! ");

    load = quiet_load();
    load.floors[0].ttft_p99_ns = 11e6; /* TTFT is 100 ms */
    assert_string_equal(codes_of(&load), " near-floor ");
    load = quiet_load();
    load.floors[0].itl_p99_ns = 21e6; /* ITL is 20 ms: less than the error */
    assert_string_equal(codes_of(&load), " near-floor! ");
    load = lagging_load(0, 100 * MS);
    for (int i = 0; i < 500; i++) /* a server that writes all tokens at once, mostly */
        made_add(&load, made_answer(800 + i, i * second, 100 * MS, 0, 20));
    load.floors[0].itl_p99_ns = 21e6;
    assert_string_equal(codes_of(&load), " ");
    load = quiet_load();
    load.peak_in_flight = 65;
    assert_string_equal(codes_of(&load), " beyond-floor ");
    load = quiet_load();
    load.n_floors = 0;
    assert_string_equal(codes_of(&load), " no-floor ");
}

static void a_wait_for_a_place_is_no_lag(void **state)
{
    (void)state;
    ifm_load_run load = quiet_load();
    load.plan.concurrency = 4;
    for (int i = 0; i < 20; i++) {
        ifm_record r = made_answer(400 + i, i * second, 130 * MS, 20 * MS, 20);
        r.wire->gate_ns = 30 * MS;
        r.wire->service_start_ns = 30 * MS;
        made_add(&load, r);
    }
    assert_string_equal(codes_of(&load), " ");
}

static void what_the_server_did(void **state)
{
    (void)state;
    ifm_load_run load = quiet_load();
    load.server_cached = true;
    load.prompt_mismatches = 400;
    assert_string_equal(codes_of(&load), " cached-prompts prompt-length-mismatch ");
    load = quiet_load();
    ifm_record again = made_answer(400, 0, 100 * MS, 20 * MS, 20);
    again.wire->attempts = 2;
    made_add(&load, again);
    assert_string_equal(codes_of(&load), " sent-again ");
    load = quiet_load();
    ifm_record r = made_answer(400, 0, 100 * MS, 20 * MS, 20);
    r.wire->token_source = IFM_TOKENS_EVENTS;
    made_add(&load, r);
    assert_string_equal(codes_of(&load), " events-not-tokens ");
    load = quiet_load();
    r = made_answer(400, 0, 100 * MS, 20 * MS, 20);
    r.wire->event_ns = calloc(1, sizeof *r.wire->event_ns);
    r.wire->event_ns[0] = 100 * MS;
    r.wire->n_event_ns = 1;
    made_add(&load, r);
    assert_string_equal(codes_of(&load), " itl-per-event ");
    load = quiet_load();
    load.plan.stream = false;
    load.plan.insecure = true;
    assert_string_equal(codes_of(&load), " not-streamed insecure ");
}

static void what_the_load_was(void **state)
{
    (void)state;
    ifm_load_run load = quiet_load();
    ifm_spool_free(load.spool);
    assert_int_equal(ifm_spool_new(NULL, &load.spool, NULL), IFM_OK);
    made_add(&load, made_answer(0, 0, 100 * MS, 20 * MS, 20));
    assert_string_equal(codes_of(&load), " few-samples ");

    load = made_load(IFM_ARRIVAL_BURST, 0);
    load.n_floors = 1;
    load.floors[0].streams = 1024;
    for (int i = 0; i < 400; i++)
        made_add(&load, made_answer(i, 0, 100 * MS, 20 * MS, 20));
    assert_string_equal(codes_of(&load), " not-steady ");

    load = made_load(IFM_ARRIVAL_CLOSED, 1);
    load.n_floors = 1;
    load.floors[0].streams = 1024;
    for (int i = 0; i < 400; i++)
        made_add(&load, made_answer(i, i * second, (i % 50 == 7 ? 900 : 100) * MS, 0, 1));
    assert_string_equal(codes_of(&load), " closed-loop ");

    load = quiet_load();
    load.ranks = calloc(2, sizeof *load.ranks);
    load.n_ranks = 2;
    load.ranks[1].clock_uncertainty_ns = 2 * MS;
    assert_string_equal(codes_of(&load), " clock-uncertain ");

    load = quiet_load();
    load.ranks = calloc(2, sizeof *load.ranks);
    load.n_ranks = 2;
    load.ranks[1].lost = true;
    load.ranks[1].lost_requests = 3;
    assert_string_equal(codes_of(&load), " failed-requests ranks-lost! ");
}

/* The file of the floor in a directory of the test's own. */
static char state_home[64];

static int make_state_home(void **state)
{
    (void)state;
    strcpy(state_home, "/tmp/inferometer-test-XXXXXX");
    return mkdtemp(state_home) != NULL && setenv("XDG_STATE_HOME", state_home, 1) == 0
               ? 0
               : -1;
}

static int remove_state_home(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/inferometer/floor.json", state_home);
    unlink(path);
    snprintf(path, sizeof path, "%s/inferometer", state_home);
    rmdir(path);
    return rmdir(state_home);
}

/* Puts `to` where `from` stands in the file. */
static void edit_floor(const char *from, const char *to)
{
    char text[8192], *path = ifm_floor_path();
    FILE *file = fopen(path, "r");
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    char *at = strstr(text, from);
    assert_non_null(at);
    file = fopen(path, "w");
    fprintf(file, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    fclose(file);
    free(path);
}

static void the_floor_is_kept(void **state)
{
    (void)state;
    const ifm_floor rows[] = {
        {1, 1e3, 2e3, 3e3, 4, 5, 6, 7e5, 8, 0.009},
        {64, 1.5e3, 2.5e3, 3.5e3, 4.5, 5.5, 6.5, 7.5e5, 8.5, 0.0095},
        {4000, 1e6, 2e6, 3e6, 4e5, 5e5, 6e5, 7e5, 8e5, 0.01},
    };
    ifm_load_run load = {0};
    ifm_floor_load(&load);
    assert_int_equal(load.n_floors, 0);
    assert_null(ifm_floor_for(&load, 1));
    ifm_error err = {0};
    if (ifm_floor_store(rows, 3, "2026-01-31T12:00:00Z", &err) != IFM_OK)
        fail_msg("%s", err.message);
    ifm_floor_load(&load);
    assert_int_equal(load.n_floors, 3);
    assert_memory_equal(load.floors, rows, sizeof rows);
    assert_string_equal(load.floors_measured_at, "2026-01-31T12:00:00Z");
    assert_int_equal(ifm_floor_for(&load, 1)->streams, 1);
    assert_int_equal(ifm_floor_for(&load, 2)->streams, 64);
    assert_int_equal(ifm_floor_for(&load, 64)->streams, 64);
    assert_int_equal(ifm_floor_for(&load, 9999)->streams, 4000);
}

static void a_floor_that_is_not_ours_does_not_count(void **state)
{
    (void)state;
    static const char *const edits[][2] = {
        {"\"cpu\": \"", "\"cpu\": \"another "},
        {"\"host\": \"", "\"host\": \"another-"},
        {"\"streams\": 64", "\"streams\": 1"},
        {"\"streams\": 64", "\"streams\": -64"},
        {"\"ttft_p99_ns\": 2500.0", "\"ttft_p99_ns\": -2500.0"},
        {"\"ttft_p99_ns\": 2500.0", "\"ttft_p99_ns\": \"2500\""},
        {"\"itl_max_ns\"", "\"itl_most_ns\""},
        {"floor/1", "floor/2"},
        {"{", "["},
    };
    const ifm_floor rows[] = {
        {1, 1e3, 2e3, 3e3, 4, 5, 6, 7, 8, 9},
        {64, 1.5e3, 2.5e3, 3.5e3, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5},
    };
    ifm_load_run load = {0};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        assert_int_equal(ifm_floor_store(rows, 2, "now", NULL), IFM_OK);
        ifm_floor_load(&load);
        assert_int_equal(load.n_floors, 2);
        edit_floor(edits[i][0], edits[i][1]);
        ifm_floor_load(&load);
        if (load.n_floors != 0)
            fail_msg("%s was let through", edits[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_load_has_no_findings),
        cmocka_unit_test(failures),
        cmocka_unit_test(the_most_frequent_failures_are_named),
        cmocka_unit_test(the_client_itself_is_judged),
        cmocka_unit_test(a_wait_for_a_place_is_no_lag),
        cmocka_unit_test(what_the_server_did),
        cmocka_unit_test(what_the_load_was),
        cmocka_unit_test_setup_teardown(the_floor_is_kept, make_state_home,
                                        remove_state_home),
        cmocka_unit_test_setup_teardown(a_floor_that_is_not_ours_does_not_count,
                                        make_state_home, remove_state_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
