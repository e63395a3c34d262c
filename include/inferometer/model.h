/*
 * A model: weights that lie in a file, mapped and used where they lie.
 * A session: one sequence, or a batch of them, being computed on a model: its KV cache, its
 * scratch, its threads.
 *
 * Letters of shapes, everywhere: T tokens, C width of the model, V vocabulary, H heads,
 * G key-value heads, D head width, L layers, P positions.
 */
#ifndef INFEROMETER_MODEL_H
#define INFEROMETER_MODEL_H

#include "inferometer/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ifm_model ifm_model;
typedef struct ifm_session ifm_session;

typedef enum ifm_load {
    IFM_LOAD_LAZY,  /* map; pages are read when the forward pass first touches them */
    IFM_LOAD_EAGER, /* read every byte before ifm_model_open returns */
} ifm_load;

typedef struct ifm_model_options {
    ifm_load load;
    const char *kernels; /* force an instruction set ("scalar", "avx2", "avx2-vnni",
                            "avx512", "avx512-vnni", "avx512-bf16", "amx", "neon");
                            NULL: IFM_KERNELS, else the best */
    int threads;         /* how many threads an eager load may use; 0: one a core */
} ifm_model_options;

/* What a model is. Strings are borrowed from the model and live as long as it. */
typedef struct ifm_model_info {
    const char *name;     /* last part of the path: "distilgpt2" */
    const char *family;   /* "gpt2", "llama", "mistral", "qwen2", "qwen3" */
    const char *path;     /* the directory or file it was opened from */
    const char *dtype;    /* of most bytes of weights: "f32", "bf16", "q4_1" */
    const char *kernels;  /* the instruction set that will compute it */
    int64_t parameters;   /* tied weights counted once */
    int64_t file_bytes;   /* size of all weight files */
    int64_t weight_bytes; /* bytes of the tensors that are used */
    int64_t decode_bytes; /* bytes of weights that one decode step reads */
    int32_t n_layer, n_head, n_kv_head, head_dim, n_embd, n_inner, n_positions, n_vocab;
    bool tied_head;
    int32_t bos_id, eos_id; /* -1: none */
} ifm_model_info;

/* Opens the model at `path`: a directory as the Hugging Face hub lays it out
 * (config.json, model.safetensors or model.safetensors.index.json), a .safetensors file
 * beside its config.json, or a .gguf file. `options` may be NULL: lazy, best kernels. On success
 * *out is the caller's, who closes it with ifm_model_close. Errors: NOT_FOUND, IO,
 * FORMAT, UNSUPPORTED, NO_MEMORY. */
IFM_API ifm_status ifm_model_open(const char *path, const ifm_model_options *options,
                                  ifm_model **out, ifm_error *err);
IFM_API void ifm_model_close(ifm_model *model);

/* Borrowed; lives as long as the model. Thread-safe. */
IFM_API const ifm_model_info *ifm_model_describe(const ifm_model *model);

typedef struct ifm_session_options {
    int32_t positions;  /* room in the KV cache, 1 … n_positions */
    int32_t threads;    /* compute threads, the caller's included; 0: one per physical
                          core that this process may use */
    int32_t logit_rows; /* most tokens of one ifm_session_eval_all; 0: 1 */
    bool exact;         /* compute with quantized weights as if they were f32, else
                           activations may be rounded to 8 bits for them, which is faster;
                           and their KV cache is f16 instead of f32 */
    int32_t sequences;  /* with a KV cache each, of so many positions; 1 …
                           IFM_SESSION_SEQUENCES_MAX; 0: 1 */
} ifm_session_options;

enum { IFM_SESSION_SEQUENCES_MAX = 256 };

/* Bytes that a session will take, its one block of memory. */
IFM_API size_t ifm_session_bytes(const ifm_model *model,
                                 const ifm_session_options *options);

/* A session borrows its model, which must outlive it. One thread at a time may use it. */
IFM_API ifm_status ifm_session_new(const ifm_model *model,
                                   const ifm_session_options *options, ifm_session **out,
                                   ifm_error *err);
IFM_API void ifm_session_free(ifm_session *session);

/* Appends ids[n] (n ≥ 1) to the sequence, to the first if there are several, and computes the logits after the last of them:
 * *logits is float[V], borrowed, valid until the next call. No heap allocation.
 * Errors: ARGUMENT (an id outside the vocabulary), LIMIT (no room in the KV cache). */
IFM_API ifm_status ifm_session_eval(ifm_session *session, const int32_t *ids, int32_t n,
                                    const float **logits, ifm_error *err);

/* The same, with the logits after every one of the n tokens: *logits is float[n, V]; n is
 * at most the session's logit_rows. */
IFM_API ifm_status ifm_session_eval_all(ifm_session *session, const int32_t *ids,
                                        int32_t n, const float **logits, ifm_error *err);

/* What is appended to one sequence of a batch. */
typedef struct ifm_append {
    int32_t sequence;   /* 0 … sequences - 1 */
    int32_t n;          /* ≥ 1 */
    const int32_t *ids; /* [n], borrowed for the call */
    /* Positions of padding that the sequence has, as frameworks have them that compute all
     * sequences of a batch as if they were as long as the longest. It is computed: whole
     * rows with the first tokens that have it, as if it stood behind them, and with later
     * tokens attention over it. And it is masked: logits are what they are without it. */
    int32_t padding;
} ifm_append;

/* Appends to several sequences in one go, so that each reading of the weights serves all of
 * them; appends[n] in rising order of their sequences, n ≥ 1. *logits is float[n, V],
 * after the last token of each, borrowed, valid until the next call. What a sequence gets
 * does not depend on the others, but for the order in which sums are made (a product of
 * more rows may be computed in another way). No heap allocation. Errors as of
 * ifm_session_eval; nothing is appended then. */
IFM_API ifm_status ifm_session_eval_batch(ifm_session *session, const ifm_append *appends,
                                          int32_t n, const float **logits,
                                          ifm_error *err);

/* Tokens evaluated so far, of the (first) sequence and of any (padding does not count);
 * cutting all sequences back to `n_tokens` (0: start anew, without padding). */
IFM_API int32_t ifm_session_length(const ifm_session *session);
IFM_API int32_t ifm_session_sequence_length(const ifm_session *session, int32_t sequence);
IFM_API void ifm_session_truncate(ifm_session *session, int32_t n_tokens);

/* Compute threads really used. */
IFM_API int32_t ifm_session_threads(const ifm_session *session);

#ifdef __cplusplus
}
#endif
#endif
