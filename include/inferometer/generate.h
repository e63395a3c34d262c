/*
 * Generation: a request is computed on one thread while the caller consumes its tokens on
 * another, as users of a streaming interface do.
 *
 *     ifm_generation_start ──► generation thread: prefill, then sample → detokenize → push
 *     ifm_generation_next  ◄── a lock-free ring of preallocated token records
 *     ifm_generation_finish
 *
 * Several requests may be computed as a batch: each step's reading of the weights serves all
 * of them, and their tokens come through one ring.
 *
 * Nothing is allocated, formatted or locked between the first token and the last.
 */
#ifndef INFEROMETER_GENERATE_H
#define INFEROMETER_GENERATE_H

#include "inferometer/model.h"
#include "inferometer/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ifm_generation ifm_generation;

/* How the next token is chosen. All zero: greedy. Order: repetition penalty, temperature,
 * top-k, top-p, min-p, as Hugging Face Transformers orders its processors. With temperature
 * 0 only the penalty applies. Of equals the lowest id wins; everything that is as likely as
 * the k-th stays with top-k. */
typedef struct ifm_sampling {
    float temperature;        /* 0: greedy */
    int32_t top_k;            /* 0: off */
    float top_p;              /* 0 or 1: off */
    float min_p;              /* 0: off */
    float repetition_penalty; /* 0 or 1: off (Keskar et al. 2019) */
    uint64_t seed;
} ifm_sampling;

typedef struct ifm_request {
    const int32_t *ids;     /* the prompt, borrowed until ifm_generation_finish */
    size_t n_ids;           /* ≥ 1 */
    int32_t max_new_tokens; /* ≥ 1 */
    ifm_sampling sampling;
    bool ignore_eos;
    const char *const *stop; /* texts that end the generation; borrowed */
    size_t n_stop;
    int32_t logprobs; /* 0: none; N: of the chosen token and of the N likeliest, ≤ 20 */
} ifm_request;

typedef struct ifm_candidate {
    int32_t id;
    float logprob; /* natural logarithm, after softmax over the raw logits */
} ifm_candidate;

/* One generated token as the consumer receives it. Pointers are borrowed and live until
 * ifm_generation_finish. */
typedef struct ifm_token {
    int32_t id;
    int32_t sequence; /* of a batch: which request it belongs to; 0 */
    const char *text; /* what this token completes: whole characters, maybe none */
    size_t n_text;
    float logprob;            /* with logprobs > 0 */
    const ifm_candidate *top; /* [logprobs], likeliest first */
    ifm_time logits_at;       /* the step's logits were there */
    ifm_time sampled_at;      /* the id was known */
    ifm_time detokenized_at;  /* the text was known */
    ifm_time pushed_at;       /* handed over, generation thread's side */
} ifm_token;

typedef enum ifm_finish {
    IFM_FINISH_LENGTH, /* max_new_tokens */
    IFM_FINISH_EOS,    /* the end-of-text token, which is delivered, too, without text */
    IFM_FINISH_STOP,   /* a stop text appeared; the text ends before it */
    IFM_FINISH_CANCELLED,
    IFM_FINISH_ERROR,
} ifm_finish;

/* "length", "eos", "stop", "cancelled", "error". */
IFM_API const char *ifm_finish_name(ifm_finish finish);

/* Starts `request` on `session`, whose sequence is appended to (truncate it to 0 for a new
 * one). tokenizer may be NULL: then tokens carry no text and stop texts are an ARGUMENT
 * error. Session and tokenizer are the generation's until ifm_generation_finish. Text that
 * may be the beginning of a stop text comes with a later token, at the latest with the
 * last. Errors: ARGUMENT (an empty prompt, an id outside the vocabulary, a setting out of
 * its range), LIMIT (prompt and new tokens do not fit the session), NO_MEMORY. */
IFM_API ifm_status ifm_generation_start(ifm_session *session, ifm_tokenizer *tokenizer,
                                        const ifm_request *request, ifm_generation **out,
                                        ifm_error *err);

/* Starts requests[n], n ≥ 1, as one batch on the session's sequences 0 … n - 1, to which
 * they are appended. Each is sampled as if it were alone, and leaves the batch when it ends.
 * `padded`: all are computed as if their prompts were as long as the longest, and, once
 * they have ended, until the last ends, with the padding masked, as frameworks do that
 * compute rectangles; what they generate is the same. Errors: as of ifm_generation_start;
 * ARGUMENT (more requests than the session has sequences). */
IFM_API ifm_status ifm_generation_start_batch(ifm_session *session,
                                              ifm_tokenizer *tokenizer,
                                              const ifm_request *requests, size_t n,
                                              bool padded, ifm_generation **out,
                                              ifm_error *err);

/* How request `sequence` of a batch ended; to be asked when there are no more tokens. */
IFM_API ifm_finish ifm_generation_ended(const ifm_generation *generation,
                                        int32_t sequence);

/* Waits for the next token; false when there are no more. One consumer thread. */
IFM_API bool ifm_generation_next(ifm_generation *generation, ifm_token *token);

/* Asks the generation to end after the current step, whose token is still delivered.
 * Async-signal-safe. */
IFM_API void ifm_generation_cancel(ifm_generation *generation);

/* Waits for the thread, releases everything, and says how it ended, of a batch the first
 * request. `generation` may be NULL. When *finish is ERROR, the status and err say why. */
IFM_API ifm_status ifm_generation_finish(ifm_generation *generation, ifm_finish *finish,
                                         ifm_error *err);

#ifdef __cplusplus
}
#endif
#endif
