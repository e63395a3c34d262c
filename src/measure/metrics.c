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
    m.has_tpot = trace->n_tokens > 1;
    if (m.has_tpot)
        m.tpot_ns = (double)m.generation_ns / (double)(trace->n_tokens - 1);
    return m;
}

size_t ifm_metrics_itl(const ifm_trace *trace, int64_t *itl_ns)
{
    if (trace->n_tokens < 2)
        return 0;
    for (size_t i = 1; i < trace->n_tokens; i++)
        itl_ns[i - 1] = trace->token_ns[i] - trace->token_ns[i - 1];
    return trace->n_tokens - 1;
}
