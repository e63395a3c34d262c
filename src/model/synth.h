/*
 * Checkpoints of a published shape with random weights, for measuring speed where the
 * weights cannot be had: as large, named and laid out as the hub has them, but saying
 * nothing sensible.
 */
#ifndef IFM_MODEL_SYNTH_H
#define IFM_MODEL_SYNTH_H

#include "format/dtype.h"

typedef struct ifm_synth_options {
    const char *shape;     /* a name of ifm_synth_shapes */
    const char *directory; /* made if it is not there; files in it are replaced */
    ifm_dtype dtype;
    uint64_t seed;
    const char
        *tokenizer;     /* directory whose vocab.json, merges.txt and tokenizer.json are
                              copied, as far as they are there; NULL: none */
    int threads;        /* 0: two; the bytes are the same with any number */
    bool odd_addresses; /* an odd header length, as the hub's own gpt2 and distilgpt2 have
                           it, so that no tensor is aligned; else a multiple of 64 */
    /* Called now and then by one thread, with bytes; false ends it with CANCELLED. NULL:
     * not called. */
    bool (*progress)(void *arg, int64_t n_done, int64_t n_bytes);
    void *progress_arg;
} ifm_synth_options;

/* The shapes that there are, one string: "distilgpt2, gpt2, …": those of GPT-2 and of the
 * Llama family that speed is compared on, and a tiny one of each. */
const char *ifm_synth_shapes(void);

/* Writes model.safetensors, config.json and the tokenizer's files, each beside its place
 * and then renamed. The same options give the same bytes on every machine. Errors:
 * ARGUMENT (an unknown shape), IO (a full disk), NO_MEMORY, CANCELLED. */
ifm_status ifm_model_synth(const ifm_synth_options *options, ifm_error *err);

#endif
