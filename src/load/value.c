#include "load/value.h"

#include <math.h>

const char *ifm_load_metric_key(ifm_load_metric metric)
{
    static const char *const keys[IFM_LOAD_METRIC_COUNT] = {
#define X(NAME, key, title) [IFM_LOAD_##NAME] = #key,
        IFM_LOAD_METRIC_LIST(X)
#undef X
    };
    return (unsigned)metric < IFM_LOAD_METRIC_COUNT ? keys[metric] : "unknown";
}

const char *ifm_load_metric_title(ifm_load_metric metric)
{
    static const char *const titles[IFM_LOAD_METRIC_COUNT] = {
#define X(NAME, key, title) [IFM_LOAD_##NAME] = title,
        IFM_LOAD_METRIC_LIST(X)
#undef X
    };
    return (unsigned)metric < IFM_LOAD_METRIC_COUNT ? titles[metric] : "unknown";
}

/* b − a, where both happened. */
static double between(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 ? (double)(b - a) : NAN;
}

static double known(int64_t t_ns)
{
    return between(0, t_ns);
}

/* When the connection was there, encrypted if it is; -1 with one that was there before. */
static int64_t connected(const ifm_wire *w)
{
    if (w->reused)
        return -1;
    return w->tls_ns >= 0 ? w->tls_ns : w->connect_ns;
}

static void wire_values(const ifm_record *r, bool gated, double *values)
{
    const ifm_wire *w = r->wire;
    const int64_t first = r->n_tokens > 0 ? r->token_ns[0] : -1;
    const int64_t last = r->n_tokens > 0 ? r->token_ns[r->n_tokens - 1] : -1;
    const int64_t ready = connected(w) >= 0 ? connected(w) : w->service_start_ns;
    values[IFM_LOAD_TTFO] = known(w->ttfo_ns);
    values[IFM_LOAD_SERVER_TTFT] = between(r->sent_ns, first);
    values[IFM_LOAD_SERVICE_TTFT] = between(w->service_start_ns, first);
    values[IFM_LOAD_SERVICE_E2EL] = between(w->service_start_ns, last);
    values[IFM_LOAD_CONNECT] = between(w->service_start_ns, connected(w));
    values[IFM_LOAD_SEND] = between(ready, r->sent_ns);
    values[IFM_LOAD_HEADERS] = between(r->sent_ns, w->headers_ns);
    values[IFM_LOAD_QUEUE] = gated ? known(w->gate_ns) : NAN;
    values[IFM_LOAD_CLIENT_LAG] =
        w->service_start_ns >= 0 ? (double)(w->service_start_ns - w->gate_ns) : NAN;
}

void ifm_load_values(const ifm_record *r, bool gated,
                     double values[IFM_LOAD_METRIC_COUNT])
{
    const ifm_trace trace = ifm_record_trace(r);
    const ifm_metrics m = ifm_metrics_of(&trace);
    values[IFM_LOAD_TTFT] = m.has_ttft ? (double)m.ttft_ns : NAN;
    values[IFM_LOAD_TEXT_TTFT] = m.has_text_ttft ? (double)m.text_ttft_ns : NAN;
    values[IFM_LOAD_E2EL] = m.has_ttft ? (double)m.e2el_ns : NAN;
    values[IFM_LOAD_GENERATION] = m.has_ttft ? (double)m.generation_ns : NAN;
    values[IFM_LOAD_TPOT] = m.has_tpot ? m.tpot_ns : NAN;
    values[IFM_LOAD_ITL] = NAN;
    wire_values(r, gated, values);
}

size_t ifm_load_gaps(const ifm_record *r)
{
    const size_t n = r->wire->event_ns != NULL ? r->wire->n_event_ns : r->n_tokens;
    return n > 0 ? n - 1 : 0;
}

double ifm_load_gap(const ifm_record *r, size_t i)
{
    const int64_t *at = r->wire->event_ns != NULL ? r->wire->event_ns : r->token_ns;
    return (double)(at[i + 1] - at[i]);
}

int64_t ifm_load_input_tokens(const ifm_record *r)
{
    return r->wire->usage.prompt_tokens >= 0 ? r->wire->usage.prompt_tokens
                                             : r->wire->asked_input_tokens;
}
