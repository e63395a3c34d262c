/* The prompts of a run, wherever they come from, and the requests that are made of them. */
#ifndef IFM_CLI_PROMPTS_H
#define IFM_CLI_PROMPTS_H

#include "cli/command.h"
#include "inferometer/tokenizer.h"
#include "target/target.h"

/* A text, or ids when n_ids > 0. All heap. */
typedef struct ifm_prompt {
    char *text; /* n bytes and a NUL */
    size_t n;
    int32_t *ids;
    size_t n_ids;
    int32_t max_new_tokens; /* 0: what the option says */
    char *name;             /* what the file calls it; NULL: nothing */
} ifm_prompt;

typedef struct ifm_prompts {
    ifm_prompt *items;
    size_t n, capacity;
    int32_t *lengths; /* --input-len: prompts still to be made; [n_lengths] */
    size_t n_lengths;
} ifm_prompts;

/* Reads --prompt, --prompt-file, --prompt-ids, --prompts or --input-len, of which one may be
 * given. The caller deinits. Errors: ARGUMENT, IO, NOT_FOUND, FORMAT (a line of a file,
 * named by its number), LIMIT, NO_MEMORY. */
ifm_status ifm_prompts_read(ifm_prompts *self, const ifm_arguments *arguments,
                            ifm_error *err);
void ifm_prompts_deinit(ifm_prompts *self);

/* Makes the prompts that --input-len asks for: of exactly so many tokens each, drawn from the
 * vocabulary's ordinary tokens below n_vocab with `seed`, all different. Nothing without
 * --input-len. Errors: UNSUPPORTED (no ordinary tokens), NO_MEMORY. */
ifm_status ifm_prompts_make(ifm_prompts *self, const ifm_tokenizer *tokenizer,
                            int32_t n_vocab, uint64_t seed, ifm_error *err);

/* Requests of batch_size sequences each, every prompt in one at least: the prompts in order,
 * from the first again when the last is reached. */
typedef struct ifm_requests {
    ifm_target_request *items; /* heap, [n] */
    ifm_sequence *sequences;   /* heap */
    size_t n;
} ifm_requests;

/* `base` says everything but the prompts, which are borrowed. The caller deinits. Errors:
 * NO_MEMORY. */
ifm_status ifm_requests_make(ifm_requests *self, const ifm_prompts *prompts,
                             const ifm_target_request *base, size_t batch_size,
                             ifm_padding padding, ifm_error *err);
void ifm_requests_deinit(ifm_requests *self);

#endif
