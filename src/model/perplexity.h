/*
 * How well a model predicts a text, by the protocol that llama.cpp's perplexity tool has
 * made common: the text is cut into chunks of `context` tokens; in each, evaluated by
 * itself, the tokens of the second half are scored, so that every scored token has seen at
 * least half a context. When the tokenizer puts BOS in front, each chunk's first token is
 * replaced with it.
 *
 *     perplexity = exp(mean of −ln p(token | the chunk before it))
 *
 * Beside a reference model: for each scored token the Kullback–Leibler divergence
 * Σ_v p_ref(v) ln(p_ref(v) / p(v)), and whether both would choose the same token.
 */
#ifndef IFM_MODEL_PERPLEXITY_H
#define IFM_MODEL_PERPLEXITY_H

#include "inferometer/model.h"

typedef struct ifm_perplexity_job {
    const ifm_model *model;
    const ifm_model *reference; /* of the same vocabulary; NULL: none */
    const int32_t *ids;         /* [n_ids] of the whole text */
    size_t n_ids;
    int32_t bos_id;     /* what each chunk begins with; -1: its own first token */
    int32_t context;    /* tokens of a chunk, ≥ 4, at most n_positions of the models */
    int64_t max_chunks; /* 0: all whole ones */
    ifm_session_options session; /* threads and the like; positions are set here */
    /* Called after each chunk; false ends early, with what was scored. NULL: none. */
    bool (*progress)(void *arg, int64_t chunk, int64_t chunks);
    void *progress_arg;
} ifm_perplexity_job;

typedef struct ifm_perplexity {
    int64_t chunks;       /* scored */
    int64_t all_chunks;   /* that were to be scored */
    size_t per_chunk;     /* scored tokens of a chunk */
    size_t n;             /* scored tokens: chunks · per_chunk */
    double *nll;          /* [n] −ln p(token), nats */
    double *divergence;   /* [n] nats; NULL without a reference */
    size_t n_same_top;    /* tokens for which both models' likeliest token is the same */
    double reference_nll; /* mean of the reference's own −ln p */
} ifm_perplexity;

/* Scores the text. The caller deinits *out, also after an error. Errors: ARGUMENT (fewer
 * than two chunks of text, a context that a model does not have, vocabularies that
 * differ), NO_MEMORY. */
ifm_status ifm_perplexity_run(const ifm_perplexity_job *job, ifm_perplexity *out,
                              ifm_error *err);
void ifm_perplexity_deinit(ifm_perplexity *self);

/* −ln softmax(logits)[id], in double. Thread-safe. */
double ifm_negative_log_likelihood(const float *logits, int32_t n_vocab, int32_t id);
/* The divergence of softmax(logits) from softmax(reference), never below 0 but for
 * rounding, which is cut off. Thread-safe. */
double ifm_divergence(const float *reference, const float *logits, int32_t n_vocab);

#endif
