#include "drive/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "drive/loop.h"
#include "drive/source.h"
#include "os/rss.h"
#include "ranks/ranks.h"

enum {
    TICK_MS = 250,
    RANKS_TICK_MS = 100,     /* within which a rank hears that the load is cancelled */
    WARMUP_TRACE_PLACES = 1, /* a trace says nothing about how to warm up */
};

/* ---- the plan of a phase ---------------------------------------------------------------- */

static ifm_schedule_options schedule_of(const ifm_load_plan *plan,
                                        const ifm_requests_source *source,
                                        const ifm_ranks *ranks)
{
    const int64_t *times = ifm_requests_source_times(source);
    return (ifm_schedule_options){
        .arrival = plan->arrival,
        .rate = plan->request_rate,
        .burstiness = plan->burstiness,
        .ramp_s = plan->ramp_s,
        .ramp = plan->ramp_exponential ? IFM_RAMP_EXPONENTIAL : IFM_RAMP_LINEAR,
        .places = ifm_ranks_share(ranks, plan->concurrency),
        .times = times,
        .n_times = times != NULL ? (size_t)ifm_requests_source_count(source) : 0,
        .speed = plan->trace_speed > 0 ? plan->trace_speed : 1,
        .seed = plan->seed,
    };
}

/* Conversations are numbered through, warm-up first, and the process that has number i is
 * rank i mod size. */
static ifm_phase_plan measuring(const ifm_load_plan *plan,
                                const ifm_requests_source *source, const ifm_ranks *ranks)
{
    const int64_t warmup = plan->n_warmup, n = plan->n_prompts;
    const int64_t next = ifm_ranks_global(ranks, ifm_ranks_share(ranks, warmup));
    const int64_t all = ifm_ranks_share(ranks, warmup + n);
    return (ifm_phase_plan){
        .schedule = schedule_of(plan, source, ranks),
        .first = next - warmup,
        .step = ifm_ranks_size(ranks),
        .limit = n > 0 ? all - ifm_ranks_share(ranks, warmup) : INT64_MAX,
        .duration_ns = plan->duration_ns > 0 ? plan->duration_ns : INT64_MAX,
    };
}

/* As measuring, at once at its full rate; random gaps of their own. */
static ifm_phase_plan warming(const ifm_load_plan *plan,
                              const ifm_requests_source *source, const ifm_ranks *ranks)
{
    ifm_phase_plan phase = measuring(plan, source, ranks);
    phase.warmup = true;
    phase.first = ifm_ranks_rank(ranks);
    phase.limit = ifm_ranks_share(ranks, plan->n_warmup);
    phase.duration_ns = INT64_MAX;
    phase.schedule.ramp_s = 0;
    phase.schedule.seed = ~plan->seed;
    if (plan->arrival == IFM_ARRIVAL_TRACE) {
        phase.schedule.arrival = IFM_ARRIVAL_CLOSED;
        phase.schedule.places = WARMUP_TRACE_PLACES;
    }
    return phase;
}

/* ---- the loop's thread, and this one, which looks on -------------------------------------- */

typedef struct job {
    ifm_loop *loop;
    const ifm_phase_plan *plan;
    ifm_time begin;
    int done_fd;
} job;

static void *run_loop(void *user)
{
    job *self = user;
    ifm_loop_run(self->loop, self->plan, self->begin);
    close(self->done_fd); /* who waits at the other end sees it */
    return NULL;
}

/* Tells the other processes, and whoever looks on. True: the load is to end. */
static bool tell(const ifm_drive_options *options, ifm_loop *loop, ifm_totals *totals,
                 int64_t tick)
{
    /* Adding up a thousand processes takes milliseconds. */
    const bool show = options->ranks == NULL || tick % (TICK_MS / RANKS_TICK_MS) == 0;
    const bool shown = show && options->on_tick != NULL;
    if (totals == NULL)
        return false;
    ifm_loop_look(loop, totals);
    const bool stop = ifm_ranks_report(options->ranks, totals, shown ? totals : NULL);
    if (shown)
        options->on_tick(options->user, totals);
    return stop;
}

/* Looks on until the loop has ended. */
static void watch(const ifm_drive_options *options, ifm_loop *loop, int done_fd)
{
    struct pollfd fds[2] = {{done_fd, POLLIN, 0}, {options->cancel_fd, POLLIN, 0}};
    ifm_totals *totals = malloc(sizeof *totals);
    for (int64_t tick = 0;; tick++) {
        const int n = poll(fds, 2, options->ranks != NULL ? RANKS_TICK_MS : TICK_MS);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0 && fds[0].revents != 0)
            break;
        const bool stop = tell(options, loop, totals, tick);
        if (stop || (n > 0 && fds[1].revents != 0)) {
            fds[1].fd = -1; /* once is enough */
            ifm_ranks_cancel(options->ranks);
            atomic_store(&loop->cancelled, true);
            ifm_loop_wake(loop);
        }
    }
    free(totals);
}

static ifm_status run_phase(const ifm_drive_options *options, ifm_loop *loop,
                            const ifm_phase_plan *plan, ifm_time begin, ifm_error *err)
{
    int ends[2];
    pthread_t thread;
    if (pipe(ends) != 0)
        return ifm_fail_errno(err, errno, "load: cannot make a pipe");
    job one = {loop, plan, begin, ends[1]};
    const int code = pthread_create(&thread, NULL, run_loop, &one);
    if (code != 0) {
        close(ends[0]);
        close(ends[1]);
        return ifm_fail_errno(err, code, "load: cannot start a thread");
    }
    watch(options, loop, ends[0]);
    pthread_join(thread, NULL);
    close(ends[0]);
    return IFM_OK;
}

/* ---- setting up ---------------------------------------------------------------------------- */

static ifm_status open_wake(ifm_loop *loop, ifm_error *err)
{
    int ends[2];
    if (pipe(ends) != 0)
        return ifm_fail_errno(err, errno, "load: cannot make a pipe");
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    loop->wake_fd = ends[0];
    loop->waker_fd = ends[1];
    return IFM_OK;
}

/* So that no two runs have the same: time, process, an address. */
static void make_run_id(uint8_t id[8])
{
    ifm_random random;
    const uint64_t process = (uint64_t)getpid() << 40;
    ifm_random_init(&random, (uint64_t)ifm_time_now().ns ^ process ^ (uintptr_t)id);
    const uint64_t bits = ifm_random_u64(&random);
    memcpy(id, &bits, 8);
}

/* Conversations that are needed at most: none is made for nothing. */
static int64_t conversations(const ifm_load_plan *plan, const ifm_requests_source *source)
{
    int64_t n = plan->n_prompts > 0 ? plan->n_warmup + plan->n_prompts : INT64_MAX;
    if (plan->arrival == IFM_ARRIVAL_TRACE && ifm_requests_source_count(source) < n)
        n = ifm_requests_source_count(source);
    return n;
}

static ifm_status set_up(const ifm_drive_options *options, ifm_loop *loop,
                         ifm_load_run *load, ifm_error *err)
{
    ifm_client_options client = options->client;
    client.on_piece = ifm_loop_on_piece;
    client.on_done = ifm_loop_on_done;
    client.user = loop;
    const ifm_maker_options maker = {
        .source = options->source,
        .first = ifm_ranks_rank(options->ranks),
        .step = ifm_ranks_size(options->ranks),
        .end = conversations(&load->plan, options->source),
        .wake = ifm_loop_wake,
        .user = loop,
    };
    loop->load = load;
    loop->rank = ifm_ranks_rank(options->ranks);
    loop->unique = ifm_requests_source_unique(options->source);
    make_run_id(loop->run_id);
    ifm_status st = open_wake(loop, err);
    if (st == IFM_OK)
        st = ifm_spool_new(NULL, &load->spool, err);
    if (st == IFM_OK)
        st = ifm_client_new(&client, &loop->client, err);
    if (st == IFM_OK)
        st = ifm_maker_new(&maker, &loop->maker, err);
    return st;
}

static void take_down(ifm_loop *loop)
{
    ifm_client_free(loop->client);
    ifm_maker_free(loop->maker);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->waker_fd >= 0)
        close(loop->waker_fd);
    ifm_loop_deinit(loop);
    free(loop);
}

/* ---- the load -------------------------------------------------------------------------------- */

static int64_t cpu_ns(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
           ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* All ranks have ended what came before, and begin the next phase at one moment. */
static ifm_status start(ifm_ranks *ranks, ifm_time *begin, ifm_error *err)
{
    const ifm_status st = ifm_ranks_agree(ranks, IFM_OK, 0, NULL, err);
    return st == IFM_OK ? ifm_ranks_start_together(ranks, begin, err) : st;
}

static ifm_status run(const ifm_drive_options *options, ifm_loop *loop,
                      ifm_load_run *load, ifm_error *err)
{
    const ifm_phase_plan warmup = warming(&load->plan, options->source, options->ranks);
    ifm_phase_plan measure = measuring(&load->plan, options->source, options->ranks);
    ifm_time begin;
    loop->totals.planned = load->plan.n_prompts > 0 ? measure.limit : -1;
    loop->totals.duration_ns = load->plan.duration_ns;
    loop->shown = loop->totals;
    ifm_status st = ifm_ranks_start_together(options->ranks, &load->began, err);
    if (st == IFM_OK && load->plan.n_warmup > 0)
        st = run_phase(options, loop, &warmup, load->began, err);
    if (st != IFM_OK || loop->status != IFM_OK || atomic_load(&loop->cancelled))
        return st;
    if (measure.schedule.times != NULL) { /* what was used to warm up is gone */
        measure.schedule.times += load->plan.n_warmup;
        measure.schedule.n_times -= (size_t)load->plan.n_warmup;
    }
    begin = load->began;
    if (load->plan.n_warmup > 0)
        st = start(options->ranks, &begin, err);
    if (st != IFM_OK)
        return st;
    load->warm_ns = ifm_time_between(load->began, begin);
    return run_phase(options, loop, &measure, begin, err);
}

/* What the load says of itself, when its last request has ended. */
static void conclude(const ifm_loop *loop, ifm_load_run *load)
{
    int64_t overhead;
    load->prompt_mismatches = ifm_loop_mismatches(loop, &overhead);
    load->memory_bytes = ifm_rss_bytes();
    if (overhead > 0)
        ifm_run_warn(&load->run, "prompt-overhead", false,
                     "The server counted %lld tokens more than each prompt has: its chat "
                     "template's, or a token that begins a text.",
                     (long long)overhead);
}

static ifm_status outcome_of(ifm_loop *loop, ifm_load_run *load, ifm_status st,
                             ifm_error *err)
{
    if (st == IFM_OK && loop->status != IFM_OK) {
        st = loop->status;
        if (err != NULL)
            *err = loop->error;
    } else if (st == IFM_OK && atomic_load(&loop->cancelled)) {
        st = ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
    } else if (st == IFM_OK) {
        st = ifm_spool_flush(load->spool, err);
    }
    load->run.incomplete = load->run.incomplete || st != IFM_OK;
    return st;
}

/* Whether all ranks would make the same load: what must not differ, as one number. */
static uint64_t digest(const ifm_load_plan *plan, const ifm_requests_source *source)
{
    char text[512];
    const int n = snprintf(
        text, sizeof text,
        "%zu %zu %d %d %d %.17g %.17g %.17g %lld %lld %lld %lld %llu %lld",
        sizeof(ifm_record), sizeof(ifm_wire), (int)plan->endpoint, plan->stream,
        (int)plan->arrival, plan->request_rate, plan->burstiness, plan->ramp_s,
        (long long)plan->concurrency, (long long)plan->n_prompts,
        (long long)plan->duration_ns, (long long)plan->n_warmup,
        (unsigned long long)plan->seed, (long long)ifm_requests_source_count(source));
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (int i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    for (const char *c = plan->model != NULL ? plan->model : ""; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return hash;
}

static ifm_status check_places(const ifm_load_plan *plan, const ifm_ranks *ranks,
                               ifm_error *err)
{
    if (plan->concurrency == 0 || plan->concurrency >= ifm_ranks_size(ranks))
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_ARGUMENT,
                    "--concurrency %lld cannot be divided among %d processes: start %lld "
                    "of them at most",
                    (long long)plan->concurrency, ifm_ranks_size(ranks),
                    (long long)plan->concurrency);
}

/* This rank's part, and then that of all. */
static ifm_status run_and_merge(const ifm_drive_options *options, ifm_loop *loop,
                                ifm_load_run *load, ifm_error *err)
{
    const ifm_ranks_watch looking = {options->on_tick, options->user};
    const int64_t cpu = cpu_ns();
    ifm_totals *totals = malloc(sizeof *totals);
    if (totals == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "load: no memory");
    ifm_status st = run(options, loop, load, err);
    load->client_cpu_ns = cpu_ns() - cpu;
    conclude(loop, load);
    st = outcome_of(loop, load, st, err);
    ifm_loop_look(loop, totals);
    st = ifm_ranks_finish(options->ranks, load, totals, &looking, st, err);
    free(totals);
    return st;
}

ifm_status ifm_drive_run(const ifm_drive_options *options, ifm_load_run *load,
                         ifm_error *err)
{
    ifm_loop *loop = malloc(sizeof *loop);
    if (loop == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "load: no memory");
    ifm_loop_init(loop);
    ifm_ranks_heed(options->ranks, options->cancel_fd);
    ifm_status st = check_places(&load->plan, options->ranks, err);
    if (st == IFM_OK)
        st = set_up(options, loop, load, err);
    if (st == IFM_OK)
        ifm_maker_fill(loop->maker);
    st = ifm_ranks_agree(options->ranks, st, digest(&load->plan, options->source), NULL,
                         err);
    if (st == IFM_OK)
        st = run_and_merge(options, loop, load, err);
    take_down(loop);
    return st;
}
