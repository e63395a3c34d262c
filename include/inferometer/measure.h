/*
 * Measuring: a request's trace, and the metrics, which are pure functions of it.
 *
 * All times in a trace are nanoseconds after the request's start. What a metric means is
 * in docs/metrics.md; the identities that hold exactly:
 *     E2EL = TTFT + generation time = TTFT + Σ ITL
 *     TPOT = generation time / (N − 1) = mean ITL          (N ≥ 2)
 *     Σ phases = TTFT
 */
#ifndef INFEROMETER_MEASURE_H
#define INFEROMETER_MEASURE_H

#include "inferometer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the time to the first token goes, in order. X(NAME, name): the phase ends when…
 * spawn: main runs · import: the engine's own code is there (Python's packages) · load:
 * weights are bound · place: they are on the device · tokenizer: it can encode · tokenize: the
 * prompt's ids are there · prefill: the first logits · sample: the first id · detokenize:
 * its text · deliver: the consumer's thread holds it · other: what no phase covers. */
#define IFM_PHASE_LIST(X)                                                                \
    X(SPAWN, spawn)                                                                      \
    X(IMPORT, import)                                                                    \
    X(LOAD, load)                                                                        \
    X(PLACE, place)                                                                      \
    X(TOKENIZER, tokenizer)                                                              \
    X(TOKENIZE, tokenize)                                                                \
    X(PREFILL, prefill)                                                                  \
    X(SAMPLE, sample)                                                                    \
    X(DETOKENIZE, detokenize)                                                            \
    X(DELIVER, deliver)                                                                  \
    X(OTHER, other)

typedef enum ifm_phase {
#define X(NAME, name) IFM_PHASE_##NAME,
    IFM_PHASE_LIST(X)
#undef X
        IFM_PHASE_COUNT
} ifm_phase;

IFM_API const char *ifm_phase_name(ifm_phase phase);

typedef struct ifm_text_event {
    int64_t t_ns;
    const char *text; /* UTF-8, not terminated by its length alone: it is, too */
    size_t n_text;
} ifm_text_event;

/* The raw record of one request. Arrays are borrowed from whoever made the trace. */
typedef struct ifm_trace {
    const int64_t *token_ns; /* [n_tokens] token i is in the consumer's hands */
    size_t n_tokens;
    const ifm_text_event *text_events; /* [n_text_events] what a reader sees, and when */
    size_t n_text_events;
    int64_t phases_ns[IFM_PHASE_COUNT];
    /* Where tokens came several at a time: when each of the pieces came, first and last
     * as those of token_ns; NULL: every token came by itself. */
    const int64_t *event_ns; /* [n_events] */
    size_t n_events;
} ifm_trace;

/* Metrics of one request. A thing that does not exist is marked, never 0. */
typedef struct ifm_metrics {
    size_t n_tokens;
    bool has_ttft, has_text_ttft, has_tpot; /* ≥ 1 token; some text; ≥ 2 tokens */
    int64_t ttft_ns;
    int64_t text_ttft_ns;
    int64_t e2el_ns;
    int64_t generation_ns; /* E2EL − TTFT */
    double tpot_ns;        /* exact quotient */
} ifm_metrics;

/* Pure; thread-safe; never fails. */
IFM_API ifm_metrics ifm_metrics_of(const ifm_trace *trace);

/* The n_tokens − 1 gaps between consecutive tokens, written to itl_ns[]; returns how
 * many (0 for fewer than two tokens). Where tokens came several at a time, the gaps between
 * these pieces: n_events − 1, so that itl_ns[] holds the larger of both. Pure. */
IFM_API size_t ifm_metrics_itl(const ifm_trace *trace, int64_t *itl_ns);

#ifdef __cplusplus
}
#endif
#endif
