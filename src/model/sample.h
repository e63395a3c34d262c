/*
 * Choosing the next token from a step's logits.
 *
 * The order and the meaning of the settings are those of Hugging Face Transformers'
 * logits processors: repetition penalty, temperature, top-k, top-p, min-p, each on what
 * the one before has left. temperature 0 is greedy: the penalty applies, the rest is off.
 * Whatever is tied, the lowest id wins.
 */
#ifndef IFM_MODEL_SAMPLE_H
#define IFM_MODEL_SAMPLE_H

#include "inferometer/generate.h"

typedef struct ifm_sampler ifm_sampler;

/* A token that may be chosen. */
typedef struct ifm_choice {
    float score;  /* (logit − greatest logit) / temperature, after the penalty; ≤ 0 */
    float weight; /* exp(score): its probability, but for a common factor */
    int32_t id;
} ifm_choice;

/* A sampler with all the memory it will ever need: 12 bytes a vocabulary entry when
 * drawing, 8 with a penalty, next to none for greedy. The caller frees *out. Errors:
 * ARGUMENT (a setting out of its range), NO_MEMORY. */
ifm_status ifm_sampler_new(const ifm_sampling *sampling, int32_t n_vocab,
                           ifm_sampler **out, ifm_error *err);
void ifm_sampler_free(ifm_sampler *self);

/* Tells the repetition penalty which ids there are already: the prompt, then each token
 * that ifm_sampler_next returned. Ids outside the vocabulary are ignored. */
void ifm_sampler_see(ifm_sampler *self, const int32_t *ids, size_t n);

/* The next token for logits[V]; -1 when none can be chosen, because no logit is a number
 * above minus infinity. The same seed, settings and logits give the same tokens. No
 * allocation. One thread at a time. */
int32_t ifm_sampler_next(ifm_sampler *self, const float *logits);

/* The tokens that may follow logits[V], in no particular order, borrowed until the next
 * call; returns how many (0: none can be chosen). Only for temperature > 0. */
size_t ifm_sampler_choices(ifm_sampler *self, const float *logits,
                           const ifm_choice **choices);

/* The place of the greatest of x[n] (NaN is skipped), the lowest of several; -1 when there
 * is none above minus infinity. Thread-safe. */
int32_t ifm_argmax(const float *x, int32_t n);

/* The logarithm of the softmax of logits[V] at `id`, and at the n_top likeliest ids, which
 * are written to top[n_top], likeliest first. Thread-safe, no allocation. */
float ifm_logprobs(const float *logits, int32_t n_vocab, int32_t id, int32_t n_top,
                   ifm_candidate *top);

#endif
