/* A load from several processes, which are threads here: who does what, clocks, the start,
 * what is merged, and what happens when one dies. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/error.h"
#include "ranks/inner.h"
#include "ranks/launch.h"
#include "ranks_local.h"

#define MS INT64_C(1000000)

static void nap(int64_t ns)
{
    nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000},
              NULL);
}

/* ---- who does what ------------------------------------------------------------------- */

static ifm_ranks *alone(int32_t rank, int32_t size)
{
    static const ifm_ranks_ops none = {.seam = IFM_RANKS_SEAM};
    const ifm_ranks_place place = {.rank = rank, .size = size, .host = "here"};
    ifm_ranks *ranks = calloc(1, sizeof *ranks);
    assert_non_null(ranks);
    ranks->ops = &none;
    ranks->place = place;
    return ranks;
}

static void divides_everything_once(void **state)
{
    (void)state;
    for (int32_t size = 1; size <= 7; size++) {
        for (int64_t n = 0; n <= 30; n++) {
            int64_t sum = 0, times[30] = {0};
            for (int32_t rank = 0; rank < size; rank++) {
                ifm_ranks *ranks = alone(rank, size);
                const int64_t mine = ifm_ranks_share(ranks, n);
                sum += mine;
                for (int64_t k = 0; k < mine; k++) {
                    const int64_t i = ifm_ranks_global(ranks, k);
                    assert_true(i < n && ifm_ranks_mine(ranks, i));
                    times[i]++;
                }
                free(ranks);
            }
            assert_int_equal(sum, n);
            for (int64_t i = 0; i < n; i++)
                assert_int_equal(times[i], 1);
        }
    }
    assert_int_equal(ifm_ranks_rank(NULL), 0);
    assert_int_equal(ifm_ranks_size(NULL), 1);
    assert_int_equal(ifm_ranks_share(NULL, 17), 17);
    assert_int_equal(ifm_ranks_global(NULL, 17), 17);
    assert_true(ifm_ranks_mine(NULL, 17));
}

static const char *variable(void *user, const char *name)
{
    const char *const *pairs = user;
    for (; *pairs != NULL; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

static void knows_launchers(void **state)
{
    (void)state;
    const struct {
        const char *environment[8];
        int64_t size;
        bool first;
    } cases[] = {
        {{NULL}, 1, true},
        {{"OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "2", NULL}, 4, false},
        {{"OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "0", NULL}, 4, true},
        {{"OMPI_COMM_WORLD_SIZE", "1", "OMPI_COMM_WORLD_RANK", "0", NULL}, 1, true},
        {{"PMI_SIZE", "16", "PMI_RANK", "15", "MPI_LOCALNRANKS", "8", NULL}, 16, false},
        {{"SLURM_STEP_NUM_TASKS", "3", "SLURM_PROCID", "1", NULL}, 3, false},
        /* an allocation, and no srun */
        {{"SLURM_NTASKS", "3", "SLURM_PROCID", "0", NULL}, 1, true},
        {{"PMIX_RANK", "1", NULL}, -1, false},
        {{"PMIX_RANK", "0", NULL}, -1, true},
        /* nonsense is not believed */
        {{"PMI_SIZE", "many", NULL}, 1, true},
        {{"PMI_SIZE", "", NULL}, 1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ifm_launch launch =
            ifm_launch_read(variable, (void *)(uintptr_t)cases[i].environment);
        assert_int_equal(launch.size, cases[i].size);
        assert_int_equal(launch.first, cases[i].first);
        assert_int_equal(launch.variable == NULL,
                         cases[i].environment[0] == NULL || (i == 6 || i >= 9));
    }
}

/* ---- clocks -------------------------------------------------------------------------- */

static void keeps_the_quickest_answer(void **state)
{
    (void)state;
    const int64_t offset = -123456789;
    ifm_clock_estimate estimate = {0};
    /* there 70, back 30; there 5, back 3; there 500, back 1 */
    const int64_t there[] = {70, 5, 500}, back[] = {30, 3, 1};
    for (int i = 0; i < 3; i++) {
        const int64_t asked = 1000 + 1000 * i;
        ifm_clock_estimate_add(&estimate, (ifm_time){asked},
                               (ifm_time){asked + there[i] + offset},
                               (ifm_time){asked + there[i] + back[i]});
    }
    assert_true(estimate.known);
    assert_int_equal(estimate.uncertainty_ns, 4);
    assert_true(llabs(estimate.offset_ns - offset) <= estimate.uncertainty_ns);
    /* A clock that went back proves nothing. */
    ifm_clock_estimate_add(&estimate, (ifm_time){10}, (ifm_time){0}, (ifm_time){9});
    assert_int_equal(estimate.uncertainty_ns, 4);
}

static void corrects_a_drift_evenly(void **state)
{
    (void)state;
    const ifm_clock_estimate before = {true, {0}, 1000, 10};
    const ifm_clock_estimate after = {true, {1000000}, 3000, 10};
    const ifm_clock_estimate same = {true, {1000000}, 1020, 10};
    const ifm_clock_estimate unknown = {0};
    assert_true(ifm_clock_drifted(&before, &after));
    assert_int_equal(ifm_clock_correction(&before, &after, (ifm_time){0}), 0);
    assert_int_equal(ifm_clock_correction(&before, &after, (ifm_time){500000}), -1000);
    assert_int_equal(ifm_clock_correction(&before, &after, (ifm_time){1000000}), -2000);
    /* Within what both do not know it may be chance. */
    assert_false(ifm_clock_drifted(&before, &same));
    assert_int_equal(ifm_clock_correction(&before, &same, (ifm_time){500000}), 0);
    assert_int_equal(ifm_clock_correction(&before, &unknown, (ifm_time){500000}), 0);
}

/* ---- before -------------------------------------------------------------------------- */

typedef struct start_facts {
    ifm_status st[LOCAL_MOST];
    ifm_error err[LOCAL_MOST];
    ifm_time start[LOCAL_MOST], expected[LOCAL_MOST];
    ifm_clock_estimate estimate[LOCAL_MOST]; /* as rank 0 has them */
    bool late[LOCAL_MOST];
    uint64_t word[LOCAL_MOST];
    int32_t failing; /* which rank's preparations fail; -1: none */
    int32_t strange; /* which would make another load; -1: none */
} start_facts;

static bool start(local_rank *rank)
{
    start_facts *facts = rank->data;
    ifm_ranks *ranks = rank->ranks;
    const int32_t r = rank->rank;
    ifm_error *err = &facts->err[r];
    ifm_status st = IFM_OK;
    if (facts->failing == r)
        st = ifm_fail(err, IFM_ERR_NOT_FOUND, "prompts.jsonl: no such file");
    st = ifm_ranks_agree(ranks, st, facts->strange == r ? 8 : 7, &facts->word[r], err);
    if (st == IFM_OK)
        st = ifm_ranks_start_together(ranks, &facts->start[r], err);
    facts->late[r] = ifm_ranks_now(ranks).ns > facts->start[r].ns;
    facts->st[r] = st;
    if (r == 0)
        for (int32_t i = 0; i < ranks->place.size; i++)
            facts->estimate[i] = ranks->peers[i].before;
    ranks->finished = true; /* leave without a QUIT */
    return true;
}

static void starts_together(void **state)
{
    (void)state;
    start_facts facts = {.failing = -1, .strange = -1, .word = {17, 2, 3, 4}};
    const local_options options = {.size = 4,
                                   .offset_ns = {5 * MS, -77777 * MS, 123456789, 0},
                                   .latency_ns = 200000};
    local_rank ranks[LOCAL_MOST];
    local_run(&options, start, &facts, ranks);
    for (int32_t r = 0; r < options.size; r++) {
        assert_int_equal(facts.st[r], IFM_OK);
        assert_true(ranks[r].left_whole);
        assert_int_equal(facts.word[r], 17);
        if (r == 0)
            continue;
        const ifm_clock_estimate *estimate = &facts.estimate[r];
        const int64_t truth = options.offset_ns[r] - options.offset_ns[0];
        assert_true(estimate->known);
        /* Half a message's least time is the least that cannot be known. */
        assert_in_range(estimate->uncertainty_ns, 100000, 500 * MS);
        assert_true(llabs(estimate->offset_ns - truth) <= estimate->uncertainty_ns);
        assert_int_equal(facts.start[r].ns - facts.start[0].ns, estimate->offset_ns);
    }
}

/* Processes of one host share the clock. */
static void sees_that_a_clock_is_shared(void **state)
{
    (void)state;
    start_facts facts = {.failing = -1, .strange = -1};
    const local_options options = {.size = 3};
    local_run(&options, start, &facts, NULL);
    for (int32_t r = 1; r < options.size; r++) {
        assert_true(facts.estimate[r].known);
        assert_true(llabs(facts.estimate[r].offset_ns) <=
                    facts.estimate[r].uncertainty_ns);
    }
}

static void fails_together(void **state)
{
    (void)state;
    for (int32_t failing = 0; failing < 3; failing += 2) {
        start_facts facts = {.failing = failing, .strange = -1};
        const local_options options = {.size = 3};
        local_run(&options, start, &facts, NULL);
        for (int32_t r = 0; r < options.size; r++) {
            assert_int_equal(facts.st[r], IFM_ERR_NOT_FOUND);
            assert_string_equal(facts.err[r].message,
                                failing == 0
                                    ? "prompts.jsonl: no such file"
                                    : "rank 2 (host-2): prompts.jsonl: no such file");
        }
    }
}

static void refuses_different_loads(void **state)
{
    (void)state;
    start_facts facts = {.failing = -1, .strange = 1};
    const local_options options = {.size = 3};
    local_run(&options, start, &facts, NULL);
    for (int32_t r = 0; r < options.size; r++) {
        assert_int_equal(facts.st[r], IFM_ERR_ARGUMENT);
        assert_non_null(strstr(facts.err[r].message, "rank 1 (host-1)"));
    }
}

/* ---- a whole load -------------------------------------------------------------------- */

typedef struct load_facts {
    int32_t dying; /* -1: none */
    int64_t dies_at_ns;
    int64_t seconds; /* that the load lasts, by the ranks' clocks */
    int64_t requests[LOCAL_MOST], in_ms;
    bool cancels; /* rank 0, after a second */
    ifm_status st[LOCAL_MOST];
    ifm_error err[LOCAL_MOST];
    bool asked_to_stop[LOCAL_MOST];
    ifm_load_run load; /* rank 0's, to be looked at */
    ifm_totals totals; /* rank 0's at the end, and */
    ifm_totals live;   /* as the last tick showed it */
} load_facts;

static void add_record(ifm_load_run *load, ifm_totals *totals, int32_t rank, int64_t due,
                       size_t pieces)
{
    ifm_record record = ifm_record_empty();
    ifm_wire wire = ifm_wire_unknown();
    ifm_piece *piece = calloc(pieces, sizeof *piece);
    for (size_t i = 0; i < pieces; i++)
        piece[i] = (ifm_piece){.t_ns = (int64_t)i * 1000, .tokens = 1, .bytes = 20};
    wire.outcome = IFM_OUTCOME_OK;
    wire.rank = rank;
    wire.due_at_ns = due;
    wire.pieces = piece;
    wire.n_pieces = pieces;
    record.ok = true;
    record.wire = &wire;
    if (ifm_spool_append(load->spool, &record, NULL) != IFM_OK)
        abort();
    free(piece);
    totals->started++;
    totals->outcome[IFM_OUTCOME_OK]++;
    ifm_histogram_add(&totals->ttft, 1000 * MS + rank);
}

/* The loop of a load as the drive has it, less the requests. False: died. */
static bool loop(local_rank *rank, ifm_load_run *load, ifm_totals *own)
{
    load_facts *facts = rank->data;
    ifm_ranks *ranks = rank->ranks;
    const int32_t r = rank->rank;
    int64_t made = 0;
    for (;;) {
        own->t_ns = ifm_time_between(ranks->start, ifm_ranks_now(ranks));
        const int64_t length = facts->seconds * 1000 * MS;
        const int64_t due =
            length > 0 ? own->t_ns * facts->requests[r] / length : facts->requests[r];
        for (; made < due && made < facts->requests[r]; made++)
            add_record(load, own, r, made * 1000, made == 3 ? 200000 : 30);
        if (facts->dying == r && own->t_ns >= facts->dies_at_ns)
            return false;
        if (r == 0 && facts->cancels && own->t_ns >= 1000 * MS)
            ifm_ranks_cancel(ranks);
        facts->asked_to_stop[r] =
            ifm_ranks_report(ranks, own, r == 0 ? &facts->live : own);
        if (own->t_ns >= length || facts->asked_to_stop[r])
            return true;
        nap(10 * MS);
    }
}

static bool run_load(local_rank *rank)
{
    load_facts *facts = rank->data;
    const int32_t r = rank->rank;
    ifm_load_run load = {0};
    ifm_totals *own = calloc(1, sizeof *own);
    const ifm_ranks_watch watch = {0};
    ifm_error *err = &facts->err[r];
    bool alive = true;
    ifm_status st = ifm_spool_new(NULL, &load.spool, err);
    st = ifm_ranks_agree(rank->ranks, st, 1, NULL, err);
    if (st == IFM_OK)
        st = ifm_ranks_start_together(rank->ranks, &load.began, err);
    if (st == IFM_OK)
        alive = loop(rank, &load, own);
    if (st == IFM_OK && facts->asked_to_stop[r])
        st = ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
    load.n_events = 10;
    load.ended_ns = own->t_ns;
    if (alive)
        st = ifm_ranks_finish(rank->ranks, &load, own, &watch, st, err);
    facts->st[r] = st;
    if (r == 0 && alive) {
        facts->load = load;
        facts->totals = *own;
    } else {
        ifm_load_deinit(&load);
    }
    free(own);
    return alive;
}

typedef struct counted {
    int64_t ok[LOCAL_MOST], pieces, all;
    int64_t last_due_ns[LOCAL_MOST];
} counted;

static counted count(const ifm_load_run *load)
{
    counted out = {0};
    ifm_spool_reader *reader = NULL;
    const ifm_record *record = NULL;
    assert_int_equal(ifm_spool_reader_new(load->spool, &reader, NULL), IFM_OK);
    while (ifm_spool_next(reader, &record, NULL) == IFM_OK && record != NULL) {
        const ifm_wire *wire = record->wire;
        assert_in_range(wire->rank, 0, LOCAL_MOST - 1);
        out.ok[wire->rank] += wire->outcome == IFM_OUTCOME_OK;
        out.pieces += (int64_t)wire->n_pieces;
        out.last_due_ns[wire->rank] = wire->due_at_ns;
        out.all++;
    }
    ifm_spool_reader_free(reader);
    return out;
}

static const ifm_warning *find_warning(const ifm_load_run *load, const char *code)
{
    for (size_t i = 0; i < load->run.n_warnings; i++)
        if (strcmp(load->run.warnings[i].code, code) == 0)
            return &load->run.warnings[i];
    return NULL;
}

static void merges_all(void **state)
{
    (void)state;
    load_facts facts = {.dying = -1, .requests = {100, 20000, 0, 77}};
    const local_options options = {.size = 4, .latency_ns = 100000};
    local_rank ranks[LOCAL_MOST];
    local_run(&options, run_load, &facts, ranks);
    for (int32_t r = 0; r < options.size; r++) {
        if (facts.st[r] != IFM_OK)
            fail_msg("%s", facts.err[r].message);
        assert_true(ranks[r].left_whole);
    }
    const counted seen = count(&facts.load);
    assert_int_equal(facts.load.n_ranks, 4);
    assert_int_equal(facts.load.n_events, 40);
    assert_int_equal(facts.load.run.n_warnings, 0);
    assert_false(facts.load.run.incomplete);
    for (int32_t r = 0; r < options.size; r++) {
        assert_int_equal(seen.ok[r], facts.requests[r]);
        assert_int_equal(facts.load.ranks[r].requests, facts.requests[r]);
        assert_int_equal(facts.load.ranks[r].lost_requests, 0);
        assert_int_equal(facts.load.ranks[r].host[5], '0' + r);
    }
    /* Three of them have a record of 200,000 pieces, which is larger than a chunk. */
    assert_int_equal(seen.pieces, 3 * 199970 + 30 * seen.all);
    assert_int_equal(facts.totals.outcome[IFM_OUTCOME_OK], 20177);
    assert_int_equal(facts.totals.ttft.n, 20177);
    assert_float_equal(ifm_histogram_quantile(&facts.totals.ttft, 0.5), 1e9, 1e7);
    ifm_load_deinit(&facts.load);
}

/* A clock that gains a hundredth: due times are those of rank 0's clock all the same. */
static void corrects_times_of_a_drifting_rank(void **state)
{
    (void)state;
    load_facts facts = {.dying = -1, .seconds = 2, .requests = {10, 1000}};
    const local_options options = {
        .size = 2, .offset_ns = {0, 999 * MS}, .drift = {0, 0.01}};
    local_run(&options, run_load, &facts, NULL);
    assert_int_equal(facts.st[0], IFM_OK);
    const counted seen = count(&facts.load);
    assert_int_equal(seen.ok[1], 1000);
    /* The last was due, so its record says, 999 µs after the beginning in its own clock; a
     * hundredth of that and of the 200 ms before is what there is to correct. */
    const int64_t moved = 999000 - seen.last_due_ns[1];
    assert_in_range(moved, 1, 50 * MS);
    assert_int_equal(facts.load.run.n_warnings, 0);
    ifm_load_deinit(&facts.load);
}

static void goes_on_when_one_dies(void **state)
{
    (void)state;
    /* The clocks run eight times too fast: five seconds of silence are soon over. */
    load_facts facts = {
        .dying = 2, .dies_at_ns = 4000 * MS, .seconds = 12, .requests = {600, 600, 600}};
    const local_options options = {.size = 3, .rate = 8};
    local_rank ranks[LOCAL_MOST];
    local_run(&options, run_load, &facts, ranks);
    assert_int_equal(facts.st[0], IFM_OK);
    assert_int_equal(facts.st[1], IFM_OK);
    assert_false(ranks[0].left_whole); /* MPI_Finalize would wait for the dead */
    assert_false(ranks[1].left_whole);
    const counted seen = count(&facts.load);
    const ifm_load_rank *lost = &facts.load.ranks[2];
    assert_false(facts.load.ranks[1].lost);
    assert_true(lost->lost);
    assert_int_equal(lost->requests, 0);
    /* It had begun 200 when it died; the last word was up to a second and a tick before, more
     * where eight such clocks' threads share a busy processor. */
    assert_in_range(lost->lost_requests, 1, 200);
    assert_int_equal(seen.all, 1200);
    assert_int_equal(seen.ok[0] + seen.ok[1], 1200);
    assert_int_equal(facts.totals.outcome[IFM_OUTCOME_LOST], lost->lost_requests);
    assert_int_equal(facts.totals.outcome[IFM_OUTCOME_OK], 1200);
    assert_true(facts.load.run.incomplete);
    assert_null(find_warning(&facts.load, "ranks-do-not-add-up"));
    ifm_load_deinit(&facts.load);
}

static void ends_when_rank_0_dies(void **state)
{
    (void)state;
    load_facts facts = {
        .dying = 0, .dies_at_ns = 2000 * MS, .seconds = 100, .requests = {9, 9, 9}};
    const local_options options = {.size = 3, .rate = 16};
    local_run(&options, run_load, &facts, NULL);
    for (int32_t r = 1; r < options.size; r++) {
        assert_true(facts.asked_to_stop[r]);
        assert_int_equal(facts.st[r], IFM_ERR_CHILD);
        assert_non_null(strstr(facts.err[r].message, "rank 0"));
    }
}

static void hands_over_what_there_is_when_cancelled(void **state)
{
    (void)state;
    load_facts facts = {
        .dying = -1, .cancels = true, .seconds = 1000, .requests = {5000, 5000, 5000}};
    const local_options options = {.size = 3};
    local_run(&options, run_load, &facts, NULL);
    for (int32_t r = 0; r < options.size; r++) {
        assert_true(facts.asked_to_stop[r]);
        assert_int_equal(facts.st[r], IFM_ERR_CANCELLED);
        assert_false(facts.load.ranks[r].lost);
    }
    const counted seen = count(&facts.load);
    assert_true(facts.load.run.incomplete);
    assert_int_equal(seen.all, facts.totals.started);
    assert_true(seen.ok[1] >= 1 && seen.ok[2] >= 1 && seen.all < 15000);
    assert_int_equal(facts.load.ranks[1].lost_requests, 0);
    ifm_load_deinit(&facts.load);
}

static void shows_the_sum_meanwhile(void **state)
{
    (void)state;
    load_facts facts = {.dying = -1, .seconds = 3, .requests = {30, 30, 30}};
    const local_options options = {.size = 3};
    local_run(&options, run_load, &facts, NULL);
    assert_int_equal(facts.st[0], IFM_OK);
    /* After the last reports there were more requests: those of 3 × 1 s and a tick. */
    assert_in_range(facts.live.outcome[IFM_OUTCOME_OK], 31, 90);
    assert_int_equal(facts.live.ttft.n, facts.live.outcome[IFM_OUTCOME_OK]);
    assert_int_equal(facts.totals.outcome[IFM_OUTCOME_OK], 90);
    ifm_load_deinit(&facts.load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divides_everything_once),
        cmocka_unit_test(knows_launchers),
        cmocka_unit_test(keeps_the_quickest_answer),
        cmocka_unit_test(corrects_a_drift_evenly),
        cmocka_unit_test(starts_together),
        cmocka_unit_test(sees_that_a_clock_is_shared),
        cmocka_unit_test(fails_together),
        cmocka_unit_test(refuses_different_loads),
        cmocka_unit_test(merges_all),
        cmocka_unit_test(corrects_times_of_a_drifting_rank),
        cmocka_unit_test(goes_on_when_one_dies),
        cmocka_unit_test(ends_when_rank_0_dies),
        cmocka_unit_test(hands_over_what_there_is_when_cancelled),
        cmocka_unit_test(shows_the_sum_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
