/*
 * The source: what is asked. Conversation `number` has one turn, or several, of which each
 * but the first holds the answers that really came to those before it.
 *
 *     synthetic, or a file (prompt_file.h) ──► turn ──► messages so far ──► body
 *
 * Everything is a function of the seed and the number, whoever asks for it and when, so that
 * several processes can share one source. A source is used by one thread (drive/maker.h).
 */
#ifndef IFM_DRIVE_SOURCE_H
#define IFM_DRIVE_SOURCE_H

#include "drive/drive.h"
#include "drive/lengths.h"
#include "drive/prompt_file.h"
#include "inferometer/generate.h"
#include "wire/body.h"

typedef struct ifm_source_options {
    bool chat, stream;
    const char *model;           /* NULL: the server has one */
    const ifm_prompt_file *file; /* NULL: synthetic */
    ifm_lengths input, output;
    bool output_given; /* output counts even where the file says how much */
    int64_t shared_tokens;
    ifm_tokenizer *tokenizer; /* used by the source alone; NULL: none */
    int32_t turns;            /* at most; 0: synthetic and ShareGPT 1, else all */
    int64_t think_ns;         /* between turns; -1: as the file says, else 0 */
    ifm_sampling sampling;
    bool ignore_eos;
    const json_t *extra; /* NULL: none */
    uint64_t seed;
} ifm_source_options;

/* A conversation that goes on; opaque. */
typedef struct ifm_talk ifm_talk;
void ifm_talk_free(ifm_talk *self);

/* One request. */
typedef struct ifm_asked {
    char *body; /* heap, n_body bytes and a NUL */
    size_t n_body;
    int64_t number; /* of the conversation */
    int32_t turn;
    int32_t input_tokens;  /* as made; -1: unknown */
    int32_t output_tokens; /* the limit in the body; -1: none */
    int64_t delay_ns;      /* after the end of the turn before */
    ifm_talk *talk;        /* heap; NULL: this is the last turn */
} ifm_asked;

void ifm_asked_deinit(ifm_asked *self);

/* Borrows all that the options point to. Errors: as ifm_wordlist_init; UNSUPPORTED. */
ifm_status ifm_requests_source_new(const ifm_source_options *options,
                                   ifm_requests_source **out, ifm_error *err);
void ifm_requests_source_free(ifm_requests_source *self);

/* Conversations of the file, after which it begins again; 0: there is no end to them. */
int64_t ifm_requests_source_count(const ifm_requests_source *self);
/* Requests that the conversations of options->file come to, each once. */
int64_t ifm_source_requests(const ifm_source_options *options);
/* When they are due, [count] ns, if the file says so; else NULL. Borrowed. */
const int64_t *ifm_requests_source_times(const ifm_requests_source *self);
/* No two prompts begin alike: whatever a server has cached, it is not of this load. */
bool ifm_requests_source_unique(const ifm_requests_source *self);

/* The first turn of a conversation. Errors: FORMAT, UNSUPPORTED, NO_MEMORY. */
ifm_status ifm_requests_source_first(ifm_requests_source *self, int64_t number,
                                     ifm_asked *out, ifm_error *err);
/* The next turn, with the answer to the last; takes `talk`, whatever comes of it. */
ifm_status ifm_requests_source_next(ifm_requests_source *self, ifm_talk *talk,
                                    const char *answer, size_t n_answer, ifm_asked *out,
                                    ifm_error *err);

#endif
