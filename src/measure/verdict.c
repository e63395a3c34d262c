#include "measure/verdict.h"

#include <math.h>
#include <string.h>

#include "measure/summary.h"

/* Thresholds, each with its reason. */
enum {
    MIN_RUNS = 6,             /* fewer carry no 95% interval of the median */
    MIN_RUNS_FOR_DRIFT = 10,  /* halves of five, else a single run decides */
    HANDOVER_LIMIT_NS = 5000, /* a consumer that is woken later disturbs what it times */
    DISK_WAITS = 16, /* major faults; a few belong to the program and its libraries */
};
static const double load_per_core = 0.5;     /* half a core each busy with other things */
static const double steal_noticeable = 0.02; /* as large as effects worth finding */
static const double steal_spoils = 0.10;     /* a tenth of the time was not ours */
static const double interval_noticeable = 0.1; /* width of the interval ÷ median */
static const double interval_spoils = 0.5;     /* the median is known to ± a quarter */
static const double spread_noticeable = 0.25;  /* IQR ÷ median; a calm host has 0.05 */
static const double drift_noticeable = 0.1;    /* second half against first half */
static const double clock_noticeable = 0.01;   /* a tick ÷ the usual gap */
static const double clock_spoils = 0.1;        /* a gap is fewer than ten ticks */
static const double bandwidth_slack = 1.1;     /* two honest measurements differ less */
static const double evicted_frac = 0.01;       /* a page or two may come back at once */
static const double resident_frac = 0.99;

void ifm_verdict_judge_host(ifm_run *run)
{
    const ifm_host *host = &run->host;
    if (host->governor != NULL && host->governor[0] != '\0' &&
        strcmp(host->governor, "performance") != 0)
        ifm_run_warn(run, "governor-not-performance", false,
                     "the frequency governor is \"%s\": clock rates follow load, short "
                     "runs look slow; `cpupower frequency-set -g performance` (as root) "
                     "holds them",
                     host->governor);
    if (host->cores > 0 && host->load_average > load_per_core * host->cores)
        ifm_run_warn(run, "busy-machine", false,
                     "load average %.1f on %d cores when the run began: other programs "
                     "take time from this one; stop them, or wait a minute and repeat",
                     host->load_average, host->cores);
    if (host->steal_frac > steal_noticeable)
        ifm_run_warn(
            run, "steal", host->steal_frac > steal_spoils,
            "the hypervisor took %.1f%% of the CPU time for other guests; repeat "
            "at another time, or on a machine of your own",
            100 * host->steal_frac);
    if (run->target.nan_weights > 0)
        ifm_run_warn(run, "nan-weights", false,
                     "%lld weights are not finite numbers (NaN or infinity): timing is "
                     "unaffected, the text may be nonsense; is the file damaged?",
                     (long long)run->target.nan_weights);
}

static void judge_failures(ifm_run *run)
{
    size_t failed = 0;
    const char *why = NULL;
    for (size_t i = 0; i < run->n_records; i++) {
        if (run->records[i].ok)
            continue;
        failed++;
        if (why == NULL)
            why = run->records[i].error;
    }
    if (failed > 0)
        ifm_run_warn(run, "failed-requests", true,
                     "%zu of %zu requests failed; the first: %s", failed, run->n_records,
                     why != NULL ? why : "no reason was given");
}

/* The most often that a cold start waited for the disk. */
static int64_t most_disk_waits(const ifm_run *run)
{
    int64_t most = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *record = &run->records[i];
        int64_t waits = 0;
        for (int p = 0; p < IFM_PHASE_COUNT; p++)
            if (record->phase_io[p].major_faults > 0)
                waits += record->phase_io[p].major_faults;
        if (record->start == IFM_START_COLD && waits > most)
            most = waits;
    }
    return most;
}

static void judge_page_cache(ifm_run *run)
{
    double most = 0, least = 1;
    size_t known = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *record = &run->records[i];
        if (record->start != IFM_START_COLD || record->resident_frac_before < 0)
            continue;
        known++;
        most = fmax(most, record->resident_frac_before);
        least = fmin(least, record->resident_frac_before);
    }
    if (run->workload.evict && known > 0 && most > evicted_frac)
        ifm_run_warn(
            run, "page-cache-not-evicted", true,
            "--page-cache evict was asked for, yet up to %.0f%% of the model stayed "
            "in memory: is it on tmpfs, or mapped by another program?",
            100 * most);
    if (!run->workload.evict && known > 0 && least < resident_frac)
        ifm_run_warn(
            run, "page-cache-not-warm", false,
            "only %.0f%% of the model was in memory before one of the cold starts: "
            "it also waited for the disk; repeat the run for warm-cache numbers",
            100 * least);
    int64_t waits = known == 0 ? most_disk_waits(run) : 0;
    if (!run->workload.evict && waits > DISK_WAITS)
        ifm_run_warn(
            run, "page-cache-not-warm", false,
            "a cold start waited %lld times for the disk (major page faults): not all of "
            "the model was in memory; repeat the run for warm-cache numbers",
            (long long)waits);
}

static void judge_clock(ifm_run *run, const ifm_summary *s)
{
    double gap = s->metric[IFM_METRIC_ITL].p50;
    if (isnan(gap))
        gap = s->metric[IFM_METRIC_TTFT].p50;
    if (isnan(gap) || gap <= 0 || run->clock_resolution_ns <= 0)
        return;
    double tick = (double)run->clock_resolution_ns / gap;
    if (tick > clock_noticeable)
        ifm_run_warn(
            run, "coarse-clock", tick > clock_spoils,
            "the clock steps by %lld ns, %.0f%% of the usual gap between tokens; is "
            "the kernel's clock source tsc? (see `inferometer doctor`)",
            (long long)run->clock_resolution_ns, 100 * tick);
}

/* Median E2EL of the first or the second half of one kind of requests (512 at most). */
static double half_median(const ifm_run *run, ifm_start start, size_t n, bool second)
{
    enum { MOST = 512 };
    double x[MOST];
    size_t seen = 0, used = 0;
    for (size_t i = 0; i < run->n_records && used < MOST; i++) {
        const ifm_record *record = &run->records[i];
        if (record->start != start || !record->ok || record->n_tokens == 0)
            continue;
        bool in_second = seen >= n - n / 2;
        bool in_first = seen < n / 2;
        seen++;
        if (second ? in_second : in_first)
            x[used++] = (double)record->token_ns[record->n_tokens - 1];
    }
    return ifm_stats_of(x, used).p50;
}

static void judge_agreement(ifm_run *run, ifm_start start, const ifm_summary *s)
{
    const char *name = ifm_start_name(start);
    const ifm_stats *e2el = &s->metric[IFM_METRIC_E2EL];
    if (e2el->n == 0)
        return;
    if (e2el->n < MIN_RUNS) {
        ifm_run_warn(run, "few-runs", false,
                     "%zu %s run%s carry no 95%% interval: use --%s %d or more", e2el->n,
                     name, e2el->n == 1 ? "" : "s", name, MIN_RUNS);
        return;
    }
    double width = (e2el->median_ci95[1] - e2el->median_ci95[0]) / e2el->p50;
    if (width > interval_noticeable)
        ifm_run_warn(run, "runs-disagree", width > interval_spoils,
                     "the %s E2EL is known to %.0f%% only (width of the median's 95%% "
                     "interval): quieten the machine, or use --%s %zu",
                     name, 100 * width, name, 4 * e2el->n);
    else if (e2el->iqr > spread_noticeable * e2el->p50)
        ifm_run_warn(run, "runs-spread", false,
                     "the middle half of the %s E2ELs spreads over %.0f%% of the median: "
                     "the median is known, a single run may be far from it; quieten the "
                     "machine",
                     name, 100 * e2el->iqr / e2el->p50);
    double first = half_median(run, start, e2el->n, false);
    double change = half_median(run, start, e2el->n, true) / first - 1;
    if (e2el->n >= MIN_RUNS_FOR_DRIFT && fabs(change) > drift_noticeable)
        ifm_run_warn(run, "drift", false,
                     "the second half of the %s runs was %.0f%% %s than the first: %s",
                     name, 100 * fabs(change), change > 0 ? "slower" : "faster",
                     change > 0
                         ? "is the machine heating up, or is something else starting?"
                     : start == IFM_START_WARM ? "use more --warmup"
                                               : "it was still settling; repeat the run");
}

static void judge_handover(ifm_run *run, const ifm_summary *s)
{
    double handover = s->handover.p50, gap = s->metric[IFM_METRIC_ITL].p50;
    if (handover > HANDOVER_LIMIT_NS && handover > clock_noticeable * gap)
        ifm_run_warn(
            run, "slow-handover", false,
            "a token takes %.0f microseconds from the engine to its consumer: with as "
            "many compute threads as cores the consumer waits; try --threads %d",
            handover * 1e-3, run->target.threads > 1 ? run->target.threads - 1 : 1);
}

/* What a server's own words mean for its numbers. */
static void judge_server(ifm_run *run)
{
    size_t answers = 0, uncounted = 0, several = 0, cached = 0, connected = 0, resent = 0;
    for (size_t i = 0; i < run->n_records; i++) {
        const ifm_record *r = &run->records[i];
        if (r->wire == NULL || !r->ok || r->start != IFM_START_WARM)
            continue;
        answers++;
        uncounted += r->wire->token_source == IFM_TOKENS_EVENTS;
        several += r->wire->event_ns != NULL && r->wire->n_event_ns > 1;
        cached += r->wire->usage.cached_tokens > 0;
        connected += !r->wire->reused;
        resent += r->wire->attempts > 1;
    }
    if (run->target.insecure)
        ifm_run_warn(run, "insecure", false,
                     "the server's certificate was not verified (--insecure): who "
                     "answered is not known");
    if (uncounted > 0)
        ifm_run_warn(run, "events-not-tokens", false,
                     "nobody counted the tokens of %zu of %zu answers: what is shown are "
                     "events, of which each may hold several tokens",
                     uncounted, answers);
    if (several > 0)
        ifm_run_warn(run, "itl-per-event", false,
                     "in %zu of %zu answers an event held several tokens: ITL is the gap "
                     "between events, TPOT counts tokens",
                     several, answers);
    if (cached > 0)
        ifm_run_warn(run, "cached-prompts", false,
                     "the server had the prompt of %zu of %zu requests in its cache, for "
                     "they are alike: TTFT is shorter than computing it takes; "
                     "`inferometer load` makes every prompt new",
                     cached, answers);
    if (resent > 0)
        ifm_run_warn(run, "sent-again", false,
                     "%zu of %zu requests were sent more than once, which is part of "
                     "their TTFT: the server had closed the connection, or asked to wait "
                     "(--retry); --new-connection never meets a closed one",
                     resent, answers);
    if (connected > 0 && connected < answers)
        ifm_run_warn(
            run, "reconnected", false,
            "%zu of %zu requests needed a connection of their own, which is part "
            "of their TTFT: the server does not keep connections open for long",
            connected, answers);
}

/* Nothing reads faster than the host can: if it seems so, the yardstick is wrong. */
static void judge_bandwidth(ifm_run *run)
{
    ifm_summary cold, warm;
    double limit = run->host.read_bandwidth_bytes_per_s;
    if (!(limit > 0) || ifm_summary_of(run, IFM_START_COLD, &cold, NULL) != IFM_OK ||
        ifm_summary_of(run, IFM_START_WARM, &warm, NULL) != IFM_OK)
        return;
    double speed = ifm_summary_decode_bandwidth(run, &cold, &warm);
    if (speed > bandwidth_slack * limit) /* false for NaN */
        ifm_run_warn(
            run, "bandwidth-doubtful", false,
            "decoding read %.1f GB/s of weights, more than the %.1f GB/s that "
            "were measured as this host's limit: that measurement was disturbed; "
            "repeat the run on a quiet machine",
            speed * 1e-9, limit * 1e-9);
}

void ifm_verdict_judge(ifm_run *run)
{
    ifm_verdict_judge_host(run);
    judge_failures(run);
    judge_page_cache(run);
    const ifm_start kinds[] = {IFM_START_COLD, IFM_START_WARM};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ifm_summary s;
        if (ifm_summary_of(run, kinds[i], &s, NULL) != IFM_OK || s.n_ok == 0)
            continue;
        judge_agreement(run, kinds[i], &s);
        if (kinds[i] == IFM_START_WARM || run->workload.n_warm == 0) {
            judge_clock(run, &s);
            judge_handover(run, &s);
        }
    }
    judge_bandwidth(run);
    judge_server(run);
    if (run->incomplete)
        ifm_run_warn(run, "incomplete", true,
                     "the run ended before all requests were measured");
}
