/*
 * A load, summarized: statistics that are exact (every order statistic is one of the
 * measured values, found by passes over the spool) in memory that does not grow with the
 * number of requests.
 */
#ifndef IFM_LOAD_SUMMARY_H
#define IFM_LOAD_SUMMARY_H

#include "load/load.h"
#include "measure/statistics.h"

/* X(NAME, key in results, name for people). From the moment a request was due, but for those
 * that say otherwise. */
#define IFM_LOAD_METRIC_LIST(X)                                                            \
    X(TTFT, ttft, "TTFT")                                                                  \
    X(TTFO, ttfo, "TTFO")                                                                  \
    X(TEXT_TTFT, text_ttft, "Text TTFT")                                                   \
    X(E2EL, e2el, "E2EL")                                                                  \
    X(GENERATION, generation, "Token generation time")                                     \
    X(TPOT, tpot, "TPOT")                                                                  \
    X(ITL, itl, "ITL")                                                                     \
    X(SERVER_TTFT, server_ttft, "Server's share of TTFT") /* sent → first token */       \
    X(SERVICE_TTFT, service_ttft, "TTFT from service")    /* taken up → first token */   \
    X(SERVICE_E2EL, service_e2el, "E2EL from service")                                     \
    X(CONNECT, connect, "Connecting") /* taken up → connected, TLS included; new only */ \
    X(SEND, send, "Sending")          /* connected → the last byte was handed over */    \
    X(HEADERS, headers, "Headers")    /* sent → the answer's head */                     \
    X(QUEUE, queue, "Waiting for a place")  /* --concurrency under a rate */               \
    X(CLIENT_LAG, client_lag, "Client lag") /* due → taken up, less the waiting */

typedef enum ifm_load_metric {
#define X(NAME, key, title) IFM_LOAD_##NAME,
    IFM_LOAD_METRIC_LIST(X)
#undef X
        IFM_LOAD_METRIC_COUNT
} ifm_load_metric;

const char *ifm_load_metric_key(ifm_load_metric metric);
const char *ifm_load_metric_title(ifm_load_metric metric);

/* One second of a load, by the times at which things happened; requests of all outcomes. */
typedef struct ifm_load_second {
    int32_t due, completed, failed, in_flight; /* in_flight: at its end */
    int64_t output_tokens;                     /* that came in it */
    double ttft_p50_ns, ttft_max_ns;           /* of first tokens in it; NaN */
    double lag_max_ns;                         /* NaN */
} ifm_load_second;

typedef struct ifm_load_rates {
    double requests_per_s;      /* that ended well */
    double input_tokens_per_s;  /* NaN: unknown */
    double output_tokens_per_s; /* NaN: not counted in tokens */
    double good_requests_per_s; /* that kept the SLO; NaN: none asked */
    double concurrency;         /* mean in flight */
} ifm_load_rates;

typedef struct ifm_load_summary {
    int64_t n, n_ok, n_warmup;          /* n: counted requests, warm-up not among them */
    int64_t outcome[IFM_OUTCOME_COUNT]; /* of n; they add up to it */
    ifm_stats metric[IFM_LOAD_METRIC_COUNT]; /* ns; of requests that ended well */
    ifm_stats input_tokens, output_tokens;
    int64_t sum_input_tokens, sum_output_tokens;
    int64_t n_good; /* ended well and kept the SLO; -1: none asked */

    double tokens_per_event; /* NaN: unknown */
    double read_share_frac;  /* pieces that shared a read with the one before */
    bool itl_per_event;      /* some pieces held several tokens: ITL is between pieces */
    ifm_token_source token_source; /* the least of all requests' */
    int64_t n_sent_again;          /* that ended well after more than one attempt */
    int64_t n_cached; /* requests of which the server said it had cached a part */

    /* Ramp-up and drain are left out of `steady`: it spans [steady_begin, steady_end). */
    bool steady_found;
    int64_t steady_begin_ns, steady_end_ns;
    ifm_load_rates steady, whole;

    ifm_load_second *seconds; /* heap, [n_seconds]; at most IFM_LOAD_SECONDS_MAX: longer
                                 loads have longer "seconds" */
    size_t n_seconds;
    double second_s; /* 1 but for long loads */
} ifm_load_summary;

enum { IFM_LOAD_SECONDS_MAX = 4096 };

/* Errors: NO_MEMORY, IO. The caller deinits. */
ifm_status ifm_load_summary_of(const ifm_load_run *load, ifm_load_summary *out,
                               ifm_error *err);
void ifm_load_summary_deinit(ifm_load_summary *self);

/* Whether a request that ended well kept the promise. Pure. */
bool ifm_slo_kept(const ifm_slo *slo, const ifm_metrics *metrics);
bool ifm_slo_given(const ifm_slo *slo);

/* Appends to load->run.warnings what the summary deserves (client lag, near the floor,
 * cached prompts, failures, events that are not tokens, …): codes in
 * docs/load-results.md. */
void ifm_load_judge(ifm_load_run *load, const ifm_load_summary *summary);

#endif
