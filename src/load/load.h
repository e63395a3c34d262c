/*
 * A load: what was asked of a server, and what came of it. Filled by the drive (src/drive),
 * read by summary, result document and reports, which are functions of it.
 *
 * Times of a load are nanoseconds after it began (began); those in a record are
 * after the moment at which its request was due, which is wire->due_at_ns after the beginning.
 */
#ifndef IFM_LOAD_LOAD_H
#define IFM_LOAD_LOAD_H

#include "load/rate_search.h"
#include "load/spool.h"
#include "measure/record.h"

typedef enum ifm_endpoint { IFM_ENDPOINT_COMPLETIONS, IFM_ENDPOINT_CHAT } ifm_endpoint;

/* "completions", "chat". */
const char *ifm_endpoint_name(ifm_endpoint endpoint);

/* When requests are due. */
typedef enum ifm_arrival {
    IFM_ARRIVAL_CLOSED,   /* when one of `concurrency` places is free */
    IFM_ARRIVAL_CONSTANT, /* open: every 1 / rate */
    IFM_ARRIVAL_POISSON,  /* open: exponential gaps */
    IFM_ARRIVAL_GAMMA,    /* open: gamma gaps of shape `burstiness`, mean 1 / rate */
    IFM_ARRIVAL_BURST,    /* open: all at once (--request-rate inf) */
    IFM_ARRIVAL_TRACE,    /* open: as a file says */
} ifm_arrival;

/* "closed", "constant", … */
const char *ifm_arrival_name(ifm_arrival arrival);

/* A promise: at most so many milliseconds; NaN: none. */
typedef struct ifm_slo {
    double ttft_ms, tpot_ms, e2el_ms;
} ifm_slo;

/* The load as it was asked for. Strings heap, NULL: not given. */
typedef struct ifm_load_plan {
    char *url; /* without credentials */
    char *model;
    ifm_endpoint endpoint;
    bool stream;
    ifm_arrival arrival;
    int64_t concurrency;   /* places; 0: no limit */
    double request_rate;   /* per second; 0: none; INFINITY */
    double burstiness;     /* 1: Poisson */
    double ramp_s;         /* seconds over which rate or places rise to these; 0 */
    bool ramp_exponential; /* else linearly */
    double trace_speed;    /* TRACE: so many times as fast as recorded; 0: as recorded */
    int64_t turns;         /* of a conversation, at most; 0: not given */
    int64_t think_ns;      /* between them; -1: as the file says */
    int64_t n_prompts;     /* 0: no limit */
    int64_t duration_ns;   /* 0: no limit */
    int64_t n_warmup;
    char *input_len, *output_len; /* as the options said: "512", "normal:512,64" */
    char *prompts_path;
    int64_t shared_prefix_tokens;
    uint64_t seed;
    int64_t timeout_ns, idle_timeout_ns;
    int64_t retries;
    bool new_connection, insecure, http2;
    bool libcurl; /* carries HTTP/1.1 without TLS, too */
    ifm_slo slo;
} ifm_load_plan;

/* The client's own floor on this host, as `load --self-test` measured it: how far off its
 * times are with a server of known timing. ns; row per number of streams. */
typedef struct ifm_floor {
    int64_t streams;
    double ttft_p50_ns, ttft_p99_ns, ttft_max_ns; /* absolute errors */
    double itl_p50_ns, itl_p99_ns, itl_max_ns;
    double events_per_s_per_core, bytes_per_event, cpu_s_per_1000_events;
} ifm_floor;

enum { IFM_FLOORS_MAX = 8 };

/* One process of several that made the load together. */
typedef struct ifm_load_rank {
    char host[64];
    int32_t rank;
    bool lost;             /* it died: what it had not handed over is missing */
    int64_t requests;      /* that are in the spool */
    int64_t lost_requests; /* it had begun, as its last report said */
    int64_t clock_offset_ns, clock_uncertainty_ns; /* to rank 0's */
} ifm_load_rank;

typedef struct ifm_load_run {
    ifm_run run; /* facts: command, host, target, warnings; records stay empty */
    ifm_load_plan plan;
    ifm_spool *spool;      /* owned */
    ifm_time began;        /* time zero of the load */
    int64_t warm_ns;       /* requests due before it are warm-up */
    int64_t ended_ns;      /* the last outcome was known */
    int64_t client_cpu_ns; /* of this process while it ran */
    int64_t n_events;      /* pieces of all streams, and */
    int64_t n_body_bytes;  /* bytes of all bodies: what the CPU time was for */
    int64_t peak_in_flight;
    int64_t memory_bytes; /* resident at the end, of this process */
    ifm_floor
        floors[IFM_FLOORS_MAX]; /* stored for this host; n_floors 0: never measured */
    size_t n_floors;
    char floors_measured_at[32];
    ifm_load_rank *ranks; /* heap; n_ranks 0: this process alone */
    size_t n_ranks;
    bool
        server_cached; /* some usage said cached_tokens > 0 although prompts were unique */
    int64_t
        prompt_mismatches; /* requests whose usage.prompt_tokens is not what was made */
    /* The search that this load came of: it is the one at the rate that was found, or at
     * the last one that was tried. Heap; NULL: none. */
    ifm_rate_search *search;
} ifm_load_run;

void ifm_load_deinit(ifm_load_run *self);

#endif
