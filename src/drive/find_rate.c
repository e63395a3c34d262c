#include "drive/find_rate.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>

#include "base/error.h"
#include "load/summary.h"

/* Of each look's time the part that is not judged, and how many stretches the rest has. */
static const double skipped = 0.2;
enum { STRETCHES = 20 };
/* With fewer requests in flight on average they do not meet: a lower rate changes nothing. */
static const double lonely = 0.1;

/* ---- counting --------------------------------------------------------------------------- */

typedef struct stretch {
    double n, good;
} stretch;

/* Whether a request was good, had it been taken up so much sooner. */
static bool is_good(const ifm_load_run *load, const ifm_record *r, int64_t sooner_ns)
{
    const ifm_trace trace = ifm_record_trace(r);
    ifm_metrics metrics = ifm_metrics_of(&trace);
    metrics.ttft_ns -= sooner_ns;
    metrics.e2el_ns -= sooner_ns;
    return r->ok && ifm_slo_kept(&load->plan.slo, &metrics);
}

static int64_t lag_of(const ifm_wire *w)
{
    const int64_t gate = w->gate_ns > 0 ? w->gate_ns : 0;
    return w->service_start_ns > gate ? w->service_start_ns - gate : 0;
}

/* The last moment at which a request was due, for equal stretches: by the plan, since the
 * spool is read once. */
static void add(stretch stretches[STRETCHES], int64_t after_ns, int64_t span_ns,
                bool good)
{
    const int64_t at = span_ns > 0 ? after_ns * STRETCHES / span_ns : 0;
    stretch *s = &stretches[at < STRETCHES ? at : STRETCHES - 1];
    s->n++;
    s->good += good;
}

/* Variance of the number of good requests, as it differs between stretches (of which each
 * may have another number of requests), over that of independent ones. */
static double spread_of(const stretch stretches[STRETCHES], int64_t n, int64_t n_good)
{
    const double share = n > 0 ? (double)n_good / (double)n : 0;
    double squares = 0;
    if (n_good <= 0 || n_good >= n)
        return 1;
    for (int i = 0; i < STRETCHES; i++) {
        const double more = stretches[i].good - share * stretches[i].n;
        squares += more * more;
    }
    squares *= (double)STRETCHES / (STRETCHES - 1);
    return fmax(1, squares / ((double)n * share * (1 - share)));
}

ifm_status ifm_rate_count_of(const ifm_load_run *load, int64_t from_ns,
                             ifm_rate_count *out, ifm_error *err)
{
    stretch stretches[STRETCHES] = {{0}};
    const double planned_ns =
        1e9 * (double)load->plan.n_prompts / load->plan.request_rate;
    ifm_spool_reader *reader = NULL;
    const ifm_record *r = NULL;
    *out = (ifm_rate_count){0};
    ifm_status st = ifm_spool_reader_new(load->spool, &reader, err);
    if (st == IFM_OK)
        st = ifm_spool_next(reader, &r, err);
    while (st == IFM_OK && r != NULL) {
        if (r->start != IFM_START_WARMUP && r->wire->due_at_ns >= from_ns) {
            const bool good = is_good(load, r, 0);
            add(stretches, r->wire->due_at_ns - from_ns, (int64_t)planned_ns - from_ns,
                good);
            out->n++;
            out->n_good += good;
            out->n_good_served += is_good(load, r, lag_of(r->wire));
        }
        st = ifm_spool_next(reader, &r, err);
    }
    ifm_spool_reader_free(reader);
    out->spread = spread_of(stretches, out->n, out->n_good);
    return st;
}

/* ---- one look --------------------------------------------------------------------------- */

static void set_plan(ifm_load_plan *plan, double rate, int64_t n)
{
    if (plan->arrival == IFM_ARRIVAL_CLOSED || plan->arrival == IFM_ARRIVAL_BURST)
        plan->arrival = IFM_ARRIVAL_POISSON;
    plan->request_rate = rate;
    plan->n_prompts = (int64_t)ceil((double)n / (1 - skipped));
    plan->duration_ns = 0;
    plan->ramp_s = 0;
}

/* Tells the search what came of a look. */
static ifm_status conclude(ifm_rate_search *search, const ifm_load_run *load,
                           ifm_error *err)
{
    const double length_ns = 1e9 * (double)load->plan.n_prompts / load->plan.request_rate;
    ifm_rate_count count;
    ifm_load_summary summary;
    ifm_status st = ifm_rate_count_of(load, (int64_t)(skipped * length_ns), &count, err);
    if (st == IFM_OK)
        st = ifm_load_summary_of(load, &summary, err);
    if (st != IFM_OK)
        return st;
    /* Without the client's lag enough would have been good: the lag is to blame. */
    const bool blameless =
        (double)count.n_good_served <=
        fmax(search->options.share * (double)count.n, (double)count.n_good);
    ifm_rate_search_tell(search, count.n, count.n_good, count.spread, blameless);
    if (!search->open && summary.whole.concurrency < lonely)
        ifm_rate_search_no_lower(search);
    ifm_rate_step *step = &search->steps[search->n_steps - 1];
    step->ttft_p95_ns = summary.metric[IFM_LOAD_TTFT].p95;
    step->tpot_p95_ns = summary.metric[IFM_LOAD_TPOT].p95;
    step->e2el_p95_ns = summary.metric[IFM_LOAD_E2EL].p95;
    ifm_load_summary_deinit(&summary);
    return IFM_OK;
}

static ifm_status look_at(const ifm_find_rate_options *options, int look, double rate,
                          int64_t n, ifm_load_run *load, ifm_error *err)
{
    ifm_drive_options drive = options->drive;
    ifm_status st = options->prepare(options->user, look, load, &drive.source, err);
    if (st != IFM_OK)
        return st;
    set_plan(&load->plan, rate, n);
    if (options->on_look != NULL)
        options->on_look(options->user, load);
    return ifm_drive_run(&drive, load, err);
}

/* Where to begin when nobody says: as many requests at once as most servers can serve, by how
 * long one takes by itself. Lower rates would cost more time than they tell. */
static ifm_status guess(const ifm_find_rate_options *options, double *rate,
                        ifm_error *err)
{
    enum { ASKED = 3, AT_ONCE = 4 };
    ifm_drive_options drive = options->drive;
    ifm_load_run load = {0};
    ifm_load_summary summary = {0};
    ifm_status st = options->prepare(options->user, 0, &load, &drive.source, err);
    load.plan.arrival = IFM_ARRIVAL_CLOSED;
    load.plan.concurrency = 1;
    load.plan.n_prompts = ASKED;
    load.plan.request_rate = 0;
    load.plan.duration_ns = 0;
    if (st == IFM_OK && options->on_look != NULL)
        options->on_look(options->user, &load);
    if (st == IFM_OK)
        st = ifm_drive_run(&drive, &load, err);
    if (st == IFM_OK)
        st = ifm_load_summary_of(&load, &summary, err);
    const ifm_stats *e2el = &summary.metric[IFM_LOAD_E2EL];
    *rate = e2el->n > 0 && e2el->p50 > 0 ? AT_ONCE * 1e9 / e2el->p50 : 1;
    ifm_load_summary_deinit(&summary);
    ifm_load_deinit(&load);
    return st;
}

/* ---- the search -------------------------------------------------------------------------- */

static ifm_status pause_for(const ifm_find_rate_options *options, ifm_error *err)
{
    struct pollfd fd = {options->drive.cancel_fd, POLLIN, 0};
    if (poll(&fd, 1, (int)(options->pause_ns / 1000000)) > 0)
        return ifm_fail(err, IFM_ERR_CANCELLED, "interrupted");
    return IFM_OK;
}

/* The load that stands for the search: the last look at the highest rate that was kept, and
 * until there is one whatever was tried last. */
static void keep(ifm_load_run *best, bool *has_kept, ifm_load_run *load, bool kept)
{
    if (kept || !*has_kept) {
        ifm_load_deinit(best);
        *best = *load;
        *load = (ifm_load_run){0};
        *has_kept = kept;
    }
}

static ifm_status search_all(const ifm_find_rate_options *options, int first,
                             ifm_rate_search *search, ifm_load_run *best, ifm_error *err)
{
    bool has_kept = false;
    double rate;
    int64_t n;
    ifm_status st = IFM_OK;
    for (int look = first; st == IFM_OK && ifm_rate_search_next(search, &rate, &n);
         look++) {
        ifm_load_run load = {0};
        if (look > 0)
            st = pause_for(options, err);
        if (st == IFM_OK)
            st = look_at(options, look, rate, n, &load, err);
        if (st == IFM_OK)
            st = conclude(search, &load, err);
        const ifm_rate_step *step =
            search->n_steps > 0 ? &search->steps[search->n_steps - 1] : NULL;
        if (st == IFM_OK && !search->open && options->on_step != NULL)
            options->on_step(options->user, step);
        if (load.spool != NULL)
            keep(best, &has_kept, &load,
                 st == IFM_OK && !search->open && step->verdict == IFM_RATE_KEPT);
        ifm_load_deinit(&load);
    }
    return st;
}

ifm_status ifm_find_rate(const ifm_find_rate_options *options, ifm_load_run *out,
                         ifm_error *err)
{
    ifm_rate_search *search = calloc(1, sizeof *search);
    *out = (ifm_load_run){0};
    if (search == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "find-rate: no memory");
    ifm_rate_options how = options->search;
    const bool known = how.guess > 0;
    ifm_status st = known ? IFM_OK : guess(options, &how.guess, err);
    ifm_rate_search_init(search, &how);
    if (st == IFM_OK)
        st = search_all(options, known ? 0 : 1, search, out, err);
    out->search = search;
    if (st != IFM_OK)
        out->run.incomplete = true;
    return st;
}
