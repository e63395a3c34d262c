/*
 * What it costs to make one load of many processes: the start, the reports, the merge.
 *
 *     mpirun -n 8 ranks [REQUESTS [TOKENS [SECONDS]]]
 *
 * Each rank "measures" REQUESTS requests of TOKENS events over SECONDS, by making them up:
 * no server is asked. What carries them is what carries those of a real load. bench/ranks.sh
 * calls it with 1, 2, 4, 8 and 16 ranks, and makes a table.
 *
 * Rank 0 prints one line of words and numbers. IFM_RANKS_PAUSE_MS: each rank says its
 * process id first, and sleeps so long at half of the load (for a test that kills one).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "ranks/ranks.h"

typedef struct workload {
    int64_t requests, tokens;
    double seconds;
} workload;

static volatile sig_atomic_t ended;

static void on_end(int number)
{
    ended = number;
}

/* As a streamed answer of a server at 50 tokens a second leaves it. */
static ifm_status make_up(ifm_load_run *load, ifm_totals *totals, ifm_random *random,
                          int32_t rank, int64_t tokens, ifm_error *err)
{
    ifm_record record = ifm_record_empty();
    ifm_wire wire = ifm_wire_unknown();
    ifm_piece *pieces = calloc((size_t)tokens, sizeof *pieces);
    int64_t *token_ns = calloc((size_t)tokens, sizeof *token_ns);
    if (pieces == NULL || token_ns == NULL)
        abort();
    int64_t t = 200000000;
    for (int64_t i = 0; i < tokens; i++) {
        t += 19000000 + (int64_t)ifm_random_below(random, 2000000);
        pieces[i] = (ifm_piece){.t_ns = t, .tokens = 1, .bytes = 180, .read = (int32_t)i};
        token_ns[i] = t;
        ifm_histogram_add(&totals->itl, 20000000);
    }
    snprintf(wire.request_id, sizeof wire.request_id, "bench-%d-%lld", rank,
             (long long)totals->started);
    wire.outcome = IFM_OUTCOME_OK;
    wire.rank = rank;
    wire.due_at_ns = totals->t_ns;
    wire.end_ns = t;
    wire.pieces = pieces;
    wire.n_pieces = (size_t)tokens;
    record.ok = true;
    record.n_tokens = (size_t)tokens;
    record.token_ns = token_ns;
    record.wire = &wire;
    totals->started++;
    totals->outcome[IFM_OUTCOME_OK]++;
    totals->events += tokens;
    ifm_histogram_add(&totals->ttft, pieces[0].t_ns);
    ifm_status st = ifm_spool_append(load->spool, &record, err);
    free(pieces);
    free(token_ns);
    return st;
}

static void nap(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&left, NULL);
}

static void pause_once(bool *paused)
{
    const char *ms = getenv("IFM_RANKS_PAUSE_MS");
    if (!*paused && ms != NULL)
        nap(atof(ms) / 1e3);
    *paused = true;
}

static ifm_status load_for(ifm_ranks *ranks, const workload *work, ifm_load_run *load,
                           ifm_totals *own, ifm_totals *sum, ifm_error *err)
{
    ifm_random random;
    ifm_random_init(&random, (uint64_t)ifm_ranks_rank(ranks));
    const double length_ns = work->seconds * 1e9;
    bool paused = false, stop = false;
    ifm_status st = IFM_OK;
    while (st == IFM_OK && !stop && own->started < work->requests) {
        own->t_ns = ifm_time_between(load->began, ifm_time_now());
        const int64_t due =
            length_ns > 0 && (double)own->t_ns < length_ns
                ? (int64_t)((double)own->t_ns / length_ns * (double)work->requests)
                : work->requests;
        while (st == IFM_OK && own->started < due)
            st = make_up(load, own, &random, ifm_ranks_rank(ranks), work->tokens, err);
        if (own->started >= work->requests / 2)
            pause_once(&paused);
        if (ended)
            ifm_ranks_cancel(ranks);
        stop = ifm_ranks_report(ranks, own, sum) || ended;
        nap(0.05);
    }
    load->ended_ns = own->t_ns;
    return st;
}

static int64_t largest_offset(const ifm_load_run *load, int64_t *uncertainty)
{
    int64_t most = 0;
    *uncertainty = 0;
    for (size_t r = 0; r < load->n_ranks; r++) {
        const ifm_load_rank *rank = &load->ranks[r];
        most = llabs(rank->clock_offset_ns) > most ? llabs(rank->clock_offset_ns) : most;
        if (rank->clock_uncertainty_ns > *uncertainty)
            *uncertainty = rank->clock_uncertainty_ns;
    }
    return most;
}

static void print_line(const ifm_ranks *ranks, const ifm_load_run *load,
                       const ifm_totals *totals, double start_s)
{
    struct rusage usage;
    int64_t uncertainty, lost = 0;
    getrusage(RUSAGE_SELF, &usage);
    const int64_t offset = largest_offset(load, &uncertainty);
    for (size_t r = 0; r < load->n_ranks; r++)
        lost += load->ranks[r].lost_requests;
    printf("ranks %d requests %zu bytes %lld merge_ms %.3f start_ms %.1f "
           "offset_us %.3f uncertainty_us %.3f peak_kib %ld ok %lld lost %lld%s\n",
           ifm_ranks_size(ranks), ifm_spool_count(load->spool),
           (long long)ifm_spool_bytes(load->spool),
           (double)ifm_ranks_merge_ns(ranks) / 1e6, start_s * 1e3, (double)offset / 1e3,
           (double)uncertainty / 1e3, usage.ru_maxrss,
           (long long)totals->outcome[IFM_OUTCOME_OK], (long long)lost,
           load->run.incomplete ? " incomplete" : "");
    for (size_t i = 0; i < load->run.n_warnings; i++)
        printf("warning %s: %s\n", load->run.warnings[i].code,
               load->run.warnings[i].message);
    fflush(stdout);
}

static ifm_status measure(ifm_ranks *ranks, const workload *work, ifm_error *err)
{
    static ifm_totals own, sum;
    ifm_load_run load = {0};
    const ifm_ranks_watch watch = {0};
    own.planned = work->requests;
    ifm_status st = ifm_spool_new(NULL, &load.spool, err);
    const ifm_time begin = ifm_time_now();
    st = ifm_ranks_agree(ranks, st, (uint64_t)(work->requests * work->tokens), NULL, err);
    if (st == IFM_OK)
        st = ifm_ranks_start_together(ranks, &load.began, err);
    const double start_s = (double)ifm_time_between(begin, load.began) / 1e9;
    if (st == IFM_OK) {
        st = load_for(ranks, work, &load, &own, &sum, err);
        st = ifm_ranks_finish(ranks, &load, &own, &watch, st, err);
    }
    if (st == IFM_OK && ifm_ranks_rank(ranks) == 0)
        print_line(ranks, &load, &own, start_s);
    ifm_load_deinit(&load);
    return st;
}

int main(int argc, char **argv)
{
    const workload work = {.requests = argc > 1 ? atoll(argv[1]) : 2000,
                           .tokens = argc > 2 ? atoll(argv[2]) : 128,
                           .seconds = argc > 3 ? atof(argv[3]) : 0};
    ifm_ranks *ranks = NULL;
    ifm_error err = {0};
    ifm_status st = ifm_ranks_open(&ranks, &err);
    signal(SIGTERM, on_end);
    if (getenv("IFM_RANKS_PAUSE_MS") != NULL) {
        printf("rank %d pid %d\n", ifm_ranks_rank(ranks), (int)getpid());
        fflush(stdout);
    }
    if (st == IFM_OK)
        st = measure(ranks, &work, &err);
    if (st != IFM_OK)
        fprintf(stderr, "ranks: %s\n", err.message);
    ifm_ranks_close(ranks);
    return st == IFM_OK ? 0 : 1;
}
