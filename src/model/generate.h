/*
 * The inside of generation: the loop and the hand-over, which know a model and a tokenizer
 * only as functions, so that tests can put scripted ones in their place.
 */
#ifndef IFM_MODEL_GENERATE_H
#define IFM_MODEL_GENERATE_H

#include "inferometer/generate.h"

/* What a generation needs. All of it is borrowed until ifm_generation_finish. */
typedef struct ifm_generation_parts {
    void *session;
    /* As ifm_session_eval_batch. */
    ifm_status (*eval)(void *session, const ifm_append *appends, int32_t n,
                       const float **logits, ifm_error *err);
    int32_t n_vocab;
    int32_t n_room;         /* tokens of a sequence that the session can hold */
    int32_t n_used;         /* tokens that it holds already, of the longest */
    const int32_t *eos_ids; /* [n_eos] */
    int32_t n_eos;
    /* As ifm_detokenizer_push and _flush; NULL: tokens carry no text. */
    size_t (*push)(ifm_detokenizer *detokenizer, int32_t id, char *out, size_t cap);
    size_t (*flush)(ifm_detokenizer *detokenizer, char *out, size_t cap);
    ifm_detokenizer detokenizer; /* copied: the generation's own */
    size_t max_text_bytes;       /* what one push can give at most */
} ifm_generation_parts;

/* As ifm_generation_start_batch. */
ifm_status ifm_generation_start_parts(const ifm_generation_parts *parts,
                                      const ifm_request *requests, size_t n, bool padded,
                                      ifm_generation **out, ifm_error *err);

#endif
