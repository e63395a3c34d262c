/*
 * What was measured: a record per request, and the run that holds them with everything
 * that is needed to read them years later. Targets fill it, statistics summarize it, the
 * result document and every report are functions of it.
 *
 * Ownership: a run owns its records and all they point to; ifm_run_deinit frees them.
 * Strings are heap strings; NULL where a thing is unknown.
 */
#ifndef IFM_MEASURE_RECORD_H
#define IFM_MEASURE_RECORD_H

#include "inferometer/generate.h"
#include "inferometer/measure.h"
#include "measure/wire.h"

typedef enum ifm_start { IFM_START_COLD, IFM_START_WARMUP, IFM_START_WARM } ifm_start;

/* "cold", "warmup", "warm". */
const char *ifm_start_name(ifm_start start);

/* How the sequences of a batch are laid out: each with its own positions alone, or all as
 * long as the longest, with positions computed that belong to nobody. */
typedef enum ifm_padding {
    IFM_PADDING_NONE,
    IFM_PADDING_LEFT,
    IFM_PADDING_RIGHT,
} ifm_padding;

enum { IFM_BATCH_MAX = 256 }; /* sequences of a batch */

/* "none", "left", "right". */
const char *ifm_padding_name(ifm_padding padding);

/* What the operating system did during a phase. -1: not known on this system. */
typedef struct ifm_phase_io {
    int64_t major_faults, minor_faults;
    int64_t read_bytes; /* from storage, as the kernel accounts it */
} ifm_phase_io;

/* A text streamer (Transformers) from its consumer's side, after the request's start: when
 * generation was started, when the first and the last of its items came. There is an item
 * more than there are tokens, and the first may hold no text. */
typedef struct ifm_streamer {
    int64_t start_ns, first_item_ns, last_item_ns;
    int64_t items;
} ifm_streamer;

typedef struct ifm_record {
    int32_t id;       /* of the request; the sequences of a batch share it */
    int32_t sequence; /* position in a batch */
    int32_t prompt;   /* which of the workload's */
    ifm_start start;
    bool ok;
    char *error; /* one line, when not ok */
    int64_t due_ns, sent_ns;
    char *finish_reason; /* "length", "eos", "stop", … */

    int32_t *input_ids; /* [n_input] */
    size_t n_input;
    int32_t *output_ids;  /* [n_tokens] */
    int64_t *token_ns;    /* [n_tokens] after the request's start */
    int64_t *handover_ns; /* [n_tokens] from the generation thread's push to the
                             consumer's hands; NULL: not known */
    size_t n_tokens;
    char *text; /* all generated text, n_text bytes and a NUL */
    size_t n_text;
    ifm_text_event *text_events; /* [n_text_events], texts point into `text` */
    size_t n_text_events;

    int32_t n_logprobs; /* 0: none asked */
    float *logprobs;    /* [n_tokens] of the chosen tokens */
    ifm_candidate *top; /* [n_tokens][n_logprobs] */

    int64_t phases_ns[IFM_PHASE_COUNT];
    ifm_phase_io phase_io[IFM_PHASE_COUNT];

    /* What a script sees that takes a streamer's items for tokens; items 0: no streamer. */
    ifm_streamer streamer;

    /* Page cache (cold): share of the model's pages that were resident just before the
     * request, as mincore saw it, -1: not known. */
    double resident_frac_before;
    int64_t peak_rss_bytes; /* of the child; -1: not known */
    ifm_wire *wire;         /* heap; NULL: no network lay between */
} ifm_record;

/* The record as a trace (borrowing its arrays): everything that metrics need. */
ifm_trace ifm_record_trace(const ifm_record *record);
/* When its tokens came: each, or, where several came at a time, when each of these pieces
 * did; between these lie the gaps. Returns how many; *at is borrowed. */
size_t ifm_record_arrivals(const ifm_record *record, const int64_t **at);
/* All zero, unknowns -1. */
ifm_record ifm_record_empty(void);
void ifm_record_deinit(ifm_record *record);

typedef struct ifm_host {
    char *cpu, *os, *kernel, *governor;
    int32_t cores; /* physical cores that this process may use */
    int64_t memory_bytes;
    double load_average; /* one minute, at the start; -1: not known */
    double steal_frac;   /* during the run, share of CPU time taken by the hypervisor */
    double read_bandwidth_bytes_per_s; /* at the size of the weights, all threads; 0: not
                                          measured */
} ifm_host;

typedef struct ifm_target_facts {
    char *kind;    /* "native", "transformers", "worker" */
    char *engine;  /* what a worker calls itself: "transformers" */
    char *device;  /* "cpu" */
    char *kernels; /* "avx512" */
    int32_t threads;
    char *model_name, *model_family, *model_path, *model_dtype;
    int64_t parameters, file_bytes, weight_bytes, decode_bytes;
    int64_t session_bytes;
    int32_t n_positions, n_vocab;
    int32_t exact;       /* activations kept whole for quantized weights; -1: not known */
    bool synchronized;   /* phases wait for a device that computes by itself */
    int64_t nan_weights; /* found while reading eagerly; -1: not looked for */
    char *url; /* of a server, without credentials; NULL: a process of this machine */
    char *endpoint; /* of a server: "completions", "chat" */
    bool insecure;  /* its certificate was not verified */
} ifm_target_facts;

typedef struct ifm_workload {
    char **prompts; /* [n_prompts] texts; NULL entries where only ids were given */
    size_t *prompt_bytes;
    char *
        *prompt_names; /* [n_prompts] what a file of prompts calls them; NULL: nothing */
    size_t n_prompts;
    int32_t batch_size; /* sequences of a request */
    ifm_padding padding;
    int32_t max_new_tokens;
    ifm_sampling sampling;
    bool ignore_eos;
    int32_t n_cold, n_warmup, n_warm; /* as asked */
    bool load_eager, evict;           /* --load, --page-cache */
} ifm_workload;

typedef struct ifm_warning {
    char *code;    /* "governor-not-performance" */
    char *message; /* one or two sentences, with advice */
    bool spoils;   /* the result is not trustworthy because of it */
} ifm_warning;

typedef struct ifm_run {
    char **command; /* [n_command] argv as given */
    size_t n_command;
    char started_at[32]; /* "2026-01-31T12:00:00.123Z" */
    const char *clock_name;
    int64_t clock_resolution_ns, clock_read_cost_ns;
    ifm_host host;
    ifm_target_facts target;
    ifm_workload workload;
    ifm_record *records; /* [n_records] in the order in which they were measured */
    size_t n_records, capacity_records;
    ifm_warning *warnings; /* [n_warnings] */
    size_t n_warnings;
    bool incomplete; /* interrupted or failed before all requests were done */
} ifm_run;

void ifm_run_deinit(ifm_run *run);
/* A new all-zero record at the end (phase_io and unknowns set to -1), owned by the run;
 * NULL without memory. Earlier records may move. */
ifm_record *ifm_run_add(ifm_run *run);
/* Appends a warning; text as printf has it. */
void ifm_run_warn(ifm_run *run, const char *code, bool spoils, const char *format, ...)
    IFM_PRINTF(4, 5);
bool ifm_run_trustworthy(const ifm_run *run);
/* Tokens of the prompts of a batch, as the first request that came so far saw them. */
typedef struct ifm_input_tokens {
    size_t batch_size;   /* 0: no request has come so far */
    int64_t padded;      /* positions of each sequence with padding, the longest's */
    int64_t total, real; /* positions of all sequences, padding included, and without */
} ifm_input_tokens;
/* lengths, if not NULL, gets the tokens of up to `cap` sequences. */
ifm_input_tokens ifm_run_input_tokens(const ifm_run *run, int32_t *lengths, size_t cap);

#endif
