/* What of a load is to be said, and whether it can be trusted. The codes are explained in
 * docs/load-results.md. */
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "load/floor.h"
#include "load/summary.h"
#include "measure/verdict.h"

/* Thresholds, each with its reason. */
static const double failed_spoils = 0.01; /* more, and a p99 is one of survivors */
static const double lag_noticeable_ns =
    1e6; /* what a scheduler may take on a quiet host */
static const double lag_noticeable =
    0.05; /* of the median TTFT: as effects worth finding */
static const double lag_spoils = 0.10;
static const double near_floor = 10; /* times the floor: a tenth is the client's own */
static const double tail_of_closed_loop = 3; /* p99 ÷ median: places stood still */
static const double mismatch_noticeable = 0.01;
enum { P99_NEEDS = 299, CLOCK_NOTICEABLE_NS = 1000000, NAMED_OUTCOMES = 3 };

/* The next most frequent outcome after `last` (a count), but for OK. */
static int next_outcome(const ifm_load_summary *s, const bool named[IFM_OUTCOME_COUNT])
{
    int most = -1;
    for (int o = 0; o < IFM_OUTCOME_COUNT; o++)
        if (o != IFM_OUTCOME_OK && !named[o] && s->outcome[o] > 0 &&
            (most < 0 || s->outcome[o] > s->outcome[most]))
            most = o;
    return most;
}

/* "10 connection-refused (nobody listens there), 2 timeout (…)" */
static void name_outcomes(const ifm_load_summary *s, ifm_buffer *text)
{
    bool named[IFM_OUTCOME_COUNT] = {false};
    for (int i = 0; i < NAMED_OUTCOMES; i++) {
        int o = next_outcome(s, named);
        if (o < 0)
            return;
        named[o] = true;
        ifm_buffer_printf(text, "%s%lld %s (%s)", i > 0 ? ", " : "",
                          (long long)s->outcome[o], ifm_outcome_name((ifm_outcome)o),
                          ifm_outcome_meaning((ifm_outcome)o));
    }
    if (next_outcome(s, named) >= 0)
        ifm_buffer_puts(text, ", …");
}

static void judge_outcomes(ifm_run *run, const ifm_load_summary *s)
{
    const int64_t failed = s->n - s->n_ok;
    ifm_buffer why = {0};
    name_outcomes(s, &why);
    if (s->n == 0)
        ifm_run_warn(run, "no-requests", true,
                     "no request was measured: was the load ended too early, or is "
                     "--warmup as long as the load?");
    else if (s->n_ok == 0)
        ifm_run_warn(run, "all-failed", true, "all %lld requests failed: %s",
                     (long long)s->n, ifm_buffer_text(&why));
    else if (failed > 0)
        ifm_run_warn(
            run, "failed-requests", (double)failed > failed_spoils * (double)s->n,
            "%lld of %lld requests failed: %s; all times are those of the others",
            (long long)failed, (long long)s->n, ifm_buffer_text(&why));
    ifm_buffer_deinit(&why);
    if (s->outcome[IFM_OUTCOME_RATE_LIMITED] > 0)
        ifm_run_warn(
            run, "rate-limited", false,
            "the server refused %lld requests with status 429: use a lower rate, "
            "or --retry N to wait as it asks",
            (long long)s->outcome[IFM_OUTCOME_RATE_LIMITED]);
    if (s->n_sent_again > 0)
        ifm_run_warn(run, "sent-again", false,
                     "%lld of %lld requests were sent more than once, which is part of "
                     "their TTFT: the server had closed the connection, or asked to wait "
                     "(--retry)",
                     (long long)s->n_sent_again, (long long)s->n_ok);
    if (run->incomplete)
        ifm_run_warn(run, "incomplete", true,
                     "the load ended before all that was planned was measured");
}

/* The highest lag that n carries: a p99, else the largest. */
static void judge_lag(ifm_run *run, const ifm_load_summary *s)
{
    const ifm_stats *lag = &s->metric[IFM_LOAD_CLIENT_LAG];
    const double ttft = s->metric[IFM_LOAD_TTFT].p50;
    const bool p99 = !isnan(lag->p99);
    const double worst = p99 ? lag->p99 : lag->max;
    if (lag->n == 0 || isnan(ttft) ||
        !(worst > fmax(lag_noticeable_ns, lag_noticeable * ttft)))
        return;
    ifm_run_warn(
        run, "client-lag", worst > lag_spoils * ttft,
        "this client took requests up late, by %.1f ms (%s; %.0f%% of the median "
        "TTFT, which contains it): it was short of processor time; use a lower "
        "rate, a host of its own, or several processes (mpirun)",
        worst * 1e-6, p99 ? "p99" : "the worst", 100 * worst / ttft);
}

static void judge_floor_metric(ifm_run *run, const char *name, const ifm_stats *s,
                               double floor_ns, int64_t streams)
{
    if (s->n == 0 || !(s->p50 < near_floor * floor_ns))
        return;
    ifm_run_warn(
        run, "near-floor", s->p50 < floor_ns,
        "the median %s, %.3f ms, is near what this client itself errs by on this "
        "host (%.3f ms at p99 with %lld streams, load --self-test): %s",
        name, s->p50 * 1e-6, floor_ns * 1e-6, (long long)streams,
        s->p50 < floor_ns ? "it says nothing of the server"
                          : "over a tenth of it may be the client's");
}

static void judge_floor(ifm_load_run *load, const ifm_load_summary *s)
{
    const ifm_floor *floor = ifm_floor_for(load, load->peak_in_flight);
    if (s->n_ok == 0)
        return;
    if (floor == NULL) {
        ifm_run_warn(&load->run, "no-floor", false,
                     "how exact this client is on this host was never measured: "
                     "`inferometer load --self-test` does, in a minute");
        return;
    }
    judge_floor_metric(&load->run, "TTFT", &s->metric[IFM_LOAD_TTFT], floor->ttft_p99_ns,
                       floor->streams);
    /* A median of 0: a server that writes several events at once. That is its doing, and no
     * error of ours can make it. */
    if (s->metric[IFM_LOAD_ITL].p50 > 0)
        judge_floor_metric(&load->run, "ITL", &s->metric[IFM_LOAD_ITL], floor->itl_p99_ns,
                           floor->streams);
    if (load->peak_in_flight > floor->streams)
        ifm_run_warn(&load->run, "beyond-floor", false,
                     "%lld requests were in flight at once; this client's exactness is "
                     "known up to %lld streams only (load --self-test)",
                     (long long)load->peak_in_flight, (long long)floor->streams);
}

static void judge_prompts(ifm_load_run *load, const ifm_load_summary *s)
{
    if (load->server_cached)
        ifm_run_warn(&load->run, "cached-prompts", false,
                     "the server had a part of the prompts of %lld requests in its cache "
                     "although all were to be different: TTFT is shorter than computing "
                     "them takes; restart it, or switch its prefix cache off",
                     (long long)s->n_cached);
    if ((double)load->prompt_mismatches > mismatch_noticeable * (double)s->n_ok)
        ifm_run_warn(&load->run, "prompt-length-mismatch", false,
                     "%lld prompts had another number of tokens for the server than they "
                     "were made with: its tokenizer or chat template differs; compare "
                     "input_tokens in the result",
                     (long long)load->prompt_mismatches);
}

static void judge_tokens(ifm_load_run *load, const ifm_load_summary *s)
{
    if (s->n_ok == 0)
        return;
    if (!load->plan.stream)
        ifm_run_warn(&load->run, "not-streamed", false,
                     "answers came whole, not as a stream: TTFT is E2EL, and there is no "
                     "TPOT and no ITL");
    if (s->token_source == IFM_TOKENS_EVENTS)
        ifm_run_warn(
            &load->run, "events-not-tokens", false,
            "the server does not say how many tokens it sent: events are counted "
            "in their place, and no rate of tokens is given; --tokenizer counts "
            "them here");
    else if (s->itl_per_event && load->plan.stream)
        ifm_run_warn(
            &load->run, "itl-per-event", false,
            "an event of the stream holds %.2f tokens in the mean: ITL is the gap "
            "between events, TPOT is per token",
            s->tokens_per_event);
}

static void judge_samples(ifm_load_run *load, const ifm_load_summary *s)
{
    const ifm_stats *e2el = &s->metric[IFM_LOAD_E2EL];
    if (s->n_ok > 0 && s->n_ok < P99_NEEDS)
        ifm_run_warn(&load->run, "few-samples", false,
                     "%lld requests carry no p99 (%d do): use --num-prompts %d or more",
                     (long long)s->n_ok, P99_NEEDS, P99_NEEDS);
    if (s->n_ok >= P99_NEEDS && !s->steady_found)
        ifm_run_warn(
            &load->run, "not-steady", false,
            "no steady part was found (requests in flight kept growing, or "
            "ramp-up and drain were most of the time): the rates are of the whole "
            "load; a longer --duration or a lower rate gives one");
    if (load->plan.arrival == IFM_ARRIVAL_CLOSED &&
        e2el->p99 > tail_of_closed_loop * e2el->p50)
        ifm_run_warn(
            &load->run, "closed-loop", false,
            "the slowest answers took %.1f times the median, and meanwhile this "
            "closed loop sent nothing in their places: people do not wait for one "
            "another; --request-rate shows what they would see",
            e2el->p99 / e2el->p50);
}

static void judge_ranks(ifm_load_run *load)
{
    int64_t lost = 0, requests = 0, worst = 0;
    const char *host = NULL;
    for (size_t i = 0; i < load->n_ranks; i++) {
        const ifm_load_rank *rank = &load->ranks[i];
        if (rank->clock_uncertainty_ns > worst)
            worst = rank->clock_uncertainty_ns;
        if (!rank->lost)
            continue;
        lost++;
        requests += rank->lost_requests;
        host = host != NULL ? host : rank->host;
    }
    if (lost > 0)
        ifm_run_warn(&load->run, "ranks-lost", true,
                     "%lld of %zu processes died (the first on %s), and with them the "
                     "times of %lld requests",
                     (long long)lost, load->n_ranks, host, (long long)requests);
    if (worst > CLOCK_NOTICEABLE_NS)
        ifm_run_warn(
            &load->run, "clock-uncertain", false,
            "the clocks of the hosts are known to %.1f ms only: latencies are not "
            "touched, but the series over time is blurred by as much",
            (double)worst * 1e-6);
}

void ifm_load_judge(ifm_load_run *load, const ifm_load_summary *summary)
{
    ifm_verdict_judge_host(&load->run);
    judge_outcomes(&load->run, summary);
    judge_lag(&load->run, summary);
    judge_floor(load, summary);
    judge_prompts(load, summary);
    judge_tokens(load, summary);
    judge_samples(load, summary);
    judge_ranks(load);
    const int64_t waits = load->spool != NULL ? ifm_spool_waits(load->spool) : 0;
    if (waits > 0)
        ifm_run_warn(
            &load->run, "spool-waits", true,
            "the client had to wait %lld times for the disk that keeps its "
            "measurements, and read nothing meanwhile: set TMPDIR to a faster one",
            (long long)waits);
    if (load->plan.insecure)
        ifm_run_warn(&load->run, "insecure", false,
                     "certificates were not verified (--insecure): who answered is not "
                     "known");
}
