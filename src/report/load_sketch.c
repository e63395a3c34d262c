#include "report/load_sketch.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"

/* A pause that is worth a hole in a stream: four usual gaps, or as much as can be seen. */
static const double pause_gaps = 4, pause_share = 1.0 / 500;

/* ---- distributions ----------------------------------------------------------------- */

/* What is less than a thousandth of the median shares the first bin: pieces that came in one
 * read are no time apart, which has no logarithm. */
static void shape_between(ifm_sketch_shape *shape, const ifm_stats *stats)
{
    if (stats->n == 0)
        return;
    shape->low = fmax(stats->min, fmax(stats->p50 / 1000, 1));
    shape->high = fmax(stats->max, shape->low);
}

static void shape_add(ifm_sketch_shape *shape, int64_t ns)
{
    const double width = log(shape->high / shape->low);
    size_t bin = 0;
    if ((double)ns > shape->low && width > 0)
        bin = (size_t)(log((double)ns / shape->low) / width * IFM_SKETCH_BINS);
    shape->counts[bin < IFM_SKETCH_BINS ? bin : IFM_SKETCH_BINS - 1]++;
    shape->n++;
}

double ifm_sketch_edge(const ifm_sketch_shape *shape, size_t bin)
{
    const double share = (double)(bin + 1) / IFM_SKETCH_BINS;
    return shape->low * exp(share * log(shape->high / shape->low));
}

/* ---- requests ---------------------------------------------------------------------- */

static size_t stride(int64_t n, size_t most)
{
    return n > (int64_t)most ? ((size_t)n + most - 1) / most : 1;
}

static ifm_status allocate(ifm_load_sketch *s, ifm_error *err)
{
    const size_t n = IFM_SKETCH_REQUESTS + IFM_SKETCH_FAILED;
    s->requests = calloc(n, sizeof *s->requests);
    s->streams = calloc(IFM_SKETCH_STREAMS, sizeof *s->streams);
    s->stretches = calloc(IFM_SKETCH_STRETCHES, sizeof *s->stretches);
    if (s->requests == NULL || s->streams == NULL || s->stretches == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "plots: no memory");
    return IFM_OK;
}

static int64_t after_begin(const ifm_wire *w, int64_t ns)
{
    return ns < 0 ? -1 : w->due_at_ns + ns;
}

static ifm_sketch_request request_of(const ifm_record *r)
{
    const ifm_wire *w = r->wire;
    return (ifm_sketch_request){
        .due_ns = w->due_at_ns,
        .service_ns = after_begin(w, w->service_start_ns),
        .sent_ns = after_begin(w, r->sent_ns),
        .first_ns = r->n_tokens > 0 ? after_begin(w, r->token_ns[0]) : -1,
        .end_ns = after_begin(w, w->end_ns),
        .ok = r->ok,
    };
}

static ifm_sketch_stretch *add_stretch(ifm_load_sketch *s, int64_t ns)
{
    if (s->n_stretches == IFM_SKETCH_STRETCHES)
        return NULL;
    ifm_sketch_stretch *next = &s->stretches[s->n_stretches++];
    *next = (ifm_sketch_stretch){(int32_t)s->n_streams, ns, ns};
    return next;
}

static void add_stream(ifm_load_sketch *s, const ifm_record *r)
{
    ifm_sketch_stretch *last = NULL;
    for (size_t i = 0; i < r->n_tokens; i++) {
        const int64_t ns = r->wire->due_at_ns + r->token_ns[i];
        if (last == NULL || ns - last->to_ns > s->pause_ns)
            last = add_stretch(s, ns);
        if (last == NULL)
            break;
        last->to_ns = ns;
    }
    s->streams[s->n_streams++] = request_of(r);
}

static void add_times(ifm_load_sketch *s, const ifm_record *r)
{
    const ifm_trace trace = ifm_record_trace(r);
    const ifm_metrics m = ifm_metrics_of(&trace);
    const int64_t *at = trace.event_ns != NULL ? trace.event_ns : trace.token_ns;
    const size_t n = trace.event_ns != NULL ? trace.n_events : trace.n_tokens;
    if (m.has_ttft) {
        shape_add(&s->ttft, m.ttft_ns);
        shape_add(&s->e2el, m.e2el_ns);
    }
    for (size_t i = 1; i < n && m.has_tpot; i++)
        shape_add(&s->itl, at[i] - at[i - 1]);
}

/* Whether the i-th is the one of its group of `every`: another place in each group, so that
 * what recurs with a period is not always missed. */
static bool is_chosen(size_t i, size_t every)
{
    const uint64_t group = i / every;
    return i % every == (group * 0x9e3779b97f4a7c15u >> 32) % every;
}

typedef struct seen {
    size_t ok, failed, all;
} seen;

static void add(ifm_load_sketch *s, const ifm_record *r, seen *n)
{
    if (r->wire == NULL || r->start == IFM_START_WARMUP)
        return;
    const size_t number = r->ok ? n->ok++ : n->failed++;
    if (is_chosen(number, r->ok ? s->every : s->every_failed) &&
        s->n_requests < IFM_SKETCH_REQUESTS + IFM_SKETCH_FAILED)
        s->requests[s->n_requests++] = request_of(r);
    if (is_chosen(n->all++, s->every_stream) && s->n_streams < IFM_SKETCH_STREAMS)
        add_stream(s, r);
    if (r->ok)
        add_times(s, r);
}

static ifm_status read_all(ifm_load_sketch *s, ifm_error *err)
{
    ifm_spool_reader *reader = NULL;
    seen n = {0};
    const ifm_record *record = NULL;
    ifm_status st = ifm_spool_reader_new(s->load->spool, &reader, err);
    if (st == IFM_OK)
        st = ifm_spool_next(reader, &record, err);
    while (st == IFM_OK && record != NULL) {
        add(s, record, &n);
        st = ifm_spool_next(reader, &record, err);
    }
    ifm_spool_reader_free(reader);
    return st;
}

/* Streams by the time at which they were due, stretches with the numbers that they get. */
static ifm_status sort_streams(ifm_load_sketch *s, ifm_error *err)
{
    int32_t *order = calloc(s->n_streams + 1, sizeof *order),
            *place = calloc(s->n_streams + 1, sizeof *place);
    ifm_sketch_request *sorted = calloc(s->n_streams + 1, sizeof *sorted);
    ifm_status st = IFM_OK;
    if (order == NULL || place == NULL || sorted == NULL) {
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "plots: no memory");
        goto done;
    }
    for (size_t i = 0; i < s->n_streams; i++) { /* some hundred at most: by insertion */
        size_t at = i;
        for (; at > 0 && s->streams[order[at - 1]].due_ns > s->streams[i].due_ns; at--)
            order[at] = order[at - 1];
        order[at] = (int32_t)i;
    }
    for (size_t i = 0; i < s->n_streams; i++) {
        sorted[i] = s->streams[order[i]];
        place[order[i]] = (int32_t)i;
    }
    for (size_t i = 0; i < s->n_stretches; i++)
        s->stretches[i].stream = place[s->stretches[i].stream];
    free(s->streams);
    s->streams = sorted;
    sorted = NULL;
done:
    free(order);
    free(place);
    free(sorted);
    return st;
}

ifm_status ifm_load_sketch_read(const ifm_load_run *load, const ifm_load_summary *summary,
                                ifm_load_sketch **out, ifm_error *err)
{
    ifm_load_sketch *s = calloc(1, sizeof *s);
    *out = s;
    if (s == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "plots: no memory");
    const ifm_stats *itl = &summary->metric[IFM_LOAD_ITL];
    s->load = load;
    s->summary = summary;
    shape_between(&s->ttft, &summary->metric[IFM_LOAD_TTFT]);
    shape_between(&s->e2el, &summary->metric[IFM_LOAD_E2EL]);
    shape_between(&s->itl, itl);
    s->every = stride(summary->n_ok, IFM_SKETCH_REQUESTS);
    s->every_failed = stride(summary->n - summary->n_ok, IFM_SKETCH_FAILED);
    s->every_stream = stride(summary->n, IFM_SKETCH_STREAMS);
    s->pause_ns = (int64_t)fmax(itl->n > 0 ? pause_gaps * itl->p50 : 0,
                                pause_share * (double)load->ended_ns);
    ifm_status st = allocate(s, err);
    if (st == IFM_OK)
        st = read_all(s, err);
    if (st == IFM_OK)
        st = sort_streams(s, err);
    return st;
}

void ifm_load_sketch_free(ifm_load_sketch *self)
{
    if (self == NULL)
        return;
    free(self->requests);
    free(self->streams);
    free(self->stretches);
    free(self);
}
