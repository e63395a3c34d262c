/* Metrics: pure functions of a trace. What each means is in docs/metrics.md. */
#include "inferometer/measure.h"

static bool first_text(const ifm_trace *trace, int64_t *t_ns)
{
    for (size_t i = 0; i < trace->n_text_events; i++) {
        if (trace->text_events[i].n_text > 0) {
            *t_ns = trace->text_events[i].t_ns;
            return true;
        }
    }
    return false;
}

ifm_metrics ifm_metrics_of(const ifm_trace *trace)
{
    ifm_metrics m = {.n_tokens = trace->n_tokens};
    m.has_text_ttft = first_text(trace, &m.text_ttft_ns);
    if (trace->n_tokens == 0)
        return m;
    m.has_ttft = true;
    m.ttft_ns = trace->token_ns[0];
    m.e2el_ns = trace->token_ns[trace->n_tokens - 1];
    m.generation_ns = m.e2el_ns - m.ttft_ns;
    /* All tokens in one piece say nothing of the time between tokens. */
    m.has_tpot = trace->n_tokens > 1 && (trace->event_ns == NULL || trace->n_events > 1);
    if (m.has_tpot)
        m.tpot_ns = (double)m.generation_ns / (double)(trace->n_tokens - 1);
    return m;
}

size_t ifm_metrics_itl(const ifm_trace *trace, int64_t *itl_ns)
{
    const bool pieces = trace->event_ns != NULL;
    const int64_t *at = pieces ? trace->event_ns : trace->token_ns;
    const size_t n = pieces ? trace->n_events : trace->n_tokens;
    for (size_t i = 1; i < n; i++)
        itl_ns[i - 1] = at[i] - at[i - 1];
    return n > 0 ? n - 1 : 0;
}
